"""Batches that are killed and gone on with: a table, and `submit_many`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.batch import BatchProgress, aresearch_table, research_table
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.models import Submission, TaskRunInput

from .points import passing

BATCHES = ("table", "table as it comes", "table of an iterator that is slow", "submit_many")
ROWS = [{"id": f"r{nth}", "city": f"City {nth}"} for nth in range(10)]
QUESTIONS = [f"Who governs {row['city']}?" for row in ROWS]
CHUNK = 4


def research_batch(workload: str, client: AnyClient, place: Path) -> tuple[str, Any]:
    """Begin a batch, or go on with it; the run of each question."""
    kept = place / "batch_id"
    batch_id = kept.read_text() if kept.exists() else None
    if workload == "submit_many":
        return "submitted", {"runs": _submit(client, kept, batch_id)}
    options: dict[str, Any] = {
        "client": client,
        "processor": "lite",
        "row_id": "id",
        "chunk_size": CHUNK,
        "in_order": workload == "table",
        "on_begin": lambda begun: keep(kept, begun),
        "batch_id": batch_id,
    }
    rows: Any = ROWS
    if "slow" in workload:
        slow = SlowRows()
        rows, options["on_progress"] = iter(slow), slow.note
    question = "Who governs {city}?"
    table = (
        research_table(rows, question, **options)
        if isinstance(client, ParallelClient)
        else asyncio.run(aresearch_table(rows, question, **options))
    )
    assert not table.errors, table.errors
    return "researched", {"runs": {row["id"]: row.run_id for row in table}}


class SlowRows:
    """The rows in three parts, each of which comes when those before it are sent."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sent = 0

    def __iter__(self) -> Iterator[dict[str, str]]:
        for start, end in ((0, 3), (3, 6), (6, len(ROWS))):
            with self._changed:
                while self._sent < start:
                    assert self._changed.wait(30.0)
            yield from ROWS[start:end]

    def note(self, progress: BatchProgress) -> None:
        """Called with each progress."""
        with self._changed:
            self._sent = progress.started + progress.adopted
            self._changed.notify_all()


def keep(kept: Path, batch_id: str) -> None:
    """Write a batch id down, so that it survives what comes next."""
    passing("begin: before")
    with kept.with_suffix(".new").open("w") as file:
        file.write(batch_id)
        file.flush()
        os.fsync(file.fileno())
    kept.with_suffix(".new").rename(kept)
    passing("begin: after")


def _submit(client: AnyClient, kept: Path, ledger: str | None) -> dict[str, str]:
    requests = [TaskRunInput(input=question, processor="lite") for question in QUESTIONS]
    how: dict[str, Any] = {
        "positions": [row["id"] for row in ROWS],
        "chunk_size": CHUNK,
        "lookup": "until_settled" if ledger else "none",
    }
    if isinstance(client, ParallelClient):
        if ledger is None:
            keep(kept, ledger := client.create_group().taskgroup_id)
        found = client.submit_many(ledger, requests, **how)
    else:
        found = asyncio.run(_asubmit(client, kept, ledger, requests, how))
    assert all(isinstance(one, Submission) for one in found), found
    return {row["id"]: one.run.run_id for row, one in zip(ROWS, found, strict=True)}  # type: ignore[union-attr]


async def _asubmit(
    client: AsyncParallelClient,
    kept: Path,
    ledger: str | None,
    requests: list[TaskRunInput],
    how: dict[str, Any],
) -> list[Any]:
    if ledger is None:
        keep(kept, ledger := (await client.create_group()).taskgroup_id)
    return list(await client.submit_many(ledger, requests, **how))
