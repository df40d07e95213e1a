"""The asynchronous driver: performs what a flow asks for, over httpx."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, closing, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast
from weakref import WeakKeyDictionary

import httpx
from anyio.lowlevel import RunVar
from typing_extensions import Self

from .._core.effects import Effect, Emit, Ended, Flow, Lost, Open, Read, Request, Response, Sleep
from .._core.redaction import redact_model
from ..errors import ParallelError
from ..models import Event
from .client_settings import Settings, check_http, check_usable, seconds
from .pools import Pools
from .secret_log_filter import Secrets

T = TypeVar("T")


class AsyncDriver:
    """Connections, and the loop that drives flows. Tasks and event loops may share one."""

    def __init__(
        self,
        settings: Settings,
        http_client: httpx.AsyncClient | None,
        transport: httpx.AsyncBaseTransport | None,
        refusal: str = "",
    ) -> None:
        check_http(http_client, transport, httpx.AsyncClient, httpx.AsyncBaseTransport)
        self._settings = settings
        self._given = http_client
        self._transport = transport
        self._refusal = refusal
        """Why no call can be made with this client; empty if calls can."""

    async def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        made = _made_in_loop(self).pop(os.getpid(), None)
        if made is not None:
            await made.until_loop_ends.aclose()

    def __copy__(self) -> Self:
        """The client itself: connections are shared, not copied."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """The client itself, so that what holds one (a tool, a graph) can be copied."""
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: connections cannot be, and the key must not."""
        raise TypeError("A client cannot be pickled; make one in the process that uses it.")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _http(self) -> AbstractContextManager[httpx.AsyncClient]:
        """A client to send with, for as long as the exchange lasts."""
        if self._given is not None:
            check_usable(self._given, "")
            return nullcontext(self._given)
        made = _made_in_loop(self).get(os.getpid())
        if made is None:
            pools = Pools(httpx.AsyncClient, self._transport)
            made = _made_in_loop(self)[os.getpid()] = _Made(pools, _closed_with_loop(pools))
            await made.until_loop_ends.__anext__()
        return made.pools.lend()

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
        check_usable(self._given, self._refusal)
        outcome: object = None
        with closing(flow):
            async with _AsyncStream(self) as stream:
                while True:
                    secrets = self._settings.secrets.known(self._given)
                    try:
                        effect = flow.send(outcome)
                    except StopIteration as end:
                        yield _Done(redact_model(end.value, secrets))
                        return
                    except ParallelError as error:
                        Secrets.redact_error(error, secrets)
                        raise
                    if isinstance(effect, Emit):
                        yield redact_model(effect.event, secrets)
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
                await self._settings.clock.asleep(seconds(effect))
                return None
            case _:
                return self._settings.clock.monotonic()

    async def _send(self, request: Request) -> Response | Lost:
        with await self._http() as http:
            try:
                answer = await http.send(
                    self._settings.request(http, request), follow_redirects=False
                )
            except httpx.RequestError as error:
                return self._settings.lost(error)
            except httpx.HTTPStatusError as error:  # a hook of the caller's own client raised it
                return self._settings.refused(error)
            return self._settings.response(answer, answer.content, self._given)


class _AsyncStream:
    """The one open stream of a flow."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._stack.aclose()

    async def open(self, request: Request) -> Response | Lost:
        await self.close()
        http = self._stack.enter_context(await self._driver._http())
        settings = self._driver._settings
        try:
            answer = await http.send(
                settings.request(http, request), stream=True, follow_redirects=False
            )
            self._stack.push_async_callback(answer.aclose)
            self._chunks = answer.aiter_bytes()
            refused = await answer.aread() if not answer.is_success else b""
        except httpx.RequestError as error:
            return settings.lost(error)
        except httpx.HTTPStatusError as error:  # a hook of the caller's own client raised it
            return settings.refused(error)
        return settings.response(answer, refused, self._driver._given)

    async def read(self) -> bytes | Ended | Lost:
        try:
            return await anext(self._chunks, Ended())
        except httpx.RequestError as error:
            return self._driver._settings.lost(error)


@dataclass(frozen=True)
class _Done:
    """The value of a flow; an asynchronous generator cannot return one."""

    value: object


@dataclass(frozen=True)
class _Made:
    """httpx clients and the generator that closes them."""

    pools: Pools[httpx.AsyncClient]
    until_loop_ends: AsyncGenerator[None, None]


_MADE: RunVar[WeakKeyDictionary[AsyncDriver, dict[int, _Made]]] = RunVar(
    "httpx clients of langchain_parallel"
)
"""Connections belong to one event loop and one process; they go when their client does."""


def _made_in_loop(client: AsyncDriver) -> dict[int, _Made]:
    """What `client` made in the running event loop, by process."""
    try:
        clients = _MADE.get()
    except LookupError:
        clients = WeakKeyDictionary()
        _MADE.set(clients)
    return clients.setdefault(client, {})


async def _closed_with_loop(pools: Pools[httpx.AsyncClient]) -> AsyncGenerator[None, None]:
    """Closes clients when their event loop ends: `asyncio.run` finalises the generators left open."""
    try:
        yield
    finally:
        for http in pools.clients:
            await http.aclose()


async def _maybe(value: object) -> None:
    """Await what a callback returned, if it was asynchronous."""
    if inspect.isawaitable(value):
        await value
