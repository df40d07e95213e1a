from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRunEvent
from langchain_parallel.simulator import Fault, RunningServer, RunScript

from .both import Both, World, ask

HOURS = 3600.0


def events_of(world: World) -> int:
    return sum(path.endswith("/events") for path in world.sent("GET"))


def polls_of(world: World) -> int:
    return sum(path.endswith("/result") for path in world.sent("GET"))


def wait(world: World, run_id: str, **options: Any) -> tuple[Any, list[Any]]:
    seen: list[Any] = []
    return world.api.wait(run_id, on_event=seen.append, **options), seen


def test_progress_is_handed_over_as_it_comes_and_the_answer_with_it(world: World) -> None:
    run_id = world.start(processor="pro", seconds=300)
    result, seen = wait(world, run_id)
    assert result.run.status == "completed"
    assert [e.type for e in seen[:3]] == [
        "task_run.state", "task_run.progress_stats", "task_run.progress_msg.plan",
    ]  # fmt: skip
    assert isinstance(seen[-1], TaskRunEvent)
    assert seen[-1].output == result.output
    assert (events_of(world), polls_of(world)) == (1, 0)
    assert world.clock.monotonic() == pytest.approx(300)


def test_a_callback_may_be_asynchronous_where_the_client_is(world: World) -> None:
    run_id, seen = world.start(processor="pro"), []

    async def on_event(event: Any) -> None:
        seen.append(event)

    if world.kind == "blocking":
        error = world.raises(errors.InvalidRequest, world.api.wait, run_id, on_event=on_event)
        assert "AsyncParallelClient would await it" in str(error)
    else:
        world.api.wait(run_id, on_event=on_event)
        assert seen


def test_an_error_in_the_callback_is_the_callers_and_touches_no_run(world: World) -> None:
    run_id = world.start(processor="pro")

    def on_event(event: Any) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        world.api.wait(run_id, on_event=on_event)
    assert world.api.wait(run_id).run.status == "completed"


def test_a_stream_closed_after_570_s_is_opened_again_and_nothing_is_shown_twice(
    world: World,
) -> None:
    world.sim.stream_seconds = (
        50.0  # as 570 to an hour, with no silence longer than the client bears
    )
    run_id = world.start(processor="pro", seconds=280)
    result, seen = wait(world, run_id)
    assert result.run.status == "completed"
    assert events_of(world) >= 4
    messages = [e.message for e in seen if e.type.startswith("task_run.progress_msg")]
    assert len(messages) == 5
    shown = [e.model_dump_json() for e in seen]
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status_before", path="*/events", status=404, times=None),
        Fault("status_before", path="*/events", status=503, times=None),
        Fault("hang", path="*/events", seconds=10_000, times=None),
        Fault("drop_before", path="*/events", times=None),
        Fault("refuse", path="*/events", times=None),
        Fault("sse_cut", path="*/events", after_events=0, times=None),
        Fault("sse_error", path="*/events", after_events=1, times=None),
        Fault("wrong_shape", path="*/events", times=None),
        Fault("malformed_json", path="*/events", times=None),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_without_events_it_falls_back_to_long_polls(world: World, fault: Fault) -> None:
    world.sim.faults.add(fault)
    run_id = world.start(processor="pro", seconds=900)
    assert world.api.wait(run_id).run.status == "completed"
    assert world.clock.monotonic() < 900 + 90
    assert polls_of(world) < 40
    assert events_of(world) < 20


def test_a_stream_cut_anywhere_costs_a_reconnection_and_no_event(world: World) -> None:
    world.sim.faults.add(
        *(
            Fault("sse_cut", path="*/events", after_events=n, reset=bool(n % 2))
            for n in range(1, 12)
        )
    )
    run_id = world.start(processor="pro", seconds=300)
    result, seen = wait(world, run_id)
    assert result.run.status == "completed"
    messages = [e.message for e in seen if e.type.startswith("task_run.progress_msg")]
    assert len(messages) == len(set(messages)) == 5


@pytest.mark.parametrize("kind", ["sse_unknown_event", "sse_comment_heartbeats", "unknown_fields"])
def test_unknown_events_and_fields_are_passed_over(world: World, kind: Any) -> None:
    world.sim.faults.add(Fault(kind, times=None))
    assert wait(world, world.start(processor="pro"))[0].run.status == "completed"


def test_an_hour_long_run_is_waited_for_and_its_late_progress_shown(world: World) -> None:
    """Between two messages of a two-hour run lies more silence than any connection bears."""
    run_id = world.start(processor="ultra8x", seconds=2 * HOURS)
    result, seen = wait(world, run_id, timeout=3 * HOURS)
    assert result.run.status == "completed"
    assert world.clock.monotonic() < 2 * HOURS + 120
    assert len([e for e in seen if e.type.startswith("task_run.progress_msg")]) == 5
    assert len(world.sim.requests) < 500


def test_a_run_that_ended_days_ago_is_answered_at_once(world: World) -> None:
    run_id = world.start()
    world.clock.advance(5 * 24 * HOURS)
    before = world.clock.monotonic()
    assert world.api.wait(run_id, timeout=0).run.status == "completed"
    assert world.api.wait(run_id).run.status == "completed"
    assert world.api.result(run_id, timeout=0).run.status == "completed"
    assert world.clock.monotonic() == before


