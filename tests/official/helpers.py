"""An account, and the official classes that talk to it."""

from __future__ import annotations

from typing import Any

import httpx

from langchain_parallel import ParallelClient
from langchain_parallel.official import ParallelEnrichment, ParallelTaskGroup, ParallelTaskRunTool
from langchain_parallel.simulator import Simulator

from ..tool.helpers import KEY, Account, Wire


class AskedWire(Wire):
    """Keeps every request."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self.asked: list[httpx.Request] = []

    def _note(self, request: httpx.Request) -> None:
        self.asked.append(request)
        super()._note(request)


class OfficialAccount(Account):
    """What is made anew stands for a new process."""

    wire: AskedWire

    def __init__(self, simulator: Simulator | None = None) -> None:
        super().__init__(simulator)
        self.wire = AskedWire(self.simulator)

    @property
    def client(self) -> ParallelClient:
        return ParallelClient(KEY, transport=self.wire, clock=self.simulator.clock)

    def task_run(self, **options: Any) -> ParallelTaskRunTool:
        return ParallelTaskRunTool(client=self.client, **options)

    def group(self, **options: Any) -> ParallelTaskGroup:
        return ParallelTaskGroup(client=self.client, **options)

    def enrichment(self, **options: Any) -> ParallelEnrichment:
        return ParallelEnrichment(client=self.client, **options)
