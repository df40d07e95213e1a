"""The rows of a batch on their way to its task groups: found there, or started.

Rule: what an earlier process has started is found by its key and not sent again (`batch_chain.py`). What a
limit, a refusal or another process stops has an error as its row's value; a row that was turned away for its
number alone (429) is held, and sent later.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .._core.effects import Flow, now, report
from .._core.group_results import GroupResults
from .._core.ledger import batch_chain
from .._core.ledger.cache import LedgerCache
from .._core.ledger.chunk import Chunk
from .._core.ledger.chunk_submission import not_sent, submit_chunk
from .._core.ledger.lookup import Lookup, PendingSubmission
from .._core.listed_answers import Take
from .._core.retry import RetryPolicy
from ..client.run_reports import report_outcome, submission_events
from ..errors import ParallelError, RateLimited
from ..models import Submission, TaskRun
from .questions import RowTicket
from .spending import BatchSpending
from .ticket_queue import TicketQueue

_QUOTA_PAUSE = 20.0
"""Seconds for which nothing is sent after a 429 that names no time; answers are read meanwhile."""
_LONGEST_PAUSE = 3600.0
"""Of what a 429 names; then it is tried again, which is free."""


@dataclass
class RowSending:
    """Finds the runs of rows, or starts them."""

    chain: batch_chain.BatchChain
    """The task groups of the batch."""
    queue: TicketQueue
    """Where the rows come from: it says whether more are to come."""
    policy: RetryPolicy
    spending: BatchSpending
    cache: LedgerCache
    mark: str | None
    """Whose credentials the runs have."""
    chunk_size: int
    take: Take
    """Hands on what became of a row."""
    count: Callable[[str], None]
    """Counts what happened to a row."""
    groups: dict[str, GroupResults] = field(default_factory=dict)
    """Those whose runs are awaited."""
    stopped: ParallelError | None = None
    """What keeps all further rows from being sent."""
    held: list[RowTicket] = field(default_factory=list)
    """Rows that the server would not take yet (429)."""
    held_until: float = 0.0

    def place(self, tickets: Sequence[RowTicket]) -> Flow[None]:
        """Find the runs of these rows, or start them."""
        new: list[RowTicket] = []
        for ticket in tickets:
            if ticket.error is not None:
                yield from self.take(ticket, ticket.error)
            elif not (yield from self._adopt(ticket)):
                new.append(ticket)
        if new and self.stopped is None and not self.chain.is_settled:
            yield from batch_chain.settle(self.chain, self.policy)
            unplaced, new = new, []
            for ticket in unplaced:
                if not (yield from self._adopt(ticket)):
                    new.append(ticket)
        if new:
            yield from self.send(new)

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
        self.count("adopted")
        return True

    def send(self, tickets: Sequence[RowTicket]) -> Flow[None]:
        """Start the runs of these rows, as far as the limits allow."""
        sendable: list[RowTicket] = []
        for ticket in tickets:
            refused = self.stopped or self.spending.refusal()
            if refused is None:
                self.spending.reserve()
                sendable.append(ticket)
            else:
                yield from self.take(ticket, copy.copy(refused))
        if sendable:
            yield from self._send_chunk(sendable)

    def _send_chunk(self, tickets: list[RowTicket]) -> Flow[None]:
        groups = self.chain
        group_id = groups.tail
        size = groups.sizes.get(group_id, 0)
        is_last = not self.queue.has_more or (
            self.queue.is_partial and size + len(tickets) < self.chunk_size
        )
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
                self.count("started")
            elif isinstance(outcome, RateLimited) and outcome.billed is False:
                self.spending.release()
                self.held.append(ticket)
            else:
                if outcome.billed is False:
                    self.spending.release()
                else:
                    unknown += 1
                    ticket.group_id = group_id
                yield from self.take(ticket, outcome)
        if is_contended:
            self.stopped = not_sent(_error_of_contention(groups.batch_id))
        elif self.held:
            yield from self._hold_back(stopped)
        elif stopped is not None:
            self.stopped = not_sent(stopped)
        group.size += started
        groups.sizes[group_id] = size + started + unknown
        groups.advance(outcomes)

    def _hold_back(self, limited: ParallelError | None) -> Flow[None]:
        """Send no more for a while: the quota is one of minutes."""
        asked = getattr(limited, "retry_after", None) or _QUOTA_PAUSE
        self.held_until = (yield from now()) + min(asked, _LONGEST_PAUSE)

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
        group = self.groups.get(group_id)
        if group is None:
            time = yield from now()
            size = self.chain.sizes.get(group_id, 0)
            group = self.groups[group_id] = GroupResults(group_id, self.policy, size, time)
            if self.chain.known:
                group.last_look = -math.inf  # some may have ended long ago
        elif not group.waiting:
            group.restart((yield from now()))
        return group


def _error_of_contention(batch_id: str) -> ParallelError:
    return ParallelError(
        "Another process is sending rows of this batch, too.",
        hint=f"Both would pay for the same rows. Let one of them end, and go on with batch_id={batch_id!r}.",
    )
