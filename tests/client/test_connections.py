"""How many connections are made, and how many stay: the simulator's server counts them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, ParallelTaskTool
from langchain_parallel.client.pools import SPARE, SPARE_OF_ALL
from langchain_parallel.simulator import RunningServer, RunScript

from .both import QUICK, Both, Kind, ask

CALLS = 100
NEARLY_ONE = 5
"""One, and some where a loaded machine took longer over the end of a stream than it is waited for."""


@pytest.fixture
def server(simulator_server: RunningServer) -> RunningServer:
    simulator_server.simulator.scripts.add(RunScript(seconds=0.0, times=None))
    return simulator_server


def wait_until(is_so: Callable[[], bool]) -> None:
    """The server notices a moment later that a connection was closed."""
    for _ in range(1000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never was")


def test_a_hundred_calls_in_a_row_use_one_connection(
    server: RunningServer, client_kind: Kind
) -> None:
    api = Both(client_kind, "key", server.url)
    ledger = api.create_group().taskgroup_id
    for number in range(CALLS):
        run = api.submit(ledger, ask(f"Question {number}"), lookup="none").run
        assert api.wait(run.run_id).output.content
    assert server.accepted <= NEARLY_ONE
    assert server.open_connections == 1
    api.done()


def test_calls_of_the_tool_use_one_connection_too(server: RunningServer) -> None:
    with ParallelClient("key", server.url) as client:
        tool = ParallelTaskTool(processor="lite", client=client)
        for number in range(CALLS // 4):
            assert tool.invoke({"input": f"Question {number}"}).startswith("Research result")
        assert server.accepted <= NEARLY_ONE


def burst(server: RunningServer, kind: Kind) -> Both:
    """A client that has just made many calls at once."""
    server.simulator.scripts.add(RunScript(seconds=0.3, times=None))
    api = Both(kind, "key", server.url, retry_policy=QUICK)
    if kind == "blocking":
        with ThreadPoolExecutor(CALLS) as pool:
            runs = list(pool.map(lambda n: api.create(ask(f"{n}")), range(CALLS)))
            list(pool.map(lambda run: api.wait(run.run_id), runs))
        return api

    async def all_at_once() -> None:
        runs = await asyncio.gather(*(api.client.create(ask(f"{n}")) for n in range(CALLS)))
        await asyncio.gather(*(api.client.wait(run.run_id) for run in runs))

    api._run(all_at_once())
    return api


def test_after_a_burst_few_connections_stay(server: RunningServer, client_kind: Kind) -> None:
    api = burst(server, client_kind)
    assert server.accepted > SPARE, "that was no burst"
    wait_until(lambda: server.open_connections <= SPARE)
    api.done()
    wait_until(lambda: server.open_connections == 0)


def test_the_clients_of_many_users_keep_few_connections_together(server: RunningServer) -> None:
    clients = [ParallelClient(f"key {n}", server.url) for n in range(4 * SPARE_OF_ALL)]
    for client in clients:
        client.create_group()
    wait_until(lambda: server.open_connections <= SPARE_OF_ALL)
    for client in clients[:-SPARE_OF_ALL]:
        client.create_group()  # its connection was closed, and it makes another
    for client in clients:
        client.close()
    wait_until(lambda: server.open_connections == 0)


async def test_so_do_asynchronous_ones_in_an_event_loop(server: RunningServer) -> None:
    clients = [AsyncParallelClient(f"key {n}", server.url) for n in range(4 * SPARE_OF_ALL)]
    for client in clients:
        await client.create_group()
    await asyncio.to_thread(wait_until, lambda: server.open_connections <= SPARE_OF_ALL)
    await asyncio.gather(*(client.create_group() for client in clients))
    for client in clients:
        await client.close()
    await asyncio.to_thread(wait_until, lambda: server.open_connections == 0)
