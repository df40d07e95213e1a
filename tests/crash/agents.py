"""The middleware in an agent, in the three ways to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.types import Command

from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.middleware import ParallelResearchMiddleware

from .scripted import FIRST, SECOND, THIRD, GaveUp, Heard, Model, calling

QUICK = "chat:lite"
WAYS = ("block", "background", "park")
_PAUSE = 0.02
"""Seconds between two looks at a run that is not finished."""
_FOLLOW_UP = ("follow_up", {"handle": "r1", "question": THIRD})


def _says(heard: Heard) -> AIMessage:
    """Two questions at the same time, then a follow-up to the first, once that is finished."""
    seen = heard.answers
    if not seen:
        return calling(
            ("start_research", {"question": FIRST}), ("start_research", {"question": SECOND})
        )
    last = seen[-1]
    if last.name == "check_research" and "not known yet" in last.text and heard.is_news:
        raise GaveUp(last.text)
    if "never started" in last.text:
        return AIMessage("Nobody knows.")
    followed = any(message.name == "follow_up" for message in seen)
    for handle in ("r1", "r2", *(["r1.2"] if followed else [])):
        if not any(f"{handle} completed" in message.text for message in seen):
            time.sleep(_PAUSE)
            return calling(("check_research", {"handle": handle}))
    return AIMessage("done") if followed else calling(_FOLLOW_UP)


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


def middleware(wait: Any) -> Callable[..., Any]:
    """An agent with the middleware, which waits in this way."""

    def build(client: AnyClient, **compiled_with: Any) -> Any:
        ours = ParallelResearchMiddleware(processor="lite", wait=wait, client=client)
        agent = create_agent(Model(says=_says), middleware=[ours], **compiled_with)
        return Persistent(agent)

    return build


def _says_quickly(heard: Heard) -> AIMessage:
    """A question, and a quick one about its answer."""
    if not heard.answers:
        return calling(("start_research", {"question": FIRST}))
    if any(answer.name == "ask_quick" for answer in heard.answers):
        return AIMessage("done")
    return calling(("ask_quick", {"handle": "r1", "question": SECOND}))


def quickly(client: AnyClient, **compiled_with: Any) -> Any:
    """An agent that asks a quick question."""
    ours = ParallelResearchMiddleware(
        processor="lite", model_may_choose=[QUICK], wait="block", client=client
    )
    return create_agent(Model(says=_says_quickly), middleware=[ours], **compiled_with)


def records(state: Any) -> Any:
    """What does not depend on how often the model looked."""
    return {
        handle: [record[name] for name in ("question", "status", "parent_handle", "cost_usd")]
        for handle, record in sorted(state["parallel_research"].items())
    }
