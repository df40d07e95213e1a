from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core.ledger.keys import METADATA_KEY, ledger_key
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunningServer,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from .both import Both, World, ask

POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
AFTER: list[Fault] = [
    Fault("drop_after", **POST),
    Fault("drop_after", reset=True, **POST),
    Fault("status_after", status=500, **POST),
    Fault("status_after", status=408, **POST),
    Fault("malformed_json", **POST),
    Fault("wrong_shape", **POST),
    Fault("wrong_shape", body={"run_ids": []}, **POST),
    Fault("truncated_body", **POST),
    Fault("hang", seconds=300, **POST),
]
BEFORE: list[Fault] = [
    Fault("drop_before", **POST),
    Fault("status_before", status=503, **POST),
    Fault("refuse", **POST),
    Fault("rate_limit", seconds=5, **POST),
]


@pytest.fixture
def ledger_id(world: World) -> Iterator[str]:
    group_id: str = world.api.create_group().taskgroup_id
    yield group_id
    billed = world.sim.billing
    assert len(billed.billed_runs()) + len(billed.reserved_runs()) <= 1, "paid twice"


def posts(world: World) -> int:
    return sum(path.endswith("/runs") for path in world.sent())


@pytest.mark.parametrize("fault", AFTER, ids=lambda f: f"{f.kind}{f.status}{f.reset}{f.body}")
@pytest.mark.parametrize("late", [0.0, 12.0])
def test_a_lost_answer_is_found_again(
    world: World, ledger_id: str, fault: Fault, late: float
) -> None:
    world.sim.faults.add(fault)
    world.sim.scripts.add(RunScript(late_commit=late, seconds=10_000))
    made = world.api.submit(ledger_id, ask())
    assert made.adopted
    assert (posts(world), world.started) == (1, 1)
    assert made.run.interaction_id
    assert world.api.submit(ledger_id, ask()).run.run_id == made.run.run_id


@pytest.mark.parametrize("fault", BEFORE, ids=lambda f: f.kind)
def test_what_never_arrived_is_sent_again(world: World, ledger_id: str, fault: Fault) -> None:
    world.sim.faults.add(fault)
    assert not world.api.submit(ledger_id, ask()).adopted
    assert (posts(world), world.started) == (2, 1)


@pytest.mark.parametrize("fault", AFTER[:5], ids=lambda f: f"{f.kind}{f.status}")
def test_on_a_socket_a_lost_answer_is_found_again(
    socket_api: Both, simulator_server: RunningServer, fault: Fault
) -> None:
    group_id = socket_api.create_group().taskgroup_id
    simulator_server.simulator.faults.add(fault)
    assert socket_api.submit(group_id, ask()).adopted
    assert len(simulator_server.simulator.runs()) == 1


def test_trouble_without_end_is_submission_unknown_and_healed_by_submitting_again(
    world: World, ledger_id: str
) -> None:
    world.sim.faults.add(
        Fault("drop_after", **POST), Fault("status_before", path="*/runs", times=None, skip=1)
    )
    error = world.raises(errors.SubmissionUnknown, world.api.submit, ledger_id, ask())
    assert (error.ledger_id, error.key, error.billed) == (ledger_id, ledger_key(ask()), None)
    assert "if the run is there, it is adopted and not paid for twice" in str(error)
    world.sim.faults.clear()
    assert world.api.submit(ledger_id, ask()).adopted


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status_before", "status": 401}, errors.AuthenticationFailed),
        ({"kind": "payment_required"}, errors.CreditExhausted),
        ({"kind": "status_before", "status": 403}, errors.Forbidden),
        ({"kind": "status_before", "status": 422}, errors.Unprocessable),
        ({"kind": "rate_limit", "seconds": 9000}, errors.RateLimited),
        ({"kind": "refuse", "times": None}, errors.ResponseLost),
    ],
    ids=str,
)
def test_a_refusal_is_reported_and_nothing_is_billed(
    world: World, ledger_id: str, fault: dict[str, Any], error: type[errors.ParallelError]
) -> None:
    world.sim.faults.add(Fault(**fault, **POST))
    assert world.raises(error, world.api.submit, ledger_id, ask()).billed is False
    assert world.started == 0


