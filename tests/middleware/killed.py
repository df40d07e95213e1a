"""Agents that are killed, in the three ways to wait: workloads for `tests/crash`, and a zygote that has them.

`python -m tests.middleware.killed` is `tests.crash.zygote` with these workloads.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command

from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.middleware import ParallelResearchMiddleware

from ..crash import lab, workloads, zygote
from ..crash.workloads import FIRST, SECOND, THIRD

_PAUSE = 0.02
"""Seconds between two looks at a run that is not finished."""
_FOLLOW_UP = ("follow_up", {"handle": "r1", "question": THIRD})


def _calls(*named: tuple[str, dict[str, Any]]) -> AIMessage:
    made: Any = [
        {"name": name, "args": args, "id": f"call_{uuid.uuid4().hex}"} for name, args in named
    ]
    return AIMessage("", tool_calls=made, id=f"msg_{uuid.uuid4().hex}")


def _says(seen: list[ToolMessage]) -> AIMessage:
    """Two questions at the same time, then a follow-up to the first, once that is finished."""
    if not seen:
        return _calls(
            ("start_research", {"question": FIRST}), ("start_research", {"question": SECOND})
        )
    followed = any(message.name == "follow_up" for message in seen)
    for handle in ("r1", "r2", *(["r1.2"] if followed else [])):
        if not any(f"{handle} completed" in message.text for message in seen):
            time.sleep(_PAUSE)
            return _calls(("check_research", {"handle": handle}))
    return AIMessage("done") if followed else _calls(_FOLLOW_UP)


class Persistent:
    """An agent that is woken until nothing is parked."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)

    def invoke(self, given: Any, config: Any, **more: Any) -> None:
        state = self._agent.invoke(given, config, **more)
        while "__interrupt__" in state:
            time.sleep(_PAUSE)
            state = self._agent.invoke(Command(resume=_answers(state)), config, **more)

    async def ainvoke(self, given: Any, config: Any, **more: Any) -> None:
        state = await self._agent.ainvoke(given, config, **more)
        while "__interrupt__" in state:
            await asyncio.sleep(_PAUSE)
            state = await self._agent.ainvoke(Command(resume=_answers(state)), config, **more)


def _answers(state: Any) -> dict[str, Any]:
    return {interrupt.id: "wake up" for interrupt in state["__interrupt__"]}


def _workload(wait: Any) -> Callable[..., Any]:
    def build(client: AnyClient, **compiled_with: Any) -> Any:
        ours = ParallelResearchMiddleware(processor="lite", wait=wait, client=client)
        model = workloads._Model(says=_says)
        return Persistent(create_agent(model, middleware=[ours], **compiled_with))

    return build


SAID: dict[str, Any] = {"messages": [("user", "Find out")]}
WAYS = ("block", "background", "park")
for way in WAYS:
    workloads.WORKLOADS[f"agent, {way}"] = (_workload(way), SAID)
    workloads.QUESTIONS[f"agent, {way}"] = 3


class Zygote(lab.Zygote):
    """The process that forks the children, with these workloads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.middleware.killed"],
            cwd=lab.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


if __name__ == "__main__":
    zygote.main()
