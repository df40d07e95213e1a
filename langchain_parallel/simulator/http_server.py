"""The simulator on a real socket, for other processes and other clients.

It uses h11 on plain asyncio streams, because a fault must be able to end a connection after any byte, which
no web framework allows.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import h11
import httpx

from .access import Access
from .http_messages import (
    ApiError,
    Chunk,
    Cut,
    Head,
    HeadPart,
    Refuse,
    Request,
    Response,
    Wait,
    error_response,
)
from .simulator import Simulator
from .webhook_outbox import Delivery

_LOG = logging.getLogger("langchain_parallel.simulator")
_READ_BYTES = 65536
_WEBHOOK_POLL_SECONDS = 0.05
_BACKLOG = 4096
_LINGER_SECONDS = 1.0
_LAST_ITERATIONS = 5
"""Of the loop: a closed transport releases its socket in the next one, an accepted one needs some."""


class _ClientGone(Exception):
    """The client closed its side."""


@dataclass(eq=False)
class _Connection:
    """One client connection, with one request at a time."""

    _server: RunningServer
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER))
    _reading: asyncio.Task[bytes] | None = None
    _head: bytes = b""
    """What is left of a head that is sent in parts."""
    _head_size: int = 0
    _wants_no_body: bool = False
    """Whether the request was a HEAD."""

    async def run(self) -> None:
        """Serve requests until either side closes."""
        try:
            while (request := await self._next_request()) is not None:
                await self._play(self._server.handle(request))
                if self._http.our_state is not h11.DONE:
                    break
                self._http.start_next_cycle()
        except (_ClientGone, ConnectionError, h11.LocalProtocolError):
            pass  # the client is gone, so no response can reach it
        except h11.RemoteProtocolError as error:
            with suppress(ConnectionError, h11.LocalProtocolError):
                await self._refuse(error)
        except asyncio.CancelledError:
            self._writer.transport.abort()  # the server stops and does not wait for slow clients
            raise
        finally:
            if self._reading is not None:
                self._reading.cancel()
            self._writer.close()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer what is not HTTP, if no response has begun."""
        message = f"Bad request: {error}"[:200]
        refusal = ApiError(error.error_status_hint, message, headers={"connection": "close"})
        await self._play(error_response(refusal, "refused-by-the-server"))
        self._writer.write_eof()
        reading = asyncio.ensure_future(self._read_rest())
        await asyncio.wait({reading}, timeout=_LINGER_SECONDS)
        reading.cancel()

    async def _read_rest(self) -> None:
        """Read what is still coming: closing before that would reset the connection, and lose the answer."""
        with suppress(ConnectionError):
            while await self._reader.read(_READ_BYTES):
                pass

    async def _next_request(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._receive())
                self._reading = None
            elif isinstance(event, h11.Request):
                head, self._wants_no_body = event, event.method == b"HEAD"
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            else:
                return None

    def _receive(self) -> asyncio.Task[bytes]:
        """The one read under way, which a waiting response also watches.

        The code that uses its bytes sets `_reading` to None.
        """
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._reader.read(_READ_BYTES))
        return self._reading

    async def _play(self, response: Response) -> None:
        for step in response.steps:
            if isinstance(step, Wait):
                await self._wait(step)
            elif isinstance(step, HeadPart):
                await self._send_part(step)
            elif isinstance(step, Head) and self._head:
                await self._write(self._head)
                self._head = b""
            elif isinstance(step, Head):
                await self._send(_head(step))
            elif isinstance(step, Chunk):
                if not self._wants_no_body:
                    await self._send(h11.Data(data=step.data))
            else:
                self._cut(step)
                return
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        await self._write(self._http.send(event) or b"")

    async def _send_part(self, part: HeadPart) -> None:
        if not self._head:
            self._head = self._http.send(_head(part.head)) or b""
            self._head_size = len(self._head)
        size = max(1, int(self._head_size * part.share))
        data, self._head = self._head[:size], self._head[size:]
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _wait(self, wait: Wait) -> None:
        """Wait for the time, for a change of the topic, or for the client to leave."""
        clock = self._server.simulator.clock
        left = wait.until - clock.monotonic()
        pause = asyncio.ensure_future(clock.asleep(min(left, 3600.0)))
        receiving = self._receive()
        try:
            with self._server.change_of(wait.topic) as changed:
                first: set[asyncio.Future[Any]] = {pause, changed, receiving}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
        if receiving.done():
            data = receiving.result()
            if not data:
                raise _ClientGone
            self._http.receive_data(data)
            self._reading = None

    def _cut(self, step: Cut | Refuse) -> None:
        """End the connection at once. A reset makes the kernel send RST."""
        if isinstance(step, Refuse) or step.reset:
            sock: socket.socket = self._writer.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._writer.transport.abort()


def _request(head: h11.Request, body: bytes) -> Request:
    text = head.target.decode("ascii")
    try:
        target = urlsplit(text)
    except ValueError:  # such as `//[`
        target = SplitResult("", "", text, "", "")
    headers = {k.decode("ascii"): v.decode("latin-1") for k, v in head.headers}
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return Request(head.method.decode("ascii"), unquote(target.path), query, headers, body)


