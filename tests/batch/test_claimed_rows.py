"""Calls that share rows, cut and interleaved in every way: each row is paid for once, and has its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel import errors
from langchain_parallel.batch import Enricher, RowClaim
from langchain_parallel.simulator import Fault, RunScript, SimulatorTransport

from ..cut import is_exhaustive
from .tables import QUESTION, SCHEMA, Office

ROWS = [{"id": nth, "company": f"Company {nth}"} for nth in range(6)]
LATE = 5.0
"""Seconds until a run shows in its group's list; the settling time is 75."""


class Killed(BaseException):
    """The end of a process."""


class Stage:
    """An account, and what happens to the calls on it: at their n-th step, counted over all calls."""

    def __init__(self) -> None:
        self.office = Office()
        self.office.sim.scripts.add(RunScript(late_commit=LATE, seconds=60.0, times=None))
        self.claims: dict[str, RowClaim] = {}
        self.plan: dict[int, Callable[[], Any]] = {}
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)
        happens = self.plan.pop(len(self.steps), None)
        if happens is not None:
            happens()

    def enrich(self, rows: Sequence[dict[str, Any]] = ROWS) -> Any:
        """A call of a process of its own."""
        enricher = Enricher(
            QUESTION,
            SCHEMA,
            batch_id="b",
            row_id="id",
            claims=Claims(self),
            client=lambda: self.office.client(Network(self)),
        )
        return enricher(list(rows))

    def tries(self, rows: Sequence[dict[str, Any]] = ROWS) -> None:
        """A call that may be killed."""
        try:
            self.enrich(rows)
        except Killed:
            self.steps.append("killed")

    def kill(self) -> None:
        raise Killed

    def assert_paid_once(self) -> None:
        """A last call finds all that was paid, pays for what is left, and has each row's own answer."""
        self.plan.clear()
        out = self.enrich()
        texts = {run.run_id: run.text for run in self.office.sim.all_runs()}
        assert [texts[row["run_id"]] for row in out] == [QUESTION.format(**row) for row in ROWS]
        assert all(row["error"] is None and row["ceo"] for row in out)
        assert Counter(texts.values()) == Counter(QUESTION.format(**row) for row in ROWS)


class Claims:
    """Claims in memory; each access is a step of the stage, before it and after."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._kept = stage, stage.claims

    def _step(self, name: str, access: Callable[[], Any]) -> Any:
        self._stage.step(f"{name}: before")
        found = access()
        self._stage.step(f"{name}: after")
        return found

    def find(self, batch_id: str, keys: Sequence[str]) -> dict[str, RowClaim]:
        kept = self._kept
        return dict(self._step("find", lambda: {key: kept[key] for key in keys if key in kept}))

    def claim(self, batch_id: str, keys: Sequence[str], group_id: str, owner: str) -> None:
        def write() -> None:
            for key in keys:
                self._kept.setdefault(key, RowClaim(group_id, owner))

        self._step("claim", write)

    def take_over(self, batch_id: str, owners: Mapping[str, str], owner: str) -> None:
        def write() -> None:
            for key, before in owners.items():
                if self._kept[key].owner == before and self._kept[key].run_id is None:
                    self._kept[key] = self._kept[key]._replace(owner=owner)

        self._step("take over", write)

    def note_runs(self, batch_id: str, run_ids: Mapping[str, str]) -> None:
        def write() -> None:
            for key, run_id in run_ids.items():
                self._kept[key] = self._kept[key]._replace(run_id=self._kept[key].run_id or run_id)

        self._step("note", write)


class Network(httpx.BaseTransport):
    """The account's; each request is a step of the stage, before it and after."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._transport = stage, SimulatorTransport(stage.office.sim)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_paid = request.method == "POST" and request.url.path.endswith("/runs")
        name = "paid" if is_paid else "free"
        self._stage.step(f"{name}: before")
        answer = self._transport.handle_request(request)
        self._stage.step(f"{name}: after")
        return answer


def nth(steps: Sequence[str], name: str) -> int:
    return steps.index(name) + 1


@pytest.fixture(scope="module")
def usual() -> list[str]:
    """The steps of a call that nothing disturbs."""
    stage = Stage()
    stage.enrich()
    return stage.steps


def steps_of(usual: list[str]) -> list[int]:
    """The steps, counted from 1; without `--exhaustive`, the first and the last of each name."""
    if is_exhaustive():
        return list(range(1, len(usual) + 1))
    last = {name: at for at, name in enumerate(usual, 1)}
    return sorted({*last.values(), *(nth(usual, name) for name in last)})


@pytest.mark.larger
def test_killed_at_any_step_and_run_again_with_other_rows(usual: list[str]) -> None:
    for at in steps_of(usual):
        stage = Stage()
        stage.plan[at] = stage.kill
        stage.tries(ROWS[:4])
        stage.tries(ROWS[3:])
        stage.assert_paid_once()


@pytest.mark.larger
def test_two_calls_at_the_same_time(usual: list[str]) -> None:
    """The whole of the second lies between two steps of the first: not within the paid request itself, for
    one that is as long on its way as the settling time is outside of what can be promised.
    """
    for at in steps_of(usual):
        if usual[at - 1] != "paid: before":
            stage = Stage()
            stage.plan[at] = partial(stage.enrich, ROWS[2:])
            stage.enrich()
            stage.assert_paid_once()


