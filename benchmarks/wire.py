"""Counts the traffic to the API, in httpx's transport.

Bytes are those of HTTP/1.1: start line, headers and body, without TLS and chunk sizes. Of a response that is
not read to its end, only what was read counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from langchain_parallel import ParallelClient
from langchain_parallel.simulator import ManualClock, Scenario, Simulator, SimulatorTransport

from .request_kinds import request_kind


@dataclass
class Traffic:
    """Requests by kind, and bytes."""

    kinds: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    lookup_bytes: int = 0
    """The part of `received` that comes from lookups in the ledger: the only part that could grow."""

    @property
    def requests(self) -> int:
        """The number of requests."""
        return sum(self.kinds.values())

    @property
    def paid(self) -> int:
        """The number of requests that can cost money."""
        return self.kinds["paid"]


class Meter(SimulatorTransport):
    """The simulator's transport, which counts its traffic."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._traffic = Traffic()

    def take(self) -> Traffic:
        """Return the traffic since the last call."""
        taken, self._traffic = self._traffic, Traffic()
        return taken

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Count a blocking exchange."""
        kind = self._count_request(request)
        return self._count_response(super().handle_request(request), kind)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count an asynchronous exchange."""
        kind = self._count_request(request)
        return self._count_response(await super().handle_async_request(request), kind)

    def _count_request(self, request: httpx.Request) -> str:
        kind = request_kind(request.method, request.url.path)
        self._traffic.kinds[kind] += 1
        start = len(f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n")
        self._traffic.sent += start + _head(request.headers) + len(request.content)
        return kind

    def _count_response(self, answer: httpx.Response, kind: str) -> httpx.Response:
        self._receive(len("HTTP/1.1 200 OK\r\n") + _head(answer.headers), kind)
        body = _Body(answer.stream, self, kind)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=body)

    def _receive(self, count: int, kind: str) -> None:
        self._traffic.received += count
        self._traffic.lookup_bytes += count if kind == "lookup" else 0


def _head(headers: httpx.Headers) -> int:
    return sum(len(name) + len(value) + len(": \r\n") for name, value in headers.raw) + len("\r\n")


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, counted while it is read."""

    def __init__(self, stream: Any, meter: Meter, kind: str) -> None:
        self._stream, self._meter, self._kind = stream, meter, kind

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._meter._receive(len(chunk), self._kind)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._meter._receive(len(chunk), self._kind)
            yield chunk


class Account:
    """A simulated account with scripted answers and virtual time, and its meter."""

    def __init__(self, scenario: Scenario) -> None:
        self.simulator = Simulator(ManualClock(), scenario=scenario)
        self.meter = Meter(self.simulator)

    def client(self) -> ParallelClient:
        """A new client, as a new process would make it."""
        clock = self.simulator.clock
        return ParallelClient("key-of-a-benchmark", transport=self.meter, clock=clock)

    def raw_result(self, run_id: str) -> str:
        """A run's result as the API sends it: JSON."""
        address = f"http://simulator.example/v1/tasks/runs/{run_id}/result"
        key = "key-of-a-benchmark"
        with httpx.Client(transport=SimulatorTransport(self.simulator), timeout=None) as http:
            return http.get(address, headers={"x-api-key": key}).text
