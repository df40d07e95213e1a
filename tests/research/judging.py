"""Sessions to be judged, made by hand, and the ways to ask an evaluator about them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig

from langchain_parallel._core.calls import adrive, drive
from langchain_parallel.research.evaluation import Evaluator, consult
from langchain_parallel.research.state import ResearchState, Turn, Verdict

from .harness import Mode


def cite(number: int, *fields: str, url: str = "", **more: Any) -> dict[str, Any]:
    url = url or f"https://example.com/{number}"
    return {"number": number, "url": url, "title": f"Source {number}", "fields": [*fields], **more}


def turn(position: int = 0, **more: Any) -> Turn:
    """A completed turn of a chain, with two fields that are well supported."""
    usual = Turn(
        key=f"key-{position}",
        position=position,
        round=position,
        question=f"Question {position}?",
        asked_by="caller" if position == 0 else "evaluation",
        processor="pro",
        parent_interaction_id=f"trun_{position - 1}" if position else None,
        interaction_id=f"trun_{position}",
        run_id=f"trun_{position}",
        status="completed",
        content={"size": "40 bn", "growth": "4 %"},
        confidence={"size": "high", "growth": "medium"},
        unsupported_fields=[],
        citations=[cite(1, "size"), cite(2, "growth")],
        warnings=[],
        error=None,
        cost_usd=0.1,
        started_at="2026-03-01T10:00:00Z",
        ended_at="2026-03-01T10:05:00Z",
        verdict=None,
    )
    return cast(Turn, {**usual, **more})


def failed(position: int = 0, **more: Any) -> Turn:
    nothing: dict[str, Any] = {"content": None, "confidence": {}, "citations": [], "cost_usd": 0.0}
    return turn(position, **{"status": "failed", "error": "No sources.", **nothing, **more})


def low(position: int = 0, field: str = "growth", **more: Any) -> Turn:
    """A turn with one field of low confidence."""
    confidence = {"size": "high", "growth": "medium", field: "low"}
    return turn(position, **{"confidence": confidence, "unsupported_fields": [field], **more})


def session(*turns: Turn, head: str | None = None, **more: Any) -> ResearchState:
    answered = [t["interaction_id"] for t in turns if t["status"] == "completed"]
    head = head or next(filter(None, answered[::-1]), None)
    return cast(ResearchState, {"turns": [*turns], "interaction_id": head, **more})


def branches(*turns: Turn) -> list[Turn]:
    """Turns that were asked at the same time."""
    return [{**each, "round": turns[0]["position"]} for each in turns]


def judge(
    mode: Mode, evaluator: Evaluator, state: ResearchState, config: RunnableConfig | None = None
) -> Verdict:
    """The verdict, as a blocking or an asynchronous graph gets it."""
    calls = consult(evaluator, state, config or {})
    return drive(calls) if mode == "sync" else asyncio.run(adrive(calls))


class ScriptedModel(BaseChatModel):
    """A chat model that makes these tool calls, one after the other; a text is said instead."""

    says: list[Any]
    heard: list[list[BaseMessage]]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self.bind(tools=tools)

    def _generate(self, messages: Any, *_: Any, **more: Any) -> ChatResult:
        self.heard.append(messages)
        said = self.says[len(self.heard) - 1]
        if isinstance(said, Exception):
            raise said
        name = more["tools"][0].__name__
        calls = [] if isinstance(said, str) else [{"name": name, "args": said, "id": "call"}]
        message = AIMessage(said if isinstance(said, str) else "", tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])
