"""Exactly-once submission of many requests, in chunks.

Rule: as for one (`submission.py`), for up to 1,000 in one POST. What the ledger has is adopted, and only what
is missing is sent. After an outcome that is unknown, or an acceptance of fewer than were sent, the list is
read for the settling time, and again only what is missing is sent.

A refusal starts nothing and is free, so it is narrowed down: the rows that it names are left out, or else the
chunk is halved, until what is refused stands alone. What stops them all (key, credit, quota, a server that
is down) is not sent again for each: those that were not sent say so.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import ParallelError
from ...models import TaskGroupRunResponse
from .. import responses, wire
from ..effects import Flow, NoResponse, Outcome, Request, confirm, now, send, sleep
from ..limits import MAX_RUNS
from ..retry import RetryDecision, classify
from . import chunk as chunks
from .chunk import Chunk, Row
from .leave import Leave
from .ledger_list import as_ledger_error
from .lookup import SLOW_LOOK, Lookup, PendingSubmission, submission_unknown
from .submission import with_key

_NARROWED = {400, 403, 413, 422}
"""Refusals that may be about some of the rows only, or about their number."""
_REFUSED_IN_A_ROW = 20
"""Rows refused one by one, with none accepted, after which the fault is taken to be one of all."""
_NOT_SENT = "This row was not sent."


def submit_many(
    pendings: Sequence[PendingSubmission],
    lookup: Lookup = "once",
    on_chunk: Callable[[int], None] | None = None,
    chunk_size: int = MAX_RUNS,
) -> Flow[list[chunks.Outcome]]:
    """Find the runs in the ledger, or start them there; the outcome of each in the order given.

    `on_chunk` is called with the number of rows whose outcome is known, after each chunk.

    Raises:
        ParallelError: The ledger is not there or cannot be read; nothing was sent.
    """
    outcomes: list[chunks.Outcome] = []
    stopped: ParallelError | None = None
    for start in range(0, len(pendings), chunk_size):
        chunk = Chunk.of(pendings[start : start + chunk_size])
        try:
            stopped = yield from submit_chunk(chunk, lookup, stopped)
        except ParallelError as error:
            if not outcomes:
                raise
            # The chunks before have runs, which must not be lost with it.
            left = Chunk.of(pendings[start:])
            left.fail(not_sent(error))
            return [*outcomes, *left.outcomes()]
        outcomes += chunk.outcomes()
        if on_chunk is not None:
            on_chunk(len(outcomes))
    return outcomes


def submit_chunk(
    chunk: Chunk, lookup: Lookup, stopped: ParallelError | None = None
) -> Flow[ParallelError | None]:
    """Give every row its outcome; return what stops the chunks that follow, if something does.

    `stopped`: what has stopped an earlier one; then nothing is sent.

    Raises:
        ParallelError: The ledger is not there or cannot be read; nothing was sent.
    """
    yield from chunks.look_before_send(chunk, lookup)
    looked = math.inf if lookup == "none" and chunk.looked_at == -math.inf else chunk.looked_at
    sending = _Sending(chunk, Leave.of(looked, chunk.policy))
    sending.stopped = stopped
    parts = [chunk.open_of()]
    while parts:
        part = chunk.open_of(parts.pop())
        if sending.stopped is not None:
            chunk.fail(not_sent(sending.stopped), part)
        elif part:
            parts += reversed((yield from sending.send(part)))
    return sending.stopped


def not_sent(error: ParallelError) -> ParallelError:
    """The error of rows that were not sent because of it."""
    own = copy.copy(error)
    own.billed = False
    own.hint = own.hint if own.hint.startswith(_NOT_SENT) else f"{_NOT_SENT} {own.hint}".strip()
    return own


@dataclass
class _Sending:
    """How the sends of a chunk go."""

    chunk: Chunk
    leave: Leave
    stopped: ParallelError | None = None
    refused_in_a_row: int = 0

    def send(self, rows: list[Row]) -> Flow[list[list[Row]]]:
        """Send rows until each has its outcome; after a refusal, return the parts in which to send them."""
        sends = 0
        while rows := self.chunk.open_of(rows):
            if (yield from now()) > self.leave.ends_at:
                yield from self._renew()
                continue
            sends += 1
            request = _request(self.chunk, rows)
            for row in rows:  # before the send: a caller cancelled during it must leave a trace
                row.pending.mark_sent(math.inf)
            outcome = yield from send(replace(request, leaves_by=self.leave.ends_at))
            if isinstance(outcome, NoResponse) and outcome.too_late:
                sends -= 1
                for row in rows:
                    row.settle()
                continue
            decision = classify(request, outcome)
            if decision is RetryDecision.DONE:
                yield from self._take(rows, request, outcome, sends)
            elif decision is RetryDecision.UNKNOWN:
                yield from self._look_after_unknown(rows, request, outcome, sends)
            else:
                parts = yield from self._look_after_refusal(rows, request, outcome, sends)
                if parts is not None:
                    return parts
        return []

    def _renew(self) -> Flow[None]:
        """Get leave to send again: the caller says whether another process has taken over."""
        chunk, leave = self.chunk, self.leave
        leave.renew((yield from now()))
        is_ours = yield from confirm()
        if is_ours is False:
            leave.revoke()
            time = yield from now()
            for row in chunk.open_of():
                row.since = time
                row.pending.mark_sent(time)
            yield from chunks.look_until_settled(chunk, time, adopted=True)
        elif not is_ours and chunk.looked_at + leave.moments <= leave.since:
            try:
                yield from chunks.look(chunk, adopted=True, whole=True)
                leave.note_look(chunk.looked_at, (yield from now()))
                if leave.slow_looks >= chunk.policy.max_attempts:
                    raise submission_unknown(chunk.rows[0].pending, SLOW_LOOK)
            except ParallelError as error:
                self._stop(error, chunk.open_of())

    def _take(self, rows: list[Row], request: Request, outcome: Outcome, sends: int) -> Flow[None]:
        """Match the runs of an acceptance; what it left out is missing, and sent again."""
        chunk, time = self.chunk, (yield from now())
        accepted = _read_acceptance(request, outcome)
        self.refused_in_a_row, chunk.has_started = 0, True
        for row in rows:
            row.pending.mark_sent(time)
        yield from chunks.list_accepted(chunk)
        if chunk.open_of(rows):
            yield from chunks.look_until_settled(chunk, time, adopted=False)
        lost = [row for row in rows if isinstance(row.outcome, ParallelError)]
        if accepted is not None and (chunk.open_of(rows) or lost):
            yield from chunks.read_accepted(chunk, accepted.run_ids)
        found = sum(row.outcome is not None for row in rows)
        is_all = accepted is not None and found >= len(accepted.run_ids)
        if not is_all or chunk.policy.delay_before_resend(sends, outcome) is None:
            for row in chunk.open_of(
                rows
            ):  # something was accepted: never followed by another send
                row.pending.mark_sent(time)
                row.outcome = chunks.unknown(row)

    def _look_after_unknown(
        self, rows: list[Row], request: Request, outcome: Outcome, sends: int
    ) -> Flow[None]:
        # The settling time starts now, not at the send: the server may have worked on it until now.
        chunk, time = self.chunk, (yield from now())
        for row in rows:
            row.pending.mark_sent(time)
        chunk.has_started = True
        yield from chunks.look_until_settled(chunk, time, adopted=True)
        pause = chunk.policy.delay_before_resend(sends, outcome)
        if pause is None:
            for row in chunk.open_of(rows):
                row.outcome = chunks.unknown(row)
            self.stopped = _failure(chunk, request, outcome)
        elif chunk.open_of(rows):
            yield from sleep(pause)
            for row in chunk.open_of(rows):
                row.sent_again = True

    def _look_after_refusal(
        self, rows: list[Row], request: Request, outcome: Outcome, sends: int
    ) -> Flow[list[list[Row]] | None]:
        """Look whether a request that was turned away has started runs after all; None: send it again."""
        chunk, decision = self.chunk, classify(request, outcome)
        pause = chunk.policy.delay_before_resend(sends, outcome)
        if pause is not None and decision is RetryDecision.SEND_AGAIN:
            yield from sleep(pause)
        error = _failure(chunk, request, outcome)
        if not isinstance(outcome, NoResponse):
            time = yield from now()
            for row in rows:
                row.pending.mark_sent(time)
            try:
                yield from chunks.look(chunk, adopted=True, whole=True)
            except ParallelError:
                yield from chunks.look_until_settled(chunk, time, adopted=True)
        for row in chunk.open_of(rows):
            row.settle()
        if decision is RetryDecision.SEND_AGAIN and pause is not None:
            return None
        if isinstance(outcome, NoResponse) or outcome.status not in _NARROWED:
            self._stop(error, rows)
            return []
        return self._narrow(rows, error)

    def _narrow(self, rows: list[Row], error: ParallelError) -> list[list[Row]]:
        """The parts in which to send what was refused; a row that was refused alone has its error."""
        named = _rows_named(error)  # by their place in the request; some may have been found since
        refused = [(nth, row) for nth, row in enumerate(rows) if nth in named]
        for nth, row in refused:
            if row.outcome is None:
                row.fail(_about(chunks.error_for(row, error), nth))
        if refused:
            return [rows]
        rows = self.chunk.open_of(rows)
        if len(rows) > 1:
            middle = len(rows) // 2
            return [rows[:middle], rows[middle:]]
        self.chunk.fail(error, rows)
        self.refused_in_a_row += 1
        if self.refused_in_a_row >= _REFUSED_IN_A_ROW and not self.chunk.has_started:
            self.stopped = error
        return []

    def _stop(self, error: ParallelError, rows: list[Row]) -> None:
        self.stopped = error
        self.chunk.fail(error, rows)


def _request(chunk: Chunk, rows: Sequence[Row]) -> Request:
    return wire.add_runs(chunk.ledger_id, [with_key(row.pending) for row in rows])


def _failure(chunk: Chunk, request: Request, outcome: Outcome) -> ParallelError:
    return as_ledger_error(responses.failure(request, outcome), chunk.ledger_id)


def _read_acceptance(request: Request, outcome: Outcome) -> TaskGroupRunResponse | None:
    try:
        accepted = responses.decode(TaskGroupRunResponse, request, outcome)
    except ParallelError:
        return None  # accepted, but unreadable: only the ledger can tell which runs these are
    return accepted if all(map(wire.is_id, accepted.run_ids)) else None


_NAMED = re.compile(r"\binputs\.(\d+)")


def _rows_named(error: ParallelError) -> set[int]:
    """The rows that a 422 names, counted from 0."""
    fields: Sequence[str] = getattr(error, "fields", ())
    return {int(found[1]) for field in fields if (found := _NAMED.search(field))}


def _about(error: ParallelError, nth: int) -> ParallelError:
    """The error with only the fields of one row."""
    fields: Sequence[str] = getattr(error, "fields", ())
    own = [field for field in fields if (found := _NAMED.search(field)) and int(found[1]) == nth]
    error.__dict__["fields"] = tuple(own)
    return error
