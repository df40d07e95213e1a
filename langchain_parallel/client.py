"""`ParallelClient` and `AsyncParallelClient`: the two drivers of the flows in `_core`.

Rule: the only module that performs I/O with the API, and the only one that imports httpx. A method
builds a flow and drives it; what is decided is decided in `_core`.

The two classes have the same methods; the asynchronous ones are awaited. `tests/test_public_surface.py`
holds them to that.
"""

from __future__ import annotations

import inspect
import os
import random
import time
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, finalize

import anyio
import httpx
from anyio.lowlevel import RunVar
from pydantic import SecretStr
from typing_extensions import Self

from . import errors
from ._core import checks, flows, ledger, streams, waiting
from ._core.effects import Effect, Emit, Ended, Flow, Lost, Open, Read, Request, Response, Sleep
from ._core.retry import RetryPolicy
from ._locks import ahold, hold
from .models import (
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

T = TypeVar("T")

BASE_URL = "https://api.parallel.ai"
DEFAULT_TIMEOUT = 3600.0
"""Seconds a `wait` lasts at the most, unless told."""

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_POOL_SECONDS = 600.0
"""How long a call waits for one of the pool's connections: long, but no call may hang for ever."""
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=20)


class Clock(Protocol):
    """Time as the client sees it; pass another to make tests quick."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def asleep(self, seconds: float) -> None:
        """Let time pass without blocking the event loop."""


class _SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


@dataclass(frozen=True)
class _Settings:
    """What both clients are configured with."""

    api_key: SecretStr
    base_url: str
    policy: RetryPolicy
    clock: Clock
    allow_unknown_processor: bool

    unsettled: dict[str, float] = field(default_factory=dict, repr=False)
    """What `submit` sent with an outcome nobody saw; see `_core/ledger.py`."""

    def checked(self, *runs: TaskRunInput) -> list[TaskRunInput]:
        """`runs`, once they are known to be within the API's limits; remarks become Python warnings."""
        for run in runs:
            for remark in checks.check(run, allow_unknown_processor=self.allow_unknown_processor):
                warnings.warn(remark, stacklevel=3)
        return list(runs)

    def request(self, http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        headers = {
            "x-api-key": self.api_key.get_secret_value(),
            "user-agent": _USER_AGENT,
            **({"content-type": "application/json"} if request.body else {}),
            **request.headers,
        }
        return http.build_request(
            request.method,
            self.base_url + request.path,
            params=dict(request.query),
            content=request.body,
            headers=headers,
            timeout=httpx.Timeout(request.timeout, connect=15.0, pool=_POOL_SECONDS),
        )

    def response(self, answer: httpx.Response, body: bytes = b"") -> Response:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if (
            not answer.is_success
        ):  # a server that repeats the key there must not get it into our errors
            body = body.replace(self.api_key.get_secret_value().encode(), "…".encode())
        return Response(answer.status_code, headers, body)

    def lost(self, error: httpx.RequestError) -> Lost:
        return Lost(sent=not isinstance(error, _NEVER_SENT), reason=type(error).__name__)


def _seconds(sleep: Sleep) -> float:
    return sleep.seconds + sleep.jitter * random.random()


def _user_agent() -> str:
    try:
        return f"langchain-parallel/{metadata.version('langchain-parallel')}"
    except metadata.PackageNotFoundError:  # run from a source tree
        return "langchain-parallel"


_USER_AGENT = _user_agent()


def _settings(
    api_key: str | SecretStr | None,
    base_url: str | None,
    policy: RetryPolicy | None,
    clock: Clock | None,
    allow_unknown_processor: bool,
) -> _Settings:
    key = api_key if api_key is not None else os.environ.get("PARALLEL_API_KEY", "")
    text = (key.get_secret_value() if isinstance(key, SecretStr) else key).strip()
    if not text:
        raise errors.MissingKey(
            "No Parallel API key was given.",
            hint="Set the environment variable PARALLEL_API_KEY, or pass `api_key=`; keys are made at "
            "https://platform.parallel.ai.",
        )
    if not (text.isascii() and text.isprintable()):
        raise errors.InvalidRequest(["The API key holds characters that no HTTP header may hold."])
    url = (base_url or os.environ.get("PARALLEL_BASE_URL") or BASE_URL).strip()
    _check_url(url)
    return _Settings(
        api_key=SecretStr(text),
        base_url=url.rstrip("/"),
        policy=policy or RetryPolicy(),
        clock=clock or _SystemClock(),
        allow_unknown_processor=allow_unknown_processor,
    )


def _check_url(url: str) -> None:
    """Raise InvalidRequest for an address that cannot be a server's. A login in it is not repeated."""
    try:
        parts, host = httpx.URL(url), urlsplit(url).hostname
    except (httpx.InvalidURL, ValueError):
        parts, host = httpx.URL(""), None
    usable = parts.scheme in ("http", "https") and host and not any(c.isspace() for c in url)
    if parts.userinfo:
        raise errors.InvalidRequest(
            ["base_url holds a login; pass an `http_client` of your own with `auth=` instead."]
        )
    if not usable or "?" in url or "#" in url:
        shown = "" if "@" in url or "?" in url else f" {url!r}"
        raise errors.InvalidRequest(
            [f"base_url{shown} is not the HTTP address of a server; {BASE_URL} is the default."]
        )


def _check_http(
    http_client: object, transport: object, client_kind: type, transport_kind: type
) -> None:
    """Raise InvalidRequest for an httpx object of the other kind, or one that would be ignored."""
    if http_client is not None and transport is not None:
        raise errors.InvalidRequest(
            ["Both http_client and transport are given; the transport belongs into your client."]
        )
    for value, kind in ((http_client, client_kind), (transport, transport_kind)):
        if value is not None and not isinstance(value, kind):
            raise errors.InvalidRequest(
                [f"{type(value).__name__} is given; {kind.__name__} is needed."]
            )


class ParallelClient:
    """A blocking client of the Task API. Threads may share one.

    Args:
        api_key: The key; read from `PARALLEL_API_KEY` unless given.
        base_url: The server; read from `PARALLEL_BASE_URL` unless given.
        http_client: Your own `httpx` client, which you close yourself.
        transport: Or only a transport for the client made here, closed with it.
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
        http_client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        retry_policy: RetryPolicy | None = None,
        allow_unknown_processor: bool = False,
        clock: Clock | None = None,
    ) -> None:
        _check_http(http_client, transport, httpx.Client, httpx.BaseTransport)
        self._settings = _settings(api_key, base_url, retry_policy, clock, allow_unknown_processor)
        self._given = http_client
        self._transport = transport
        self._made: dict[int, httpx.Client] = {}
        """By process: a forked child must not speak on its parent's connections, nor drop them."""
        finalize(self, _close_own, self._made)

    def create(self, request: TaskRunInput) -> TaskRun:
        """Start a run without a ledger. Paid.

        It is sent once. If its answer is lost, nobody can tell whether a run was started; `submit` can.

        Raises:
            InvalidRequest: Nothing was sent.
            AnswerLost, AnswerBroken: The run may have been started and billed.
            ApiError: The server refused; on 5xx the run may have been started.
        """
        [checked] = self._settings.checked(request)
        return self._drive(flows.create(checked, self._settings.policy))

    def submit(
        self, ledger_id: str, request: TaskRunInput, attempt: int = 0, *, position: str = ""
    ) -> Submission:
        """Find the run in the ledger, or start it there: exactly once. Paid if it is not there yet.

        Args:
            ledger_id: A task group (`create_group`) that keeps the runs of one research session.
            request: What is asked.
            attempt: Raise it to ask the very same thing anew.
            position: The point of the session at which it is asked, such as the number of turns so far.

        Raises:
            InvalidRequest: Nothing was sent.
            LedgerNotFound: There is no such ledger; nothing was sent.
            SubmissionUnknown: The run may have been started; submit again and it is found.
            ApiError: The server refused; nothing was started.
        """
        [checked] = self._settings.checked(request)
        flow = ledger.submit(
            ledger_id,
            checked,
            self._settings.policy,
            position=position,
            attempt=attempt,
            unsettled=self._settings.unsettled,
        )
        with hold(ledger_id):
            return self._drive(flow)

    def retrieve(self, run_id: str) -> TaskRun:
        """A run as it stands."""
        return self._drive(flows.retrieve(run_id, self._settings.policy))

    def retrieve_input(self, run_id: str) -> RunInput:
        """What was asked of a run. Headers of MCP servers are not sent back."""
        return self._drive(flows.retrieve_input(run_id, self._settings.policy))

    def result(self, run_id: str, *, timeout: float = 600.0) -> TaskRunResult:
        """The answer of a run, waited for on the server for up to `timeout` seconds.

        Raises:
            StillRunning: Not yet.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        """
        return self._drive(flows.result(run_id, timeout, self._settings.policy))

    def wait(
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
            ApiError, AnswerLost, AnswerBroken: The API could not be asked; that does not touch the run.
        """
        if inspect.iscoroutinefunction(on_event):
            raise errors.InvalidRequest(
                [
                    "on_event is asynchronous; AsyncParallelClient would await it, this client cannot."
                ]
            )
        return self._drive(waiting.wait(run_id, timeout, self._settings.policy), on_event)

    def events(self, run_id: str) -> Iterator[Event]:
        """The events of a run until it has ended, each once; the last one holds the whole output.

        Raises:
            ApiError, AnswerLost: The stream could not be followed; `wait` falls back to polls.
        """
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    def create_group(
        self, metadata: Mapping[str, str | int | float | bool] | None = None
    ) -> TaskGroup:
        """An empty task group, which is also what a ledger is. Free; starts nothing."""
        return self._drive(
            flows.create_group(checks.group_metadata(metadata or {}), self._settings.policy)
        )

    def retrieve_group(self, taskgroup_id: str) -> TaskGroup:
        """A group with its runs counted by status."""
        return self._drive(flows.retrieve_group(taskgroup_id, self._settings.policy))

    def add_runs(self, taskgroup_id: str, requests: Sequence[TaskRunInput]) -> TaskGroupRunResponse:
        """Start up to 1,000 runs in a group without looking first. Paid; sent once, as `create` is.

        Raises:
            InvalidRequest: Nothing was sent.
            AnswerLost, AnswerBroken: The runs may have been started; `list_runs` tells.
            ApiError: The server refused; on 5xx the runs may have been started.
        """
        checked = self._settings.checked(*checks.batch(requests))
        return self._drive(flows.add_runs(taskgroup_id, checked, self._settings.policy))

    def list_runs(
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
        return self._drive(flow)

    def group_events(
        self, taskgroup_id: str, *, last_event_id: str | None = None, timeout: float | None = None
    ) -> Iterator[Event]:
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

    def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        _close_own(self._made)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the driver ---

    def _http(self) -> httpx.Client:
        if self._given is not None:
            return self._given
        made = self._made.get(os.getpid())
        if made is not None:
            return made
        with hold("the making of an httpx.Client"):
            if os.getpid() not in self._made:
                self._made[os.getpid()] = httpx.Client(transport=self._transport, limits=_LIMITS)
            return self._made[os.getpid()]

    def _drive(self, flow: Flow[T], on_event: Callable[[Event], Any] | None = None) -> T:
        steps = self._steps(flow)
        with closing(steps):
            while True:
                try:
                    event = next(steps)
                except StopIteration as end:
                    return cast(T, end.value)
                if on_event is not None:
                    on_event(event)

    def _iterate(self, flow: Flow[None]) -> Iterator[Event]:
        yield from self._steps(flow)

    def _steps(self, flow: Flow[T]) -> Generator[Event, None, T]:
        """Perform a flow's effects; what it emits is yielded."""
        outcome: object = None
        with closing(flow), _Stream(self) as stream:
            while True:
                try:
                    effect = flow.send(outcome)
                except StopIteration as end:
                    return cast(T, end.value)
                if isinstance(effect, Emit):
                    yield effect.event
                    outcome = None
                else:
                    outcome = self._perform(effect, stream)

    def _perform(self, effect: Effect, stream: _Stream) -> object:
        match effect:
            case Request():
                stream.close()
                return self._send(effect)
            case Open(request):
                return stream.open(request)
            case Read():
                return stream.read()
            case Sleep():
                self._settings.clock.sleep(_seconds(effect))
                return None
            case _:
                return self._settings.clock.monotonic()

    def _send(self, request: Request) -> Response | Lost:
        http = self._http()
        try:
            answer = http.send(self._settings.request(http, request), follow_redirects=False)
        except httpx.RequestError as error:
            return self._settings.lost(error)
        return self._settings.response(answer, answer.content)


class _Stream:
    """The one open stream of a flow."""

    def __init__(self, client: ParallelClient) -> None:
        self._client = client
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def open(self, request: Request) -> Response | Lost:
        self.close()
        http, settings = self._client._http(), self._client._settings
        try:
            answer = http.send(settings.request(http, request), stream=True, follow_redirects=False)
            self._stack.callback(answer.close)
            self._chunks = answer.iter_bytes()
            refused = answer.read() if not answer.is_success else b""
        except httpx.RequestError as error:
            return settings.lost(error)
        return settings.response(answer, refused)

    def read(self) -> bytes | Ended | Lost:
        try:
            return next(self._chunks, Ended())
        except httpx.RequestError as error:
            return self._client._settings.lost(error)


class AsyncParallelClient:
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
        _check_http(http_client, transport, httpx.AsyncClient, httpx.AsyncBaseTransport)
        self._settings = _settings(api_key, base_url, retry_policy, clock, allow_unknown_processor)
        self._given = http_client
        self._transport = transport

    async def create(self, request: TaskRunInput) -> TaskRun:
        """Start a run without a ledger. Paid.

        It is sent once. If its answer is lost, nobody can tell whether a run was started; `submit` can.

        Raises:
            InvalidRequest: Nothing was sent.
            AnswerLost, AnswerBroken: The run may have been started and billed.
            ApiError: The server refused; on 5xx the run may have been started.
        """
        [checked] = self._settings.checked(request)
        return await self._drive(flows.create(checked, self._settings.policy))

    async def submit(
        self, ledger_id: str, request: TaskRunInput, attempt: int = 0, *, position: str = ""
    ) -> Submission:
        """Find the run in the ledger, or start it there: exactly once. Paid if it is not there yet.

        Args:
            ledger_id: A task group (`create_group`) that keeps the runs of one research session.
            request: What is asked.
            attempt: Raise it to ask the very same thing anew.
            position: The point of the session at which it is asked, such as the number of turns so far.

        Raises:
            InvalidRequest: Nothing was sent.
            LedgerNotFound: There is no such ledger; nothing was sent.
            SubmissionUnknown: The run may have been started; submit again and it is found.
            ApiError: The server refused; nothing was started.
        """
        [checked] = self._settings.checked(request)
        flow = ledger.submit(
            ledger_id,
            checked,
            self._settings.policy,
            position=position,
            attempt=attempt,
            unsettled=self._settings.unsettled,
        )
        async with ahold(ledger_id):
            return await self._drive(flow)

    async def retrieve(self, run_id: str) -> TaskRun:
        """A run as it stands."""
        return await self._drive(flows.retrieve(run_id, self._settings.policy))

    async def retrieve_input(self, run_id: str) -> RunInput:
        """What was asked of a run. Headers of MCP servers are not sent back."""
        return await self._drive(flows.retrieve_input(run_id, self._settings.policy))

    async def result(self, run_id: str, *, timeout: float = 600.0) -> TaskRunResult:
        """The answer of a run, waited for on the server for up to `timeout` seconds.

        Raises:
            StillRunning: Not yet.
            RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        """
        return await self._drive(flows.result(run_id, timeout, self._settings.policy))

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
            ApiError, AnswerLost, AnswerBroken: The API could not be asked; that does not touch the run.
        """
        return await self._drive(waiting.wait(run_id, timeout, self._settings.policy), on_event)

    def events(self, run_id: str) -> AsyncIterator[Event]:
        """The events of a run until it has ended, each once; the last one holds the whole output.

        Raises:
            ApiError, AnswerLost: The stream could not be followed; `wait` falls back to polls.
        """
        return self._iterate(streams.run_events(run_id, self._settings.policy))

    async def create_group(
        self, metadata: Mapping[str, str | int | float | bool] | None = None
    ) -> TaskGroup:
        """An empty task group, which is also what a ledger is. Free; starts nothing."""
        return await self._drive(
            flows.create_group(checks.group_metadata(metadata or {}), self._settings.policy)
        )

    async def retrieve_group(self, taskgroup_id: str) -> TaskGroup:
        """A group with its runs counted by status."""
        return await self._drive(flows.retrieve_group(taskgroup_id, self._settings.policy))

    async def add_runs(
        self, taskgroup_id: str, requests: Sequence[TaskRunInput]
    ) -> TaskGroupRunResponse:
        """Start up to 1,000 runs in a group without looking first. Paid; sent once, as `create` is.

        Raises:
            InvalidRequest: Nothing was sent.
            AnswerLost, AnswerBroken: The runs may have been started; `list_runs` tells.
            ApiError: The server refused; on 5xx the runs may have been started.
        """
        checked = self._settings.checked(*checks.batch(requests))
        return await self._drive(flows.add_runs(taskgroup_id, checked, self._settings.policy))

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

    async def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        made = _made_in_loop(self).pop(os.getpid(), None)
        if made is not None:
            await made.until_loop_ends.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- the driver ---

    async def _http(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        made = _made_in_loop(self).get(os.getpid())
        if made is None:
            http = httpx.AsyncClient(transport=self._transport, limits=_LIMITS)
            made = _made_in_loop(self)[os.getpid()] = _Made(http, _closed_with_loop(http))
            await made.until_loop_ends.__anext__()
        return made.http

    async def _drive(self, flow: Flow[T], on_event: Callable[[Event], Any] | None = None) -> T:
        async with aclosing(self._steps(flow)) as steps:
            async for step in steps:
                if isinstance(step, _Done):
                    return cast(T, step.value)
                if on_event is not None:
                    await _maybe(on_event(step))
        raise AssertionError("a flow ends with its value")  # pragma: no cover

    async def _iterate(self, flow: Flow[None]) -> AsyncIterator[Event]:
        async with aclosing(self._steps(flow)) as steps:
            async for step in steps:
                if not isinstance(step, _Done):
                    yield step

    async def _steps(self, flow: Flow[T]) -> AsyncGenerator[Any, None]:
        """Perform a flow's effects; what it emits is yielded, and last its value as `_Done`."""
        outcome: object = None
        with closing(flow):
            async with _AsyncStream(self) as stream:
                while True:
                    try:
                        effect = flow.send(outcome)
                    except StopIteration as end:
                        yield _Done(end.value)
                        return
                    if isinstance(effect, Emit):
                        yield effect.event
                        outcome = None
                    else:
                        outcome = await self._perform(effect, stream)

    async def _perform(self, effect: Effect, stream: _AsyncStream) -> object:
        match effect:
            case Request():
                await stream.close()
                return await self._send(effect)
            case Open(request):
                return await stream.open(request)
            case Read():
                return await stream.read()
            case Sleep():
                await self._settings.clock.asleep(_seconds(effect))
                return None
            case _:
                return self._settings.clock.monotonic()

    async def _send(self, request: Request) -> Response | Lost:
        http = await self._http()
        try:
            answer = await http.send(self._settings.request(http, request), follow_redirects=False)
        except httpx.RequestError as error:
            return self._settings.lost(error)
        return self._settings.response(answer, answer.content)


class _AsyncStream:
    """The one open stream of a flow."""

    def __init__(self, client: AsyncParallelClient) -> None:
        self._client = client
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._stack.aclose()

    async def open(self, request: Request) -> Response | Lost:
        await self.close()
        http, settings = await self._client._http(), self._client._settings
        try:
            answer = await http.send(
                settings.request(http, request), stream=True, follow_redirects=False
            )
            self._stack.push_async_callback(answer.aclose)
            self._chunks = answer.aiter_bytes()
            refused = await answer.aread() if not answer.is_success else b""
        except httpx.RequestError as error:
            return settings.lost(error)
        return settings.response(answer, refused)

    async def read(self) -> bytes | Ended | Lost:
        try:
            return await anext(self._chunks, Ended())
        except httpx.RequestError as error:
            return self._client._settings.lost(error)


def _close_own(made: dict[int, httpx.Client]) -> None:
    """Close the connections of this process."""
    http = made.pop(os.getpid(), None)
    if http is not None:
        http.close()


@dataclass(frozen=True)
class _Done:
    """The value of a flow; an asynchronous generator cannot return one."""

    value: object


@dataclass(frozen=True)
class _Made:
    """An httpx client and the generator that closes it."""

    http: httpx.AsyncClient
    until_loop_ends: AsyncGenerator[None, None]


_MADE: RunVar[WeakKeyDictionary[AsyncParallelClient, dict[int, _Made]]] = RunVar(
    "httpx clients of langchain_parallel"
)
"""Connections belong to one event loop and one process; they go when their client does."""


def _made_in_loop(client: AsyncParallelClient) -> dict[int, _Made]:
    """What `client` made in the running event loop, by process."""
    try:
        clients = _MADE.get()
    except LookupError:
        clients = WeakKeyDictionary()
        _MADE.set(clients)
    return clients.setdefault(client, {})


async def _closed_with_loop(http: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Closes `http` when its event loop ends: `asyncio.run` finalises the generators left open."""
    try:
        yield
    finally:
        await http.aclose()


async def _maybe(value: object) -> None:
    """Await what a callback returned, if it was asynchronous."""
    if inspect.isawaitable(value):
        await value
