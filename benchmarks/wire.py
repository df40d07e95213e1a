"""What goes over the wire to the API, counted where httpx hands it over.

Bytes are those of HTTP/1.1: start line, headers and body, without TLS and chunk marks. Of an answer that
is not read to its end, only what was read counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.simulator import ManualClock, Scenario, Simulator, SimulatorTransport

_KINDS = (
    # method, path, what it is for
    ("POST", "/v1/tasks/groups", "new ledger"),
    ("GET", "/v1/tasks/groups/ID/runs", "look"),
    ("POST", "/v1/tasks/groups/ID/runs", "paid"),
    ("POST", "/v1/tasks/runs", "paid"),
    ("GET", "/v1/tasks/runs/ID", "status"),
    ("GET", "/v1/tasks/runs/ID/events", "events"),
    ("GET", "/v1/tasks/runs/ID/result", "result"),
)
_BY_PLACE = {(method, path): kind for method, path, kind in _KINDS}


def kind_of(method: str, path: str) -> str:
    """What a request is for; one that nobody thought of, by its method and path."""
    shape = re.sub(r"t(run|grp)_\w+", "ID", path)
    return _BY_PLACE.get((method, shape), f"{method} {shape}")


@dataclass
class Traffic:
    """Requests by kind, and bytes."""

    kinds: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    look_bytes: int = 0
    """Of the bytes received, those of looks into the ledger: the only ones that could grow."""

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(self.kinds.values())

    @property
    def paid(self) -> int:
        """How many of them can cost money."""
        return self.kinds["paid"]


class Meter(SimulatorTransport):
    """The simulator's transport, with its traffic counted until it is taken."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._traffic = Traffic()

    def take(self) -> Traffic:
        """The traffic since the last time it was taken."""
        taken, self._traffic = self._traffic, Traffic()
        return taken

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Count a blocking exchange."""
        kind = self._count(request)
        return self._counted(super().handle_request(request), kind)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Count an asynchronous exchange."""
        kind = self._count(request)
        return self._counted(await super().handle_async_request(request), kind)

    def _count(self, request: httpx.Request) -> str:
        kind = kind_of(request.method, request.url.path)
        self._traffic.kinds[kind] += 1
        start = len(f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n")
        self._traffic.sent += start + _head(request.headers) + len(request.content)
        return kind

    def _counted(self, answer: httpx.Response, kind: str) -> httpx.Response:
        self._receive(len("HTTP/1.1 200 OK\r\n") + _head(answer.headers), kind)
        body = _Body(answer.stream, self, kind)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=body)

    def _receive(self, count: int, kind: str) -> None:
        self._traffic.received += count
        self._traffic.look_bytes += count if kind == "look" else 0


def _head(headers: httpx.Headers) -> int:
    return sum(len(name) + len(value) + len(": \r\n") for name, value in headers.raw) + len("\r\n")


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An answer's body, counted as it is read."""

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
    """A simulated account that gives scripted answers, on virtual time, and its meter."""

    def __init__(self, scenario: Scenario) -> None:
        self.simulator = Simulator(ManualClock(), scenario=scenario)
        self.meter = Meter(self.simulator)

    def blocking_client(self) -> ParallelClient:
        """A new client, as a new process makes it; for the graph, the tool, or alone."""
        how: dict[str, Any] = {"transport": self.meter, "clock": self.simulator.clock}
        return ParallelClient("key-of-a-benchmark", **how)

    def async_client(self) -> AsyncParallelClient:
        """The same for asynchronous calls."""
        how: dict[str, Any] = {"transport": self.meter, "clock": self.simulator.clock}
        return AsyncParallelClient("key-of-a-benchmark", **how)

    def raw_result(self, run_id: str) -> str:
        """A run's result as the API sends it: JSON."""
        address, key = (
            f"http://simulator.example/v1/tasks/runs/{run_id}/result",
            "key-of-a-benchmark",
        )
        with httpx.Client(transport=SimulatorTransport(self.simulator), timeout=None) as http:
            return http.get(address, headers={"x-api-key": key}).text
