"""One client shared by threads and event loops, and closed."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel.simulator import (
    RunningServer,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from .both import QUICK, Both, ask


@pytest.fixture(autouse=True)
def sockets_are_closed() -> Iterator[None]:
    """No socket of ours outlives a test, and nothing is warned of."""
    before = _sockets()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert _sockets() <= before


def _sockets() -> int:
    return sum(_is_socket(link) for link in Path("/proc/self/fd").iterdir())


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:
        return False


@pytest.fixture
def url(simulator_server: RunningServer) -> str:
    return simulator_server.url


def test_twenty_threads_share_a_client(url: str) -> None:
    def work(client: ParallelClient) -> str:
        run_id = client.create(ask()).run_id
        assert client.wait(run_id).run.run_id == run_id
        return run_id

    with ParallelClient("key", url) as client, ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(work, [client] * 40))) == 40


def test_one_event_loop_after_another_shares_a_client(url: str) -> None:
    client = AsyncParallelClient("key", url)

    async def work() -> str:
        run = await client.create(ask())
        return (await client.wait(run.run_id)).run.run_id

    assert len({asyncio.run(work()) for _ in range(10)}) == 10


def test_event_loops_in_two_threads_share_a_client_at_the_same_time(url: str) -> None:
    client = AsyncParallelClient("key", url)
    both = threading.Barrier(2)
    found: list[str] = []

    async def once() -> str:
        run = await client.create(ask())
        return (await client.wait(run.run_id)).run.run_id

    async def work() -> None:
        both.wait(10)
        for _ in range(5):
            found.extend(await asyncio.gather(*(once() for _ in range(5))))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(found)) == 50


async def test_clients_in_one_loop_keep_to_their_own_transport() -> None:
    worlds = [Simulator() for _ in range(3)]
    clients = [AsyncParallelClient("key", transport=SimulatorTransport(sim)) for sim in worlds]
    for n, client in enumerate(clients):
        for _ in range(n):
            await client.create(ask())
    assert [len(sim.runs()) for sim in worlds] == [0, 1, 2]


async def test_a_client_that_is_dropped_lets_its_connections_go(url: str) -> None:
    before = _sockets()
    for _ in range(20):
        await AsyncParallelClient("key", url).create_group()
        ParallelClient("key", url).create_group()
    gc.collect()
    await asyncio.sleep(0.05)
    assert _sockets() <= before + 10  # those of the last ones, and the server's ends


async def test_events_left_early_close_their_connection(url: str) -> None:
    client = AsyncParallelClient("key", url)
    run = await client.create(ask(enable_events=True))
    async for _ in client.events(run.run_id):
        break
    await client.close()


def test_a_closed_client_can_be_used_again(client_kind: Any, url: str) -> None:
    api = Both(client_kind, "key", url)
    for _ in range(3):
        api.create_group()
        api.close()
        api.close()
    api.done()


def test_context_managers_close(url: str) -> None:
    async def work() -> None:
        async with AsyncParallelClient("key", url) as client:
            await client.create_group()

    asyncio.run(work())
    with ParallelClient("key", url) as client:
        client.create_group()
    assert client.create_group().taskgroup_id
    client.close()


def test_a_client_of_ones_own_is_used_and_left_open(url: str) -> None:
    with httpx.Client(headers={"x-mine": "1"}) as http:
        with ParallelClient("key", url, http_client=http) as client:
            client.create_group()
        assert not http.is_closed

    async def work() -> None:
        async with httpx.AsyncClient() as own:
            async with AsyncParallelClient("key", url, http_client=own) as client:
                await client.create_group()
            assert not own.is_closed

    asyncio.run(work())


def test_one_connection_is_enough_for_a_flow(
    client_kind: Any, simulator_server: RunningServer
) -> None:
    """A stream that is done with must not hold the one connection that the next request needs."""
    simulator_server.simulator.scripts.add(RunScript(contains="slow", seconds=3_600))
    url, limits = simulator_server.url, httpx.Limits(max_connections=1)
    make = httpx.Client if client_kind == "blocking" else httpx.AsyncClient
    http: Any = make(limits=limits)
    api = Both(client_kind, "key", url, http_client=http, retry_policy=QUICK)
    group_id = api.create_group().taskgroup_id
    run_id = api.submit(group_id, ask(processor="pro")).run.run_id
    with pytest.raises(errors.StillRunning):
        api.wait(api.create(ask("slow")).run_id, timeout=0.6)
    assert api.wait(run_id).run.status == "completed"
    assert list(api.group_events(group_id))
    if client_kind == "blocking":
        http.close()
    else:
        api._run(http.aclose())
    api.done()


def test_a_redirect_carries_the_key_nowhere(client_kind: Any) -> None:
    asked: list[str] = []

    def elsewhere(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    make: Any = httpx.Client if client_kind == "blocking" else httpx.AsyncClient
    http = make(transport=httpx.MockTransport(elsewhere), follow_redirects=True)
    api = Both(client_kind, "key", "https://api.example", http_client=http)
    with pytest.raises(errors.UnexpectedStatus):
        api.create(ask())
    assert asked == ["https://api.example/v1/tasks/runs"]
    api.done()


def test_what_a_client_raises_survives_the_way_to_another_process(url: str) -> None:
    with ParallelClient("key", url) as client, pytest.raises(errors.NotFound) as caught:
        client.retrieve("trun_0")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), twin.__dict__) == (str(caught.value), caught.value.__dict__)
