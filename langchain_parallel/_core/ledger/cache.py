"""What a client remembers of the ledgers it has read.

Rule: the cache saves requests and shortens waits, and nothing depends on it: a client with an empty cache
finds the same runs. A session's hundredth lookup reads the runs that came since the ninety-ninth, not all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import ParallelError
from ...models import TaskRun, TaskRunEvent
from ..latest import Latest
from ..timestamps import sort_key
from .keys import METADATA_KEY

MAX_LEDGERS = 1_000
"""The latest ledgers that are remembered."""

MAX_RUNS = 10_000
"""The latest runs that are remembered."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run in a ledger."""

    run: TaskRun
    may_have_duplicate: bool = False
    """The request was sent again although an earlier send may have started a run, too."""


@dataclass
class LedgerIndex:
    """The runs of one ledger by key, as far as its list was read."""

    cursor: str | None = None
    """The end of what was read."""
    runs: dict[str, dict[str, KnownRun]] = field(default_factory=dict)
    without_key: dict[str, TaskRunEvent] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def add(self, listed: Iterable[TaskRunEvent]) -> None:
        """Add runs in the order in which they are listed.

        Several lookups may share an index. The last one to end may set its cursor back, which costs the next
        lookup some reading and loses nothing.
        """
        for event in listed:
            key, run_id = key_of(event), event.run.run_id
            if key is not None:
                self.runs.setdefault(key, {}).setdefault(run_id, KnownRun(event.run))
            else:
                self.without_key[run_id] = event
            self.ids.add(run_id)
            self.cursor = event.event_id or self.cursor

    def oldest_first(self, key: str) -> list[KnownRun]:
        """The runs under a key. There is one at the most, unless something went wrong."""
        found = self.runs.get(key, {}).values()
        return sorted(found, key=lambda known: sort_key(known.run.created_at))


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """What one look into a ledger brought."""

    index: LedgerIndex
    """All that is known of the ledger."""
    listed: frozenset[str]
    """The runs that this look listed."""
    doubt: str
    """Why runs may be missing; empty if none can be."""
    began_at: float
    """By the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look that is over, kept for those that asked for one before it began."""

    number: int
    whole: bool
    outcome: LedgerReading | ParallelError