def _head(head: Head) -> h11.Response:
    headers = [(k.encode(), v.encode()) for k, v in head.headers.items()]
    return h11.Response(status_code=head.status, headers=headers)


class RunningServer:
    """A server at `url`, on its own thread and event loop, until the `serve` block ends."""

    def __init__(self, simulator: Simulator, host: str, port: int, access: Access) -> None:
        self.simulator = simulator
        self._access = access
        self.host = host
        self.port: int = port
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._webhooks: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.accepted: int = 0
        """The connections so far."""
        self._is_over = False
        self._watchers: dict[str | None, set[asyncio.Future[None]]] = defaultdict(set)

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """The connections that are open now."""
        return len(self._connections)

    @property
    def control_token(self) -> str:
        """Goes into the header `x-simulator-token` of calls to `/_simulator/…`."""
        return self._access.control_token

    def handle(self, request: Request) -> Response:
        """The simulator's response, or a refusal."""
        try:
            self._access.check(request)
        except ApiError as error:
            return error_response(error, "refused-by-the-server")
        return self.simulator.handle(request)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse new connections inside this block. Existing ones continue."""
        self._call(self._stop_listening())
        try:
            yield
        finally:
            self._call(self._listen())

    def drop_connections(self) -> None:
        """Close every connection now, as a restart of the server would."""
        self._loop.call_soon_threadsafe(self._cancel_connections)

    # -- on the server's own thread ----------------------------------------------------------------

    @contextmanager
    def change_of(self, topic: str | None) -> Iterator[asyncio.Future[None]]:
        """A future that is done when the simulator reports a change of `topic`."""
        future: asyncio.Future[None] = self._loop.create_future()
        watchers = self._watchers[topic]
        watchers.add(future)
        try:
            yield future
        finally:
            watchers.discard(future)
            if not watchers:
                self._watchers.pop(topic, None)

    def _wake(self, topic: str) -> None:
        for future in self._watchers.get(topic, ()):
            if not future.done():
                future.set_result(None)

    def _on_change(self, topic: str) -> None:
        with suppress(RuntimeError):  # the loop has just been closed, with all waits
            self._loop.call_soon_threadsafe(self._wake, topic)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_over:
            writer.transport.abort()
            return
        self.accepted += 1
        task = self._loop.create_task(_Connection(self, reader, writer).run())
        self._connections.add(task)

        def forget(ended: asyncio.Task[None]) -> None:
            self._connections.discard(ended)
            if ended.cancelled():  # perhaps before it began, so that nothing in it could close this
                writer.transport.abort()

        task.add_done_callback(forget)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(
            self._accept, self.host, self.port, backlog=_BACKLOG
        )
        self.port = int(self._listening.sockets[0].getsockname()[1])

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _cancel_connections(self) -> None:
        for task in self._connections:
            task.cancel()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    @contextmanager
    def _run(self) -> Iterator[RunningServer]:
        name, run = "parallel-simulator", self._loop.run_forever
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        unsubscribe = self.simulator.on_change(self._on_change)
        try:
            self._call(self._start())
            yield self
        finally:
            unsubscribe()
            self._call(self._shut_down())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(timeout=10)
            self._loop.close()

    async def _start(self) -> None:
        await self._listen()
        self._webhooks = asyncio.create_task(_deliver_webhooks(self.simulator, self._access))

    async def _shut_down(self) -> None:
        self._is_over = True
        await self._stop_listening()
        tasks = [*self._connections, *([self._webhooks] if self._webhooks else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(_LAST_ITERATIONS):
            await asyncio.sleep(0)


async def _deliver_webhooks(simulator: Simulator, access: Access) -> None:
    """Send the deliveries that are due, until cancelled; those that may not be sent are dropped."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        while True:
            for delivery in simulator.due_webhooks():
                if not access.may_post_to(delivery.url):
                    _LOG.warning(
                        "A webhook is not sent: its URL is none, or another machine's, which "
                        "webhooks_anywhere=True allows."
                    )
                    simulator.record_delivery(delivery, True)
                    continue
                simulator.record_delivery(delivery, await _deliver(http, delivery))
            await asyncio.sleep(_WEBHOOK_POLL_SECONDS)


async def _deliver(http: httpx.AsyncClient, delivery: Delivery) -> bool:
    """Return whether the response is 2xx."""
    try:
        response = await http.post(
            delivery.url, content=delivery.body, headers=dict(delivery.headers)
        )
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return response.is_success


@contextmanager
def serve(
    simulator: Simulator,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    expose: bool = False,
    webhooks_anywhere: bool = False,
    control_token: str | None = None,
) -> Iterator[RunningServer]:
    """Serve the simulator over HTTP on a background thread.

    Args:
        simulator: What answers.
        host: An address of this machine that no other can reach, unless `expose` is set.
        port: 0 takes a free one.
        expose: Listen on any address, and answer under any name. The simulator accepts any key.
        webhooks_anywhere: Also post webhooks to other machines than this one.
        control_token: For calls to `/_simulator/…`; made up unless given, and then `server.control_token`.

    Raises:
        ValueError: Another machine could reach this host.
        OSError: The address cannot be listened on.
    """
    token = {"control_token": control_token} if control_token else {}
    access = Access(host, expose, webhooks_anywhere, **token)
    with RunningServer(simulator, host, port, access)._run() as server:
        yield server
