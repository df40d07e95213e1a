"""The gate of an account, through which all its clients send."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core.send_quota import AT_ONCE
from langchain_parallel.client.handles import ALLOWANCE
from langchain_parallel.simulator import (
    ManualClock,
    RunningServer,
    Simulator,
    SimulatorTransport,
)

from .both import QUICK, Both, World, ask


def turned_away(simulator: Simulator) -> int:
    return sum(entry.status == 429 for entry in simulator.requests)


async def test_five_hundred_calls_at_a_quota_of_a_hundred_all_end_well() -> None:
    clock = ManualClock()
    simulator = Simulator(clock, quota_per_minute=100)
    client = AsyncParallelClient("key", transport=SimulatorTransport(simulator), clock=clock)
    ledger = (await client.create_group()).taskgroup_id
    sent = await asyncio.gather(
        *(client.submit(ledger, ask(f"Question {n}"), lookup="none") for n in range(500)),
        return_exceptions=True,
    )
    assert [error for error in sent if isinstance(error, BaseException)] == []
    assert len(simulator.runs()) == 500
    assert turned_away(simulator) <= 20


def test_a_longer_pause_than_a_client_keeps_holds_up_no_other_call(client_kind: Any) -> None:
    """Each hears it from the API itself, at once."""
    clock, asked = ManualClock(), []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, headers={"retry-after": "999"}, json={})

    api = Both(client_kind, "key", transport=httpx.MockTransport(handle), clock=clock)
    for _ in range(3):
        with pytest.raises(errors.RateLimited) as caught:
            api.create(ask())
        assert caught.value.retry_after == 999
    assert len(asked) == 3
    assert clock.monotonic() < 1
    api.done()


def test_threads_keep_to_the_quota_too() -> None:
    clock = ManualClock()
    simulator = Simulator(clock, quota_per_minute=40)
    client = ParallelClient("key", transport=SimulatorTransport(simulator), clock=clock)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(client.create, [ask(f"Question {n}") for n in range(120)]))
    assert len(simulator.runs()) == 120
    assert turned_away(simulator) <= 20


def test_all_clients_of_an_account_share_it(simulator_server: RunningServer) -> None:
    url = simulator_server.url
    gates = {ParallelClient("key", url)._settings.permit()._gate for _ in range(2)}
    gates.add(AsyncParallelClient("key", url)._settings.permit()._gate)
    assert len(gates) == 1
    assert ParallelClient("another", url)._settings.permit()._gate not in gates


async def test_a_call_that_waits_can_be_cancelled(simulator_server: RunningServer) -> None:
    async with AsyncParallelClient(
        "key", simulator_server.url, runs_per_minute=1, retry_policy=QUICK
    ) as client:
        ledger = (await client.create_group()).taskgroup_id
        await client.submit(ledger, ask("first"))
        waits = [asyncio.create_task(client.submit(ledger, ask(f"{n}"))) for n in range(3)]
        begun = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), 0.2)
        assert time.monotonic() - begun < 5
        assert len(simulator_server.simulator.runs()) == 1
        # Nothing was sent, so nothing is in doubt.
        assert client._settings.cache.unsettled == {}
        gate = client._settings.permit()._gate
        assert (len(gate._line), gate._quota.on_their_way) == (0, 0)


async def test_a_call_in_an_event_loop_does_not_wait_for_tasks_of_that_loop(
    simulator_server: RunningServer,
) -> None:
    aclient = AsyncParallelClient("key", simulator_server.url, runs_per_minute=1)
    await aclient.create(ask("first"))
    waits = asyncio.create_task(aclient.create(ask("second")))
    await asyncio.sleep(0.05)
    with ParallelClient("key", simulator_server.url, runs_per_minute=1) as client:
        client.create(ask("third"))
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    await aclient.close()
    assert len(simulator_server.simulator.runs()) == 2


async def test_calls_at_the_gate_hold_no_connection(simulator_server: RunningServer) -> None:
    """Those before them need some, to look again and to send."""
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
        ledger = (await client.create_group()).taskgroup_id
        while ALLOWANCE.exchanges.try_take():
            pass
        others = ALLOWANCE.exchanges.taken - 2 * AT_ONCE
        for _ in range(2 * AT_ONCE):
            ALLOWANCE.exchanges.give()
        try:
            calls = (client.submit(ledger, ask(f"{n}")) for n in range(5 * AT_ONCE))
            sent = await asyncio.wait_for(asyncio.gather(*calls), 60)
        finally:
            for _ in range(others):
                ALLOWANCE.exchanges.give()
    assert len({one.run.run_id for one in sent}) == 5 * AT_ONCE


def test_a_run_that_is_there_is_adopted_without_waiting(world: World) -> None:
    api = world.client(runs_per_minute=1)
    ledger = api.create_group().taskgroup_id
    first = api.submit(ledger, ask())
    before = world.clock.monotonic()
    another = world.client(runs_per_minute=1)
    assert another.submit(ledger, ask()).run.run_id == first.run.run_id
    another.done()
    assert world.clock.monotonic() - before < 1
    api.submit(ledger, ask("Another?"))
    assert world.clock.monotonic() - before >= 59
    api.done()


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2000"])
def test_a_number_that_is_none_is_refused(number: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="runs_per_minute"):
        ParallelClient("key", runs_per_minute=number)
