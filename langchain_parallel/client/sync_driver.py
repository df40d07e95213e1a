"""The blocking driver: performs the effects of a flow with httpx."""

from __future__ import annotations

import asyncio
import inspect
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import Any, TypeVar, cast
from weakref import finalize

import httpx
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
from .._locks.process import ForgottenInChild, Turn, hold
from ..errors import InvalidRequest, ParallelError
from ..models import Event
from .bodies import chunks
from .client_settings import GRACE, Settings, Uncopied, check_http, check_usable, seconds
from .exchange import DRAIN_BYTES, DRAIN_SECONDS, TRANSPORT_ERRORS, TooLate
from .group_watches import Ends, GroupWatches, Read, Stand
from .handles import ALLOWANCE, Seat
from .known_secrets import KnownSecrets
from .pools import Pools, Spares
from .run_reports import perform, tell_of_exchange

T = TypeVar("T")


class Driver(Uncopied):
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
        self._http_client = http_client
        """The caller's own, which stays open."""
        self._transport = transport
        self._refusal = refusal
        """Why no call can be made with this client; empty if calls can."""
        self._pools: dict[int, Pools[httpx.Client]] = {}
        """By process id: a forked child must neither use its parent's connections nor close them."""
        finalize(self, _close_pools, self._pools)
        self._watches: dict[int, GroupWatches[_Stream]] = {}
        """By process id, too."""

    def close(self) -> None:
        """Close the connections made here. The client can be used again afterwards."""
        _close_pools(self._pools)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _lend_http(self) -> Iterator[httpx.Client]:
        """An httpx client for one exchange."""
        if self._http_client is not None:
            check_usable(self._http_client, "")
            yield self._http_client
            return
        if os.getpid() not in self._pools:
            # `setdefault`: two threads may come here at once.
            made = Pools(httpx.Client, self._transport, _SPARES.of_process)
            self._pools.setdefault(os.getpid(), made)
        pools = self._pools[os.getpid()]
        http = pools.take()
        try:
            yield http
        finally:
            for idle in pools.give(http):
                idle.close()

    def _drive(
        self,
        flow: Flow[T],
        on_event: Callable[[Event], Any] | None = None,
        locks: Sequence[str] = (),
        seconds: float = math.inf,
        confirm: Callable[[], bool] | None = None,
    ) -> T:
        """Run a flow. Its exchanges are over soon after `seconds`, whatever arrives until then."""
        steps = self._steps(flow, seconds, confirm, is_heard=on_event is not None)
        # A listener that raises must not leave a stream open.
        with hold(*locks), closing(steps):
            while True:
                try:
                    event = next(steps)
                except StopIteration as end:
                    return cast(T, end.value)
                if on_event is not None:
                    _notify(on_event, event)

    def _iterate(self, flow: Flow[None]) -> Iterator[Any]:
        yield from self._steps(flow, lasts=True)

    def _steps(
        self,
        flow: Flow[T],
        seconds: float = math.inf,
        confirm: Callable[[], bool] | None = None,
        *,
        lasts: bool = False,
        is_heard: bool = True,
    ) -> Generator[Event, None, T]:
        """Perform a flow's effects; yield the events that it emits if somebody hears them, and return its
        value.

        `lasts`: a caller holds it for as long as it likes.
        """
        check_usable(self._http_client, self._refusal)
        outcome: object = None
        ends = self._settings.clock.monotonic() + seconds + GRACE
        with (
            closing(flow),
            closing(Seat()) as seat,
            closing(_Stream(self, ends, seat)) as stream,
            closing(stream.permit),
            closing(stream.turn),
            _leaving_beside(stream),
        ):
            if lasts:
                seat.take_anyway()
            while True:
                secrets = self._settings.secrets.all(self._http_client)
                try:
                    effect = flow.send(outcome)
                except StopIteration as end:
                    stream.drain()
                    return cast(T, redact_model(end.value, secrets))
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
                    outcome = confirm() if confirm else None
                else:
                    outcome = self._perform(effect, stream)

    def _perform(self, effect: Effect, stream: _Stream) -> object:
        match effect:
            case Now():  # the most frequent one
                return self._settings.clock.monotonic()
            case Request():
                stream.close()
                if effect.starts_runs:
                    self._enter_gate(stream)
                with nullcontext() if stream.seat.has_seat else ALLOWANCE.exchanges.hold():
                    outcome = self._send(effect, stream)
                if effect.starts_runs:
                    stream.permit.use(outcome)
                tell_of_exchange(effect, outcome)
                return outcome
            case OpenStream(request, is_beside):
                return stream.of(is_beside).open(request)
            case ReadChunk(most, is_beside):
                return stream.of(is_beside).read(most)
            case Sleep():
                stream.close()
                self._settings.clock.sleep(seconds(effect))
                return None
            case _:
                return self._share(effect, stream)

    def _share(self, effect: Effect, stream: _Stream) -> object:
        """Perform what a flow shares with others: the gate, turns, connections."""
        match effect:
            case TakeBeside():
                return stream.take_beside()
            case LeaveBeside():
                stream.leave_beside()
                return None
            case LeaveGate():
                stream.permit.use(None)
                return None
            case EndTurn():
                stream.turn.end()
                return None
            case TakeSeat(group_id):
                return stream.seat.take(group_id)
        stream.close()  # what it holds, the ones before it may need
        match effect:
            case EnterGate():
                self._enter_gate(stream)
            case TakeTurn(name):
                return stream.turn.take(name)
            case AwaitEnds():
                return self._await_ends(effect)
            case AwaitSignal():
                return effect.signal.wait(effect.seconds)
        return None

    def _await_ends(self, asked: AwaitEnds) -> Ends | None:
        """Wait with all others that wait for runs of this group."""
        watches = self._watches.get(os.getpid()) or self._watches.setdefault(
            os.getpid(), GroupWatches(self._settings.policy, self._settings.tick)
        )
        joined = watches.join(asked, lambda seat: _Stream(self, math.inf, seat))
        if joined is None:
            return None
        shared, waiter = joined
        try:
            return self._run(shared.steps(waiter, asked.seconds), shared.stream)
        finally:
            if watches.leave(shared, waiter):
                shared.stream.close()

    def _run(self, steps: Generator[Read | Stand | Sleep, object, T], stream: _Stream) -> T:
        """Take the steps of what is shared with other flows."""
        outcome: object = None
        with closing(steps):
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as end:
                    return cast(T, end.value)
                if isinstance(step, Stand):
                    outcome = step.signal.wait(step.seconds)
                elif isinstance(step, Sleep):
                    outcome = self._perform(step, stream)
                elif isinstance(step.effect, ReadChunk):
                    outcome = stream.read(step.seconds)
                else:
                    outcome = self._perform(step.effect, stream)

    def _enter_gate(self, stream: _Stream) -> None:
        """Wait until the next request that starts runs may leave."""
        if stream.permit.is_held:
            return
        if asyncio._get_running_loop() is None:
            self._run(stream.permit.take(), stream)
        else:  # those who are before it may be tasks of this very loop
            stream.permit.take_anyway()

    def _send(self, request: Request, stream: _Stream) -> Response | NoResponse:
        settings = self._settings
        exchange = settings.exchange(self._http_client, request, stream.ends)
        try:
            with self._lend_http() as http, exchange.bound():
                is_own = self._http_client is None
                prepared = settings.request(http, request, exchange, is_own=is_own)
                stream.permit.sending()
                exchange.sending()
                # A redirect would carry the key and the request to another server.
                with closing(http.send(prepared, stream=True, follow_redirects=False)) as answer:
                    late, body = settings.clock.monotonic() + exchange.seconds, []
                    for chunk in chunks(answer, settings.max_response_bytes):
                        body.append(chunk)
                        if settings.clock.monotonic() > late:
                            return exchange.over()
        except ParallelError:
            raise
        except TooLate:
            return NoResponse(sent=False, reason="too late to be sent", too_late=True)
        except TRANSPORT_ERRORS as error:
            return settings.outcome(exchange, error)
        return settings.response(answer, b"".join(body), self._http_client)


