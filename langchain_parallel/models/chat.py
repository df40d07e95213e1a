"""A turn of a chat: its answer, and the pieces in which a stream brings it."""

from __future__ import annotations

import json
from typing import Any, ClassVar, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from .results import ApiModel, FieldBasis, TaskRunWarning, mismatch
from .schema_forms import read_as

T = TypeVar("T")


class ChatAnswer(ApiModel):
    """The answer to a turn of a chat. It is kept nowhere else: the API cannot be asked for it again."""

    content: str
    """The text; JSON text where a schema was asked for. Untrusted: it is written from the web."""
    model: str
    interaction_id: str | None = None
    """Pass it as `previous_interaction_id` of a chat turn or of a task run."""
    basis: tuple[FieldBasis, ...] = ()
    """The evidence, field by field; that of the model `speed` has none."""
    cost_usd: float | None = None
    """What the turn costs by the list price; None for a model without a known one."""
    cost_note: str = ""
    """Where `cost_usd` is from, if that is an assumption."""
    created: int | None = None
    """Unix time, as the API says it."""
    warnings: tuple[TaskRunWarning, ...] = ()
    """What this package had to change, or could not read."""

    @overload
    def parse(self) -> Any: ...

    @overload
    def parse(self, form: type[T]) -> T: ...

    @overload
    def parse(self, form: Any) -> Any: ...

    def parse(self, form: Any = None) -> Any:
        """The answer as a value of `form`: the class or type that was given as `output_schema`, or one that
        fits. Without `form`, the JSON value in the text.

        Raises:
            OutputMismatch: The answer does not fit. It is paid for; this answer and the error have it.
        """
        return parse_text(self.content, form, self.interaction_id)


def parse_text(text: str, form: Any, interaction_id: str | None) -> Any:
    """The text of an answer as a value of `form`, or as JSON if there is none.

    Raises:
        OutputMismatch: It does not fit; the error has the text.
    """
    inner = without_fence(text)
    try:
        return json.loads(inner) if form is None else read_as(form, inner)
    except (ValueError, RecursionError) as error:
        told = mismatch(
            "The answer of the chat",
            "JSON" if form is None else form,
            error,
            "error.content",
            interaction_id=interaction_id,
        )
        told.content = text
        raise told from error


def without_fence(text: str) -> str:
    """What stands in a block of Markdown, if the text is one; else the text."""
    head, _, block = text.strip().partition("\n")
    if head.rstrip() in ("```", "```json") and block.endswith("```"):
        return block.removesuffix("```")
    return text


class ChatPiece(BaseModel):
    """A piece of an answer that streams. The last piece has no text, and the whole answer."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    text: str = ""
    answer: ChatAnswer | None = None
