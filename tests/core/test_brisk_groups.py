"""When the answers of a group are read, and over which connections."""

from __future__ import annotations

import json
from typing import Any

from langchain_parallel._core.effects import (
    Effect,
    Flow,
    LeaveBeside,
    NoResponse,
    OpenStream,
    ReadChunk,
    Request,
    StreamEnded,
    TakeBeside,
    emit,
)
from langchain_parallel._core.group_results import GroupResults
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.models import TaskRun

from .helpers import Script, answer

HEAD = answer(200, content_type="text/event-stream")


class Group(Script):
    """A server with one group, whose runs end when they are told to."""

    def __init__(
        self, ends: dict[str, float], *, has_two: bool = True, is_slow: bool = False
    ) -> None:
        super().__init__()
        self.end_of = ends
        self.has_two = has_two
        """Whether there is a connection for a second stream."""
        self.is_slow = is_slow
        """Whether a list takes a twentieth of a second, and a millisecond for each new answer."""
        self.opened: list[tuple[str, float]] = []
        """What was asked for, and when."""
        self.holds_second = False
        """Whether the second connection is kept from others."""
        self._told: set[str] = set()
        self._read: set[str] = set()
        self._lists: list[object] = []
        self._has_events = False

    def _outcome(self, effect: Effect) -> object:
        match effect:
            case TakeBeside():
                self.holds_second = self.has_two
                return self.has_two
            case LeaveBeside():
                self.holds_second = False
                return None
            case OpenStream(request, is_beside):
                name = request.path.rpartition("/")[2]
                self.opened.append((name, self.time))
                assert is_beside is (self.has_two and name == "events")
                if name == "events":
                    self._has_events = True
                    return HEAD
                if not is_beside and not self.has_two:
                    self._has_events = False  # the connection was taken from it
                self.time += 0.05 if self.is_slow else 0.0
                listed = "".join(self._event(one, output=True) for one in self.end_of)
                self._lists = [listed.encode(), StreamEnded()]
                return HEAD
            case ReadChunk(seconds, is_beside):
                if self._lists and not (is_beside and self.has_two):
                    if self.is_slow:
                        ended = {one for one, end in self.end_of.items() if end <= self.time}
                        self.time += 0.001 * len(ended - self._read)
                        self._read |= ended
                    return self._lists.pop(0)
                assert self._has_events
                return self._next_event(seconds)
            case Request():
                run_id = effect.path.split("/")[-2]
                output = {"type": "text", "content": "Ada", "basis": []}
                run = {"run_id": run_id, "status": "completed"}
                return answer(200, json.dumps({"run": run, "output": output}))
        return super()._outcome(effect)

    def _next_event(self, seconds: float) -> object:
        left = {one: end for one, end in self.end_of.items() if one not in self._told}
        soonest = min(left, key=lambda one: left[one], default=None)
        if soonest is None or left[soonest] > self.time + seconds:
            self.time += min(seconds, 30.0)
            return NoResponse(sent=True, reason="silence")
        self.time = max(self.time, left[soonest])
        self._told.add(soonest)
        return self._event(soonest).encode()

    def _event(self, run_id: str, *, output: bool = False) -> str:
        has_ended = self.end_of[run_id] <= self.time
        run = {"run_id": run_id, "status": "completed" if has_ended else "running"}
        event: dict[str, Any] = {"type": "task_run.state", "event_id": run_id, "run": run}
        if output and has_ended:
            event["output"] = {"type": "text", "content": "Ada", "basis": []}
        return f"data: {json.dumps(event)}\n\n"

    def collect(self, seconds: float = 1_000.0) -> dict[str, float]:
        """When each answer was handed on."""
        found: dict[str, float] = {}
        results = GroupResults("tgrp_1", RetryPolicy(), len(self.end_of), 0.0)
        for run_id in self.end_of:
            results.await_run(TaskRun(run_id=run_id, status="queued"), run_id)

        def take(run_id: Any, ended: Any) -> Flow[None]:
            found[run_id] = self.time
            yield from emit(ended)

        self.run(results.collect(seconds, take))
        return found

    def times(self, name: str) -> list[float]:
        return [time for one, time in self.opened if one == name]


def evenly(number: int, first: float, last: float) -> dict[str, float]:
    step = (last - first) / (number - 1)
    return {f"trun_{nth}": first + nth * step for nth in range(number)}


def test_the_last_end_is_noticed_when_it_is_told_and_not_with_the_next_event() -> None:
    group = Group(evenly(30, 5.0, 5.0))
    assert set(group.collect().values()) == {5.0}


def test_events_are_followed_on_while_lists_are_read() -> None:
    group = Group(evenly(400, 0.5, 2.5))
    found = group.collect()
    assert len(found) == 400
    assert group.times("events") == [0.0]
    assert max(found.values()) == 2.5


def test_others_may_have_the_second_connection_once_the_answers_are_read() -> None:
    group = Group(evenly(10, 0.5, 2.5))
    group.collect()
    assert not group.holds_second


def test_without_a_second_connection_they_are_followed_anew_after_each_list() -> None:
    group = Group(evenly(400, 0.5, 2.5), has_two=False)
    assert len(group.collect()) == 400
    assert len(group.times("events")) == len(group.times("runs"))


def test_of_short_runs_few_are_left_when_the_last_one_ends() -> None:
    group = Group(evenly(1_000, 0.5, 2.5), is_slow=True)
    found = group.collect()
    assert len(group.times("runs")) <= 6
    assert max(found.values()) < 2.75
    assert len(Group(evenly(1_000, 0.5, 2.5)).collect()) == 1_000


def test_of_longer_runs_half_is_waited_for() -> None:
    group = Group(evenly(1_000, 6.0, 30.0))
    assert len(group.collect()) == 1_000
    assert len(group.times("runs")) <= 8


def test_no_list_is_begun_right_before_the_last_end() -> None:
    for nth in range(40):
        group = Group(evenly(400, 0.5, 2.0 + nth / 40))
        group.collect()
        *_, before, last = group.times("runs")
        assert last - before > 0.09


def test_a_straggler_does_not_keep_the_others_waiting() -> None:
    ends = {**evenly(400, 0.5, 2.5), "trun_slow": 300.0}
    found = Group(ends).collect()
    others = [time for run_id, time in found.items() if run_id != "trun_slow"]
    assert max(others) < 4.0
