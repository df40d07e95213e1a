"""Temporal's LangGraph plugin loads the research graph; an activity that is tried again pays for nothing.

python temporal_activities.py

Prints how many activities the plugin has made. Raises AssertionError if a second try has another run.
"""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import Any

from langchain_parallel import create_research_graph

plugin: Any = import_module("temporalio.langgraph")
given: Any = import_module("temporalio.langgraph._activity").ActivityInput
environment: Any = import_module("temporalio.testing").ActivityEnvironment


def worker() -> dict[str, Any]:
    """The activities of a new worker, by name."""
    made = plugin.LangGraphPlugin(graphs={"research": create_research_graph(processor="lite")})
    return {one.__temporal_activity_definition.name: one for one in made.activities}


async def execute(activities: dict[str, Any], name: str, state: dict[str, Any]) -> Any:
    """What a step returns as an activity. What crosses to it and back is JSON."""
    config = {"metadata": {}, "configurable": {"thread_id": "t"}}
    args = (json.loads(json.dumps(state)),)
    call = given(args=args, kwargs={"config": config}, langgraph_config=config)
    out = await environment().run(activities[f"research.{name}"], call)
    return json.loads(json.dumps(out.result))


async def main() -> None:
    """Plan and submit; the answer of the second activity is lost, and another worker runs it again."""
    first, second = worker(), worker()
    state = {"question": "How large is the market for cargo bikes?"}
    state = {**state, **await execute(first, "plan", state)}
    lost = await execute(first, "submit", state)
    again = await execute(second, "submit", state)
    assert lost["pending"]["run_id"] == again["pending"]["run_id"], (lost, again)
    assert (await execute(second, "wait", {**state, **again}))["answer"]
    print(len(first))


if __name__ == "__main__":
    asyncio.run(main())
