"""A chat model that says what a script has, so that a test of an agent needs no model provider."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

_MARK = r"\[([a-z_-]*\d+)(?:@\w+)?\]"


class ScriptedModel(BaseChatModel):
    """Says one thing after the other: a text, or a message that calls tools (`call`, `calls`).

    `[1]` in a text stands for the citation mark that the model has read: a sub-agent's has its ledger's name
    behind the number, `[1@c65c64]`.
    """

    _says: list[AIMessage | str] = PrivateAttr()

    def __init__(self, *says: AIMessage | str) -> None:
        super().__init__()
        self._says = list(says)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Any:
        """Itself: it knows what to call."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> ChatResult:
        if not self._says:
            raise IndexError(
                "The script is at its end: the agent asked the model once more than it has."
            )
        say = self._says.pop(0)
        message = AIMessage(_as_read(say, messages)) if isinstance(say, str) else say.model_copy()
        return ChatResult(generations=[ChatGeneration(message=message)])


def call(name: str, **args: Any) -> AIMessage:
    """A message of a model that calls one tool."""
    return calls((name, args))


def calls(*named: tuple[str, dict[str, Any]]) -> AIMessage:
    """A message of a model that calls tools, all at the same time."""
    made: list[Any] = [
        {"name": name, "args": args, "id": f"call_{nth}"} for nth, (name, args) in enumerate(named)
    ]
    return AIMessage("", tool_calls=made)


def _as_read(text: str, messages: Sequence[BaseMessage]) -> str:
    """The text with each of its marks as it stands in the messages."""
    read = {m[1]: m[0] for said in messages for m in re.finditer(_MARK, said.text)}
    return re.sub(_MARK, lambda m: read.get(m[1], m[0]), text)
