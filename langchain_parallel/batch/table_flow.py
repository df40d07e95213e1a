"""How a table is researched: rows in, runs in groups, answers out.

Rule: what is held at once is bounded by the runs in flight, whatever the number of rows. A row is read when
there is room for it, and is forgotten when its answer was emitted. Answers are emitted as they come, and a
caller that keeps the order holds them.

Rows come from a queue (`ticket_queue.py`), and are found or started in groups (`row_sending.py`); here is
when each of it happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .._core.effects import Flow, Sleep, emit, now, report, sleep
from .._core.group_results import GroupResults
from .._core.ledger import batch_chain
from .._core.ledger.cache import LedgerCache
from .._core.ledger.chunk_submission import not_sent
from .._core.listed_answers import Ended
from .._core.retry import RetryPolicy
from .._core.run_status import still_running
from ..client.run_reports import end_events
from ..errors import LedgerNotFound, ParallelError
from ..models import TaskRun
from .questions import RowTicket
from .row_sending import RowSending
from .spending import BatchSpending
from .ticket_queue import GATHERING, TicketQueue

_SLICE, _LEAST_SLICE = 10.0, 1.0
"""Seconds for which the events of all groups are followed, in turn, before more rows are sent; and at the
least those of one.
"""
_ROW_SLICE = 4.0
"""So are they where rows that were asked for may come any moment."""

_LAST = 30.0
"""Seconds beyond the timeout in which answers that are there are still asked for."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is. Its first report comes before anything is paid."""

    batch_id: str
    read: int = 0
    """Rows read so far."""
    started: int = 0
    """Runs that were started now."""
    adopted: int = 0
    """Runs that an earlier process had started."""
    answered: int = 0
    failed: int = 0
    """Rows with an error in place of an answer."""
    cost_usd: float = 0.0
    """List prices of the runs that have completed, or may yet."""


@dataclass(frozen=True, slots=True)
class BatchActive:
    """All that can be sent is sent, and nothing more happens before the runs of this group end."""

    group_id: str
    active: int
    """Its runs that have not ended."""


