"""A batch of calls that is left: its id is told, and its lock is free."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import pytest

from langchain_parallel import aresearch_table
from langchain_parallel._locks import machine
from langchain_parallel.simulator import Fault

from ..batch.tables import Office, companies
from .helpers import Account
from .test_batches import QUESTIONS, asked


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_id_of_a_cancelled_batch_is_told(
    is_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    account, kept = Account(), list[str]()
    tool = account.tool(processor="lite")
    on_begin = kept.append if is_kept else None

    async def leave() -> None:
        task = asyncio.create_task(tool.abatch(QUESTIONS, on_begin=on_begin))
        while not account.wire.paid:  # noqa: ASYNC110 -- what fills it is no coroutine
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with caplog.at_level(logging.WARNING, "langchain_parallel"):
        asyncio.run(leave())
    told = [one for one in caplog.messages if "batch_id='tgrp_" in one]
    assert len(told) == (0 if is_kept else 1)
    batch_id = kept[0] if is_kept else told[0].split("'")[1]
    assert len(account.tool(processor="lite").batch(QUESTIONS, batch_id=batch_id)) == len(QUESTIONS)
    assert set(asked(account).values()) == {1}


def test_an_event_loop_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph's development server raises for each blocking call on its loop."""
    blockbuster = pytest.importorskip("blockbuster")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv(machine.FOLDER, raising=False)
    monkeypatch.setattr(machine, "_FILE", machine._LockFile())
    office = Office("async")
    client = office.client()

    async def research() -> None:
        with blockbuster.blockbuster_ctx():
            table = await aresearch_table(companies(2), "Who runs {company}?", client=client)
        assert not table.errors

    asyncio.run(research())
    assert [*tmp_path.iterdir()]


def test_a_pause_that_a_server_asks_for_ends() -> None:
    office = Office()
    office.sim.faults.add(
        Fault("rate_limit", method="POST", path="*/groups/*/runs", seconds=1e9, times=1)
    )
    assert not office.research(companies(3)).errors
    assert office.clock.monotonic() < 4_000.0
