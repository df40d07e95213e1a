"""What a client remembers of the ledgers it has looked into.

Rule: it saves work and settles doubts, and nothing depends on it: a client that remembers nothing finds
the same runs. A session's hundredth look reads the runs that came since the ninety-ninth, not all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...models import TaskRun, TaskRunEvent
from .keys import METADATA_KEY

REMEMBERED = 1_000
"""Ledgers remembered at the most, the latest ones."""

RUNS_REMEMBERED = 10_000
"""Runs just started that are remembered at the most."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run in a ledger, and the cursor from which its list shows it first."""

    run: TaskRun
    cursor: str | None
    alone: bool = True


@dataclass
class Index:
    """The runs of one ledger by key, as far as its list was read: all that come after `start`."""

    start: str | None = None
    cursor: str | None = None
    runs: dict[str, dict[str, Known]] = field(default_factory=dict)
    passed: set[str | None] = field(default_factory=set)

    def covers(self, after: str | None) -> bool:
        """Whether all that comes after this cursor was read, up to the index's own."""
        return after in self.passed

    def take(self, listed: Iterable[TaskRunEvent], after: str | None) -> None:
        """Add runs in the order in which they are listed after a cursor.

        Several lookers may share an index: whoever ends last may set its cursor back, which costs the next
        one some reading and loses nothing.
        """
        cursor = after
        self.passed.add(cursor)
        for event in listed:
            key = key_of(event)
            if key is not None:
                known = Known(event.run, cursor)
                self.runs.setdefault(key, {}).setdefault(event.run.run_id, known)
            cursor = event.event_id or cursor
            self.passed.add(cursor)
        self.cursor = cursor

    def oldest_first(self, key: str) -> list[Known]:
        """The runs under a key. There is one at the most, unless something went wrong."""
        # Without its Z, a time with a fraction of a second sorts after the one without.
        found = self.runs.get(key, {}).values()
        return sorted(found, key=lambda known: (known.run.created_at or "").rstrip("Z"))


class LedgerMemory:
    """Indexes of ledgers, and what was sent with an outcome nobody saw."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        """No other client has it: what another one has planned, this one cannot know to be sent."""
        self.unsettled: dict[tuple[str, str], float] = {}
        """By ledger and key: when it was lost sight of; infinite while nobody has come back from it."""
        self._doubts: OrderedDict[str, float] = OrderedDict()
        self._started: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._interactions: OrderedDict[str, str] = OrderedDict()
        self._indexes: OrderedDict[str, Index] = OrderedDict()

    def doubt(self, ledger_id: str, time: float) -> None:
        """Until now another process may have sent something there; a list shows it after a while."""
        self._doubts[ledger_id] = time
        self._doubts.move_to_end(ledger_id)
        while len(self._doubts) > REMEMBERED:
            self._doubts.popitem(last=False)

    def doubted_since(self, ledger_id: str) -> float | None:
        """When that was."""
        return self._doubts.get(ledger_id)

    def started(self, ledger_id: str, key: str) -> Known | None:
        """The run this client started under a key: its list may not show it yet."""
        return self._started.get((ledger_id, key))

    def note(
        self, ledger_id: str, key: str, run: TaskRun, cursor: str | None, *, alone: bool
    ) -> None:
        """Remember a run that was just started; `alone` where it cannot have a twin."""
        self._started[ledger_id, key] = Known(run, cursor, alone=alone)
        while len(self._started) > RUNS_REMEMBERED:
            self._started.popitem(last=False)

    def met(self, run: TaskRun) -> None:
        """Remember the interaction of a run: whatever goes wrong with it later should name it."""
        if run.interaction_id:
            self._interactions[run.run_id] = run.interaction_id
            while len(self._interactions) > RUNS_REMEMBERED:
                self._interactions.popitem(last=False)

    def interaction_of(self, run_id: str) -> str | None:
        """The interaction of a run met before."""
        return self._interactions.get(run_id)

    def index(self, ledger_id: str) -> Index | None:
        """What is known of a ledger."""
        return self._indexes.get(ledger_id)

    def begin(self, ledger_id: str, after: str | None) -> Index:
        """Start afresh: the list is about to be read from this cursor on."""
        index = Index(start=after, cursor=after)
        self._indexes[ledger_id] = index
        self._indexes.move_to_end(ledger_id)
        while len(self._indexes) > REMEMBERED:
            self._indexes.popitem(last=False)
        return index


def key_of(event: TaskRunEvent) -> str | None:
    """The key a listed run carries in its metadata, or in that of its input."""
    asked = event.input.metadata if event.input else None
    key = (event.run.metadata or asked or {}).get(METADATA_KEY)
    return key if isinstance(key, str) else None