def test_a_ledger_that_does_not_exist_is_reported_and_nothing_is_sent(world: World) -> None:
    error = world.raises(errors.LedgerNotFound, world.api.submit, "tgrp_gone", ask())
    assert "There is no ledger (task group) tgrp_gone for this API key." in str(error)
    assert (error.status, error.billed, world.sent()) == (404, False, [])


def test_duplicates_are_reported_and_the_older_is_adopted(world: World) -> None:
    group_id = world.api.create_group().taskgroup_id
    key = {METADATA_KEY: ledger_key(ask())}
    older = world.api.add_runs(group_id, [ask(metadata=key)]).run_ids[0]
    world.clock.advance(1)
    younger = world.api.add_runs(group_id, [ask(metadata=key)]).run_ids[0]
    made = world.api.submit(group_id, ask())
    assert (made.run.run_id, made.duplicates, made.adopted) == (older, (younger,), True)


def test_a_ledger_of_many_runs_is_read_whole_though_its_list_breaks(world: World) -> None:
    group_id = world.api.create_group().taskgroup_id
    first = world.api.submit(group_id, ask())
    world.api.add_runs(group_id, [ask(str(n)) for n in range(300)])
    # Ten breaks: more than the attempts, but each brings the list on.
    world.sim.faults.add(
        *(Fault("sse_cut", path="*/groups/*/runs", after_events=25) for _ in range(10))
    )
    assert world.api.submit(group_id, ask()).run.run_id == first.run.run_id
    assert world.started == 301


async def test_a_caller_cancelled_while_sending_does_not_pay_twice() -> None:
    """The run shows up late; the same client asks again at once."""
    sim = Simulator(ManualClock())
    client = AsyncParallelClient("key", transport=SimulatorTransport(sim), clock=sim.clock)
    group = await client.create_group()
    sim.scripts.add(RunScript(late_commit=10, seconds=10_000))
    sim.faults.add(Fault("hang", seconds=20, **POST))

    async def cancel_when_sent() -> None:
        while not sim.runs():  # noqa: ASYNC110  # the simulator has no event for it
            await asyncio.sleep(0)
        task.cancel()

    task = asyncio.ensure_future(client.submit(group.taskgroup_id, ask()))
    await cancel_when_sent()
    with pytest.raises(asyncio.CancelledError):
        await task
    made = await client.submit(group.taskgroup_id, ask())
    assert made.adopted
    assert len(sim.runs()) == 1
    await client.close()


def test_fifty_threads_with_one_question_pay_once() -> None:
    sim = Simulator(ManualClock())
    with ParallelClient("key", transport=SimulatorTransport(sim), clock=sim.clock) as client:
        group_id = client.create_group().taskgroup_id
        with ThreadPoolExecutor(50) as pool:
            made = list(pool.map(lambda _: client.submit(group_id, ask()), range(50)))
    assert len({m.run.run_id for m in made}) == len(sim.runs()) == 1
    assert sum(not m.adopted for m in made) == 1


async def test_fifty_tasks_with_one_question_pay_once(simulator_server: RunningServer) -> None:
    """On a socket: in process nothing would come between a look and its send."""
    async with AsyncParallelClient("key", simulator_server.url) as client:
        group_id = (await client.create_group()).taskgroup_id
        made = await asyncio.gather(*(client.submit(group_id, ask()) for _ in range(50)))
    assert len({m.run.run_id for m in made}) == len(simulator_server.simulator.runs()) == 1


def test_threads_and_tasks_with_one_question_pay_once_on_a_socket(
    simulator_server: RunningServer,
) -> None:
    client = ParallelClient("key", simulator_server.url)
    other = AsyncParallelClient("key", simulator_server.url)
    group_id = client.create_group().taskgroup_id

    async def tasks() -> None:
        await asyncio.gather(*(other.submit(group_id, ask()) for _ in range(10)))

    threads = [threading.Thread(target=client.submit, args=(group_id, ask())) for _ in range(10)]
    threads += [threading.Thread(target=asyncio.run, args=(tasks(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    client.close()
    assert len(simulator_server.simulator.runs()) == 1
