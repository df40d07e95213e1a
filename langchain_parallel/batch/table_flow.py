"""How a table is researched: rows in, runs in groups, answers out.

Rule: what is held at once is bounded by the runs in flight, whatever the number of rows. A row is read when
there is room for it, and is forgotten when its answer was emitted. Answers are emitted as they come, and a
caller that keeps the order holds them. What an earlier process has started is found by its key and not sent
again (`batch_chain.py`).

Rule: no row waits long for the next one to come. Rows that were read are sent after a moment, and those that
come one by one go into one group until it has a chunk of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.effects import Flow, Sleep, emit, now, report, sleep
from .._core.group_results import Ended, GroupResults
from .._core.ledger import batch_chain
from .._core.ledger.cache import LedgerCache
from .._core.ledger.chunk import Chunk
from .._core.ledger.chunk_submission import not_sent, submit_chunk
from .._core.ledger.lookup import Lookup, PendingSubmission
from .._core.retry import RetryPolicy
from .._core.run_status import still_running
from ..client.run_reports import end_events, report_outcome, submission_events
from ..errors import LedgerNotFound, ParallelError, RateLimited
from ..models import Submission, TaskRun
from .questions import RowTicket
from .row_reader import RowReader
from .spending import BatchSpending

_SLICE, _LEAST_SLICE = 10.0, 1.0
"""Seconds for which the events of all groups are followed, in turn, before more rows are sent; and at the
least those of one.
"""
_ROW_SLICE = 4.0
"""So are they where rows that were asked for may come any moment."""
_GATHERING = 0.5
"""Seconds in which more rows may join those that were read, before these are sent."""
_TICK = 1.0
"""Seconds after which one that waits for nothing but its first row looks at its clock."""
_QUOTA_PAUSE = 20.0
"""Seconds for which nothing is sent after a 429 that names no time; answers are read meanwhile."""
_LONGEST_PAUSE = 3600.0
"""Of what a 429 names; then it is tried again, which is free."""

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


def given_ticket(_: int, ticket: RowTicket) -> RowTicket:
    """The ticket of a row of which it was made before."""
    return ticket


@dataclass
class TableFlow:
    """One table on its way."""

    rows: RowReader
    policy: RetryPolicy
    spending: BatchSpending
    cache: LedgerCache
    make_ticket: Callable[[int, Any], RowTicket] = given_ticket
    """From the number of a row, and the row."""
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
    most_chars: int = 4_000_000
    """Of questions in one request: a thousand long ones would be more than a server takes."""
    seconds: float = math.inf
    metadata: dict[str, str] = field(default_factory=dict)
    on_begin: Callable[[str], Any] | None = None
    chain: batch_chain.BatchChain = field(init=False)
    """Its task groups."""
    _groups: dict[str, GroupResults] = field(default_factory=dict)
    _ahead: set[int] = field(default_factory=set)
    """Rows that have ended, and that a caller holds because one before them has not."""
    _next: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _stopped: ParallelError | None = None
    """What keeps all further rows from being sent."""
    _held: list[RowTicket] = field(default_factory=list)
    """Rows that the server would not take yet (429)."""
    _held_until: float = 0.0
    _peeked: list[RowTicket] = field(default_factory=list)
    _taken: int = 0
    """Rows of which tickets were made."""
    _has_come: bool = True
    """Whether there were rows when they were read last."""
    _is_partial: bool = False
    """The rows read last are fewer than they might be: more of their chunk may come."""

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
            if self.rows.failure is not None:
                raise self._with_hint(self.rows.failure)
        except ParallelError as error:
            if self.batch_id is not None and not isinstance(error, LedgerNotFound):
                error.hint = f"{error.hint} {self._way_on}".strip()
            raise
        finally:
            self.rows.close()

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
            waiting = [group for group in self._groups.values() if group.waiting]
            time = yield from now()
            if time >= until:
                yield from self._end(waiting, until)
                return
            if self.parks and not self._held:
                for group in waiting:
                    yield from group.look()
                    if active := len(group.waiting.keys() - group.ended):
                        yield from emit(BatchActive(group.group_id, active))
                        return
            if waiting and not (self.parks and self._held):
                yield from self._collect(waiting, until)
            elif self._held:
                yield from sleep(Sleep(max(0.0, min(until, self._held_until) - time)))
            elif not self._has_more:
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
        while (time := (yield from now())) < until:
            if self._held and time < self._held_until:
                return
            if self._held:
                held, self._held = self._held, []
                yield from self._send(held)
                continue
            room = self._room()
            if not (room and self._has_more):
                return
            yield from self._await_rows(min(self.chunk_size, room), until)
            tickets = self._take_rows(min(self.chunk_size, room))
            yield from self._place(tickets)
            yield from self._report()
            if self._is_partial:
                return

    def _room(self) -> int:
        """How many rows may be read: a chunk, or none before there is room for one."""
        held = sum(len(group.waiting) for group in self._groups.values()) + len(self._ahead)
        room = self.in_flight - held
        return room if room >= min(self.chunk_size, self.in_flight) or not held else 0

    @property
    def _has_more(self) -> bool:
        """Whether there may be rows that were not placed yet."""
        return bool(self._peeked) or self.rows.is_open

    def _await_rows(self, number: int, until: float) -> Flow[None]:
        """Wait until so many rows can be taken, and one more can be looked at; where there is something else
        to do, for a moment only, and not again before one has come.
        """
        is_idle = not any(group.waiting for group in self._groups.values())
        while is_idle and not self._peeked and (time := (yield from now())) < until:
            if (yield from self.rows.wait(1, min(_TICK, until - time))):
                break
            yield from self._report()
        gathering = _GATHERING if is_idle or self._has_come else 0.0
        seconds = min(gathering, max(0.0, until - (yield from now())))
        yield from self.rows.wait(number + 1 - len(self._peeked), seconds)

    def _take_rows(self, number: int) -> list[RowTicket]:
        """The next rows, up to this number or until one request holds enough; and one more is looked at, to
        know whether there is any.
        """
        tickets, self._peeked = self._peeked, []
        size = sum(ticket.size for ticket in tickets)
        for row in self.rows.take():
            ticket = self.make_ticket(self._taken, row)
            self._taken += 1
            size += ticket.size
            if tickets and (len(tickets) == number or size > self.most_chars):
                self._peeked = [ticket]
                break
            tickets.append(ticket)
        self._is_partial = len(tickets) < number and not self._peeked and self.rows.is_open
        self._has_come = bool(tickets)
        self._add("read", len(tickets))
        failure = self.rows.failure
        if isinstance(failure, Exception):
            self._stopped = self._stopped or not_sent(_error_of_rows(failure, self._way_on))
        elif failure is not None:
            raise failure
        return tickets

    def _place(self, tickets: Sequence[RowTicket]) -> Flow[None]:
        """Find the runs of these rows, or start them."""
        new: list[RowTicket] = []
        for ticket in tickets:
            if ticket.error is not None:
                yield from self._take(ticket, ticket.error)
            elif not (yield from self._adopt(ticket)):
                new.append(ticket)
        if new and self._stopped is None and not self.chain.is_settled:
            yield from batch_chain.settle(self.chain, self.policy)
            unplaced, new = new, []
            for ticket in unplaced:
                if not (yield from self._adopt(ticket)):
                    new.append(ticket)
        if new:
            yield from self._send(new)

    def _adopt(self, ticket: RowTicket) -> Flow[bool]:
        """Wait for the run that an earlier process has started for a row, if it has."""
        known = self.chain.known.get(ticket.key)
        if known is None:
            return False
        if ticket.request is not None:
            found = Submission(
                run=TaskRun(run_id=known.run_id, status="queued"),
                ledger_id=known.group_id,
                key=ticket.key,
                adopted=True,
                duplicates=known.duplicates,
            )
            yield from report(*submission_events(found, ticket.request))
        ticket.request, ticket.duplicates = None, known.duplicates
        ticket.is_charged, ticket.group_id = known.is_charged, known.group_id
        group = yield from self._group(known.group_id)
        group.await_run(TaskRun(run_id=known.run_id, status="queued"), ticket)
        self._add("adopted")
        return True

    def _send(self, tickets: list[RowTicket]) -> Flow[None]:
        sendable: list[RowTicket] = []
        for ticket in tickets:
            refused = self._stopped or self.spending.refusal()
            if refused is None:
                self.spending.reserve()
                sendable.append(ticket)
            else:
                yield from self._take(ticket, copy.copy(refused))
        if sendable:
            yield from self._send_chunk(sendable)

    def _send_chunk(self, tickets: list[RowTicket]) -> Flow[None]:
        groups = self.chain
        group_id = groups.tail
        size = groups.sizes.get(group_id, 0)
        is_last = not self._has_more or (self._is_partial and size + len(tickets) < self.chunk_size)
        named = yield from batch_chain.make_room(groups, self.policy, is_last=is_last)
        lookup: Lookup = "once" if size else "none"
        chunk = Chunk.of([self._pending(group_id, ticket, named) for ticket in tickets])
        stopped = yield from submit_chunk(chunk, lookup)
        is_contended = batch_chain.is_contended(groups, chunk)
        if not is_last:
            chunk.cache.forget_index(group_id)
        group = yield from self._group(group_id)
        outcomes, started, unknown = chunk.outcomes(), 0, 0
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            if ticket.request is not None:
                yield from report_outcome(outcome, ticket.request)
            if isinstance(outcome, Submission):
                ticket.request, ticket.duplicates = None, outcome.duplicates
                ticket.is_charged, ticket.group_id = True, group_id
                group.await_run(outcome.run, ticket)
                started += 1
                self._add("started")
            elif isinstance(outcome, RateLimited) and outcome.billed is False:
                self.spending.release()
                self._held.append(ticket)
            else:
                if outcome.billed is False:
                    self.spending.release()
                else:
                    unknown += 1
                    ticket.group_id = group_id
                yield from self._take(ticket, outcome)
        if is_contended:
            self._stopped = not_sent(_error_of_contention(groups.batch_id))
        elif self._held:
            yield from self._hold_back(stopped)
        elif stopped is not None:
            self._stopped = not_sent(stopped)
        group.size += started
        groups.sizes[group_id] = size + started + unknown
        groups.advance(outcomes)

    def _hold_back(self, limited: ParallelError | None) -> Flow[None]:
        """Send no more for a while: the quota is one of minutes."""
        asked = getattr(limited, "retry_after", None) or _QUOTA_PAUSE
        self._held_until = (yield from now()) + min(asked, _LONGEST_PAUSE)

    def _pending(
        self, group_id: str, ticket: RowTicket, named: dict[str, str]
    ) -> PendingSubmission:
        assert ticket.request is not None
        return PendingSubmission(
            ledger_id=group_id,
            key=ticket.key,
            request=ticket.request,
            policy=self.policy,
            cache=self.cache,
            mark=self.mark,
            further={**named},
        )

    def _group(self, group_id: str) -> Flow[GroupResults]:
        group = self._groups.get(group_id)
        if group is None:
            time = yield from now()
            size = self.chain.sizes.get(group_id, 0)
            group = self._groups[group_id] = GroupResults(group_id, self.policy, size, time)
            if self.chain.known:
                group.last_look = -math.inf  # some may have ended long ago
        elif not group.waiting:
            group.restart((yield from now()))
        return group

    # --- collecting ------------------------------------------------------------------------------

    def _collect(self, waiting: list[GroupResults], until: float) -> Flow[None]:
        """Read answers: of the group of the oldest row alone, where the order is kept; or of each in turn.

        What has happened in a group meanwhile, its events bring at once.
        """
        is_alone = len(waiting) == 1
        if self.in_order:
            waiting = [min(waiting, key=_oldest)]
        is_all = len(waiting) == 1 and not (self._has_more or self._held)
        slice_ = _ROW_SLICE if self._is_partial and self._room() else _SLICE
        seconds = max(_LEAST_SLICE, slice_ / len(waiting))
        for group in waiting:
            group.hurries = self.hurries and is_alone
            ends = until if is_all else min(until, (yield from now()) + seconds)
            yield from group.collect(ends, self._take, self._report)
        ended = [one for one, group in self._groups.items() if not group.waiting]
        for group_id in ended:
            if group_id != self.chain.tail:
                del self._groups[group_id]

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
        tickets, self._held = self._held, []
        while tickets or self._has_more:
            for ticket in tickets:
                yield from self._take(ticket, ticket.error or self._reason_for(ticket, hint))
            if self.rows.may_not_end and (yield from now()) >= until + _LAST:
                break
            yield from self.rows.wait(self.chunk_size, _GATHERING)
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


def _error_of_contention(batch_id: str) -> ParallelError:
    return ParallelError(
        "Another process is sending rows of this batch, too.",
        hint=f"Both would pay for the same rows. Let one of them end, and go on with batch_id={batch_id!r}.",
    )


def _oldest(group: GroupResults) -> int:
    return min(int(ticket.number) for ticket in group.waiting.values())
