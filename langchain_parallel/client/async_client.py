"""`AsyncParallelClient`: the Task API, asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from .._core import limits, operations, streams, waiting
from .._core.ledger import submission
from .._core.ledger.lookup import Lookup
from .._core.retry import RetryPolicy
from .._locks.process import ahold
from ..models import (
    Event,
    RunInput,
    Submission,
    TaskGroup,
    TaskGroupRunResponse,
    TaskRun,
    TaskRunEvent,
    TaskRunInput,
    TaskRunResult,
)
from .async_driver import AsyncDriver
from .client_settings import DEFAULT_TIMEOUT, Clock, lock_name, settings


class AsyncParallelClient(AsyncDriver):
    """An asynchronous client of the Task API. Tasks, and one event loop after another, may share one.

    Args:
        api_key: The key; read from `PARALLEL_API_KEY` unless given.
        base_url: The server; read from `PARALLEL_BASE_URL` unless given.
        http_client: Your own `httpx` client, which you close yourself; it is bound to one event loop.
        transport: Or only a transport for the clients made here, closed with them.
        retry_policy: How often, how fast and how patiently requests are repeated.
        allow_unknown_processor: Send processors that this package does not know.
        clock: Time; for tests.

    Raises:
        MissingKey: There is no key.
        InvalidRequest: The key or the address cannot be one.
    """

    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        *,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        retry_policy: RetryPolicy | None = None,
        allow_unknown_processor: bool = False,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            settings(api_key, base_url, retry_policy, clock, allow_unknown_processor),
            http_client,
            transport,
        )

    async def create(self, request: TaskRunInput) -> TaskRun:
        """Start a run without a ledger. Paid.

        It is sent once. If its answer is lost, nobody can tell whether a run was started; `submit` can.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse: The run may have been started and billed.
            ApiError: The server refused; on 5xx the run may have been started.
        """
        [checked] = self._settings.checked(request)
        return await self._drive(operations.create(checked, self._settings.policy))

    async def submit(
        self,
        ledger_id: str,
        request: TaskRunInput,
        attempt: int = 0,
        *,
        position: str = "",
        lookup: Lookup = "once",
        cursor: str | None = None,
    ) -> Submission:
        """Find the run in the ledger, or start it there: exactly once. Paid if it is not there yet.

        Args:
            ledger_id: A task group (`create_group`) that keeps the runs of one research session.
            request: What is asked.
            attempt: Raise it to ask the very same thing anew.
            position: The point of the session at which it is asked, such as the number of turns so far.
            lookup: How to look before sending: `once`; `until_settled`, for the policy's settling time, where
                another process may have sent the same a moment ago; `skip`, where nobody can have.
            cursor: `Submission.cursor` of an earlier one in this session: the look begins there.

        Raises:
            InvalidRequest: Nothing was sent.
            LedgerNotFound: There is no such ledger; nothing was sent.
            SubmissionUnknown: The run may have been started; submit again and it is found.
            ApiError: The server refused; nothing was started.
        """
        [checked] = self._settings.checked(request)
        flow = submission.submit(
            ledger_id,
            checked,
            self._settings.policy,
            position=position,
            attempt=attempt,
            lookup=lookup,
            cursor=cursor,
            memory=self._settings.memory,
        )
        async with ahold(lock_name(ledger_id, checked, position, attempt)):
            return await self._drive(flow)

    async def find(
        self,
        ledger_id: str,
        request: TaskRunInput,
        attempt: int = 0,
        *,
        position: str = "",
        lookup: Literal["once", "until_settled"] = "once",
    ) -> Submission | None:
        """The run that `submit` would adopt, or None: what was paid for, without spending. Free.

        Raises:
            LedgerNotFound: There is no such ledger.
        """
        flow = submission.find(
            ledger_id,
            request,
            self._settings.policy,
            position=position,
            attempt=attempt,
            lookup=lookup,
            memory=self._settings.memory,
        )
        async with ahold(lock_name(ledger_id, request, position, attempt)):
            return await self._drive(flow)

    async def retrieve(self, run_id: str) -> TaskRun:
        """A run as it stands."""
        return await self._drive(operations.retrieve(run_id, self._settings.policy))

    async def retrieve_input(self, run_id: str) -> RunInput:
        """What was asked of a run. Headers of MCP servers are not sent back."""
        return await self._drive(operations.retrieve_input(run_id, self._settings.policy))

    async def result(self, run_id: str, *, timeout: float = 600.0) -> TaskRunResult:
        """The answer of a run, waited for on the server for up to `timeout` seconds.

        Raises:
            StillRunning: Not yet.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        """
        return await self._drive(operations.result(run_id, timeout, self._settings.policy))

    async def wait(
        self,
        run_id: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_event: Callable[[Event], Any] | None = None,
    ) -> TaskRunResult:
        """Wait for a run's answer, up to `timeout` seconds, following its progress.

        Args:
            run_id: The run.
            timeout: Seconds to wait at the most.
            on_event: Called with each event as it comes, once each. May be asynchronous where the
                client is.

        Raises:
            StillRunning: The deadline passed; the run goes on, so wait for the same id again.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
            ApiError, ResponseLost, MalformedResponse: The API could not be asked; the run is untouched.
        """
        return await self._drive(
            waiting.wait(run_id, timeout, self._settings.policy, self._settings.memory), on_event
        )

    def events(self, run_id: str) -> AsyncIterator[Event]:
        """The events of a run until it has ended, each once; the last one holds the whole output.

        Raises:
            ApiError, ResponseLost: The stream could not be followed; `wait` falls back to polls.
        """
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    async def create_group(
        self, metadata: Mapping[str, str | int | float | bool] | None = None
    ) -> TaskGroup:
        """An empty task group, which is also what a ledger is. Free; starts nothing."""
        return await self._drive(
            operations.create_group(limits.group_metadata(metadata or {}), self._settings.policy)
        )

    async def retrieve_group(self, taskgroup_id: str) -> TaskGroup:
        """A group with its runs counted by status."""
        return await self._drive(operations.retrieve_group(taskgroup_id, self._settings.policy))

    async def add_runs(
        self, taskgroup_id: str, requests: Sequence[TaskRunInput]
    ) -> TaskGroupRunResponse:
        """Start up to 1,000 runs in a group without looking first. Paid; sent once, as `create` is.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse: The runs may have been started; `list_runs` tells.
            ApiError: The server refused; on 5xx the runs may have been started.
        """
        checked = self._settings.checked(*limits.batch(requests))
        return await self._drive(operations.add_runs(taskgroup_id, checked, self._settings.policy))

    async def list_runs(
        self,
        taskgroup_id: str,
        *,
        include_input: bool = False,
        include_output: bool = False,
        status: str | None = None,
        last_event_id: str | None = None,
    ) -> list[TaskRunEvent]:
        """The runs of a group as they stand now, oldest first; does not wait for them.

        Args:
            taskgroup_id: The group.
            include_input: With what was asked of each.
            include_output: With the answers of those that have completed.
            status: Only those in this status.
            last_event_id: Only those after this one (`event_id` of an earlier answer).
        """
        flow = streams.list_runs(
            taskgroup_id,
            self._settings.policy,
            include_input=include_input,
            include_output=include_output,
            status=status,
            last_event_id=last_event_id,
        )
        return await self._drive(flow)

    def group_events(
        self, taskgroup_id: str, *, last_event_id: str | None = None, timeout: float | None = None
    ) -> AsyncIterator[Event]:
        """The events of a group: its status, and each run as it ends; until none is active.

        Args:
            taskgroup_id: The group.
            last_event_id: Go on after this event.
            timeout: Seconds after which the server ends the stream; then so does this iterator.
        """
        flow = streams.group_events(
            taskgroup_id, self._settings.policy, last_event_id=last_event_id, timeout=timeout
        )
        return self._iterate(flow)
