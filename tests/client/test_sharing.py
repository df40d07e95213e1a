"""One client in many hands: threads, event loops, forks, and its own end."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel.simulator import RunningServer, Simulator, SimulatorTransport

from .both import QUICK, Both, ask

ROOT = Path(__file__).parents[2]


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


def test_one_connection_is_enough(client_kind: Any, url: str) -> None:
    """A stream that is done with must not hold the one connection that the next request needs."""
    limits = httpx.Limits(max_connections=1)
    make = httpx.Client if client_kind == "blocking" else httpx.AsyncClient
    http: Any = make(limits=limits)
    api = Both(client_kind, "key", url, http_client=http, retry_policy=QUICK)
    group_id = api.create_group().taskgroup_id
    run_id = api.submit(group_id, ask(processor="pro")).run.run_id
    with pytest.raises(errors.StillRunning):
        api.wait(api.create(ask("x", "ultra8x")).run_id, timeout=2.5)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_leaves_both_processes_a_working_client(url: str) -> None:
    """In a process of its own: a fork of the test process would take pytest along."""
    code = f"""
        import asyncio, os, sys, warnings
        from langchain_parallel import AsyncParallelClient, ParallelClient
        from langchain_parallel.models import TaskRunInput

        client = ParallelClient("key", {url!r})
        awaiting = AsyncParallelClient("key", {url!r})
        group = client.create_group().taskgroup_id
        asyncio.run(awaiting.create_group())

        def work(text):
            made = client.submit(group, TaskRunInput(input=text, processor="lite"))
            client.wait(made.run.run_id)
            asyncio.run(awaiting.retrieve(made.run.run_id))

        children = []
        for n in range(3):
            child = os.fork()
            if child == 0:
                work(f"child {{n}}")
                client.close()
                os._exit(0)  # as multiprocessing does
            children.append(child)
            work(f"parent {{n}}")
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
        work("parent at last")
        client.close()
    """
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_warned_of_at_the_end_of_a_careless_program(url: str) -> None:
    code = f"""
        import asyncio
        from langchain_parallel import AsyncParallelClient, ParallelClient
        client = ParallelClient("key", {url!r})
        client.create_group()
        awaiting = AsyncParallelClient("key", {url!r})
        for _ in range(10):
            asyncio.run(awaiting.create_group())
    """
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(code),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_a_client_raises_survives_the_way_to_another_process(url: str) -> None:
    with ParallelClient("key", url) as client, pytest.raises(errors.NotFound) as caught:
        client.retrieve("trun_0")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), twin.__dict__) == (str(caught.value), caught.value.__dict__)
