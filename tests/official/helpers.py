"""An account, and the official classes that talk to it."""

from __future__ import annotations

from typing import Any

from langchain_parallel import ParallelClient
from langchain_parallel.official import ParallelEnrichment, ParallelTaskGroup, ParallelTaskRunTool

from ..tool.helpers import KEY, Account


class OfficialAccount(Account):
    """What is made anew stands for a new process."""

    @property
    def client(self) -> ParallelClient:
        return ParallelClient(KEY, transport=self.wire, clock=self.simulator.clock)

    def task_run(self, **options: Any) -> ParallelTaskRunTool:
        return ParallelTaskRunTool(client=self.client, **options)

    def group(self, **options: Any) -> ParallelTaskGroup:
        return ParallelTaskGroup(client=self.client, **options)

    def enrichment(self, **options: Any) -> ParallelEnrichment:
        return ParallelEnrichment(client=self.client, **options)
