"""Tables on an account, blocking and awaited."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel._core.ledger.keys import METADATA_KEY
from langchain_parallel.batch import ResearchRow, ResearchTable, research_table, stream_table
from langchain_parallel.batch.table import aresearch_table, astream_table
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

Mode = Literal["sync", "async"]
QUESTION = "Who runs {company}?"
SCHEMA = {
    "type": "object",
    "properties": {"ceo": {"type": "string"}, "employees": {"type": "integer"}},
    "required": ["ceo", "employees"],
    "additionalProperties": False,
}


def companies(number: int = 12) -> list[dict[str, Any]]:
    return [{"company": f"Company {nth}"} for nth in range(number)]


class Office:
    """An account, and tables that are researched on it."""

    def __init__(self, mode: Mode = "sync", **account: Any) -> None:
        self.mode = mode
        self.clock = ManualClock()
        self.sim = Simulator(self.clock, **account)

    def client(self, transport: Any = None, **more: Any) -> Any:
        """A new process, as it were: it knows nothing of what others have sent."""
        make = ParallelClient if self.mode == "sync" else AsyncParallelClient
        transport = transport or SimulatorTransport(self.sim)
        return make("key-of-an-office", transport=transport, clock=self.clock, **more)

    def research(self, rows: Any, question: Any = QUESTION, **options: Any) -> ResearchTable:
        options.setdefault("client", self.client())
        if self.mode == "sync":
            return research_table(rows, question, **options)
        return asyncio.run(aresearch_table(rows, question, **options))

    def stream(self, rows: Any, question: Any = QUESTION, **options: Any) -> Iterator[ResearchRow]:
        options.setdefault("client", self.client())
        if self.mode == "sync":
            yield from stream_table(rows, question, **options)
            return

        async def collect() -> list[ResearchRow]:
            return [row async for row in astream_table(rows, question, **options)]

        yield from asyncio.run(collect())

    @property
    def asked(self) -> Counter[str]:
        """What was paid for."""
        return Counter(run.text for run in self.sim.all_runs())

    def paid_once(self) -> bool:
        """Whether no key has two runs."""
        keys = Counter(run.request["metadata"][METADATA_KEY] for run in self.sim.all_runs())
        return set(keys.values()) <= {1}

    def answers_its_question(self, table: Any) -> bool:
        """Whether each row has the answer of its own run."""
        texts = {run.run_id: run.text for run in self.sim.all_runs()}
        return all(
            texts[row.run_id] == QUESTION.format(**row.row)
            for row in table
            if row.run_id is not None
        )
