"""A chunk: up to 1,000 requests on their way to one ledger together, and what is known of each.

Rule: a run is matched to its request by the key in its metadata, never by its place in a response, whose
order nothing documents. A request leaves the chunk with its `Submission`, or with its error as a value: no
request's fate hides another's.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from ...errors import LedgerNotFound, ParallelError, SubmissionUnknown
from ...models import Submission, TaskRun
from .. import operations
from ..effects import Flow, Sleep, now, sleep
from ..retry import RetryPolicy
from .cache import KnownRun, LedgerCache, LedgerIndex
from .keys import METADATA_KEY
from .ledger_list import list_ledger, read_ledger
from .lookup import Lookup, PendingSubmission, may_be, submission_unknown, untold

ErrorT = TypeVar("ErrorT", bound=ParallelError)
Outcome: TypeAlias = "Submission | ParallelError"


@dataclass(eq=False)
class Row:
    """One request of a chunk."""

    pending: PendingSubmission
    outcome: Outcome | None = None
    """None while it is neither started nor given up."""
    since: float | None = None
    """Since when it is uncertain whether an earlier send has started it."""
    sent_again: bool = False
    """It was sent although an earlier send may have started it, too."""

    def settle(self) -> None:
        """Note that a send has started nothing; an earlier one of unknown outcome may have."""
        self.pending.mark_settled()
        if self.since is not None:
            self.pending.mark_sent(self.since)

    def fail(self, error: ParallelError) -> None:
        """Give it up."""
        self.settle()
        self.outcome = error


@dataclass(eq=False)
class Chunk:
    """The requests, and the ledger they go to."""

    rows: Sequence[Row]
    ledger_id: str
    policy: RetryPolicy
    cache: LedgerCache
    looked_at: float = -math.inf
    """When the last look began, by the monotonic clock."""
    has_started: bool = False
    """Whether a send of it may have started runs."""

    @classmethod
    def of(cls, pendings: Sequence[PendingSubmission]) -> Chunk:
        """A chunk of requests to one ledger."""
        first = pendings[0]
        rows = [Row(pending) for pending in pendings]
        return cls(rows, first.ledger_id, first.policy, first.cache)

    def open_of(self, rows: Iterable[Row] | None = None) -> list[Row]:
        """Those whose fate is open."""
        return [row for row in (self.rows if rows is None else rows) if row.outcome is None]

    def outcomes(self) -> list[Outcome]:
        """What became of each."""
        return [row.outcome for row in self.rows if row.outcome is not None]

    def fail(self, error: ParallelError, rows: Iterable[Row] | None = None) -> None:
        """Give up those whose fate is open, each with an error of its own."""
        for row in self.open_of(rows):
            row.fail(error_for(row, error))


def error_for(row: Row, error: ErrorT) -> ErrorT:
    """A copy of an error, for one row: if an earlier send of it may have started a run, it says so."""
    own = copy.copy(error)
    if row.since is not None and own.billed is False:
        own.billed = None
    return own


# --- looking -------------------------------------------------------------------------------------


def look_before_send(chunk: Chunk, lookup: Lookup) -> Flow[None]:
    """Adopt the runs that are there, before anything is sent.

    Raises:
        LedgerNotFound: There is no such ledger.
        ParallelError: It cannot be read.
    """
    time = yield from now()
    for row in chunk.rows:
        pending = row.pending
        if lookup == "until_settled" or pending.sent_at == math.inf:
            pending.mark_sent(time)
        row.since = pending.sent_at
        started = pending.cache.started_run(chunk.ledger_id, pending.key)
        if started is not None:  # by a single `submit`, and the list may not show it yet
            _adopt(row, [started], adopted=True)
    uncertain = [row.since for row in chunk.open_of() if row.since is not None]
    if uncertain:
        yield from look_until_settled(chunk, max(uncertain), adopted=True)
        if chunk.open_of():
            chunk.looked_at = yield from now()
    elif lookup != "none" and chunk.open_of():
        try:
            yield from look(chunk, adopted=True)
        except SubmissionUnknown:  # a run may be counted a moment before it is listed
            yield from look_until_settled(chunk, (yield from now()), adopted=True)


def look(chunk: Chunk, *, adopted: bool, whole: bool = False) -> Flow[None]:
    """Take the runs that the ledger's list shows.

    Raises:
        SubmissionUnknown: It leaves out runs, or what tells them apart, so that one may be a missing one.
    """
    read = yield from read_ledger(chunk.ledger_id, chunk.cache, chunk.policy, whole=whole)
    chunk.looked_at = read.began_at
    take_listed(chunk, read.index, adopted=adopted)
    still_open = chunk.open_of()
    if not still_open:
        return
    doubt = read.doubt or _doubt(chunk, read.index, still_open)
    if not doubt:
        return
    if not whole:
        yield from look(chunk, adopted=adopted, whole=True)
        return
    raise submission_unknown(still_open[0].pending, doubt)


def look_until_settled(chunk: Chunk, since: float, *, adopted: bool) -> Flow[None]:
    """Look again and again until every run shows up or the settling time is over.

    Those that a list which can be trusted does not show then are open, and were not started; if it could not
    be read or trusted, they are given up as unknown.
    """
    until, attempt = since + chunk.policy.settle_seconds, 0
    while chunk.open_of():
        attempt += 1
        time = yield from now()
        failed: ParallelError | None = None
        try:
            yield from look(chunk, adopted=adopted, whole=True)
        except LedgerNotFound as error:
            if not chunk.has_started and all(row.since is None for row in chunk.rows):
                raise
            failed = error
        except ParallelError as error:
            failed = error
        if time >= until:
            for row in chunk.open_of():
                if failed is not None:
                    row.outcome = unknown(row, failed)
                else:
                    row.pending.mark_settled()
                    row.since = None
            return
        if chunk.open_of():
            pause = chunk.policy.backoff.delay(attempt)
            yield from sleep(Sleep(min(pause, max(0.0, until - (yield from now())))))


def unknown(row: Row, cause: ParallelError | None = None) -> ParallelError:
    """What a row whose fate could not be found out ends in."""
    error = cause if isinstance(cause, SubmissionUnknown) else submission_unknown(row.pending)
    own = copy.copy(error)
    own.key, own.__cause__ = row.pending.key, None if cause is error else cause
    return own


def list_accepted(chunk: Chunk) -> Flow[None]:
    """Take the runs that the list shows a moment after they were accepted, which need not be all."""
    try:
        index, _ = yield from list_ledger(chunk.ledger_id, chunk.cache, chunk.policy, whole=False)
    except ParallelError:
        return
    take_listed(chunk, index, adopted=False)


def read_accepted(chunk: Chunk, run_ids: Iterable[str]) -> Flow[None]:
    """Take runs that an acceptance names and no list tells apart, by reading each."""
    known = {row.outcome.run.run_id for row in chunk.rows if isinstance(row.outcome, Submission)}
    by_key = {row.pending.key: row for row in chunk.rows}
    for run_id in run_ids:
        if run_id in known:
            continue
        try:
            run: TaskRun = yield from operations.retrieve(run_id, chunk.policy)
        except ParallelError:
            continue
        row = by_key.get((run.metadata or {}).get(METADATA_KEY, ""))
        if row is not None and not isinstance(row.outcome, Submission):
            _adopt(row, [KnownRun(run)], adopted=False)


def take_listed(chunk: Chunk, index: LedgerIndex, *, adopted: bool) -> None:
    """Take what a list shows of the rows that are open."""
    for row in chunk.open_of():
        found = index.oldest_first(row.pending.key)
        if found:
            _adopt(row, found, adopted=adopted)


def _adopt(row: Row, found: Sequence[KnownRun], *, adopted: bool) -> None:
    pending = row.pending
    oldest, *others = found
    pending.mark_settled()
    pending.cache.remember_interaction(oldest.run)
    row.outcome = Submission(
        run=oldest.run,
        ledger_id=pending.ledger_id,
        key=pending.key,
        adopted=adopted,
        duplicates=tuple(known.run.run_id for known in others),
        sent_again=row.sent_again,
    )


def _doubt(chunk: Chunk, index: LedgerIndex, still_open: Sequence[Row]) -> str:
    """Which listed run may be a missing one, though the list does not say so; empty if none is."""
    started = chunk.cache.started_ids(chunk.ledger_id)
    for run_id, event in index.without_key.items():
        if run_id not in started and any(may_be(event, row.pending.request) for row in still_open):
            return untold(run_id)
    return ""