class _Stream:
    """The one open stream of a flow, if there is one."""

    def __init__(self, driver: Driver, ends: float, seat: Seat) -> None:
        self._driver = driver
        self.seat = seat
        self.permit = driver._settings.permit()
        self.turn = Turn()
        self.ends = ends
        """When the flow's exchanges are over, on the client's clock."""
        self._stack = ExitStack()
        self._is_open = False
        self._beside: _Stream | None = None
        """The one that stays open beside it."""

    def of(self, is_beside: bool) -> _Stream:
        """This one, or the one beside it, which must have been taken."""
        return self._beside if is_beside and self._beside is not None else self

    def take_beside(self) -> bool:
        """Have a second stream beside this one, if there is a connection for it.

        A caller's own client or transport may have one connection only, which this one may need.
        """
        driver, seat = self._driver, Seat()
        is_own = not (driver._http_client or isinstance(driver._transport, httpx.HTTPTransport))
        if self._beside is None and is_own and seat.take_shared():
            self._beside = _Stream(driver, self.ends, seat)
        return self._beside is not None

    def leave_beside(self) -> None:
        """Close the second stream, if there is one."""
        beside, self._beside = self._beside, None
        if beside is not None:
            with closing(beside.seat):
                beside.close()

    def close(self) -> None:
        self._is_open = False
        self._stack.close()

    def drain(self) -> None:
        """Read what is left after the last event, so that the connection can be used again."""
        if not self._is_open or self._driver._http_client is not None:
            return  # a caller's own client may keep a read for long
        self._exchange.seconds, size = DRAIN_SECONDS, 0
        while isinstance(piece := self.read(), bytes) and size < DRAIN_BYTES:
            size += len(piece)
            self._exchange.seconds = self._exchange.seconds_left

    def open(self, request: Request) -> Response | NoResponse:
        self.close()
        driver, settings = self._driver, self._driver._settings
        self._exchange = exchange = settings.exchange(
            driver._http_client, request, self.ends, total=request.timeout
        )
        try:
            if not self.seat.has_seat:
                self._stack.enter_context(ALLOWANCE.exchanges.hold())
            http = self._stack.enter_context(driver._lend_http())
            is_own = driver._http_client is None
            prepared = settings.request(http, request, exchange, is_own=is_own)
            exchange.sending()
            with exchange.bound():
                answer = http.send(prepared, stream=True, follow_redirects=False)
                self._stack.callback(answer.close)
                self._chunks = chunks(answer, settings.max_response_bytes)
                refused = b"".join(self._chunks) if not answer.is_success else b""
                self._is_open = answer.is_success
        except ParallelError:
            raise
        except TRANSPORT_ERRORS as error:
            return settings.outcome(exchange, error)
        return settings.response(answer, refused, driver._http_client)

    def read(self, most: float = math.inf) -> bytes | StreamEnded | Response | NoResponse:
        """The next bytes, within `most` seconds."""
        self._exchange.extend(most)
        try:
            with self._exchange.bound():
                piece = next(self._chunks, StreamEnded())
                self._is_open = isinstance(piece, bytes)
                return piece
        except TRANSPORT_ERRORS as error:
            self._is_open = False
            return self._driver._settings.outcome(self._exchange, error)


@contextmanager
def _leaving_beside(stream: _Stream) -> Iterator[None]:
    try:
        yield
    finally:
        stream.leave_beside()


def _notify(on_event: Callable[[Event], Any], event: Event) -> None:
    """Call the listener. An asynchronous one is refused, because no code here could await it."""
    value = on_event(event)
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidRequest(
            ["on_event is asynchronous; AsyncParallelClient would await it, this client cannot."],
            hint="The run goes on: wait for it again.",
        )


class _Spares(ForgottenInChild):
    def forget(self) -> None:
        super().forget()
        self.of_process: Spares[httpx.Client] = Spares()


_SPARES = _Spares()


def _close_pools(by_process: dict[int, Pools[httpx.Client]]) -> None:
    """Close the connections of this process."""
    pools = by_process.pop(os.getpid(), None)
    for http in pools.clear() if pools else ():
        http.close()
