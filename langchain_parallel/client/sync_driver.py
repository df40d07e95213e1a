"""The blocking driver: performs what a flow asks for, over httpx."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from typing import Any, NoReturn, TypeVar, cast
from weakref import finalize

import httpx
from typing_extensions import Self

from .._core.effects import Effect, Emit, Ended, Flow, Lost, Open, Read, Request, Response, Sleep
from .._core.redaction import redact_model
from ..errors import InvalidRequest, ParallelError
from ..models import Event
from .client_settings import Settings, check_http, check_usable, seconds
from .pools import Pools
from .secret_log_filter import Secrets

T = TypeVar("T")


class Driver:
    """Connections, and the loop that drives flows. Threads may share one."""

    def __init__(
        self,
        settings: Settings,
        http_client: httpx.Client | None,
        transport: httpx.BaseTransport | None,
        refusal: str = "",
    ) -> None:
        check_http(http_client, transport, httpx.Client, httpx.BaseTransport)
        self._settings = settings
        self._given = http_client
        self._transport = transport
        self._refusal = refusal
        """Why no call can be made with this client; empty if calls can."""
        self._made: dict[int, Pools[httpx.Client]] = {}
        """By process: a forked child must not speak on its parent's connections, nor drop them."""
        finalize(self, _close_own, self._made)

    def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        _close_own(self._made)

    def __copy__(self) -> Self:
        """The client itself: connections are shared, not copied."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """The client itself, so that what holds one (a tool, a graph) can be copied."""
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: connections cannot be, and the key must not."""
        raise TypeError("A client cannot be pickled; make one in the process that uses it.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _http(self) -> AbstractContextManager[httpx.Client]:
        """A client to send with, for as long as the exchange lasts."""
        if self._given is not None:
            check_usable(self._given, "")
            return nullcontext(self._given)
        if os.getpid() not in self._made:
            self._made.setdefault(os.getpid(), Pools(httpx.Client, self._transport))
        return self._made[os.getpid()].lend()

    def _drive(self, flow: Flow[T], on_event: Callable[[Event], Any] | None = None) -> T:
        steps = self._steps(flow)
        with closing(steps):
            while True:
                try:
                    event = next(steps)
                except StopIteration as end:
                    return cast(T, end.value)
                if on_event is not None:
                    _call(on_event, event)

    def _iterate(self, flow: Flow[None]) -> Iterator[Event]:
        yield from self._steps(flow)

    def _steps(self, flow: Flow[T]) -> Generator[Event, None, T]:
        """Perform a flow's effects; what it emits is yielded."""
        check_usable(self._given, self._refusal)
        outcome: object = None
        with closing(flow), _Stream(self) as stream:
            while True:
                secrets = self._settings.secrets.known(self._given)
                try:
                    effect = flow.send(outcome)
                except StopIteration as end:
                    return cast(T, redact_model(end.value, secrets))
                except ParallelError as error:
                    Secrets.redact_error(error, secrets)
                    raise
                if isinstance(effect, Emit):
                    yield redact_model(effect.event, secrets)
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
                self._settings.clock.sleep(seconds(effect))
                return None
            case _:
                return self._settings.clock.monotonic()

    def _send(self, request: Request) -> Response | Lost:
        with self._http() as http:
            try:
                answer = http.send(self._settings.request(http, request), follow_redirects=False)
            except httpx.RequestError as error:
                return self._settings.lost(error)
            except httpx.HTTPStatusError as error:  # a hook of the caller's own client raised it
                return self._settings.refused(error)
            return self._settings.response(answer, answer.content, self._given)


class _Stream:
    """The one open stream of a flow."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def open(self, request: Request) -> Response | Lost:
        self.close()
        http = self._stack.enter_context(self._driver._http())
        settings = self._driver._settings
        try:
            answer = http.send(settings.request(http, request), stream=True, follow_redirects=False)
            self._stack.callback(answer.close)
            self._chunks = answer.iter_bytes()
            refused = answer.read() if not answer.is_success else b""
        except httpx.RequestError as error:
            return settings.lost(error)
        except httpx.HTTPStatusError as error:  # a hook of the caller's own client raised it
            return settings.refused(error)
        return settings.response(answer, refused, self._driver._given)

    def read(self) -> bytes | Ended | Lost:
        try:
            return next(self._chunks, Ended())
        except httpx.RequestError as error:
            return self._driver._settings.lost(error)


def _call(on_event: Callable[[Event], Any], event: Event) -> None:
    """Call back; what would have to be awaited is refused, for nobody would."""
    value = on_event(event)
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidRequest(
            ["on_event is asynchronous; AsyncParallelClient would await it, this client cannot."],
            hint="The run goes on: wait for it again.",
        )


def _close_own(made: dict[int, Pools[httpx.Client]]) -> None:
    """Close the connections of this process."""
    pools = made.pop(os.getpid(), None)
    for http in pools.clients if pools else ():
        http.close()
