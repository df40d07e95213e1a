"""Many requests, checked together before any of them is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from .._core import limits
from .._core.kinds import kind_of
from .._core.ledger.keys import ledger_key
from .._core.ledger.lookup import PendingSubmission
from .._core.redaction import secrets_of
from ..errors import InvalidRequest
from ..models import TaskRunInput
from .client_settings import Settings
from .request_warnings import warn

_MOST_PROBLEMS = 20
"""Requests that an error names."""


def check_many(settings: Settings, requests: object) -> list[TaskRunInput]:
    """Check requests, warn of each rule of the documentation that they break once, and return them.

    Raises:
        InvalidRequest: They are no list, or some cannot be sent; it names the first of these.
    """
    if not isinstance(requests, list | tuple):
        raise InvalidRequest([f"requests is {kind_of(requests)}; give a list of TaskRunInput."])
    warned: set[str] = set()
    problems: list[str] = []
    for nth, request in enumerate(requests):
        problems += _problems(settings, nth, request, warned)
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidRequest(problems)
    settings.secrets.register(secrets_of(requests))
    return cast("list[TaskRunInput]", list(requests))


def check_chunk_size(size: object) -> int:
    """How many requests go to the API in one.

    Raises:
        InvalidRequest: It is no whole number from 1 to 1,000.
    """
    if type(size) is not int or not 1 <= size <= limits.MAX_RUNS:
        raise InvalidRequest([f"chunk_size is {size!r:.50}; give a whole number from 1 to 1,000."])
    return size


def _problems(settings: Settings, nth: int, request: object, warned: set[str]) -> Iterator[str]:
    if not isinstance(request, TaskRunInput):
        yield f"requests[{nth}] is {kind_of(request)}; build a TaskRunInput(input=…, processor=…)."
        return
    try:
        found = limits.check(
            request,
            allow_unknown_processor=settings.allow_unknown_processor,
            strict=settings.strict,
        )
    except InvalidRequest as error:
        yield f"requests[{nth}]: {' '.join(error.problems)}"
    else:
        warn(found, warned)


def pending_many(
    settings: Settings,
    ledger_id: str,
    requests: Sequence[TaskRunInput],
    *,
    positions: Sequence[str] | None,
    attempt: int,
    identity: str | None,
) -> list[PendingSubmission]:
    """Requests on their way to a ledger, each under a key of its own.

    Raises:
        InvalidRequest: There are not as many positions as requests, or two requests have one key.
    """
    places = [""] * len(requests) if positions is None else list(positions)
    if len(places) != len(requests):
        raise InvalidRequest(
            [f"{len(places):,} positions are given for {len(requests):,} requests."]
        )
    keys = [
        ledger_key(one, position=place, attempt=attempt, identity=identity)
        for one, place in zip(requests, places, strict=True)
    ]
    made = [
        settings.pending(ledger_id, one, key, identity)
        for one, key in zip(requests, keys, strict=True)
    ]
    first: dict[str, int] = {}
    for nth, pending in enumerate(made):
        if (other := first.setdefault(pending.key, nth)) != nth:
            raise InvalidRequest(
                [f"requests[{other}] and requests[{nth}] ask the same at the same position."],
                hint="Nothing was sent. Leave one out, or tell them apart by `positions`.",
            )
    return made
