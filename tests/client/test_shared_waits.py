"""Many waits at once: they share the events of a group, or look now and then, and all are answered."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core.effects import AwaitEnds
from langchain_parallel._core.run_wait import LONGEST_LOOK
from langchain_parallel._locks.signals import Places
from langchain_parallel.client import handles
from langchain_parallel.client.group_watches import GroupWatches, Read, Stand
from langchain_parallel.client.handles import ALLOWANCE, Seat
from langchain_parallel.simulator import ManualClock, RunningServer, RunScript

from .both import QUICK, World, ask

MANY = 12


@pytest.fixture
def few_seats() -> Iterator[None]:
    """All seats but a few are taken, as by other waits of this process."""
    others = [Seat() for _ in range(handles.MAX_SEATS)]
    for other in others[: handles.MAX_SEATS * 3 // 4 - 2]:
        other.take_anyway()
    yield
    for other in others:
        other.close()
    assert (ALLOWANCE.seats, ALLOWANCE.standing, ALLOWANCE.waits_of) == (0, 0, {})
    assert ALLOWANCE.exchanges.taken == 0


def requests(server: RunningServer) -> Counter[str]:
    paths = (entry.path.split("/") for entry in server.simulator.requests)
    return Counter("/".join(parts[3:4] + parts[5:]) for parts in paths)


def start(server: RunningServer, seconds: float, runs: int = MANY, **script: Any) -> list[str]:
    """Runs of one group."""
    server.simulator.scripts.add(RunScript(seconds=seconds, times=None, **script))
    with ParallelClient("key", server.url) as client:
        group = client.create_group().taskgroup_id
        added = client.add_runs(group, [ask(f"Question {n}") for n in range(runs)])
    return list(added.run_ids)


@pytest.mark.usefixtures("few_seats")
def test_threads_share_the_events_of_a_group(simulator_server: RunningServer) -> None:
    ids = start(simulator_server, 0.4)
    with (
        ParallelClient("key", simulator_server.url, retry_policy=QUICK) as client,
        ThreadPoolExecutor(MANY) as pool,
    ):
        answers = list(pool.map(client.wait, ids))
    assert [answer.run.run_id for answer in answers] == ids
    assert 1 <= requests(simulator_server)["groups/events"] <= 3


@pytest.mark.usefixtures("few_seats")
async def test_tasks_share_the_events_of_a_group(simulator_server: RunningServer) -> None:
    ids = start(simulator_server, 0.4)
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
        answers = await asyncio.gather(*map(client.wait, ids))
    assert [answer.run.run_id for answer in answers] == ids
    assert 1 <= requests(simulator_server)["groups/events"] <= 3


@pytest.mark.usefixtures("few_seats")
async def test_when_the_one_that_reads_is_cancelled_another_reads_on(
    simulator_server: RunningServer,
) -> None:
    ids = start(simulator_server, 0.5)
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
        waits = [asyncio.create_task(client.wait(run_id)) for run_id in ids]
        await asyncio.sleep(0.15)
        for wait in waits[:-2]:
            wait.cancel()
        answers = await asyncio.gather(*waits, return_exceptions=True)
    assert [answer.run.run_id for answer in answers[-2:]] == ids[-2:]  # type: ignore[union-attr]


@pytest.mark.usefixtures("few_seats")
async def test_a_run_that_fails_fails_for_its_own_wait(simulator_server: RunningServer) -> None:
    ids = start(simulator_server, 0.2, outcome="failed")
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
        found = await asyncio.gather(*map(client.wait, ids), return_exceptions=True)
    assert [type(error) for error in found] == [errors.RunFailed] * MANY
    assert [getattr(error, "run_id", None) for error in found] == ids


@pytest.mark.usefixtures("few_seats")
@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_each_keeps_its_own_deadline(simulator_server: RunningServer, kind: str) -> None:
    ids = start(simulator_server, 60.0, runs=6)
    if kind == "threads":
        with ParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:

            def wait(run_id: str) -> object:
                with pytest.raises(errors.StillRunning) as caught:
                    client.wait(run_id, timeout=0.5)
                return caught.value.run_id

            with ThreadPoolExecutor(6) as pool:
                assert list(pool.map(wait, ids)) == ids
        return

    async def wait_all() -> list[Any]:
        async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
            waits = (client.wait(run_id, timeout=0.5) for run_id in ids)
            return list(await asyncio.gather(*waits, return_exceptions=True))

    found = asyncio.run(wait_all())
    assert [(type(error), error.run_id) for error in found] == [
        (errors.StillRunning, run_id) for run_id in ids
    ]


async def test_runs_of_many_groups_are_looked_at_now_and_then(
    simulator_server: RunningServer, few_seats: None
) -> None:
    ids = [run_id for _ in range(6) for run_id in start(simulator_server, 0.3, runs=1)]
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as client:
        answers = await asyncio.gather(*map(client.wait, ids))
    assert [answer.run.run_id for answer in answers] == ids
    assert ALLOWANCE.standing == 0


@pytest.mark.parametrize("lasts", [5.0, 100.0, 3600.0])
def test_an_end_that_no_event_tells_is_noticed_late_by_a_tenth(
    few_seats: None, lasts: float
) -> None:
    world = World("blocking")
    run_id = world.start(seconds=lasts)
    with contextlib.ExitStack() as stack:
        for _ in range(2):  # those that the fixture leaves
            seat = stack.enter_context(contextlib.closing(Seat()))
            assert seat.take(None) == 0.0
        began, before = world.clock.monotonic(), len(world.sent("GET"))
        world.api.wait(run_id)
    took, looks = world.clock.monotonic() - began, len(world.sent("GET")) - before
    assert took <= min(lasts * 1.1, lasts + LONGEST_LOOK) + 1
    assert looks <= 50 + lasts / LONGEST_LOOK
    world.api.done()


async def test_the_ends_of_a_batch_come_together(simulator_server: RunningServer) -> None:
    """A caller that waits for many runs of a group is told of each, with one stream."""
    ids = start(simulator_server, 0.1)
    with ParallelClient("key", simulator_server.url) as client:
        group = client.retrieve(ids[0]).taskgroup_id
    assert group is not None
    left = set(ids)
    async with AsyncParallelClient("key", simulator_server.url, retry_policy=QUICK) as aclient:
        while left:
            ends = await aclient._await_ends(AwaitEnds(group, frozenset(left), 10.0))
            assert ends is not None
            assert {event.run.status for event in ends.values()} <= {"completed"}
            left -= ends.keys()
    assert ALLOWANCE.seats == 0


def test_a_place_that_is_given_back_goes_to_the_first_in_the_line() -> None:
    places = Places(lambda: 1)
    places.take()
    order: list[int] = []

    def stand(number: int) -> None:
        with places.hold():
            order.append(number)

    threads = []
    for number in range(3):
        threads.append(threading.Thread(target=stand, args=(number,)))
        threads[-1].start()
        while len(places._line) <= number:
            threading.Event().wait(0.001)
    places.give()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2]
    assert places.taken == 0


async def test_a_place_handed_to_a_task_that_is_cancelled_is_handed_on() -> None:
    places = Places(lambda: 1)
    places.take()
    first, second = (asyncio.create_task(places.atake()) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    places.give()
    first.cancel()
    await asyncio.wait_for(second, 10)
    assert first.cancelled() or first.done()
    places.give()
    if not first.cancelled():
        places.give()
    assert places.taken == 0


@pytest.mark.parametrize(("clock", "longest"), [(None, 60.0), (ManualClock(), 1.0)])
def test_one_that_stands_looks_at_its_clock_only_where_that_is_moved_by_hand(
    clock: ManualClock | None, longest: float
) -> None:
    """A thousand that wait for an hour would do nothing else."""
    tick = ParallelClient("key", clock=clock)._settings.tick
    watches = GroupWatches[None](QUICK, tick)
    asked = AwaitEnds("tgrp_1", frozenset({"trun_1"}), 60.0)
    joined = [watches.join(asked, lambda seat: None) for _ in range(2)]
    [(shared, reader), (_, other)] = [one for one in joined if one is not None]
    reads, stands = shared.steps(reader, 60.0), shared.steps(other, 60.0)
    for steps in (reads, stands):  # each reads the clock when it comes, and again
        next(steps)
        steps.send(0.0)
    assert isinstance(reads.send(0.0), Read)
    assert stands.send(0.0) == Stand(other.signal, longest)
    for waiter in (reader, other):
        watches.leave(shared, waiter)
