"""What does the middleware add to a turn of an agent?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import httpx

from benchmarks.harness import Case
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import KEY, PROCESSOR

BARE, TOOL, MIDDLEWARE = (
    "a tool by hand, over httpx",
    "ParallelTaskTool",
    "ParallelResearchMiddleware",
)


def _scripted_model(tool: str, arguments: Callable[[str], dict[str, Any]]) -> Any:
    """A model that calls the tool once in each turn, and then says what it got."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
            last = messages[-1]
            calls = []
            if last.type == "human":
                call = {"name": tool, "args": arguments(str(last.content)), "id": last.id}
                calls = [{**call, "type": "tool_call"}]
            message = AIMessage("" if calls else "done", tool_calls=calls)
            return ChatResult(generations=[ChatGeneration(message=message)])

    return Scripted()


def _turns(job: Job, model: Any, tools: Sequence[Any] = (), middleware: Sequence[Any] = ()) -> None:
    """An agent's turns, each on a thread of its own with checkpoints in memory."""
    from langchain.agents import create_agent
    from langgraph.checkpoint.memory import InMemorySaver

    agent: Any = create_agent(
        model, list(tools), middleware=list(middleware), checkpointer=InMemorySaver()
    )
    took, answered = [], 0
    with job.measured():
        for number in range(job.setting["n"]):
            given = {"messages": [("user", job.question(number))]}
            begun = time.perf_counter()
            state = agent.invoke(given, {"configurable": {"thread_id": str(number)}})
            took.append((time.perf_counter() - begun) * 1e3)
            answered += (
                state["messages"][-2].type == "tool" and state["messages"][-2].status == "success"
            )
    job.figures |= {"answered": answered, "ms": median(took)}
    job.figures["cpu_ms"] = job.figures["cpu"] * 1e3 / len(took)


def bare(job: Job) -> None:
    """A tool of a few lines."""
    from langchain_core.tools import tool

    with httpx.Client(base_url=job.url, headers=by_hand.HEADERS, timeout=by_hand.TIMEOUT) as http:

        @tool
        def research(question: str) -> str:
            """Research a question."""
            body = {"input": question, "processor": PROCESSOR}
            run_id = http.post("/v1/tasks/runs", json=body).raise_for_status().json()["run_id"]
            return json.dumps(http.get(f"/v1/tasks/runs/{run_id}/result").json()["output"])

        _turns(job, _scripted_model("research", lambda text: {"question": text}), [research])


def task_tool(job: Job) -> None:
    """The tool."""
    from langchain_parallel import ParallelClient, ParallelTaskTool

    with ParallelClient(KEY, job.url) as client:
        one = ParallelTaskTool(processor=PROCESSOR, client=client)
        _turns(job, _scripted_model(one.name, lambda text: {"input": text}), [one])


def middleware(job: Job) -> None:
    """The middleware, whose tool waits for its run."""
    from langchain_parallel import ParallelClient, ParallelResearchMiddleware

    with ParallelClient(KEY, job.url) as client:
        one = ParallelResearchMiddleware(processor=PROCESSOR, client=client)
        model = _scripted_model("start_research", lambda text: {"question": text})
        _turns(job, model, middleware=[one])


CASE = Case(
    name="agents",
    title="A turn of an agent",
    text="""\
An agent of `create_agent` with a scripted model calls its research tool once in each of 50
turns, each on a new thread with checkpoints in memory; runs end at once. The tool by hand sends
one POST and one GET, and gives the model the whole JSON. Milliseconds are the median of the
turns.""",
    ways={BARE: bare, TOOL: task_tool, MIDDLEWARE: middleware},
    settings=({"n": 50},),
    tiny={"n": 2},
    columns={
        "ms": "ms a turn",
        "cpu_ms": "CPU ms a turn",
        "requests": "requests",
        "connections": "connections",
        "answered": "answered",
    },
    bars="ms",
    controls=(BARE,),
    budget=25.0,
)