@dataclass
class TableFlow:
    """One table on its way."""

    queue: TicketQueue
    """Its rows."""
    policy: RetryPolicy
    spending: BatchSpending
    cache: LedgerCache
    mark: str | None = None
    """Whose credentials the runs have."""
    batch_id: str | None = None
    is_new: bool = False
    """Nothing was sent for this batch yet."""
    is_settled: bool = False
    """It is certain what was sent for it: there is no other process to wait for."""
    parks: bool = False
    """End with `BatchActive` rather than wait for runs."""
    in_order: bool = True
    """Whether the caller hands on the rows in their order. They are emitted as they end, all the same."""
    hurries: bool = False
    """Each answer is wanted by itself, and not all of them together."""
    chunk_size: int = 1_000
    in_flight: int = 10_000
    seconds: float = math.inf
    metadata: dict[str, str] = field(default_factory=dict)
    on_begin: Callable[[str], Any] | None = None
    chain: batch_chain.BatchChain = field(init=False)
    """Its task groups."""
    _sending: RowSending = field(init=False)
    _ahead: set[int] = field(default_factory=set)
    """Rows that have ended, and that a caller holds because one before them has not."""
    _next: int = 0
    _counts: dict[str, int] = field(default_factory=dict)

    def steps(self) -> Flow[None]:
        """Emit each row's ticket with its answer or error, and a report of the progress now and then.

        Raises:
            LedgerNotFound: There is no such batch.
            SubmissionUnknown: What an earlier process has sent could not be found out.
            AuthenticationFailed, Forbidden: The key is refused; the batch can be gone on with.
            Exception: That of the iterator of rows, once what was paid for was handed on.
        """
        try:
            yield from self._steps()
            self.cache.forget_index(self.chain.tail)
            if self.queue.rows.failure is not None:
                raise self._with_hint(self.queue.rows.failure)
        except ParallelError as error:
            if self.batch_id is not None and not isinstance(error, LedgerNotFound):
                error.hint = f"{error.hint} {self._way_on}".strip()
            raise
        finally:
            self.queue.rows.close()

    def _with_hint(self, failure: BaseException) -> BaseException:
        """The iterator's own error, with what is to be done after it."""
        if not (self._counts.get("started") or self._counts.get("adopted")):
            return failure
        hint = "What was sent of the table is paid for."
        if isinstance(failure, ParallelError):
            failure.hint = hint
        elif hasattr(failure, "add_note"):  # from Python 3.11 on
            failure.add_note(f"{hint} {self._way_on}")
        return failure

    @property
    def _way_on(self) -> str:
        return f"Go on later with batch_id={self.batch_id!r}."

    def _steps(self) -> Flow[None]:
        until = (yield from now()) + self.seconds
        yield from self._begin()
        while True:
            yield from self._fill(until)
            waiting = [group for group in self._sending.groups.values() if group.waiting]
            time = yield from now()
            if time >= until:
                yield from self._end(waiting, until)
                return
            if self.parks and not self._sending.held:
                for group in waiting:
                    yield from group.look()
                    if active := len(group.waiting.keys() - group.ended):
                        yield from emit(BatchActive(group.group_id, active))
                        return
            if waiting and not (self.parks and self._sending.held):
                yield from self._collect(waiting, until)
            elif self._sending.held:
                yield from sleep(Sleep(max(0.0, min(until, self._sending.held_until) - time)))
            elif not self.queue.has_more:
                return
            yield from self._report()

    def _begin(self) -> Flow[None]:
        if self.batch_id is None:
            self.chain = yield from batch_chain.begin(self.metadata, self.policy)
            self.batch_id = self.chain.batch_id
        elif self.is_new:
            self.chain = batch_chain.empty(self.batch_id)
        else:
            self.chain = yield from batch_chain.reopen(self.batch_id, self.policy)
            self.chain.is_settled = self.is_settled and not self.chain.doubts
        self._sending = RowSending(
            self.chain,
            self.queue,
            self.policy,
            self.spending,
            self.cache,
            self.mark,
            self.chunk_size,
            take=self._take,
            count=self._add,
        )
        self.spending.note_earlier(self.chain.usd, len(self.chain.known))
        if self.on_begin is not None:
            self.on_begin(self.batch_id)
        yield from self._report()

    def _report(self) -> Flow[None]:
        cost = round(self.spending.usd, 6)
        yield from emit(BatchProgress(self.chain.batch_id, cost_usd=cost, **self._counts))

    def _add(self, name: str, number: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + number

    # --- sending ---------------------------------------------------------------------------------

    def _fill(self, until: float) -> Flow[None]:
        """Start runs while there are rows, and room for them."""
        sending = self._sending
        while (time := (yield from now())) < until:
            if sending.held and time < sending.held_until:
                return
            if sending.held:
                held, sending.held = sending.held, []
                yield from sending.send(held)
                continue
            room = self._room()
            if not (room and self.queue.has_more):
                return
            number = min(self.chunk_size, room)
            is_idle = not any(group.waiting for group in self._sending.groups.values())
            if is_idle:
                yield from self.queue.wait_for_first(until, self._report)
            yield from self.queue.wait(number, until, is_idle=is_idle)
            yield from self._sending.place(self._take_rows(number))
            yield from self._report()
            if self.queue.is_partial:
                return

    def _room(self) -> int:
        """How many rows may be read: a chunk, or none before there is room for one."""
        held = sum(len(group.waiting) for group in self._sending.groups.values()) + len(self._ahead)
        room = self.in_flight - held
        return room if room >= min(self.chunk_size, self.in_flight) or not held else 0

    def _take_rows(self, number: int) -> list[RowTicket]:
        tickets = self.queue.take(number)
        self._add("read", len(tickets))
        failure = self.queue.rows.failure
        if isinstance(failure, Exception):
            stopped = not_sent(_error_of_rows(failure, self._way_on))
            self._sending.stopped = self._sending.stopped or stopped
        return tickets

    # --- collecting ------------------------------------------------------------------------------

    def _collect(self, waiting: list[GroupResults], until: float) -> Flow[None]:
        """Read answers: of the group of the oldest row alone, where the order is kept; or of each in turn.

        What has happened in a group meanwhile, its events bring at once.
        """
        is_alone = len(waiting) == 1
        if self.in_order:
            waiting = [min(waiting, key=_oldest)]
        is_all = len(waiting) == 1 and not (self.queue.has_more or self._sending.held)
        slice_ = _ROW_SLICE if self.queue.is_partial and self._room() else _SLICE
        seconds = max(_LEAST_SLICE, slice_ / len(waiting))
        for group in waiting:
            group.hurries = self.hurries and is_alone
            ends = until if is_all else min(until, (yield from now()) + seconds)
            yield from group.collect(ends, self._take, self._report)
        ended = [one for one, group in self._sending.groups.items() if not group.waiting]
        for group_id in ended:
            if group_id != self.chain.tail:
                del self._sending.groups[group_id]

    def _take(self, ticket: RowTicket, ended: Ended) -> Flow[None]:
        """Hand on what became of a row."""
        yield from report(*end_events(ended, TaskRun(run_id="", status="failed")))
        if isinstance(ended, ParallelError):
            self._add("failed")
            if ticket.is_charged:
                self.spending.settle(ended)
        else:
            self._add("answered")
        if self.in_order:
            self._ahead.add(ticket.number)
        while self._next in self._ahead:
            self._ahead.remove(self._next)
            self._next += 1
        yield from emit((ticket, ended))

    def _end(self, waiting: list[GroupResults], until: float) -> Flow[None]:
        """The time is over: runs go on, and each row without an answer says so."""
        hint = f"Go on with batch_id={self.batch_id!r}."
        yield from self._read_last(waiting)
        for group in waiting:
            for run, ticket in group.give_up():
                yield from self._take(ticket, _goes_on(run, self.seconds, hint))
        tickets, self._sending.held = self._sending.held, []
        while tickets or self.queue.has_more:
            for ticket in tickets:
                yield from self._take(ticket, ticket.error or self._reason_for(ticket, hint))
            if self.queue.rows.may_not_end and (yield from now()) >= until + _LAST:
                break
            yield from self.queue.rows.wait(self.chunk_size, GATHERING)
            tickets = self._take_rows(self.chunk_size)
            if not tickets:  # the iterator has none at hand
                break
        yield from self._report()

    def _read_last(self, waiting: list[GroupResults]) -> Flow[None]:
        """Read the answers that are there: in order, one row may have kept all others waiting."""
        ends = (yield from now()) + _LAST
        for group in waiting:
            if (yield from now()) < ends:
                yield from group.look()
                yield from group.read(self._take)

    def _reason_for(self, ticket: RowTicket, hint: str) -> ParallelError:
        """Why a row has no answer whose turn did not come: an earlier process may have started its run."""
        known = self.chain.known.get(ticket.key)
        if known is None:
            return ParallelError("The time was over.", hint=f"Not sent. {hint}")
        ticket.duplicates, ticket.is_charged = known.duplicates, known.is_charged
        ticket.group_id = known.group_id
        run = TaskRun(run_id=known.run_id, status="running")
        return _goes_on(run, self.seconds, hint)


def _error_of_rows(error: Exception, hint: str) -> ParallelError:
    return ParallelError(f"Reading the rows failed: {type(error).__name__}.", hint=hint)


def _goes_on(run: TaskRun, seconds: float, hint: str) -> ParallelError:
    error = still_running(run, seconds)
    error.hint = f"The run goes on and nothing is lost. {hint}"
    return error


def _oldest(group: GroupResults) -> int:
    return min(int(ticket.number) for ticket in group.waiting.values())
