"""A fault that lasts: for so many seconds of the simulator's clock from the first request for a run."""

from __future__ import annotations

import httpx

from langchain_parallel.simulator import Fault, Simulator, SimulatorTransport


class Outage(SimulatorTransport):
    """Every request that `fault` matches meets it, for `seconds` after the first one did."""

    def __init__(self, simulator: Simulator, fault: Fault, seconds: float) -> None:
        super().__init__(simulator)
        self.fault = fault
        self.seconds = seconds
        self.until: float | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._look(request)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._look(request)
        return await super().handle_async_request(request)

    def _look(self, request: httpx.Request) -> None:
        time = self.simulator.clock.monotonic()
        if self.until is None and self._is_first(request):
            self.simulator.faults.add(self.fault)
            self.until = time + self.seconds
        elif self.until is not None and time >= self.until:
            self.simulator.faults.clear()

    def _is_first(self, request: httpx.Request) -> bool:
        """Whether the outage begins with this request: the first one that asks after a run."""
        return request.method == "GET" and "/v1/tasks/runs/" in request.url.path