def test_a_call_that_is_overtaken_before_it_sends_pays_nothing(usual: list[str]) -> None:
    stage = Stage()
    stage.plan[nth(usual, "claim: after")] = stage.enrich
    first = stage.enrich()
    assert len(stage.office.sim.all_runs()) == len(ROWS)
    assert {row["run_id"] for row in first} == {run.run_id for run in stage.office.sim.all_runs()}


@pytest.mark.larger
def test_two_calls_at_the_same_time_after_one_that_was_killed(usual: list[str]) -> None:
    """Both have taken over from the first; the whole of the second lies between two steps of the other."""
    killed = nth(usual, "claim: after")
    alone = Stage()
    alone.plan[killed] = alone.kill
    alone.tries()
    alone.enrich()
    of_the_second = ["killed"] * (killed + 1) + alone.steps[killed + 1 :]
    last_check = max(at for at, name in enumerate(alone.steps, 1) if name == "find: before")
    for at in {*steps_of(of_the_second), last_check - 1}:
        if of_the_second[at - 1] not in ("killed", "paid: before"):
            stage = Stage()
            stage.plan = {killed: stage.kill, at: stage.enrich}
            stage.tries()
            stage.enrich()
            stage.assert_paid_once()


def test_a_call_waits_for_the_one_that_has_taken_over(usual: list[str]) -> None:
    """It may have sent, and its runs do not show yet."""
    stage = Stage()

    def overtake() -> None:
        stage.office.clock.sleep(10.0)
        for key, claim in stage.claims.items():
            stage.claims[key] = claim._replace(owner="another")

    stage.plan[nth(usual, "claim: after") + 2] = overtake  # it has read its own name
    began = stage.office.clock.monotonic()
    stage.enrich()
    assert len(stage.office.sim.all_runs()) == len(ROWS)
    [sent] = {run.created for run in stage.office.sim.all_runs()}
    assert sent >= began + 150.0


def test_where_the_one_that_took_over_is_killed_the_first_goes_on(usual: list[str]) -> None:
    stage = Stage()

    def overtake() -> None:
        stage.plan[len(stage.steps) + 4] = stage.kill
        stage.tries()
        stage.office.clock.sleep(10.0)

    stage.plan[nth(usual, "claim: after")] = overtake
    stage.enrich()
    assert stage.steps[stage.steps.index("killed") - 1] == "take over: after"
    assert len(stage.office.sim.all_runs()) == len(ROWS)


def test_a_run_that_is_written_down_costs_no_look() -> None:
    stage = Stage()
    stage.enrich()
    before, time = len(stage.office.sim.requests), stage.office.clock.monotonic()
    stage.enrich()
    assert {entry.method for entry in stage.office.sim.requests[before:]} == {"GET"}
    assert stage.office.clock.monotonic() - time < 10.0


def test_a_row_that_was_refused_is_sent_again_without_a_wait() -> None:
    """Nobody can have started it, so the next call has nothing to wait for."""
    stage = Stage()
    refused = Fault("payment_required", method="POST", path="*/runs")
    stage.office.sim.faults.add(refused)
    with pytest.raises(errors.CreditExhausted):
        stage.enrich()
    assert {claim.owner for claim in stage.claims.values()} == {""}
    groups = {claim.group_id for claim in stage.claims.values()}
    began = stage.office.clock.monotonic()
    stage.assert_paid_once()
    assert {claim.group_id for claim in stage.claims.values()} == groups
    assert min(run.created for run in stage.office.sim.all_runs()) < began + 10.0


def test_a_refused_row_that_another_call_has_taken_over_stays_with_that(usual: list[str]) -> None:
    stage = Stage()
    stage.office.sim.faults.add(Fault("payment_required", method="POST", path="*/runs"))

    def overtake() -> None:
        for key, claim in stage.claims.items():
            stage.claims[key] = claim._replace(owner="another")

    stage.plan[nth(usual, "paid: before")] = overtake
    with pytest.raises(errors.CreditExhausted):
        stage.enrich()
    assert {claim.owner for claim in stage.claims.values()} == {"another"}


def test_the_claims_of_a_batch_that_are_deleted_are_an_error(usual: list[str]) -> None:
    stage = Stage()

    def forget() -> None:
        stage.office.clock.sleep(100.0)
        stage.claims.clear()

    stage.plan[nth(usual, "claim: after") + 2] = forget
    with pytest.raises(errors.StorageFailed):
        stage.enrich()
    assert not stage.office.sim.all_runs()


@pytest.mark.larger
@given(data=st.data())
def test_whatever_happens_to_calls_each_row_is_paid_for_once(data: st.DataObject) -> None:
    """Calls are killed, stand still, or another runs in the midst of one; each with rows of its own."""
    chosen = st.lists(st.sampled_from(ROWS), min_size=1, unique_by=lambda row: row["id"])
    stage = Stage()

    def happen(kind: str, rows: list[dict[str, Any]]) -> None:
        if stage.steps[-1] == "paid: before" or kind == "killed":
            raise Killed
        if kind == "stands still":
            stage.office.clock.sleep(200.0)
        else:
            stage.tries(rows)

    events = st.tuples(st.sampled_from(["killed", "stands still", "another"]), chosen)
    plan = data.draw(st.dictionaries(st.integers(1, 60), events, max_size=4))
    stage.plan = {at: partial(happen, *what) for at, what in plan.items()}
    for rows in data.draw(st.lists(chosen, min_size=1, max_size=3)):
        stage.tries(rows)
    stage.assert_paid_once()
