"""A turn of a chat as a request: checked, and built.

Rule: what the API would ignore is named before it is sent, and refused with `strict`; what it cannot read
(pictures, messages of tools) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from ..errors import InvalidRequest
from ..models import AutoSchema, JsonSchema, SchemaLike, TaskSpec
from ..processors import CHAT_MODELS
from . import limits, wire
from .documented_rules import BrokenRule, broken
from .effects import Request
from .hidden import hide
from .kinds import check_kinds, kind_of
from .redaction import secrets_in

ChatMessages: TypeAlias = str | Sequence[Mapping[str, Any]]
"""A question, or messages as OpenAI writes them: `{"role": "user", "content": "…"}`."""

ROLES = ("system", "user", "assistant")
IGNORED = frozenset(
    (
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs"),
        *("max_completion_tokens", "max_tokens", "metadata", "modalities", "n"),
        *("parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort", "seed"),
        *("service_tier", "stop", "store", "stream_options", "temperature", "tool_choice", "tools"),
        *("top_logprobs", "top_p", "user"),
    )
)
"""Parameters of OpenAI's that the API takes and ignores (documented 2026-08)."""
SENT = ("model", "messages", "stream", "response_format", "previous_interaction_id")
_MESSAGE = ("role", "content", "name")
_LONGEST = 24 * 3600.0
"""Seconds that a turn is waited for."""
_FORMATS = ("text", "json_object", "json_schema")


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One turn that may be sent."""

    request: Request
    model: str
    previous_interaction_id: str | None = None


def build(
    messages: ChatMessages,
    *,
    model: str,
    previous_interaction_id: str | None,
    response_format: Mapping[str, Any] | None,
    output_schema: SchemaLike | None,
    timeout: float,
    extra_body: dict[str, Any] | None,
    stream: bool,
    strict: bool,
) -> tuple[ChatCall, list[BrokenRule]]:
    """The request of a turn, and the rules of the documentation that it breaks.

    Raises:
        InvalidRequest: It may not be sent; the error lists all problems.
    """
    check_kinds(
        {
            "model": (model, str),
            "previous_interaction_id": (previous_interaction_id, str),
            "extra_body": (extra_body, dict),
            "strict": (strict, bool),
        }
    )
    extra: dict[str, Any] = hide(extra_body or {})
    seconds = min(limits.seconds(timeout), _LONGEST)
    sent = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    problems = [*_messages(sent), *_format(response_format, output_schema), *_extra(extra)]
    if not (model or "").strip():
        problems.append(f"model is empty; give one of {', '.join(CHAT_MODELS)}.")
    if previous_interaction_id is not None and not previous_interaction_id.strip():
        problems.append(
            "previous_interaction_id is empty; leave it out to start afresh, or give an interaction id."
        )
    if not seconds:
        problems.append("timeout is 0; a turn takes seconds to minutes.")
    if problems:
        raise InvalidRequest(problems)
    found = list(_broken_rules(model, sent, extra))
    if strict:
        limits.refuse_broken([], found)
    if output_schema is not None:
        response_format = response_format_of(output_schema)
    body = {
        "model": model,
        "messages": [{**each} for each in sent],
        "response_format": response_format,
        "previous_interaction_id": previous_interaction_id,
    }
    body = {**{name: value for name, value in body.items() if value is not None}, **extra}
    limits.check_text(body)
    try:
        request = wire.chat(body, stream=stream, seconds=seconds, secrets=secrets_in(extra))
    except (TypeError, ValueError):
        raise InvalidRequest(["The request holds what JSON cannot express."]) from None
    return ChatCall(request, model, previous_interaction_id), found


def _messages(given: Any) -> Iterator[str]:
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        yield f"messages is {kind_of(given)}; give a text, or a list of messages."
        return
    wrong = [
        problem for i, each in enumerate(given) for problem in _message(f"messages[{i}]", each)
    ]
    yield from wrong
    if not wrong and not any(each["role"] == "user" and each["content"].strip() for each in given):
        yield "There is no question; give at least one message of the role user, with text."


def _message(where: str, given: Any) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"{where} is {kind_of(given)}; give an object with role and content."
        return
    role, content = given.get("role"), given.get("content")
    if role in ("tool", "function"):
        yield (
            f"{where} is the answer of a tool, which Chat does not take; put what it says into a message of "
            "the role user."
        )
    elif role not in ROLES:
        yield f"{where} has the role {role!r:.40}; {', '.join(ROLES)} are allowed."
    if not isinstance(content, str):
        hint = "; Chat reads text, and no picture, sound or file" if content else ""
        yield f"{where}: content is {kind_of(content)}, and has to be text{hint}."
    if not isinstance(given.get("name", ""), str | None):
        yield f"{where}: name is {kind_of(given['name'])}, and has to be text."


def _format(given: Any, output_schema: SchemaLike | None) -> Iterator[str]:
    if given is not None and output_schema is not None:
        yield "response_format and output_schema say the same; give one of them."
    elif output_schema is not None:
        try:
            response_format_of(output_schema)
        except InvalidRequest as error:
            yield from error.problems
    elif given is not None and (
        not isinstance(given, Mapping) or given.get("type") not in _FORMATS
    ):
        yield f"response_format is no object with a type of {', '.join(_FORMATS)}."
    elif given is not None and given["type"] == "json_schema":
        schema = given.get("json_schema")
        parts = schema if isinstance(schema, Mapping) else {}
        if not (isinstance(parts.get("name"), str) and isinstance(parts.get("schema"), Mapping)):
            yield "response_format needs json_schema, an object with name and schema."


def response_format_of(schema: SchemaLike) -> dict[str, Any]:
    """A schema as a `response_format`.

    Raises:
        InvalidRequest: It is none, or one of a text.
    """
    try:
        envelope = TaskSpec(output_schema=schema).output_schema
    except ValidationError as error:
        raise InvalidRequest(
            [each["msg"].removeprefix("Value error, ") for each in error.errors()]
        ) from None
    if isinstance(envelope, AutoSchema):
        return {"type": "json_object"}
    if not isinstance(envelope, JsonSchema):
        raise InvalidRequest(
            ["output_schema describes a text; say in the question how it should be."]
        )
    title = str(envelope.json_schema.get("title") or "answer")
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", title)[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": envelope.json_schema}}


def _extra(extra: Mapping[str, Any]) -> Iterator[str]:
    known = sorted(set(SENT).intersection(extra))
    if known:
        yield f"extra_body holds {', '.join(known)}, which this call knows; give it as its own argument."


def _broken_rules(
    model: str, messages: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]
) -> Iterator[BrokenRule]:
    if model not in CHAT_MODELS:
        yield broken("chat-model", f"model is {model!r:.80}; known are {', '.join(CHAT_MODELS)}.")
    names = sorted(IGNORED.intersection(extra))
    names += sorted(
        {f"messages[].{name}" for each in messages for name in each if name not in _MESSAGE}
    )
    if names:
        yield broken("chat-ignored", f"Chat ignores {', '.join(names)}.")
