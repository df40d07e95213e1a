"""What the Chat API takes of a question, and what cannot be asked of it.

Rule: what a quick turn could not honour is refused by name, never dropped. What only says where a run is
kept or told of (metadata, a webhook) means nothing without a run, and stays out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import InvalidRequest
from ..models import JsonSchema, TaskRunInput, TextSchema
from ..processors import CHAT_PREFIX, CHAT_PROCESSORS
from . import limits

_NOT_TAKEN = ("source_policy", "mcp_servers", "advanced_settings", "memory_scope_key", "extra_body")


def check(request: TaskRunInput) -> None:
    """Check the request of a quick turn, whose processor begins with `chat:`.

    Raises:
        InvalidRequest: It may not be sent; the error lists all problems.
    """
    if problems := list(_problems(request)):
        raise InvalidRequest(problems)
    # What no API could take is the same. Of the documentation's rules, none is about the Chat API.
    limits.check(request.model_copy(update={"processor": "lite", "extra_body": {}}))


def _problems(request: TaskRunInput) -> Iterator[str]:
    name = request.processor
    if name not in CHAT_PROCESSORS:
        yield f"{name!r:.60} is no model of the Chat API; {', '.join(CHAT_PROCESSORS)} are."
    given = [option for option in _NOT_TAKEN if getattr(request, option)]
    if given:
        mean = "means" if len(given) == 1 else "mean"
        yield (
            f"{', '.join(given)} {mean} nothing to the Chat API, so a quick turn ({name}) would be asked "
            f"without; ask with a processor of task runs, such as {name.removeprefix(CHAT_PREFIX)}."
        )
    if not isinstance(request.input, str):
        yield "A quick turn takes a question as text."


def messages_of(request: TaskRunInput) -> list[dict[str, str]]:
    """The messages of a quick turn: the question alone, because what it builds on is in the interaction. A
    description of the answer in words goes before it.
    """
    shape = request.task_spec.output_schema if request.task_spec else None
    words = shape.description if isinstance(shape, TextSchema) else None
    before = [{"role": "system", "content": words}] if words else []
    return [*before, {"role": "user", "content": str(request.input)}]


def schema_of(request: TaskRunInput) -> dict[str, Any] | None:
    """The JSON schema of the answer; None where it is to be text."""
    shape = request.task_spec.output_schema if request.task_spec else None
    return dict(shape.json_schema) if isinstance(shape, JsonSchema) else None
