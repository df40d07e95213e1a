"""Memory as flows: what is asked of it, checked, and what it answers. All of it is free."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..errors import InvalidRequest
from ..models.memory import MemoryResult, MemoryRetrieveResponse
from . import responses, wire
from .documented_rules import BrokenRule, broken
from .effects import Flow
from .kinds import kind_of
from .limits import check_text, refuse_broken
from .operations import exchange, fetch
from .request_rules import broken_memory_key_rules
from .retry import RetryDecision, RetryPolicy, classify

MAX_QUERY, MOST = 500, 25
_KINDS = ("task", "monitor", "findall")
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def retrieve(asked: Mapping[str, Any], policy: RetryPolicy) -> Flow[tuple[MemoryResult, ...]]:
    """What a memory holds."""
    request = wire.memory("retrieve", asked)
    return (yield from fetch(request, MemoryRetrieveResponse, policy)).results


def change(call: str, asked: Mapping[str, Any], policy: RetryPolicy) -> Flow[None]:
    """Remove something from a memory. Sent again after a lost response: twice removed is removed."""
    request = wire.memory(call, asked)
    outcome = yield from exchange(request, policy)
    if classify(request, outcome) is not RetryDecision.DONE:
        raise responses.failure(request, outcome)


# --- checks --------------------------------------------------------------------------------------


def check(
    fields: Mapping[str, Any], *, needed: Collection[str], strict: bool
) -> tuple[dict[str, Any], list[BrokenRule]]:
    """The body of a call, and the rules that it breaks; fields that are None are left out.

    Args:
        fields: What is given.
        needed: The names of those that may not be left out.
        strict: Refuse what breaks a rule.

    Raises:
        InvalidRequest: No API could take it; or it breaks a rule, and `strict` is set.
    """
    body = {name: _as_json(value) for name, value in fields.items() if value is not None}
    problems = [f"{name} is missing." for name in needed if name not in body]
    problems += _impossible(body)
    if not problems:
        check_text(body)
    if problems and not strict:
        raise InvalidRequest(problems)
    found = [] if problems else list(_broken_rules(body))
    return body, refuse_broken(problems, found) if strict else found


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) and value.tzinfo else value


def _impossible(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if name == "limit":
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                yield f"limit is {value!r:.40}; give a whole number, from 1 up."
        elif isinstance(value, datetime):
            yield f"{name} has no time zone; give one, such as `datetime.now(timezone.utc)`."
        elif not isinstance(value, str):
            yield f"{name} is {kind_of(value)}; give text."
        elif not value.strip() and name != "query":
            yield f"{name} is empty; leave it out, or name one."


def _broken_rules(body: Mapping[str, Any]) -> Iterator[BrokenRule]:
    yield from broken_memory_key_rules(body.get("memory_scope_key"))
    if len(query := body.get("query", "")) > MAX_QUERY:
        text = f"The query has {len(query):,} characters; {MAX_QUERY} are allowed."
        yield broken("memory-query", text)
    if body.get("limit", 1) > MOST:
        yield broken("memory-limit", f"limit is {body['limit']}; at most {MOST} are allowed.")
    if (kind := body.get("kind", "task")) not in _KINDS:
        yield broken("memory-kind", f"kind is {kind!r:.40}; {', '.join(_KINDS)} are known.")
    if (id := body.get("id")) is not None and not _ID.fullmatch(id):
        text = "id has more than 128 characters, or other ones than letters, digits, `_` and `-`."
        yield broken("memory-id", text)
