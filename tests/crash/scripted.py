"""What is asked in every workload, and a model that says what it is told to.

It answers from the messages it sees, as deterministically as may be: but its messages get a new id every time
it speaks, as those of real models do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

FIRST, SECOND = "Who leads in cargo bikes?", "By how much, and since when?"
THIRD = "Who follows?"
SAID: dict[str, Any] = {"messages": [("user", "Find out")]}
"""What an agent is invoked with."""


Call = tuple[str, dict[str, Any]]
"""The name of a tool, and its arguments."""


class GaveUp(Exception):
    """The model is told that nobody knows yet, and has nothing else to do."""


@dataclass(frozen=True)
class Heard:
    """What the model goes by.

    Attributes:
        answers: All that tools have said, oldest first.
        failed: The calls that were answered last, and with an error.
        is_news: Whether the last answer came in this process.
    """

    answers: list[ToolMessage]
    failed: list[Call]
    is_news: bool


class Model(BaseChatModel):
    """Speaks from what it has heard."""

    says: Callable[[Heard], AIMessage]
    _before: int | None = PrivateAttr(None)
    """Answers that another process had heard."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        message = self.says(self._heard(messages))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _heard(self, messages: list[BaseMessage]) -> Heard:
        answers = [message for message in messages if isinstance(message, ToolMessage)]
        said = [message for message in messages if isinstance(message, AIMessage)]
        calls = [call for message in said for call in message.tool_calls]
        failures = {one.tool_call_id for one in answers if one.status == "error"}
        last = said[-1].tool_calls if said else []
        if self._before is None:
            self._before = len(answers) if calls else 0
        return Heard(
            answers,
            [(call["name"], call["args"]) for call in last if call["id"] in failures],
            len(answers) > self._before,
        )


def calling(*calls: Call) -> AIMessage:
    """A message with these calls of tools."""
    made: Any = [
        {"name": name, "args": args, "id": f"call_{uuid.uuid4().hex}"} for name, args in calls
    ]
    return AIMessage("", tool_calls=made, id=f"msg_{uuid.uuid4().hex}")
