"""What a display shows: a line for each run or table, and a sum.

Rule: whatever comes from a server or a page is cleaned and put on one line here. How it is escaped is the
matter of those who draw it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .._core.plain_text import count, one_line
from .._graph.observers import Update
from ..text.format import duration, usd

COLUMNS = ("Question", "Processor", "Status", "Time", "Sources", "Last message", "Cost")
_QUESTION_CHARS = 60
_MESSAGE_CHARS = 100
_SHORT_CHARS = 24
_MOST_LINES = 15


@dataclass
class _Entry:
    question: str
    started: float
    processor: str = ""
    status: str = ""
    message: str = ""
    sources_read: int | None = None
    answered: int | None = None
    rows: int | None = None
    cost_usd: float | None = None
    ended: float | None = None

    def cells(self, now: float) -> tuple[str, ...]:
        seconds = (now if self.ended is None else self.ended) - self.started
        read = "" if self.sources_read is None else f"{self.sources_read:,}"
        is_priced = self.cost_usd is not None or not (
            self.ended is None or self.status == "goes on"
        )
        cost = usd(self.cost_usd) if is_priced else ""
        shown = (self.question, self.processor, self.status, duration(seconds))
        return (*shown, read, self.message, cost)

    @property
    def message_of_rows(self) -> str:
        answered = f"{self.answered or 0:,}"
        return f"{answered} of {count(self.rows, 'row')}" if self.rows else f"{answered} rows"


@dataclass
class Board:
    """The runs and tables of a block, in the order in which they began. Any thread may use it."""

    clock: Callable[[], float] = time.monotonic
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, update: Update) -> bool:
        """Note an update; False if it is about nothing that has begun."""
        with self._lock:
            entry = self._entries.get(update.key)
            if entry is None:
                if update.question is None:
                    return False
                asked = one_line(update.question, _QUESTION_CHARS)
                entry = self._entries[update.key] = _Entry(asked, self.clock())
            elif update.question is not None:
                entry.ended = None  # somebody waits for it again
            self._note(entry, update)
            return True

    def _note(self, entry: _Entry, update: Update) -> None:
        for name in ("processor", "status"):
            if (text := getattr(update, name)) is not None:
                setattr(entry, name, one_line(text, _SHORT_CHARS))
        for name in ("sources_read", "answered", "rows", "cost_usd"):
            if (number := getattr(update, name)) is not None:
                setattr(entry, name, number)
        if update.message is not None:
            entry.message = one_line(update.message, _MESSAGE_CHARS)
        elif update.answered is not None:
            entry.message = entry.message_of_rows
        if update.has_ended:
            entry.ended = self.clock()

    def lines(self) -> list[tuple[str, ...]]:
        """The cells of each line: what is on its way, and before it what has ended, if there is room."""
        with self._lock:
            entries, now = [*self._entries.values()], self.clock()
        active = [entry for entry in entries if entry.ended is None][:_MOST_LINES]
        room = _MOST_LINES - len(active)
        ended = [entry for entry in entries if entry.ended is not None]
        shown = {id(entry) for entry in (*active, *(ended[-room:] if room else ()))}
        return [entry.cells(now) for entry in entries if id(entry) in shown]

    def line(self, key: str) -> tuple[str, ...]:
        """The cells of one line."""
        with self._lock:
            return self._entries[key].cells(self.clock())

    def total(self) -> str:
        """`3 runs, 1 on the way · 24 sources read · $0.15 so far`."""
        with self._lock:
            entries = [*self._entries.values()]
        runs = sum(1 if entry.rows is None else entry.rows for entry in entries)
        active = sum(entry.ended is None for entry in entries)
        read = sum(entry.sources_read or 0 for entry in entries)
        known = sum(entry.cost_usd or 0.0 for entry in entries)
        is_sure = all(
            entry.cost_usd is not None or entry.ended is None or entry.status == "goes on"
            for entry in entries
        )
        parts = [count(runs, "run") + (f", {active:,} on the way" if active else "")]
        hidden = len(entries) - _MOST_LINES
        parts += [f"{hidden:,} not shown"] if hidden > 0 else []
        parts += [f"{count(read, 'source')} read"] if read else []
        parts += [f"{'' if is_sure else 'at least '}{usd(known)} so far"]
        return " · ".join(parts)
