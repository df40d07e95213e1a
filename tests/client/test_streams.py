from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.models import TaskGroupStatusEvent, TaskRunEvent
from langchain_parallel.simulator import Fault

from .both import World, ask


def messages(events: list[Any]) -> list[str]:
    return [e.message for e in events if e.type.startswith("task_run.progress_msg")]


@pytest.mark.parametrize("bytes_", [0, 1, 57, 400, 1500, 3000])
def test_events_cut_at_any_byte_are_shown_once_each(world: World, bytes_: int) -> None:
    run_id = world.start(processor="pro", seconds=300)
    world.sim.faults.add(*(Fault("sse_cut", path="*/events", after_bytes=bytes_) for _ in range(3)))
    events = list(world.api.events(run_id))
    shown = [event.model_dump_json() for event in events]
    assert len(shown) == len(set(shown))
    assert len(messages(events)) == 5
    assert events[-1].run.status == "completed"
    assert events[-1].output is not None


def test_events_continue_after_a_long_silence(world: World) -> None:
    run_id = world.start(processor="ultra8x", seconds=7200)
    events = list(world.api.events(run_id))
    assert isinstance(events[-1], TaskRunEvent)
    assert events[-1].output is not None
    assert len(messages(events)) == len(set(messages(events))) == 5


def test_an_event_after_the_end_does_not_open_the_stream_again(world: World) -> None:
    world.sim.faults.add(Fault("sse_unknown_event", path="*/events"))
    events = list(world.api.events(world.start()))
    assert events[-1].run.status == "completed"
    assert len(world.sent("GET")) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status_before", path="*/events", status=404, times=None), errors.NotFound),
        (Fault("status_before", path="*/events", status=503, times=None), errors.ServerFault),
        (Fault("drop_before", path="*/events", times=None), errors.ResponseLost),
        (Fault("wrong_shape", path="*/events", times=None), errors.MalformedResponse),
        (Fault("sse_cut", path="*/events", after_events=0, times=None), errors.ResponseLost),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_events_that_cannot_be_followed_end_in_an_error(
    world: World, fault: Fault, error: type[errors.ParallelError]
) -> None:
    world.sim.faults.add(fault)
    run_id = world.start(seconds=5)
    world.clock.advance(10)
    told = world.raises(error, lambda: list(world.api.events(run_id)))
    assert told.run_id == run_id
    assert len(world.sent("GET")) <= 12


def test_leaving_the_events_early_leaves_no_connection(world: World) -> None:
    for event in world.api.events(world.start(processor="pro")):
        assert event.type == "task_run.state"
        break


def test_a_group_of_runs_without_events_is_followed_to_its_end(world: World) -> None:
    group_id = world.api.create_group().taskgroup_id
    started = world.api.add_runs(group_id, [ask(str(n), "ultra") for n in range(3)])
    events = list(world.api.group_events(group_id))
    ended = [e.run.run_id for e in events if isinstance(e, TaskRunEvent)]
    assert sorted(ended) == sorted(started.run_ids)


@pytest.mark.parametrize("after", range(1, 8))
def test_a_group_whose_stream_breaks_is_resumed_without_a_repeat(world: World, after: int) -> None:
    group_id = world.api.create_group().taskgroup_id
    world.api.add_runs(group_id, [ask(str(n), "base") for n in range(5)])
    world.sim.faults.add(
        Fault("sse_error", path="*/groups/*/events", after_events=after),
        Fault("sse_cut", path="*/groups/*/events", after_events=after),
    )
    events = [e for e in world.api.group_events(group_id) if e.type != "error"]
    ids = [e.event_id for e in events]
    assert len(ids) == len(set(ids))
    assert len([e for e in events if isinstance(e, TaskRunEvent)]) == 5


def test_a_group_is_read_on_from_an_event(world: World) -> None:
    group_id = world.api.create_group().taskgroup_id
    world.api.add_runs(group_id, [ask(str(n), "base") for n in range(3)])
    events = list(world.api.group_events(group_id))
    assert list(world.api.group_events(group_id, last_event_id=events[2].event_id)) == events[3:]


@pytest.mark.parametrize("timeout", [0, 30, 200])
def test_a_group_is_followed_for_as_long_as_asked(world: World, timeout: float) -> None:
    group_id = world.api.create_group().taskgroup_id
    world.start()
    world.api.add_runs(group_id, [ask("x", "ultra8x")])
    world.sim.faults.add(Fault("sse_cut", path="*/groups/*/events", after_events=1))
    began = world.clock.monotonic()
    events = list(world.api.group_events(group_id, timeout=timeout))
    assert world.clock.monotonic() - began == pytest.approx(timeout, abs=3)
    assert all(isinstance(e, TaskGroupStatusEvent) for e in events)


def test_the_events_of_an_empty_group_end(world: World) -> None:
    assert len(list(world.api.group_events(world.api.create_group().taskgroup_id))) <= 1
