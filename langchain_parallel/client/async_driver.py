"""The asynchronous driver: performs the effects of a flow with httpx."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import (
    AsyncExitStack,
    ExitStack,
    aclosing,
    asynccontextmanager,
    closing,
    nullcontext,
)
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import anyio
import httpx
from anyio.lowlevel import RunVar
from typing_extensions import Self

from .._core.effects import (
    AwaitEnds,
    AwaitSignal,
    Confirm,
    Effect,
    Emit,
    EndTurn,
    EnterGate,
    Flow,
    LeaveBeside,
    LeaveGate,
    NoResponse,
    Now,
    OpenStream,
    ReadChunk,
    Report,
    Request,
    Response,
    Sleep,
    StreamEnded,
    TakeBeside,
    TakeSeat,
    TakeTurn,
)
from .._core.redaction import redact_model
from .._locks.process import Turn, ahold
from ..errors import ParallelError
from ..models import Event
from .bodies import achunks
from .client_settings import GRACE, Settings, Uncopied, check_http, check_usable, seconds
from .exchange import DRAIN_BYTES, DRAIN_SECONDS, TRANSPORT_ERRORS, TooLate
from .group_watches import Ends, GroupWatches, Read, Stand
from .handles import ALLOWANCE, Seat
from .known_secrets import KnownSecrets
from .pools import Pools, Spares
from .run_reports import perform, tell_of_exchange

T = TypeVar("T")


class AsyncDriver(Uncopied):
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
        self._http_client = http_client
        """The caller's own, which stays open."""
        self._transport = transport
        self._refusal = refusal
        """Why no call can be made with this client; empty if calls can."""

    async def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        own = _pools_in_loop(self).pop(os.getpid(), None)
        if own is not None:
            await own.closing.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def _lend_http(self) -> AsyncIterator[httpx.AsyncClient]:
        """An httpx client for one exchange."""
        if self._http_client is not None:
            check_usable(self._http_client, "")
            yield self._http_client
            return
        pools = (await self._own_pools()).pools
        http = pools.take()
        try:
            yield http
        finally:
            if surplus := pools.give(http):
                await close_all(surplus)

    async def _own_pools(self) -> _LoopPools:
        own = _pools_in_loop(self).get(os.getpid())
        if own is None:
            pools = Pools(httpx.AsyncClient, self._transport, _spares_in_loop())
            watches: GroupWatches[_AsyncStream] = GroupWatches(
                self._settings.policy, self._settings.tick
            )
            own = _LoopPools(pools, _close_with_loop(pools), watches)
            _pools_in_loop(self)[os.getpid()] = own
            # Starts it: only a generator that was started is finalised.
            await own.closing.__anext__()
        return own

    async def _drive(
        self,
        flow: Flow[T],
        on_event: Callable[[Event], Any] | None = None,
        locks: Sequence[str] = (),
        seconds: float = math.inf,
        confirm: Callable[[], Awaitable[bool]] | None = None,
    ) -> T:
        """Run a flow. Its exchanges are over soon after `seconds`, whatever arrives until then."""
        steps = self._steps(flow, seconds, confirm, is_heard=on_event is not None)
        async with ahold(*locks), aclosing(steps):
            async for step in steps:
                if isinstance(step, _FlowValue):
                    return cast(T, step.value)
                if on_event is not None:
                    await _await_if_needed(on_event(step))
        raise AssertionError("a flow ends with its value")  # pragma: no cover

    async def _iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        async with aclosing(self._steps(flow, lasts=True)) as steps:
            async for step in steps:
                if not isinstance(step, _FlowValue):
                    yield step

    async def _steps(
        self,
        flow: Flow[T],
        seconds: float = math.inf,
        confirm: Callable[[], Awaitable[bool]] | None = None,
        *,
        lasts: bool = False,
        is_heard: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """Perform a flow's effects; yield the events that it emits if somebody hears them, and last its value
        as `_FlowValue`.

        `lasts`: a caller holds it for as long as it likes.
        """
        check_usable(self._http_client, self._refusal)
        outcome: object = None
        ends = self._settings.clock.monotonic() + seconds + GRACE
        with closing(flow), closing(Seat()) as seat, ExitStack() as held:
            if lasts:
                seat.take_anyway()
            async with aclosing(_AsyncStream(self, ends, seat)) as stream, _leaving_beside(stream):
                held.enter_context(closing(stream.permit))
                held.enter_context(closing(stream.turn))
                while True:
                    secrets = self._settings.secrets.all(self._http_client)
                    try:
                        effect = flow.send(outcome)
                    except StopIteration as end:
                        await stream.drain()
                        yield _FlowValue(redact_model(end.value, secrets))
                        return
                    except ParallelError as error:
                        KnownSecrets.redact_error(error, secrets)
                        raise error  # with a traceback from here on
                    if isinstance(effect, Emit):
                        if is_heard:
                            yield redact_model(effect.event, secrets)
                        outcome = None
                    elif isinstance(effect, Report):
                        perform(effect, secrets)
                        outcome = None
                    elif isinstance(effect, Confirm):
                        outcome = await confirm() if confirm else None
                    else:
                        outcome = await self._perform(effect, stream)

    async def _perform(self, effect: Effect, stream: _AsyncStream) -> object:
        match effect:
            case Now():  # the most frequent one
                return self._settings.clock.monotonic()
            case Request():
                await stream.aclose()
                if effect.starts_runs:
                    await self._enter_gate(stream)
                async with nullcontext() if stream.seat.has_seat else ALLOWANCE.exchanges.ahold():
                    outcome = await self._send(effect, stream)
                if effect.starts_runs:
                    stream.permit.use(outcome)
                tell_of_exchange(effect, outcome)
                return outcome
            case OpenStream(request, is_beside):
                return await stream.of(is_beside).open(request)
            case ReadChunk(most, is_beside):
                return await stream.of(is_beside).read(most)
            case Sleep():
                await stream.aclose()
                await self._settings.clock.asleep(seconds(effect))
                return None
            case _:
                return await self._share(effect, stream)

    async def _share(self, effect: Effect, stream: _AsyncStream) -> object:
        """Perform what a flow shares with others: the gate, turns, connections."""
        match effect:
            case TakeBeside():
                return stream.take_beside()
            case LeaveBeside():
                await stream.leave_beside()
                return None
            case LeaveGate():
                stream.permit.use(None)
                return None
            case EndTurn():
                stream.turn.end()
                return None
            case TakeSeat(group_id):
                return stream.seat.take(group_id)
        await stream.aclose()  # what it holds, the ones before it may need
        match effect:
            case EnterGate():
                await self._enter_gate(stream)
            case TakeTurn(name):
                return await stream.turn.atake(name)
            case AwaitEnds():
                return await self._await_ends(effect)
            case AwaitSignal():
                return await effect.signal.await_(effect.seconds)
        return None

    async def _await_ends(self, asked: AwaitEnds) -> Ends | None:
        """Wait with all others that wait for runs of this group."""
        watches = (await self._own_pools()).watches
        joined = watches.join(asked, lambda seat: _AsyncStream(self, math.inf, seat))
        if joined is None:
            return None
        shared, waiter = joined
        try:
            return await self._run(shared.steps(waiter, asked.seconds), shared.stream)
        finally:
            if watches.leave(shared, waiter):
                await shared.stream.aclose()

    async def _run(
        self, steps: Generator[Read | Stand | Sleep, object, T], stream: _AsyncStream
    ) -> T:
        """Take the steps of what is shared with other flows."""
        outcome: object = None
        with closing(steps):
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as end:
                    return cast(T, end.value)
                if isinstance(step, Stand):
                    outcome = await step.signal.await_(step.seconds)
                elif isinstance(step, Sleep):
                    outcome = await self._perform(step, stream)
                elif isinstance(step.effect, ReadChunk):
                    outcome = await stream.read(step.seconds)
                else:
                    outcome = await self._perform(step.effect, stream)

    async def _enter_gate(self, stream: _AsyncStream) -> None:
        """Wait until the next request that starts runs may leave."""
        if not stream.permit.is_held:
            await self._run(stream.permit.take(), stream)

    async def _send(self, request: Request, stream: _AsyncStream) -> Response | NoResponse:
        settings = self._settings
        exchange = settings.exchange(self._http_client, request, stream.ends)
        try:
            async with self._lend_http() as http:
                is_own = self._http_client is None
                prepared = settings.request(http, request, exchange, is_own=is_own)
                stream.permit.sending()
                exchange.sending()
                with exchange.bound(), exchange.in_time():
                    answer = await http.send(prepared, stream=True, follow_redirects=False)
                    async with aclosing(answer):
                        late, body = settings.clock.monotonic() + exchange.seconds, []
                        async for chunk in achunks(answer, settings.max_response_bytes):
                            body.append(chunk)
                            if settings.clock.monotonic() > late:
                                return exchange.over()
                    return settings.response(answer, b"".join(body), self._http_client)
        except ParallelError:
            raise
        except TooLate:
            return NoResponse(sent=False, reason="too late to be sent", too_late=True)
        except TRANSPORT_ERRORS as error:
            return settings.outcome(exchange, error)
        return exchange.over()


class _AsyncStream:
    """The one open stream of a flow, if there is one."""

    def __init__(self, driver: AsyncDriver, ends: float, seat: Seat) -> None:
        self._driver = driver
        self.seat = seat
        self.permit = driver._settings.permit()
        self.turn = Turn()
        self.ends = ends
        """When the flow's exchanges are over, on the client's clock."""
        self._stack = AsyncExitStack()
        self._is_open = False
        self._beside: _AsyncStream | None = None
        """The one that stays open beside it."""

    def of(self, is_beside: bool) -> _AsyncStream:
        """This one, or the one beside it, which must have been taken."""
        return self._beside if is_beside and self._beside is not None else self

    def take_beside(self) -> bool:
        """Have a second stream beside this one, if there is a connection for it.

        A caller's own client or transport may have one connection only, which this one may need.
        """
        driver, seat = self._driver, Seat()
        is_own = not (
            driver._http_client or isinstance(driver._transport, httpx.AsyncHTTPTransport)
        )
        if self._beside is None and is_own and seat.take_shared():
            self._beside = _AsyncStream(driver, self.ends, seat)
        return self._beside is not None

    async def leave_beside(self) -> None:
        """Close the second stream, if there is one."""
        beside, self._beside = self._beside, None
        if beside is not None:
            with closing(beside.seat):
                await beside.aclose()

    async def aclose(self) -> None:
        self._is_open = False
        await self._stack.aclose()

    async def drain(self) -> None:
        """Read what is left after the last event, so that the connection can be used again."""
        if not self._is_open:
            return
        self._exchange.seconds, size = DRAIN_SECONDS, 0
        while isinstance(piece := await self.read(), bytes) and size < DRAIN_BYTES:
            size += len(piece)
            self._exchange.seconds = self._exchange.seconds_left

    async def open(self, request: Request) -> Response | NoResponse:
        await self.aclose()
        driver, settings = self._driver, self._driver._settings
        self._exchange = exchange = settings.exchange(
            driver._http_client, request, self.ends, total=request.timeout
        )
        try:
            if not self.seat.has_seat:
                await self._stack.enter_async_context(ALLOWANCE.exchanges.ahold())
            http = await self._stack.enter_async_context(driver._lend_http())
            is_own = driver._http_client is None
            prepared = settings.request(http, request, exchange, is_own=is_own)
            exchange.sending()
            with exchange.bound(), exchange.in_time():
                answer = await http.send(prepared, stream=True, follow_redirects=False)
                self._stack.push_async_callback(answer.aclose)
                self._chunks = achunks(answer, settings.max_response_bytes)
                refused = b"" if answer.is_success else b"".join([c async for c in self._chunks])
                self._is_open = answer.is_success
                return settings.response(answer, refused, driver._http_client)
        except ParallelError:
            raise
        except TRANSPORT_ERRORS as error:
            return settings.outcome(exchange, error)
        return exchange.over()

    async def read(self, most: float = math.inf) -> bytes | StreamEnded | Response | NoResponse:
        """The next bytes, within `most` seconds."""
        self._exchange.extend(most)
        try:
            with self._exchange.bound(), self._exchange.in_time():
                piece = await anext(self._chunks, StreamEnded())
                self._is_open = isinstance(piece, bytes)
                return piece
        except TRANSPORT_ERRORS as error:
            self._is_open = False
            return self._driver._settings.outcome(self._exchange, error)
        return self._exchange.over()


@asynccontextmanager
async def _leaving_beside(stream: _AsyncStream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await stream.leave_beside()


@dataclass(frozen=True)
class _FlowValue:
    """The value of a flow; an asynchronous generator cannot return one."""

    value: object


@dataclass(frozen=True)
class _LoopPools:
    """The httpx clients of one event loop, and the generator that closes them when it is closed."""

    pools: Pools[httpx.AsyncClient]
    closing: AsyncGenerator[None, None]
    watches: GroupWatches[_AsyncStream]
    """The task groups that are followed."""


_POOLS: RunVar[WeakKeyDictionary[AsyncDriver, dict[int, _LoopPools]]] = RunVar(
    "httpx clients of langchain_parallel"
)
"""By event loop, client and process id: connections work in one event loop and one process only."""


def _pools_in_loop(client: AsyncDriver) -> dict[int, _LoopPools]:
    """The httpx clients that `client` made in the running event loop, by process id."""
    try:
        clients = _POOLS.get()
    except LookupError:
        clients = WeakKeyDictionary()
        _POOLS.set(clients)
    return clients.setdefault(client, {})


_SPARES: RunVar[dict[int, Spares[httpx.AsyncClient]]] = RunVar("idle ones of langchain_parallel")
"""By event loop and process id."""


def _spares_in_loop() -> Spares[httpx.AsyncClient]:
    """The idle httpx clients of all clients of ours in the running event loop."""
    try:
        by_process = _SPARES.get()
    except LookupError:
        by_process = {}
        _SPARES.set(by_process)
    return by_process.setdefault(os.getpid(), Spares())


async def _close_with_loop(pools: Pools[httpx.AsyncClient]) -> AsyncGenerator[None, None]:
    """Close clients when their event loop ends: `asyncio.run` finalises the generators left open."""
    try:
        yield
    finally:
        await close_all(pools.clear())


async def close_all(https: Sequence[httpx.AsyncClient]) -> None:
    """Close clients that no pool knows any longer, each of them even if the task is cancelled meanwhile."""
    with anyio.CancelScope(shield=True):
        async with AsyncExitStack() as closing:
            for http in https:
                closing.push_async_callback(http.aclose)


async def _await_if_needed(value: object) -> None:
    """Await what a listener returned, if it is asynchronous."""
    if inspect.isawaitable(value):
        await value
