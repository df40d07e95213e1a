"""A group's list as it is read for its answers: each is handed on as it comes, so that one is held at a time.

Rule: a list brings again what it has brought before, and of a thousand answers perhaps fifty are new. So
what is not awaited is passed over before it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ..errors import ParallelError
from ..models import TaskRunEvent, TaskRunResult
from . import streams
from .effects import Flow

Ended: TypeAlias = "TaskRunResult | ParallelError"
Take: TypeAlias = Callable[[Any, Ended], Flow[None]]
"""Takes a ticket, and the answer of its run or why there is none."""

_RUN_ID = re.compile(r'"run_id"\s*:\s*"([^"\\]*)"')
_BEGINNING = re.compile(
    r'\{\s*(?:"(?:type|event_id)"\s*:\s*(?:"[^"\\]*"|null)\s*,\s*)*"run"\s*:\s*\{\s*'
    + _RUN_ID.pattern
)
"""Of an event whose run comes before its answer, as the API sends it."""


class Awaiting(Protocol):
    """Who awaits answers."""

    waiting: dict[str, Any]
    """By run id: its ticket."""

    def take_listed(self, event: TaskRunEvent) -> tuple[Any, Ended] | None:
        """The ticket of a listed run, with its answer; None if it is not awaited, or there is none yet."""


class ListedAnswers(streams.Listed):
    """The answers of those runs of a list that are awaited."""

    passes_on = True

    def __init__(self, group: Awaiting, take: Take) -> None:
        super().__init__()
        self._group, self._take = group, take
        self._ids: set[str] = set()
        self._new: list[tuple[Any, Ended]] = []

    @property
    def count(self) -> int:
        return len(self._ids)  # a list may repeat a run

    def skips(self, data: str) -> bool:
        """Whether it is about runs that are not awaited."""
        waiting = self._group.waiting
        if (first := _BEGINNING.match(data)) is not None:
            self._ids.add(first[1])
            return first[1] not in waiting
        run_ids = _RUN_ID.findall(data)  # one of its own names its run, and an answer may name any
        self._ids.update(run_ids)
        return bool(run_ids) and waiting.keys().isdisjoint(run_ids)

    def take(self, event: TaskRunEvent) -> None:
        """Take a run."""
        self._ids.add(event.run.run_id)
        found = self._group.take_listed(event)
        if found is not None:
            self._new.append(found)

    def pass_on(self) -> Flow[None]:
        """Hand on what has come."""
        new, self._new = self._new, []
        for ticket, ended in new:
            yield from self._take(ticket, ended)
