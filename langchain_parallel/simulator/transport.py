"""The simulator in process, as a transport for blocking and asynchronous httpx clients.

Rule: a fault raises the same exception that httpx raises for it on a socket; so does a timeout. A read
timeout counts from the last byte received, on the simulator's clock.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx

from .clock import Clock
from .http_messages import Chunk, Cut, Head, HeadPart, Refuse, Request, Step, Wait
from .simulator import Simulator

_NO_RESPONSE = "Server disconnected without sending a response."
_UNFINISHED = "peer closed connection without sending complete message body"


@dataclass
class _Exchange:
    """One request under way: the steps that are left, and when a read of it times out.

    The blocking and the asynchronous transport share `advance` and differ only in how they sleep.
    """

    request: httpx.Request
    steps: Iterator[Step]
    clock: Clock
    last: float = 0.0
    """When the last byte came."""
    has_begun: bool = False
    waiting: Wait | None = None

    def __post_init__(self) -> None:
        self.last = self.clock.monotonic()

    @property
    def deadline(self) -> float:
        """When the read times out. A client may say anew before each read how long it may take."""
        extensions = self.request.extensions
        read = extensions.get("timeout", {}).get("read")
        seconds = min(math.inf if read is None else read, extensions.get("read_seconds", math.inf))
        return self.last + float(seconds)

    def advance(self) -> float | Head | Chunk | None:
        """Return the seconds to sleep before the next call, or what has arrived; None at the end."""
        if self.waiting is not None and (pause := self._pause(self.waiting)) is not None:
            return pause
        self.waiting = None
        step = next(self.steps, None)
        if isinstance(step, Wait):
            self.waiting = step
            pause = self._pause(step)
            return 0.0 if pause is None else pause
        if step is None and not self.has_begun:
            step = Cut()
        if isinstance(step, (Refuse, Cut)):
            raise self._error(step)
        self.has_begun = True
        self.last = self.clock.monotonic()
        return 0.0 if isinstance(step, HeadPart) else step

    def _pause(self, wait: Wait) -> float | None:
        """How long to sleep for this wait now; None if it is over. Raises ReadTimeout."""
        now = self.clock.monotonic()
        if now >= wait.until:
            return None
        if now >= (deadline := self.deadline):
            raise httpx.ReadTimeout("timed out", request=self.request)
        left = min(wait.until, deadline) - now
        if left > self.clock.poll_interval:
            self.waiting = None  # the next step says whether anything has changed meanwhile
            return self.clock.poll_interval
        return left

    def _error(self, step: Refuse | Cut) -> httpx.TransportError:
        if isinstance(step, Refuse):
            return httpx.ConnectError("[Errno 111] Connection refused", request=self.request)
        if step.reset:
            return httpx.ReadError("[Errno 104] Connection reset by peer", request=self.request)
        text = _UNFINISHED if self.has_begun else _NO_RESPONSE
        return httpx.RemoteProtocolError(text, request=self.request)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The rest of an exchange, as the stream of a response."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        while (arrived := self._exchange.advance()) is not None:
            if isinstance(arrived, Chunk):
                yield arrived.data
            elif isinstance(arrived, float):
                self._exchange.clock.sleep(arrived)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (arrived := self._exchange.advance()) is not None:
            if isinstance(arrived, Chunk):
                yield arrived.data
            elif isinstance(arrived, float):
                await self._exchange.clock.asleep(arrived)


class SimulatorTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Pass it to `httpx.Client(transport=…)` or `httpx.AsyncClient(transport=…)`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchange(request, request.read())
        while not isinstance(arrived := exchange.advance(), Head):
            exchange.clock.sleep(arrived if isinstance(arrived, float) else 0.0)
        return _response(arrived, exchange)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchange(request, await request.aread())
        while not isinstance(arrived := exchange.advance(), Head):
            await exchange.clock.asleep(arrived if isinstance(arrived, float) else 0.0)
        return _response(arrived, exchange)

    def _exchange(self, request: httpx.Request, body: bytes) -> _Exchange:
        headers = {k.lower(): v for k, v in request.headers.items()}
        query = dict(request.url.params)
        sent = Request(request.method, request.url.path, query, headers, body)
        return _Exchange(request, self.simulator.handle(sent).steps, self.simulator.clock)


def _response(head: Head, exchange: _Exchange) -> httpx.Response:
    return httpx.Response(head.status, headers=dict(head.headers), stream=_Body(exchange))
