"""Many that look into one ledger at a time share a look, and each sees what had been sent when it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

from .both import QUICK, World, ask


def looks(simulator: Simulator, ledger_id: str) -> int:
    """How often its runs were counted, with which each look begins."""
    path = f"/v1/tasks/groups/{ledger_id}"
    return sum((e.method, e.path) == ("GET", path) for e in simulator.requests)


class Slow(httpx.AsyncBaseTransport):
    """Lets other tasks go on during each request; `during` is called while a ledger is being counted."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = SimulatorTransport(simulator)
        self.during: Callable[[], object] = lambda: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        for _ in range(20):
            await asyncio.sleep(0)
        if request.method == "GET" and request.url.path.startswith("/v1/tasks/groups/"):
            self.during()
        return answer


async def test_three_hundred_at_once_need_two_looks() -> None:
    clock = ManualClock()
    simulator = Simulator(clock)
    client = AsyncParallelClient("key", transport=Slow(simulator), clock=clock)
    ledger = (await client.create_group()).taskgroup_id
    calls = [client.submit(ledger, ask(f"Question {n}")) for n in range(300)]
    await asyncio.gather(*calls)
    assert len(simulator.runs()) == 300
    assert looks(simulator, ledger) <= 2


async def test_leave_that_runs_out_at_the_gate_is_renewed_by_few_looks() -> None:
    """200 calls, of which 20 a minute may leave."""
    clock = ManualClock()
    simulator = Simulator(clock)
    client = AsyncParallelClient("key", transport=Slow(simulator), clock=clock, runs_per_minute=20)
    ledger = (await client.create_group()).taskgroup_id
    await asyncio.gather(*(client.submit(ledger, ask(f"Question {n}")) for n in range(200)))
    assert len(simulator.runs()) == 200
    assert looks(simulator, ledger) <= 100


def test_threads_share_looks_too() -> None:
    simulator = Simulator(ManualClock())
    client = ParallelClient("key", transport=SimulatorTransport(simulator), clock=simulator.clock)
    ledger = client.create_group().taskgroup_id
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: client.submit(ledger, ask(f"Question {n}")), range(60)))
    assert len(simulator.runs()) == 60


async def test_a_look_serves_nobody_who_asks_after_it_began() -> None:
    """What another process sends meanwhile may be what they ask for."""
    clock = ManualClock()
    simulator = Simulator(clock)
    transport = Slow(simulator)
    client = AsyncParallelClient("key", transport=transport, clock=clock)
    ledger = (await client.create_group()).taskgroup_id
    elsewhere = ParallelClient("key", transport=SimulatorTransport(simulator), clock=clock)
    late: list[asyncio.Task[object]] = []

    def send_elsewhere() -> None:
        if not late:
            elsewhere.submit(ledger, ask("Late?"))
            late.append(asyncio.ensure_future(client.submit(ledger, ask("Late?"))))

    transport.during = send_elsewhere
    await client.submit(ledger, ask("First?"))
    await asyncio.gather(*late)
    assert len(simulator.runs()) == 2


def test_a_look_that_is_over_serves_nobody(world: World) -> None:
    ledger = world.api.create_group().taskgroup_id
    assert world.api.find(ledger, ask()) is None
    another = world.client()
    sent = another.submit(ledger, ask())
    another.done()
    found = world.api.find(ledger, ask())  # by a clock that has not moved
    assert found is not None
    assert found.run.run_id == sent.run.run_id


async def test_what_goes_wrong_with_a_shared_look_is_an_error_for_each() -> None:
    simulator = Simulator(ManualClock())
    client = AsyncParallelClient("key", transport=Slow(simulator), clock=simulator.clock)
    found = await asyncio.gather(
        *(client.submit("tgrp_none", ask(f"{n}")) for n in range(50)), return_exceptions=True
    )
    assert {type(error) for error in found} == {errors.LedgerNotFound}
    assert len(set(map(id, found))) == 50
    assert looks(simulator, "tgrp_none") <= 2


async def test_one_that_is_cancelled_in_a_look_hands_on_its_turn() -> None:
    simulator = Simulator(ManualClock())
    client = AsyncParallelClient("key", transport=Slow(simulator), clock=simulator.clock)
    ledger = (await client.create_group()).taskgroup_id
    tasks = [asyncio.create_task(client.submit(ledger, ask(f"{n}"))) for n in range(20)]
    await asyncio.sleep(0.01)
    for task in tasks[:10]:
        task.cancel()
    done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    assert not any(isinstance(one, BaseException) for one in done[10:])


async def test_a_blocking_call_looks_itself_where_a_task_of_its_loop_does() -> None:
    """It would wait for ever."""
    simulator = Simulator(ManualClock())
    transport = Slow(simulator)
    client = AsyncParallelClient("key", transport=transport, clock=simulator.clock)
    blocking = ParallelClient(
        "key", transport=SimulatorTransport(simulator), clock=simulator.clock, retry_policy=QUICK
    )
    blocking._settings = client._settings
    ledger = (await client.create_group()).taskgroup_id
    found: list[object] = []
    transport.during = lambda: found.append(blocking.find(ledger, ask("Third?")))
    await client.submit(ledger, ask("First?"))
    assert found
    assert set(found) == {None}


async def test_a_call_gives_its_leave_back_while_it_looks_again() -> None:
    clock = ManualClock()
    simulator = Simulator(clock)
    transport = Slow(simulator)
    client = AsyncParallelClient("key", transport=transport, clock=clock, runs_per_minute=1)
    ledger = (await client.create_group()).taskgroup_id
    await client.submit(ledger, ask("First?"))
    quota, held = client._settings.permit()._gate._quota, list[int]()
    transport.during = lambda: held.append(quota.on_their_way)
    await client.submit(ledger, ask("Second?"))
    assert len(held) >= 2
    assert set(held) == {0}
    assert len(simulator.runs()) == 2
