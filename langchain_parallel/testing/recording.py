"""A client whose exchanges with the API are recorded, without its secrets.

Rule: recording changes nothing: a request goes out as it is and its response comes back as it is, in pieces
if it came in pieces.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
from pydantic import SecretStr

from .._core.hidden import as_secret, hidden
from .._core.sse import SSEDecoder
from ..client import ParallelClient
from .cassette import Cassette
from .recorded_secrets import SecretRemoval

_API_PATH = re.compile(r"(/v1(?:beta)?/.*|/chat/completions)$")
_ALONE = httpx.Limits(max_keepalive_connections=0)
"""No connection is kept: event loops one after another may use the same transport."""


def recording_client(
    path: str | Path,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    *,
    transport: httpx.BaseTransport | None = None,
) -> ParallelClient:
    """A client of the API that records to a file what it asks and what it is told.

    Every door takes it as `client=`, for blocking and for awaited calls.

    Args:
        path: The file. One that is there is continued.
        api_key: As of `ParallelClient`.
        base_url: As of `ParallelClient`.
        transport: What sends the requests; for awaited calls it must be asynchronous, too.

    Raises:
        MissingKey: There is no key.
        InvalidRequest: The file is something else than a recording.
    """
    api_key, base_url = as_secret(api_key), hidden(base_url)
    return ParallelClient(api_key, base_url, transport=RecordingTransport(path, transport))


class RecordingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Records what another transport carries. For `transport=` of a client, or of an `httpx.Client`.

    Args:
        path: The file. One that is there is continued.
        transport: What sends the requests; unless given, httpx does.

    Raises:
        InvalidRequest: The file is something else than a recording.
    """

    def __init__(
        self,
        path: str | Path,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._cassette = Cassette(path)
        self._secrets = SecretRemoval()
        self._given = transport
        self._blocking: httpx.HTTPTransport | None = None
        self._awaited: httpx.AsyncHTTPTransport | None = None
        self._began = time.monotonic()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and record it when its response is over."""
        if self._given is None and self._blocking is None:
            self._blocking = httpx.HTTPTransport(limits=_ALONE)
        exchange = self._exchange(request, request.read())
        try:
            response = cast(httpx.BaseTransport, self._given or self._blocking).handle_request(
                request
            )
        except BaseException as error:
            exchange.end(error)
            raise
        return exchange.response(response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same, awaited."""
        if self._given is None and self._awaited is None:
            self._awaited = httpx.AsyncHTTPTransport(limits=_ALONE)
        exchange = self._exchange(request, await request.aread())
        try:
            sender = cast(httpx.AsyncBaseTransport, self._given or self._awaited)
            response = await sender.handle_async_request(request)
        except BaseException as error:
            exchange.end(error)
            raise
        return exchange.response(response)

    def _exchange(self, request: httpx.Request, content: bytes) -> _Exchange:
        body = _read_json(content) if content else None
        self._secrets.learn(dict(request.headers.items()), body)
        found = _API_PATH.search(request.url.path)
        asked = {
            "at": round(time.monotonic() - self._began, 3),
            "method": request.method,
            "path": found[1] if found else request.url.path,
            "query": dict(request.url.params),
            "headers": self._secrets.headers(request.headers),
            "body": body,
        }
        return _Exchange(self._cassette, self._secrets, asked)

    def close(self) -> None:
        """Close the connections. The recording can go on."""
        sender = self._given or self._blocking
        if isinstance(sender, httpx.BaseTransport):
            sender.close()

    async def aclose(self) -> None:
        """The same, awaited."""
        sender = self._given or self._awaited
        if isinstance(sender, httpx.AsyncBaseTransport):
            await sender.aclose()


class _Exchange:
    """One request, and what has come of its response."""

    def __init__(self, cassette: Cassette, secrets: SecretRemoval, asked: dict[str, Any]) -> None:
        self._cassette, self._secrets, self._asked = cassette, secrets, asked
        self._pieces: list[bytes] = []
        self._head: httpx.Response | None = None
        self._is_over = False

    def response(self, received: httpx.Response) -> httpx.Response:
        """The same response, whose body is kept as it is read."""
        self._head = received
        return httpx.Response(
            received.status_code,
            headers=received.headers,
            stream=_Tee(received.stream, self),
            extensions=received.extensions,
        )

    def take(self, piece: bytes) -> bytes:
        """Keep a piece of the body."""
        self._pieces.append(piece)
        return piece

    def end(self, error: BaseException | None = None) -> None:
        """Record it, once."""
        if self._is_over:
            return
        self._is_over = True
        told = {**self._asked, **self._answer_fields()}
        if error is not None:
            told["error"] = type(error).__name__
        self._cassette.add(self._secrets.clean(told))

    def _answer_fields(self) -> dict[str, Any]:
        if self._head is None:
            return {"status": None}
        told: dict[str, Any] = {
            "status": self._head.status_code,
            "answer_headers": self._secrets.headers(self._head.headers),
        }
        raw = b"".join(self._pieces)
        try:
            # Its headers say how it is packed.
            body = httpx.Response(200, headers=self._head.headers, content=raw).content
        except httpx.DecodingError:
            return told
        if self._head.headers.get("content-type", "").startswith("text/event-stream"):
            events = SSEDecoder().feed(body)
            return {
                **told,
                "events": [_read_json(event.data.encode(errors="replace")) for event in events],
            }
        return {**told, "answer": _read_json(body) if body else None}


class _Tee(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is kept as it is read; over when it ends, breaks or is closed."""

    def __init__(self, stream: Any, exchange: _Exchange) -> None:
        self._stream, self._exchange = stream, exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._stream:
                yield self._exchange.take(piece)
        except httpx.TransportError as error:
            self._exchange.end(error)
            raise
        self._exchange.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield self._exchange.take(piece)
        except httpx.TransportError as error:
            self._exchange.end(error)
            raise
        self._exchange.end()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.end()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.end()


def _read_json(content: bytes) -> Any:
    """The JSON, or the text of what is none."""
    text = content.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
