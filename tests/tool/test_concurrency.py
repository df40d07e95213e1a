"""One tool object, from one event loop after another, from many threads, from sync and async in turn.

Over a real socket: connections, and what becomes of them, are the point.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_parallel import ParallelTaskTool
from langchain_parallel._core.calls import drive
from langchain_parallel._graph.records import REMEMBERED, Records
from langchain_parallel._graph.session_ledger import Ledgers
from langchain_parallel.simulator import RunningServer

from .helpers import START, Account, agent, answers, calls, run_ids

TEN_LOOPS = """
import asyncio, gc, sys
from langchain_parallel import ParallelTaskTool

tool = ParallelTaskTool(api_key="simulated", base_url=sys.argv[1])
for _ in range(10):
    answer = asyncio.run(tool.ainvoke({"input": "Who leads?"}))
    assert answer.startswith("Research result."), answer
    gc.collect()
"""
LANGSMITH_ON_3_14 = ["-W", "ignore:'asyncio.iscoroutinefunction':DeprecationWarning"]


@pytest.fixture
def tool(simulator_server: RunningServer) -> Iterator[ParallelTaskTool]:
    tool = ParallelTaskTool(api_key="simulated", base_url=simulator_server.url)
    yield tool
    tool._door.clients.sync.close()


def billed(server: RunningServer) -> int:
    return len(server.simulator.billing.billed_runs())


def test_ten_event_loops_in_a_row_are_ten_runs_without_a_warning(
    simulator_server: RunningServer,
) -> None:
    """In a process of its own, so that what a warning says at its very end is heard too."""
    command = [sys.executable, "-W", "error", *LANGSMITH_ON_3_14, "-c", TEN_LOOPS]
    done = subprocess.run(
        [*command, simulator_server.url], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert billed(simulator_server) == len(simulator_server.simulator.runs()) == 10


def test_ten_threads_at_once_are_ten_runs(
    simulator_server: RunningServer, tool: ParallelTaskTool
) -> None:
    questions = [f"Who leads in market {i}?" for i in range(10)]
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(tool.invoke, questions))
    assert all(q in text for q, text in zip(questions, found, strict=True))
    assert billed(simulator_server) == len(simulator_server.simulator.runs()) == 10


def test_ten_threads_with_a_loop_each_are_ten_runs(
    simulator_server: RunningServer, tool: ParallelTaskTool
) -> None:
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda i: asyncio.run(tool.ainvoke(f"Who leads in {i}?")), range(10)))
    assert billed(simulator_server) == len(simulator_server.simulator.runs()) == 10


def test_sync_and_async_in_turn(simulator_server: RunningServer, tool: ParallelTaskTool) -> None:
    async def both() -> list[str]:
        return [await tool.ainvoke("Awaited?"), tool.invoke("Blocking, inside a loop?")]

    found = [tool.invoke("One?"), *asyncio.run(both()), tool.invoke("Two?"), *asyncio.run(both())]
    assert all(text.startswith("Research result.") for text in found)
    assert billed(simulator_server) == len(simulator_server.simulator.runs()) == 6


async def test_identical_calls_really_at_once_share_a_run(
    simulator_server: RunningServer, tool: ParallelTaskTool
) -> None:
    says = calls(*[{"input": "Who leads?"}] * 8)
    state = await agent(tool, says, "done").ainvoke(START)
    assert len(set(run_ids(answers(state)))) == billed(simulator_server) == 1


async def test_many_calls_at_once_are_each_answered_with_their_own(
    simulator_server: RunningServer, tool: ParallelTaskTool
) -> None:
    questions = [f"Who leads in market {i}?" for i in range(30)]
    found = await asyncio.gather(*map(tool.ainvoke, questions))
    assert all(q in text for q, text in zip(questions, found, strict=True))
    assert billed(simulator_server) == 30


async def wait_for_a_run(server: RunningServer) -> None:
    while not server.simulator.runs():  # noqa: ASYNC110  # it is another thread that makes it
        await asyncio.sleep(0.01)


async def test_a_cancelled_call_leaves_the_tool_usable(
    simulator_server: RunningServer, tool: ParallelTaskTool
) -> None:
    simulator_server.simulator.latency_scale = 1.0
    waiting = asyncio.create_task(tool.ainvoke("Slow?"))
    await wait_for_a_run(simulator_server)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    simulator_server.simulator.latency_scale = 0.001
    assert (await tool.ainvoke("Quick?")).startswith("Research result.")


def test_the_latest_thousand_sessions_are_remembered(account: Account) -> None:
    made = account.tool()
    assert made.client is not None
    ledgers = Ledgers(made._door.clients, Records())
    first = drive(ledgers.of({}, "first"))
    assert drive(ledgers.of({}, "first")) == first
    for i in range(REMEMBERED):
        drive(ledgers.of({}, f"session {i}"))
    assert drive(ledgers.of({}, "first")) != first