class LedgerCache:
    """Indexes of ledgers, runs just started, and sends whose outcome is unknown."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        """Unique per client. What another client was about to send may or may not have been sent."""
        self.unsettled: dict[tuple[str, str], float] = {}
        """`(ledger_id, key)` → monotonic time at which a send ended without a known outcome, or was heard of
        that another process may have made; `inf` while the send is in flight."""
        self.looks: Latest[str, Look] = Latest(MAX_LEDGERS)
        """The last look into each ledger."""
        self._numbers = itertools.count()
        self._started: Latest[tuple[str, str], KnownRun] = Latest(MAX_RUNS, self._drop_key)
        self._keys: dict[str, dict[str, None]] = {}
        """The keys in `_started` by ledger: a look must not scan what was started in all others."""
        self._made: Latest[str, tuple[str, float]] = Latest(MAX_LEDGERS)
        """By whom and when, by the monotonic clock, a ledger was made."""
        self._interactions: Latest[str, str] = Latest(MAX_RUNS)
        self._read: Latest[str, tuple[TaskRun, float]] = Latest(MAX_LEDGERS)
        self._noted: Latest[str, tuple[str, float]] = Latest(MAX_LEDGERS)
        self._ledgers: Latest[str, str] = Latest(MAX_RUNS)
        self._indexes: Latest[str, LedgerIndex] = Latest(MAX_LEDGERS)

    def next_number(self) -> int:
        """A higher number each time. It tells which came first of two events at the same time."""
        return next(self._numbers)

    def started_run(self, ledger_id: str, key: str) -> KnownRun | None:
        """The run that this client started under a key: the ledger's list may not show it yet."""
        return self._started.get((ledger_id, key))

    def started_runs(self, ledger_id: str) -> list[TaskRun]:
        """The runs that this client started in a ledger, as they were then."""
        keys = list(self._keys.get(ledger_id, ()))  # other threads may add to them
        started = (self._started.get((ledger_id, key)) for key in keys)
        return [known.run for known in started if known is not None]

    def runs(self, ledger_id: str) -> list[TaskRun]:
        """The runs of a ledger as far as its list was read, and those that this client started in it."""
        index = self.index(ledger_id) or LedgerIndex()
        runs = [event.run for event in list(index.without_key.values())]
        runs += self.started_runs(ledger_id)  # of these more is known than such a list says
        for key, under_key in list(index.runs.items()):  # other threads may add to these
            has_key = {"metadata": {METADATA_KEY: key}}  # a list may leave out a run's metadata
            for known in list(under_key.values()):
                run = known.run
                runs.append(run if run.metadata else run.model_copy(update=has_key))
        return [*({run.run_id: run for run in runs}).values()]

    def remember_run(self, ledger_id: str, key: str, known: KnownRun) -> None:
        """Remember a run that this client has just started."""
        self._started[ledger_id, key] = known
        self._keys.setdefault(ledger_id, {})[key] = None
        self._ledgers[known.run.run_id] = ledger_id

    def forget_run(self, ledger_id: str, key: str) -> None:
        """Forget a run that was remembered by an id that leads nowhere."""
        known = self._started.pop((ledger_id, key), None)
        self._drop_key((ledger_id, key))
        if known is not None:
            self._ledgers.pop(known.run.run_id, None)

    def _drop_key(self, place: tuple[str, str]) -> None:
        ledger_id, key = place
        keys = self._keys.get(ledger_id, {})
        keys.pop(key, None)
        if not keys:
            self._keys.pop(ledger_id, None)

    def started_ids(self, ledger_id: str) -> set[str]:
        """The runs that this client started in a ledger."""
        return {run.run_id for run in self.started_runs(ledger_id)}

    def has_started(self, run_id: str) -> bool:
        """Whether this client started a run, in whichever ledger."""
        return run_id in self._ledgers

    def remember_made(self, ledger_id: str, by: str, time: float) -> None:
        """Remember when a process has made a ledger: until then nothing can have been sent to it."""
        self._made[ledger_id] = by, time

    def made_at(self, ledger_id: str, by: str) -> float | None:
        """When this process made a ledger whose list was never read; None of any other ledger."""
        maker, time = self._made.get(ledger_id, ("", 0.0))
        return time if maker == by and self.index(ledger_id) is None else None

    def remember_interaction(self, run: TaskRun) -> None:
        """Remember a run's interaction id, so that a later error about the run can name it."""
        if run.interaction_id:
            self._interactions[run.run_id] = run.interaction_id

    def remember_read(self, run: TaskRun, time: float) -> None:
        """Remember a run as it was read, until it is taken."""
        self._read[run.run_id] = run, time

    def take_read(self, run_id: str, since: float) -> TaskRun | None:
        """A run as it was last read, if that was since then, by the monotonic clock; it is forgotten."""
        run, time = self._read.pop(run_id, (None, since))
        return run if time >= since else None

    def remember_noted(self, run_id: str, where: str, time: float) -> None:
        """Remember that it is noted where a run is waited for, until that is taken."""
        self._noted[run_id] = where, time

    def take_noted(self, run_id: str, where: str, since: float) -> bool:
        """Whether that was noted of this place since then, by the monotonic clock; it is forgotten."""
        place, time = self._noted.pop(run_id, ("", since))
        return place == where and time >= since

    def ledger_of(self, run_id: str) -> str | None:
        """The ledger of a run that this client has started."""
        return self._ledgers.get(run_id)

    def interaction_of(self, run_id: str) -> str | None:
        """The interaction id of a run, if it was ever seen."""
        return self._interactions.get(run_id)

    def index(self, ledger_id: str) -> LedgerIndex | None:
        """What was read of a ledger's list."""
        return self._indexes.get(ledger_id)

    def forget_index(self, ledger_id: str) -> None:
        """Forget what was read of a ledger's list."""
        self._indexes.pop(ledger_id, None)

    def restart_index(self, ledger_id: str) -> LedgerIndex:
        """Forget what was read of a ledger's list, and return an empty index for it."""
        index = self._indexes[ledger_id] = LedgerIndex()
        return index


def key_of(event: TaskRunEvent) -> str | None:
    """The key that a listed run carries in its metadata, or in that of its input."""
    asked = event.input.metadata if event.input else None
    key = (event.run.metadata or asked or {}).get(METADATA_KEY)
    return key if isinstance(key, str) else None
