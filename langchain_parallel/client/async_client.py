"""`AsyncParallelClient`: the Task API, asynchronous. `sync_client.py` has the comments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from .._core import limits, operations, run_wait, streams
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
from .client_settings import DEFAULT_TIMEOUT, Clock, settings


class AsyncParallelClient(AsyncDriver):
    """An asynchronous client of the Task API. Tasks may share one, and so may event loops one after another.

    It takes what `ParallelClient` takes; an `http_client` is asynchronous, and bound to one event loop.
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
        """As `ParallelClient.create`; awaited."""
        [checked] = self._settings.check(request)
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
        """As `ParallelClient.submit`; awaited."""
        [checked] = self._settings.check(request)
        pending = self._settings.pending(
            ledger_id, checked, position=position, attempt=attempt, cursor=cursor
        )
        async with ahold(pending.name):
            return await self._drive(submission.submit(pending, lookup))

    async def find(
        self,
        ledger_id: str,
        request: TaskRunInput,
        attempt: int = 0,
        *,
        position: str = "",
        lookup: Literal["once", "until_settled"] = "once",
    ) -> Submission | None:
        """As `ParallelClient.find`; awaited."""
        pending = self._settings.pending(ledger_id, request, position=position, attempt=attempt)
        async with ahold(pending.name):
            return await self._drive(submission.find(pending, lookup))

    async def retrieve(self, run_id: str) -> TaskRun:
        """As `ParallelClient.retrieve`; awaited."""
        return await self._drive(operations.retrieve(run_id, self._settings.policy))

    async def retrieve_input(self, run_id: str) -> RunInput:
        """As `ParallelClient.retrieve_input`; awaited."""
        return await self._drive(operations.retrieve_input(run_id, self._settings.policy))

    async def result(self, run_id: str, *, timeout: float = 600.0) -> TaskRunResult:
        """As `ParallelClient.result`; awaited."""
        policy, cache = self._settings.policy, self._settings.cache
        return await self._drive(run_wait.wait(run_id, timeout, policy, cache, follow=False))

    async def wait(
        self,
        run_id: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_event: Callable[[Event], Any] | None = None,
    ) -> TaskRunResult:
        """As `ParallelClient.wait`; awaited."""
        policy, cache = self._settings.policy, self._settings.cache
        return await self._drive(run_wait.wait(run_id, timeout, policy, cache), on_event)

    def events(self, run_id: str) -> AsyncIterator[Event]:
        """As `ParallelClient.events`; asynchronous."""
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    async def create_group(
        self, metadata: Mapping[str, str | int | float | bool] | None = None
    ) -> TaskGroup:
        """As `ParallelClient.create_group`; awaited."""
        checked = limits.check_group_metadata(metadata or {})
        return await self._drive(operations.create_group(checked, self._settings.policy))

    async def retrieve_group(self, taskgroup_id: str) -> TaskGroup:
        """As `ParallelClient.retrieve_group`; awaited."""
        return await self._drive(operations.retrieve_group(taskgroup_id, self._settings.policy))

    async def add_runs(
        self, taskgroup_id: str, requests: Sequence[TaskRunInput]
    ) -> TaskGroupRunResponse:
        """As `ParallelClient.add_runs`; awaited."""
        checked = self._settings.check(*limits.check_batch(requests))
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
        """As `ParallelClient.list_runs`; awaited."""
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
        """As `ParallelClient.group_events`; asynchronous."""
        flow = streams.group_events(
            taskgroup_id, self._settings.policy, last_event_id=last_event_id, timeout=timeout
        )
        return self._iterate(flow)