@pytest.mark.grid
@pytest.mark.parametrize("call", ["wait", "result"])
@pytest.mark.parametrize("timeout", [0, 1, 45, 1200])
@pytest.mark.parametrize("faults", [[], [Fault("hang", path="*/events", seconds=9e9, times=None)]])
def test_a_deadline_that_passes_says_how_to_continue(
    world: World, call: str, timeout: float, faults: list[Fault]
) -> None:
    world.sim.faults.add(*faults)
    run_id = world.start(processor="ultra", seconds=5000)
    run = world.api.retrieve(run_id)
    began = world.clock.monotonic()
    error = world.raises(errors.StillRunning, getattr(world.api, call), run_id, timeout=timeout)
    assert timeout - 2 <= world.clock.monotonic() - began <= timeout + 4
    assert (error.run_id, error.interaction_id) == (run_id, run.interaction_id)
    assert (error.billed, error.status) == (None, world.api.retrieve(run_id).status)
    assert error.waited <= timeout + 4
    assert f"Run {run_id} is still " in str(error)
    assert (
        "wait for the same run_id again, with a longer timeout, or resume the thread; do not start it anew"
        in str(error)
    )
    assert run.interaction_id in str(error)
    assert world.api.wait(run_id, timeout=6000).run.status == "completed"


@pytest.mark.parametrize("seconds", [57.0, 58.5, 59.0, 59.5, 59.9])
def test_a_run_that_completes_in_the_last_moment_is_answered(world: World, seconds: float) -> None:
    assert world.api.wait(world.start(seconds=seconds), timeout=60).run.status == "completed"
    assert world.clock.monotonic() <= 61


def test_one_failed_poll_at_the_deadline_does_not_lose_an_answer(world: World) -> None:
    run_id = world.start(seconds=5)
    world.clock.advance(10)
    fault: dict[str, Any] = {"kind": "status_before", "path": "*/result", "status": 503}
    world.sim.faults.add(Fault(**fault))
    assert world.api.wait(run_id, timeout=0).run.status == "completed"
    world.sim.faults.add(Fault(**fault, times=None))
    world.raises(errors.ServerFault, world.api.wait, run_id, timeout=0)


@pytest.mark.parametrize("call", ["wait", "result"])
def test_a_server_that_cuts_every_poll_short_is_asked_again_and_again(
    world: World, call: str
) -> None:
    world.sim.faults.add(
        Fault("status_before", path="*/events", status=404, times=None),
        Fault("status_before", path="*/result", status=408, times=30),
        Fault("status_before", path="*/result", status=503),
    )
    run_id = world.start(seconds=3000)
    assert getattr(world.api, call)(run_id, timeout=3600).run.status == "completed"
    assert len(world.sim.requests) < 250


@pytest.mark.parametrize("wrong", ["", "..", "."])
def test_what_is_no_id_sends_nothing(world: World, wrong: str) -> None:
    for call in (world.api.wait, world.api.result, world.api.retrieve, world.api.retrieve_group):
        world.raises(errors.InvalidRequest, call, wrong)
    world.raises(errors.InvalidRequest, world.api.submit, wrong, ask())
    for items in (world.api.events, world.api.group_events):
        world.raises(errors.InvalidRequest, lambda items=items: list(items(wrong)))
    assert world.sim.requests == []


def test_the_longest_retry_after_can_be_set(world: World) -> None:
    api = world.client(retry_policy=RetryPolicy(max_attempts=1))
    world.sim.faults.add(Fault("status_before", status=503, times=None))
    world.raises(errors.ServerFault, api.retrieve, "trun_1")
    assert len(world.sim.requests) == 1
    api.done()


def test_heartbeats_alone_hold_back_no_answer(world: World) -> None:
    run_id = world.start(seconds=10)
    world.sim.faults.add(Fault("sse_only_heartbeats", path="*/events", times=None))
    began = world.clock.monotonic()
    assert world.api.wait(run_id, timeout=3600).run.run_id == run_id
    assert world.clock.monotonic() - began < 20


def test_a_list_of_heartbeats_alone_is_given_up(world: World) -> None:
    group_id = world.api.create_group().taskgroup_id
    world.sim.faults.add(Fault("sse_only_heartbeats", path="*/runs", times=None))
    error = world.raises(errors.ResponseLost, world.api.submit, group_id, ask())
    assert "the list does not end" in str(error)
    assert world.started == 0
    assert world.clock.monotonic() < 400


def test_a_server_that_restarts_and_is_away_meanwhile_costs_time_alone(
    socket_api: Both, simulator_server: RunningServer
) -> None:
    """Longer than all sends of one request take, `QUICK` as they are."""
    simulator_server.simulator.scripts.add(RunScript(outcome="stay_queued"))
    run_id = socket_api.create(ask()).run_id

    def restart() -> None:
        simulator_server.drop_connections()
        with simulator_server.unreachable():
            time.sleep(1.0)
        simulator_server.simulator.settle(run_id)

    restarting = threading.Timer(0.2, restart)
    restarting.start()
    assert socket_api.wait(run_id, timeout=60).run.run_id == run_id
    restarting.join()
