"""Finding the run of a request in its ledger, or starting it there, for tool, middleware and graph alike.

Rule: `PaidSubmission.submit` is the one way to start a run (R1). It looks into the ledger and sends under a
lock that all processes share where they can (R5), and only once the checkpoints are written from which the
same request would be made again (R4). Everything else here is free, however often it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from typing_extensions import Self

from .._core.calls import Calls
from .._core.ledger.lookup import Lookup, is_unread
from .._core.responses import is_of_processor
from .._telemetry import tell
from ..client.run_reports import submission_events
from ..errors import (
    Forbidden,
    ParallelError,
    QuotaExceeded,
    SubmissionUnknown,
    Unprocessable,
)
from ..models import Submission, TaskRun
from ..processors import costs_more, nearest_listed
from .gone_ledger import telling_how
from .intents import Intent
from .ownership import read_own_run
from .paid_request import PaidRequest
from .records import Record, holder_of, together
from .runtime import wait_for_checkpoint

_LOG = logging.getLogger("langchain_parallel")

_CLAIMED_AT_ONCE = 0.05
"""Seconds between the look for an intent and the claim, in which nobody else can look, claim and send."""


class _How(NamedTuple):
    """How a run is submitted; see `PaidSubmission.submit`."""

    is_new: bool
    is_limited: bool
    before_send: Callable[[Sequence[TaskRun]], None] | None
    may_exceed_quotas: bool
    reads_started: bool
    beside: Callable[[Submission], Calls[None]] | None


@dataclass(frozen=True)
class PaidSubmission(PaidRequest):
    """One run of a door, up to its id."""

    @property
    def _place(self) -> dict[str, Any]:
        return {"position": self.position, "identity": self.door.options.identity}

    def submit(
        self,
        ledger_id: str,
        *,
        is_new: bool = False,
        is_limited: bool = False,
        before_send: Callable[[Sequence[TaskRun]], None] | None = None,
        may_exceed_quotas: bool = False,
        reads_started: bool = True,
        beside: Callable[[Submission], Calls[None]] | None = None,
    ) -> Calls[Submission]:
        """Find the run in the ledger or start it there. The one step that costs money.

        It is reserved in the quotas first (`quotas.py`), then its intent is recorded, and its outcome after
        (`intents.py`).

        Args:
            ledger_id: The ledger.
            is_new: No request can have had its position.
            is_limited: What other runs of the ledger cost decides whether it may be sent: they are looked up
                even in a ledger that this process has just made.
            before_send: Called with the runs that the ledger has; what it raises keeps the request from
                being sent.
            may_exceed_quotas: Somebody who may has approved it beyond the quotas.
            reads_started: Read a run that was just started, which takes a request. False where `answer`
                follows at once: the first event of its stream says as much.
            beside: Makes the step that is taken together with recording the outcome. It must not raise: the
                run is started.

        Raises:
            QuotaExceeded: It was not sent before, and does not fit into a quota.
        """
        how = _How(is_new, is_limited, before_send, may_exceed_quotas, reads_started, beside)
        other = self._in_place()
        if other is None:
            return (yield from self._submit(ledger_id, how))
        if not is_new and (found := (yield from other._look(ledger_id))):
            return other._tell_adopted(other._tell_replaced(found, self))
        try:
            return (yield from self._submit(ledger_id, how))
        except (Forbidden, Unprocessable) as error:
            if error.billed is not False or not is_of_processor(
                error.status, error.fields, error.server_message
            ):
                raise
            name, near = self.request.processor, other.request.processor
            _LOG.warning("Processor %s is refused; %s is asked instead. %s", name, near, error)
        return other._tell_replaced((yield from other._submit(ledger_id, how)), self)

    def _in_place(self) -> Self | None:
        """The same run with the processor to use if the API refuses its own; None if it may not fall back."""
        name = self.request.processor
        near = nearest_listed(name) if self.door.options.processor_may_fall_back else None
        if near is None or costs_more(near, than=name):
            return None
        request = self.request.model_copy(update={"processor": near})
        return replace(self, request=request, called_as=self.called_as or self.key)

    def _tell_replaced(self, submission: Submission, asked: PaidSubmission) -> Submission:
        """The submission of a run that is there in place of another."""
        run = submission.run.model_copy(update={"processor": self.request.processor})
        return submission.model_copy(update={"run": run, "instead_of": asked.request.processor})

    def _tell_adopted(self, found: Submission) -> Submission:
        """Tell those who operate the program of a run that a look has found."""
        for event in submission_events(found, self.request):
            tell(event)
        return found

    def as_sent(self, submission: Submission) -> Self:
        """The run as it was sent: with another processor, if its own was refused."""
        return (self._in_place() or self) if submission.instead_of else self

    def _submit(self, ledger_id: str, how: _How) -> Calls[Submission]:
        self.door.warn_of(self.request)
        yield from wait_for_checkpoint(self.config)
        lock = yield from self.lock(f"submit {ledger_id} {self.key}")
        try:
            if how.is_new or holder_of(self.config) is None:
                return (yield from self._submit_alone(ledger_id, how))
            return (yield from self._submit_intent(ledger_id, how))
        finally:
            lock.release()

    def _submit_alone(self, ledger_id: str, how: _How) -> Calls[Submission]:
        """Submit what no other process can have sent, or can ever know of."""
        if there := (yield from self._reserve(ledger_id, how.may_exceed_quotas)):
            return self._tell_adopted(there)
        lookup: Lookup = "none" if how.is_new else "once"
        try:
            return (yield from self._send(ledger_id, lookup, how, was_never_sent=True))
        except ParallelError as error:
            if error.billed is False:
                yield from self.door.quotas.release(self, ledger_id)
            raise

    def _submit_intent(self, ledger_id: str, how: _How) -> Calls[Submission]:
        """Submit with an intent, which says whether another process has sent it."""
        intents, clients = self._intents(ledger_id), self.door.clients
        read_at = clients.monotonic()
        before = yield from intents[0].read()
        if run := (yield from self._recorded_run(intents[0], before)):
            return (yield from self._submit_recorded(ledger_id, run, how))
        if there := (yield from self._reserve(ledger_id, how.may_exceed_quotas)):
            return self._tell_adopted(there)
        for intent in intents:
            yield from intent.claim()
        is_open = intents[0].is_in_doubt(before) or intents[0].run_of(before) is not None
        lookup: Lookup = "until_settled" if is_open else "once"
        # In a longer time another process may have claimed it, too, and sent it.
        is_first = before is None and clients.monotonic() <= read_at + _CLAIMED_AT_ONCE
        try:
            submission = yield from self._send(
                ledger_id, lookup, how, intents[0].is_ours, was_never_sent=is_first
            )
        except ParallelError as error:
            if error.billed is False:
                for intent in intents:
                    yield from intent.withdraw(before)
            if error.billed is False and not is_open:
                yield from self.door.quotas.release(self, ledger_id)
            raise
        outcome = [intent.settle(submission.run, self.key) for intent in intents]
        yield from together([*outcome, *([how.beside(submission)] if how.beside else [])])
        return submission

    def _submit_recorded(self, ledger_id: str, run: TaskRun, how: _How) -> Calls[Submission]:
        """Adopt the run that is recorded for this request."""
        self.door.clients.remember_run(ledger_id, self.key, run)
        try:
            return (yield from self._send(ledger_id, "once", how))
        except SubmissionUnknown:
            if is_unread(run):  # an acceptance named it, and it is not this request's
                yield from self._doubt(ledger_id)
            raise

    def _doubt(self, ledger_id: str) -> Calls[None]:
        """Record that it is open again what came of the request."""
        if holder_of(self.config) is not None:
            for intent in self._intents(ledger_id):
                yield from intent.claim()

    def _reserve(self, ledger_id: str, may_exceed: bool) -> Calls[Submission | None]:
        """Reserve the run in the quotas. Where it does not fit, return it if it was sent before."""
        try:
            yield from self.door.quotas.reserve(self, ledger_id, may_exceed=may_exceed)
        except QuotaExceeded as error:
            found = yield from self.look(ledger_id)
            if found is None:
                raise error from None
            yield from self.door.quotas.reserve(self, ledger_id, may_exceed=True)
            return found
        return None

    def _send(
        self,
        ledger_id: str,
        lookup: Lookup,
        how: _How,
        confirm: Callable[[], Calls[bool]] | None = None,
        *,
        was_never_sent: bool = False,
    ) -> Calls[Submission]:
        """`was_never_sent`: no process has recorded that it was about to."""
        clients, may_be_first = self.door.clients, was_never_sent and not how.is_limited
        asked: dict[str, Any] = {"before_send": how.before_send, "confirm": confirm}
        asked["was_empty_at"] = clients.was_empty_at(ledger_id) if may_be_first else None
        asked |= {"key": self.key, "identity": self.door.options.identity, "lookup": lookup}
        asked["reads_started"] = how.reads_started
        with telling_how(ledger_id, self.request):
            return (yield from clients.submit(ledger_id, self.request, **asked))

    def may_have_been_sent(self, ledger_id: str) -> Calls[bool]:
        """Whether this call has a run, or may have; True where nothing is recorded."""
        if holder_of(self.config) is None:
            return True
        record = yield from self._intents(ledger_id)[-1].read()
        return record is not None and bool(record.get("open") or "run_id" in record)

    def is_in_doubt(self, ledger_id: str) -> Calls[bool]:
        """Whether it is recorded that nobody knows what came of this call: the API named another run."""
        if holder_of(self.config) is None:
            return False
        record = yield from self._intents(ledger_id)[-1].read()
        return record is not None and bool(record.get("open"))

    def is_known(self, ledger_id: str) -> Calls[bool]:
        """Whether it is recorded which run this call has."""
        if holder_of(self.config) is None:
            return False
        [intent, *_] = self._intents(ledger_id)
        return (yield from self._recorded_run(intent, (yield from intent.read()))) is not None

    def _recorded_run(self, intent: Intent, record: Record | None) -> Calls[TaskRun | None]:
        """The run that is recorded for this request, if this package has recorded it, or the API says so."""
        run = intent.run_of(record)
        if run is None or record is None or self.door.trusts_ids(self.config):
            return run
        if intent.is_sealed(record):
            return run
        clients = self.door.clients
        return (
            yield from read_own_run(clients, run.run_id, self.config, intent.ledger_id, intent.key)
        )

    def look(self, ledger_id: str) -> Calls[Submission | None]:
        """The run of this call, if it was sent before. Where that is in doubt, it is looked for until it is
        settled: if there is none, then nobody has sent it.
        """
        other = self._in_place()
        if other and (found := (yield from other._look(ledger_id))):
            return other._tell_replaced(found, self)
        return (yield from self._look(ledger_id))

    def _look(self, ledger_id: str) -> Calls[Submission | None]:
        if holder_of(self.config) is None:
            return (yield from self.find(ledger_id, lookup="once"))
        intents = self._intents(ledger_id)
        before = yield from intents[-1].read()
        if before is None:
            return None
        if run := (yield from self._recorded_run(intents[-1], before)):
            self.door.clients.remember_run(ledger_id, intents[-1].key, run)
        if not intents[-1].is_in_doubt(before):
            # A run that was sent under another key can only be found in the list, which may show it late.
            is_elsewhere = "run_id" in before and before["key"] != self.key
            lookup: Lookup = "until_settled" if is_elsewhere else "once"
            return (yield from self.find(ledger_id, lookup=lookup))
        for intent in intents:
            yield from intent.claim()
        found = yield from self.find(ledger_id, lookup="until_settled")
        for intent in intents:
            yield from intent.settle(found.run, self.key) if found else intent.withdraw(None)
        if found is None:
            yield from self.door.quotas.release(self, ledger_id)
        return found

    def _intents(self, ledger_id: str) -> list[Intent]:
        """The intents of this run: the request's, and that of the call as it was made: whoever makes the call
        again knows it only by that.
        """
        door = self.door
        by = door.clients.process_id
        keys = dict.fromkeys([self.key, self.called_as or self.key])
        seals = door.clients.seals
        return [Intent(door.records, self.config, ledger_id, key, by, seals) for key in keys]

    def find(self, ledger_id: str, *, lookup: Lookup) -> Calls[Submission | None]:
        """The run that was paid for under this key, if there is one."""
        with telling_how(ledger_id, self.request):
            return (
                yield from self.door.clients.find(
                    ledger_id, self.request, **self._place, lookup=lookup
                )
            )
