"""A blocking and an asynchronous client of one account, as the calls of a step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from pydantic import SecretStr

from .._core import limits, run_wait
from .._core.calls import Call, Calls, adrive, drive
from .._core.effects import Flow
from .._core.hidden import as_secret, hidden
from .._core.ledger.cache import KnownRun
from .._core.ledger.ledger_list import as_ledger_error
from .._core.ledger.lookup import Lookup, PendingSubmission, is_proven
from .._core.ledger.submission import read_started, submit
from .._core.redaction import secrets_of
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_pair import AnyClient, client_pair
from ..client.run_reports import report_end, report_submission
from ..errors import NotFound, ParallelError
from ..models import (
    Event,
    Submission,
    TaskGroup,
    TaskRun,
    TaskRunEvent,
    TaskRunInput,
    TaskRunResult,
)
from .seals import Seals

P = ParamSpec("P")
T = TypeVar("T")


class ClientPair(NamedTuple):
    """A blocking and an asynchronous client of the same account."""

    sync: ParallelClient
    async_: AsyncParallelClient

    @property
    def process_id(self) -> str:
        """The id of what these two know of their ledgers; it is another one in a forked process."""
        return f"{self.sync._settings.cache.name}.{os.getpid()}"

    def now(self) -> float:
        """Unix seconds; a clock that is moved by hand tells the date, too."""
        clock: Any = self.sync._settings.clock
        return float(getattr(clock, "now", time.time)())

    @property
    def seals(self) -> Seals:
        """The seals of this account."""
        return Seals(self.sync._settings.api_key)

    @classmethod
    def of(
        cls,
        client: AnyClient | None,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        allow_unknown_processor: bool = False,
        asks: TaskRunInput,
    ) -> ClientPair:
        """The client given and its counterpart (see `client_pair`), or both made from the rest.

        `asks` is a request like those to come: its secrets are redacted from all that the server says, also
        in a process that waits for a run which another process has started.

        Raises:
            InvalidRequest: An argument contradicts the client's own setting.
            MissingKey: The clients are to be made and there is no key.
        """
        api_key, base_url = as_secret(api_key), hidden(base_url)
        sync, async_ = client_pair(
            client,
            api_key=api_key,
            base_url=base_url,
            allow_unknown_processor=allow_unknown_processor,
        )
        sync._settings.secrets.register(secrets_of([asks]))
        return cls(sync, async_)

    def _call(
        self, method: Callable[Concatenate[ParallelClient, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Calls[T]:
        """Call a method of `ParallelClient`, or await that of the other client."""
        name = method.__name__
        returned: T = yield Call(
            lambda: getattr(self.sync, name)(*args, **kwargs),
            lambda: getattr(self.async_, name)(*args, **kwargs),
        )
        return returned

    def remember_run(self, ledger_id: str, key: str, run: TaskRun) -> None:
        """Note that a run was started under a key, which the ledger's list may not show yet."""
        cache = self.sync._settings.cache
        if cache.started_run(ledger_id, key) is None:
            cache.remember_run(ledger_id, key, KnownRun(run, may_have_duplicate=True))

    def create_group(self, metadata: Mapping[str, str]) -> Calls[str]:
        """A new ledger, which is remembered to be empty. Free."""
        group = yield from self._call(ParallelClient.create_group, metadata)
        # Now is right, however late it is: until this returns nobody else can know its id.
        made_at = self.monotonic()
        self.sync._settings.cache.remember_made(group.taskgroup_id, self.process_id, made_at)
        return group.taskgroup_id

    def monotonic(self) -> float:
        """Seconds, by the clock that the clients go by."""
        return self.sync._settings.clock.monotonic()

    def sleep(self, seconds: float) -> Calls[None]:
        """Let time pass, by the same clock."""
        clock = self.sync._settings.clock
        yield Call(lambda: clock.sleep(seconds), lambda: clock.asleep(seconds))

    def was_empty_at(self, ledger_id: str) -> float | None:
        """When a ledger was empty, by the monotonic clock, if this process has made it."""
        return self.sync._settings.cache.made_at(ledger_id, self.process_id)

    def retrieve_group(self, ledger_id: str) -> Calls[TaskGroup]:
        """A ledger with its runs counted. Free.

        Raises:
            LedgerNotFound: There is none.
        """
        try:
            return (yield from self._call(ParallelClient.retrieve_group, ledger_id))
        except NotFound as error:
            raise as_ledger_error(error, ledger_id) from None

    def has_group(self, ledger_id: str) -> Calls[bool]:
        """Whether a ledger exists for this account. Free."""
        try:
            yield from self.retrieve_group(ledger_id)
        except NotFound:
            return False
        return True

    def submit(
        self,
        ledger_id: str,
        request: TaskRunInput,
        *,
        key: str,
        identity: str | None = None,
        lookup: Lookup = "once",
        before_send: Callable[[Sequence[TaskRun]], None] | None = None,
        confirm: Callable[[], Calls[bool]] | None = None,
        was_empty_at: float | None = None,
        reads_started: bool = True,
    ) -> Calls[Submission]:
        """Find the run in the ledger or start it there, as `ParallelClient.submit` does.

        Args:
            ledger_id: The ledger.
            request: What is asked, as the door has checked it.
            key: Its key.
            identity: Whose MCP credentials it uses.
            lookup: How to look before sending.
            before_send: See `_core.ledger.submission.submit`.
            confirm: Says, where moments have passed since the look, whether the request may still be sent;
                False if another process has taken it over.
            was_empty_at: See `_core.ledger.submission.submit`.
            reads_started: See there; False: `wait_unread` for a run that was just started.
        """

        def flow(client: AnyClient) -> tuple[Flow[Submission], str]:
            pending = client._settings.pending(ledger_id, request, key, identity)
            steps = submit(pending, lookup, before_send, was_empty_at, reads_started=reads_started)
            return report_submission(steps, request), pending.name

        def sync() -> Submission:
            steps, lock = flow(self.sync)
            may_send = None if confirm is None else lambda: drive(confirm())
            return self.sync._drive(steps, locks=[lock], confirm=may_send)

        async def async_() -> Submission:
            steps, lock = flow(self.async_)
            may_send = None if confirm is None else lambda: adrive(confirm())
            return await self.async_._drive(steps, locks=[lock], confirm=may_send)

        submission: Submission = yield Call(sync, async_)
        if reads_started and not submission.adopted:
            self.sync._settings.cache.remember_read(submission.run, self.monotonic())
        return submission

    def find(
        self,
        ledger_id: str,
        request: TaskRunInput,
        *,
        position: str,
        identity: str | None = None,
        lookup: Any = "once",
    ) -> Calls[Submission | None]:
        """The run that was paid for under a key, if there is one."""
        how: dict[str, Any] = {"position": position, "identity": identity, "lookup": lookup}
        return (yield from self._call(ParallelClient.find, ledger_id, request, **how))

    def chat(self, messages: Any, **how: Any) -> Calls[Any]:
        """An answer of the Chat API, asked once."""
        return (yield from self._call(ParallelClient.chat, messages, **how))

    def list_runs(self, ledger_id: str) -> Calls[list[TaskRun]]:
        """The runs of a ledger with processor and metadata, and those that these two have started and the
        list does not show yet. Free.
        """
        list_runs = ParallelClient.list_runs
        events = yield from self._call(list_runs, ledger_id)
        if any(not event.run.processor or event.run.metadata is None for event in events):
            events = yield from self._call(list_runs, ledger_id, include_input=True)
        listed = {event.run.run_id: _with_input(event) for event in events}
        started = self.sync._settings.cache.started_runs(ledger_id)
        return [*({run.run_id: run for run in started} | listed).values()]

    def list_inputs(self, ledger_id: str) -> Calls[list[TaskRunEvent]]:
        """The listed runs of a ledger with what was asked, processor and metadata. Free."""
        events = yield from self._call(ParallelClient.list_runs, ledger_id, include_input=True)
        return [event.model_copy(update={"run": _with_input(event)}) for event in events]

    def known_runs(self, ledger_id: str) -> list[TaskRun]:
        """The runs of a ledger as these two have read and started them so far, without a request."""
        return self.sync._settings.cache.runs(ledger_id)

    def has_started(self, run_id: str) -> bool:
        """Whether these two have started the run, lately enough to remember it."""
        return self.sync._settings.cache.has_started(run_id)

    def take_read(self, run_id: str, seconds: float) -> TaskRun | None:
        """A run as it was read when it was started, if that is no longer ago than this; once."""
        return self.sync._settings.cache.take_read(run_id, self.monotonic() - seconds)

    def remember_noted(self, run_id: str, where: str) -> None:
        """Remember for a moment that it is noted where a run is waited for."""
        self.sync._settings.cache.remember_noted(run_id, where, self.monotonic())

    def take_noted(self, run_id: str, where: str, seconds: float) -> bool:
        """Whether that was noted of this place no longer ago than this; once."""
        return self.sync._settings.cache.take_noted(run_id, where, self.monotonic() - seconds)

    def retrieve(self, run_id: str) -> Calls[TaskRun]:
        """The current state of a run."""
        return (yield from self._call(ParallelClient.retrieve, run_id))

    def unread(
        self, submission: Submission, request: TaskRunInput, identity: str | None
    ) -> PendingSubmission:
        """The request of a run that was never read, as `wait_unread` and `read_started` take it."""
        pending = self.sync._settings.pending
        return pending(submission.ledger_id, request, submission.key, identity)

    def wait_unread(
        self,
        unread: PendingSubmission,
        submission: Submission,
        timeout: float,
        on_event: Callable[[Event], Any],
    ) -> Calls[TaskRunResult | None]:
        """As `wait`, for a run that was never read. None if its first event does not come, or does not show
        that it is the request's: nothing of it was handed out then, and `read_started` finds the right one.
        """
        run_id, most = submission.run.run_id, limits.seconds(timeout)
        proof = partial(is_proven, unread, may_have_duplicate=submission.sent_again)

        def flow() -> Flow[TaskRunResult | None]:
            steps = run_wait.wait(run_id, timeout, unread.policy, unread.cache, proof=proof)
            try:
                return (yield from report_end(steps, run_id))
            except run_wait.NotProven:
                return None

        returned: TaskRunResult | None = yield Call(
            lambda: self.sync._drive(flow(), on_event, seconds=most),
            lambda: self.async_._drive(flow(), on_event, seconds=most),
        )
        return returned

    def read_started(self, unread: PendingSubmission, submission: Submission) -> Calls[Submission]:
        """The submission with its run as it is now; with the ledger's, if its id is that of another."""

        def flow() -> Flow[Submission]:
            return report_submission(read_started(unread, submission), unread.request)

        locks = [unread.name]
        read: Submission = yield Call(
            lambda: self.sync._drive(flow(), locks=locks),
            lambda: self.async_._drive(flow(), locks=locks),
        )
        return read

    def wait(
        self,
        run_id: str,
        interaction_id: str | None,
        timeout: float,
        on_event: Callable[[Event], Any] | None,
    ) -> Calls[TaskRunResult]:
        """Wait for a run; without `on_event`, where it has ended, only ask for its answer.

        Errors name the run and the interaction.
        """
        wait = ParallelClient.wait
        try:
            if on_event is None:
                return (yield from self._call(ParallelClient.result, run_id, timeout=timeout))
            return (yield from self._call(wait, run_id, timeout=timeout, on_event=on_event))
        except ParallelError as error:
            error.with_ids(run_id, interaction_id)
            raise


def _with_input(event: TaskRunEvent) -> TaskRun:
    """A listed run; what the list leaves out of it is in its input."""
    run, asked = event.run, event.input
    if asked is None:
        return run
    metadata = asked.metadata if run.metadata is None else run.metadata
    return run.model_copy(
        update={"processor": run.processor or asked.processor, "metadata": metadata}
    )
