"""A paid run, for tool, middleware and graph alike: it is submitted (`paid_submission.py`), and answered.

Rule: waiting for an answer is free, however often it is done. Of a run that was started more than once, the
oldest that has an answer counts, and all are told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from .._core.calls import Calls
from .._core.ledger.lookup import is_unread
from .._core.run_status import still_running
from .._telemetry import tell
from ..client.run_reports import duplicate_events
from ..errors import (
    ActionRequired,
    NotFound,
    ParallelError,
    RunCancelled,
    RunFailed,
    SubmissionUnknown,
)
from ..models import Event, Submission, TaskRun, TaskRunEvent, TaskRunResult
from ..processors import price_usd
from ..text.progress import progress
from .callbacks import emit
from .observers import OBSERVER, tell_to, update_of, watch_run
from .paid_request import wait_seconds
from .paid_submission import PaidSubmission
from .records import holder_of
from .runtime import runtime_of

_LOG = logging.getLogger("langchain_parallel")


class PaidAnswer(NamedTuple):
    """An answer, and the other runs that were started for the same request: normally none."""

    result: TaskRunResult
    duplicates: tuple[str, ...] = ()
    paid: int = 1
    """How many runs cost money."""

    def cost_usd(self, processor: str) -> float | None:
        """List prices of what was paid, where the API does not say another processor; None: unknown."""
        price = price_usd(self.result.run.processor or processor)
        return None if price is None else price * self.paid


@dataclass(frozen=True)
class PaidRun(PaidSubmission):
    """One run of a door."""

    fetch_seconds: float = 60.0
    """How long to wait for the answer of a run that is known to have ended."""

    def answer(
        self,
        submission: Submission,
        *,
        has_ended: bool = False,
    ) -> Calls[PaidAnswer]:
        """Wait for the answer, with progress on LangGraph's custom stream and as LangChain events.

        A run that was perhaps started twice is looked for once the first has ended. Of duplicates the
        oldest that has an answer counts; all are reported, in the log, too: both are paid for, and only a
        person can ask for the money back.

        Args:
            submission: Of `submit` or `find`.
            has_ended: Only ask for the answer.

        Raises:
            StillRunning: The time is over; with `has_ended`, at once if another run counts and goes on.
        """
        if submission.instead_of:
            sent = submission.model_copy(update={"instead_of": None})
            answered = self.as_sent(submission).answer(sent, has_ended=has_ended)
            return (yield from answered)
        settle, place = self.door.quotas.settle, (submission.ledger_id, submission.key)
        with watch_run(submission.run.run_id, self.request) as watch:
            try:
                got = yield from self._answer(submission, has_ended)
            except RunFailed as error:
                if error.billed is False:
                    yield from settle(self, *place, 0.0)
                raise
            watch.cost_usd = got.cost_usd(self.request.processor)
        yield from settle(self, *place, watch.cost_usd)
        return got

    def _answer(self, submission: Submission, has_ended: bool) -> Calls[PaidAnswer]:
        submission, first = yield from self._first_ending(submission, has_ended)
        if not (submission.sent_again or submission.duplicates):
            return PaidAnswer(_result(first))
        try:
            found = yield from self.find(submission.ledger_id, lookup="once")
        except ParallelError as error:
            if isinstance(first, TaskRunResult):
                _LOG.warning("Perhaps started twice (ledger %s): %s", submission.ledger_id, error)
                return PaidAnswer(first)
            error.billed = None
            raise error.with_ids(submission.run.run_id, submission.run.interaction_id) from None
        if found is None:  # the list shows neither run, so the answer at hand counts
            return PaidAnswer(_result(first))
        ids = tuple(dict.fromkeys((found.run.run_id, *found.duplicates, submission.run.run_id)))
        endings: dict[str, _Ending] = {submission.run.run_id: first}
        for run_id in ids:
            if run_id not in endings:
                is_found = run_id == found.run.run_id
                run = found.run if is_found else TaskRun(run_id=run_id, status="queued")
                endings[run_id] = yield from self._other_ending(run, has_ended)
            if isinstance(endings[run_id], TaskRunResult):
                break
        result = _result(endings[run_id])
        others = tuple(other for other in ids if other != result.run.run_id)
        paid = len(ids) - sum(not isinstance(ending, TaskRunResult) for ending in endings.values())
        if others:
            processor = self.request.processor
            for event in duplicate_events(result.run.run_id, others, processor):
                tell(event)
            _LOG.warning(
                "Started more than once (ledger %s): runs %s; %d are paid for.",
                submission.ledger_id,
                ", ".join(ids),
                paid,
            )
        return PaidAnswer(result, others, paid)

    def _first_ending(
        self, submission: Submission, has_ended: bool
    ) -> Calls[tuple[Submission, _Ending]]:
        """How the run ended; if there is none under its id, the one that the ledger has under the key."""
        try:
            if has_ended or not submission.key or not is_unread(submission.run):
                return submission, (yield from self._ending(submission.run, has_ended))
            submission, ending = yield from self._first_reading(submission)
            return submission, ending
        except NotFound as error:
            found = None
            with suppress(ParallelError):
                found = yield from self.find(submission.ledger_id, lookup="once")
            if found is None or found.run.run_id == submission.run.run_id:
                raise error from None
        return found, (yield from self._other_ending(found.run, has_ended))

    def _first_reading(self, submission: Submission) -> Calls[tuple[Submission, _Ending]]:
        """How a run ended that was never read; if its id is not that of this request's, how that one did."""
        clients = self.door.clients
        unread = clients.unread(submission, self.request, self.door.options.identity)
        began_at, seconds = clients.monotonic(), self._wait_seconds()
        wait = clients.wait_unread(unread, submission, seconds, self._listener(submission.run))
        if (ending := (yield from _as_ending(wait))) is not None:
            return submission, ending
        read = yield from self.read(submission)
        left = max(0.0, seconds - (clients.monotonic() - began_at))
        return read, (yield from self._ending(read.run, has_ended=False, seconds=left))

    def read(self, submission: Submission) -> Calls[Submission]:
        """The submission with its run as it is now; with this request's, if its id is that of another.

        Raises:
            SubmissionUnknown: Neither the id nor the ledger leads to this request's run.
        """
        clients = self.door.clients
        unread = clients.unread(submission, self.request, self.door.options.identity)
        try:
            read = yield from clients.read_started(unread, submission)
        except SubmissionUnknown:
            yield from self._doubt(submission.ledger_id)
            raise
        if read.run.run_id != submission.run.run_id and holder_of(self.config) is not None:
            for intent in self._intents(submission.ledger_id):
                yield from intent.settle(read.run, submission.key)
        return read

    def _other_ending(self, run: TaskRun, has_ended: bool) -> Calls[_Ending]:
        """How a run ended that is not the submission's: that the latter has ended says nothing of it."""
        if has_ended and (now := (yield from self.door.clients.retrieve(run.run_id))).active:
            raise still_running(now, 0.0)
        return (yield from self._ending(run, has_ended))

    def _ending(
        self, run: TaskRun, has_ended: bool, seconds: float | None = None
    ) -> Calls[_Ending]:
        if seconds is None:
            seconds = self.fetch_seconds if has_ended else self._wait_seconds()
        on_event = None if has_ended else self._listener(run)
        wait = self.door.clients.wait(run.run_id, run.interaction_id, seconds, on_event)
        return (yield from _as_ending(wait))

    def _wait_seconds(self) -> float:
        return wait_seconds(self.request.processor, self.door.timeout)

    def _listener(self, run: TaskRun) -> Callable[[Event], Any]:
        """Progress to the custom stream and to LangChain's callbacks; each event also tells LangGraph that
        the step is not idle.
        """
        runtime, observer = runtime_of(self.config), OBSERVER.get()
        interaction_id = run.interaction_id

        def on_event(event: Event) -> Any:
            nonlocal interaction_id
            if isinstance(event, TaskRunEvent):  # a run that was just started may not say it yet
                interaction_id = event.run.interaction_id or interaction_id
            news = progress(event, run.run_id, interaction_id)
            if observer is not None:
                tell_to(observer, update_of(news))
            message = dict(news)
            if runtime is not None:
                runtime.stream_writer(message)
                runtime.heartbeat()
            return emit(message, self.config)

        return on_event


AnswerT = TypeVar("AnswerT")
_NoAnswer: TypeAlias = RunFailed | RunCancelled | ActionRequired
_Ending: TypeAlias = TaskRunResult | _NoAnswer


def _as_ending(wait: Calls[AnswerT]) -> Calls[AnswerT | _NoAnswer]:
    try:
        return (yield from wait)
    except (RunFailed, RunCancelled, ActionRequired) as error:
        return error


def _result(ending: _Ending) -> TaskRunResult:
    if isinstance(ending, TaskRunResult):
        return ending
    raise ending
