"""A group that counts as time passes says what one would say that looks at each of its runs."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.simulator import ManualClock, Simulator
from langchain_parallel.simulator.run_schedule import RunSchedule
from langchain_parallel.simulator.simulated_run import ACTIVE, Run
from langchain_parallel.simulator.task_group import Group

_TIMES = st.integers(0, 12).map(float)
_OUTCOMES = st.sampled_from(["completed", "failed", "action_required", "cancelling"])


@st.composite
def _runs(draw: st.DrawFn) -> Run:
    starts, lasts = draw(_TIMES), draw(st.one_of(_TIMES, st.just(math.inf)))
    return Run(
        "trun",
        "intr",
        {"processor": "lite", "input": "?"},
        0.0,
        created=0.0,
        starts=starts,
        ends=starts + lasts,
        outcome=draw(_OUTCOMES),
        visible=draw(_TIMES),
        counted=draw(_TIMES),
    )


class _LooksAtEach:
    """The rules, without a thought of what they cost."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.hidden: list[Run] = []
        self.open: list[Run] = []
        self.listed: list[Run] = []
        self.ended: list[Run] = []

    def add(self, runs: list[Run]) -> None:
        self.runs += runs
        self.hidden += runs

    def refresh(self, t: float) -> None:
        shown = sorted((r for r in self.hidden if r.visible <= t), key=lambda r: r.visible)
        self.listed += shown
        self.open += shown
        self.hidden = [r for r in self.hidden if r.visible > t]
        self.ended += sorted((r for r in self.open if r.is_over_at(t)), key=lambda r: r.ends)
        self.open = [r for r in self.open if not r.is_over_at(t)]

    def reopen(self, run: Run) -> None:
        if run in self.listed and run not in self.open:
            self.open.append(run)

    def next_change(self, t: float) -> float:
        times = [*(r.visible for r in self.hidden), *(r.ends for r in self.open)]
        return min((at for at in times if at > t), default=math.inf)

    def counts(self, t: float) -> dict[str, int]:
        return dict(Counter(r.status_at(t) for r in self.runs if r.counted <= t))


@given(
    st.lists(st.lists(_runs(), max_size=5), min_size=1, max_size=4),
    st.lists(
        st.tuples(st.floats(0.0, 4.0), st.none() | st.tuples(st.integers(0, 30), _OUTCOMES)),
        min_size=1,
        max_size=12,
    ),
)
def test_it_says_what_a_look_at_each_run_says(
    parts: list[list[Run]], steps: list[tuple[float, tuple[int, str] | None]]
) -> None:
    group, plain, now = Group("tgrp", {}, 0.0), _LooksAtEach(), 0.0
    for passed, settled in steps:
        if parts:
            part = parts.pop()
            group.add(part)
            plain.add(part)
        now += passed
        if settled is not None and plain.runs:
            run = plain.runs[settled[0] % len(plain.runs)]
            run.settle(now, settled[1], None)
            group.reopen(run)
            plain.reopen(run)
        for t in (now, now / 2):  # a late request is processed at a time that has passed
            assert dict(group.status(t, 0.0)["task_run_status_counts"]) == plain.counts(t)
        group.refresh(now)
        plain.refresh(now)
        assert group.listed == plain.listed
        assert [event.run for event in group.events if event.run] == plain.ended
        assert group.next_change(now) == plain.next_change(now)
        assert group.is_active_at(now) == any(r.status_at(now) in ACTIVE for r in plain.listed)


def test_a_run_whose_end_is_moved_comes_at_its_new_end() -> None:
    first, moved, other = (Run("trun", "intr", {}, 0.0, created=0.0, ends=1.0) for _ in range(3))
    schedule = RunSchedule(lambda run: run.ends)
    schedule.add([moved, other])
    moved.ends = 2.0
    schedule.add([moved])
    schedule.add([first])
    first.ends = 0.5
    schedule.add([first])
    assert schedule.next_after(0.0) == 0.5
    taken = schedule.take(2.0)
    assert [id(run) for run in taken] == [id(run) for run in (first, other, moved)]
    assert not schedule


def test_an_output_that_was_packed_is_the_same() -> None:
    simulator = Simulator(ManualClock())
    [run] = simulator.create_runs([{"input": "Who?", "processor": "base"}])
    assert not run.has_output
    simulator.clock.sleep(10_000.0)
    written = simulator.finish_output(run)
    run.pack()
    assert simulator.finish_output(run) == run.output == written
    assert run.output is not written


def test_only_the_latest_outputs_are_kept_whole() -> None:
    simulator = Simulator(ManualClock())
    request = {"input": "Who?", "processor": "lite", "task_spec": {"output_schema": "A name"}}
    runs = [run for _ in range(3) for run in simulator.create_runs([dict(request)] * 700)]
    simulator.clock.sleep(10_000.0)
    written = [simulator.finish_output(run) for run in runs]
    packed = [run for run in runs if run._packed is not None]
    assert packed == runs[:100]
    assert [run.output for run in runs] == written
