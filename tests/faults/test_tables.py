"""The fault matrix of tables and of `submit_many`: each trouble at each of their calls, once and for good.

Rule: whatever happens, no question has two runs, and each row has its own answer or an error of ours that
names the run which was paid for. What comes once and is no refusal is got over without a word. And when the
trouble is over, another process goes on with the same batch (ledger), and has all answers, paid once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.models import Submission, TaskRunInput
from langchain_parallel.simulator import RunScript

from ..batch.tables import QUESTION, Mode, Office, companies
from ..cut import exhaustive, representatives
from .table import FAULTS, Call, Row, endings, is_refusal, is_told, refuses_and_accepts, rows

ROWS, CHUNK = 6, 3
PATIENCE = 4_000.0
"""Seconds of the simulator's clock after which a table is left."""
_RUNS, _RUN = "*/groups/*/runs", "/v1/tasks/runs/trun_" + "?" * 32
QUESTIONS = [QUESTION.format(**row) for row in companies(ROWS)]

BEGIN = Call("create group", "POST", "*/groups")
ADD = (
    Call("add runs", "POST", _RUNS),
    Call("add more runs", "POST", _RUNS, skip=1),
    Call("add runs, listed late", "POST", _RUNS, late=12.0),
)
LIST = (
    Call("list of a chunk", "GET", _RUNS, streams=True),
    Call("list of answers", "GET", _RUNS, streams=True, skip=2),
)
EVENTS = Call("events", "GET", "*/groups/*/events", streams=True)
ALONE = Call("result", "GET", f"{_RUN}/result")
COUNT = Call("count", "GET", "*/groups/tgrp_" + "?" * 32, again="elsewhere")
LIST_AGAIN = Call("list when gone on with", "GET", _RUNS, streams=True, again="elsewhere")
CALLS = (BEGIN, *ADD, *LIST, EVENTS, ALONE, COUNT, LIST_AGAIN)
NOT_OF_SUBMIT_MANY = (BEGIN, LIST[1], EVENTS, ALONE)


@dataclass(frozen=True)
class Cell:
    """One trouble, once or for good, at one call of a table or of `submit_many`."""

    door: str
    mode: Mode
    row: Row
    call: Call
    times: int | None

    def __str__(self) -> str:
        often = "once" if self.times else "for good"
        return f"{self.door} {self.mode}: {self.row} at {self.call}, {often}"


def cells() -> Iterator[Cell]:
    modes: tuple[Mode, ...] = ("sync", "async")
    for door, call, row in product(("table", "submit_many"), CALLS, rows()):
        is_made = door == "table" or call not in NOT_OF_SUBMIT_MANY
        fits = not row.kind.startswith("webhook") and (call.streams or row.kind[:4] != "sse_")
        is_ours = row.kind == "wrong_id" and call in (LIST[0], LIST_AGAIN)
        """A run under our key in our group is ours, whatever its id."""
        is_hidden = is_ours or (
            call.late and (refuses_and_accepts(row) or row.options.get("acts_after"))
        )
        if is_made and fits and not is_hidden:
            yield from (Cell(door, mode, row, call, n) for mode, n in product(modes, (1, None)))


# --- playing -------------------------------------------------------------------------------------


@dataclass
class Desk:
    """Somebody who wants all rows answered."""

    office: Office
    batch: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    """Of each row the text of its answer, or its error; empty where there was an error for all."""

    def ask(self, *, rows: int = ROWS) -> errors.ParallelError | None:
        """Ask, or go on; return an error for all."""
        self.answers = []
        try:
            self.answers = self._ask(rows)
        except errors.ParallelError as error:
            return error
        return None

    def _ask(self, number: int) -> list[Any]:
        table = self.office.research(
            companies(number),
            output_schema="One sentence.",
            chunk_size=CHUNK,
            batch_id=self.batch[0] if self.batch else None,
            on_begin=self._keep,
            timeout=PATIENCE,
        )
        return [(row.run_id, row.error or row["output"], row.interaction_id) for row in table]

    def _keep(self, batch: str) -> None:
        self.batch[:] = [batch]


class ManyDesk(Desk):
    """As `Desk`, with `submit_many` and without answers."""

    def _ask(self, number: int) -> list[Any]:
        client = self.office.client()
        if not self.batch:
            self.batch.append(self._do(client.create_group()).taskgroup_id)
        asked = [TaskRunInput(input=one, processor="base") for one in QUESTIONS[:number]]
        found = self._do(client.submit_many(self.batch[0], asked, chunk_size=CHUNK))
        return [
            (one.run.run_id, text, None)
            if isinstance(one, Submission)
            else (one.run_id, one, one.interaction_id)
            for one, text in zip(found, QUESTIONS, strict=False)
        ]

    def _do(self, call: Any) -> Any:
        async def awaited() -> Any:
            return await call

        return call if self.office.mode == "sync" else asyncio.run(awaited())


def play(cell: Cell) -> None:
    """Play a cell; raises AssertionError where it goes wrong."""
    office = Office(cell.mode, credit_usd=None)
    office.clock.advance(1_000.0)
    sim, call = office.sim, cell.call
    desk = (Desk if cell.door == "table" else ManyDesk)(office)
    if call.late:
        sim.scripts.add(RunScript(late_commit=call.late, times=None))
    if call.again:  # the first chunk is there already, and another process goes on
        assert desk.ask(rows=CHUNK) is None
    if call is ALONE:
        for nth in range(3):  # few ended at a time are read alone
            sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=60.0 * (nth + 1)))
    sim.faults.add(*call.faults(cell.row, cell.times))
    error = desk.ask()
    check(desk, error)
    trouble = [error, *(one for _, one, _ in desk.answers)]
    told = [one for one in trouble if isinstance(one, errors.ParallelError)]
    if cell.times and told and not _may_be_told(cell):
        raise AssertionError(f"given up at once: {told[0]}")
    sim.faults.clear()
    if told:
        error = desk.ask()
        assert error is None, f"gone on with, it ends in {error}"
        check(desk, None)
    assert not [one for _, one, _ in desk.answers if not isinstance(one, str)]
    assert office.asked == Counter(QUESTIONS), f"paid for: {office.asked}"


def _may_be_told(cell: Cell) -> bool:
    status = cell.row.options.get("status", 0)
    is_for_rows = cell.call in ADD and (is_refusal(status) or cell.row.kind == "payment_required")
    return is_for_rows or is_told(cell.row, cell.call)


def check(desk: Desk, failed: errors.ParallelError | None) -> None:
    """Nothing is paid for twice; each row has its answer or an error that can be used."""
    office = desk.office
    assert not office.asked or max(office.asked.values()) == 1, f"paid twice: {office.asked}"
    runs = {run.text: run for run in office.sim.all_runs()}
    if failed is not None:
        _usable(failed)
        assert failed.billed is not False or not runs or desk.batch, str(failed)
        return
    assert len(desk.answers) in (ROWS, CHUNK)
    for question, (run_id, answer, interaction_id) in zip(QUESTIONS, desk.answers, strict=False):
        run = runs.get(question)
        if isinstance(answer, str):
            assert question in answer, "an answer to something else"
            assert run is not None
            assert run_id == run.run_id
            continue
        _usable(answer)
        if run is None:
            assert answer.billed is not True
            assert run_id is None
        elif run_id is None:
            assert answer.billed is None, f"a run that was started is said to be free: {answer}"
        else:
            assert run_id == run.run_id
            assert interaction_id in (None, run.interaction_id)


def _usable(error: errors.ParallelError) -> None:
    assert isinstance(error, errors.ParallelError)
    assert error.message.endswith("."), error.message
    assert error.hint, str(error)


# --- tests ---------------------------------------------------------------------------------------


def wrong(some: Iterable[Cell]) -> str:
    """What went wrong where, a line for each cell."""
    found = []
    for cell in some:
        try:
            play(cell)
        except Exception as error:  # noqa: BLE001 -- each is what went wrong
            found.append(f"{cell}: {type(error).__name__}: {error}")
    return "\n".join(found)


CELLS = [*cells()]


def parameters() -> list[Any]:
    few = representatives(
        CELLS, lambda one: [one.row.kind, (one.door, one.call.name, one.mode, one.times)]
    )
    groups = {f"{one.door} {one.mode}: {one.call}": [one] for one in CELLS}
    for name in groups:
        groups[name] = [one for one in CELLS if f"{one.door} {one.mode}: {one.call}" == name]
    return [
        *(
            pytest.param([one for one in few if one.door == door], id=f"{door}: a few")
            for door in ("table", "submit_many")
        ),
        *(exhaustive(some, id=name) for name, some in groups.items()),
    ]


@pytest.mark.parametrize("some", parameters())
def test_no_row_is_paid_for_twice_or_lost(some: list[Cell]) -> None:
    assert not wrong(some), wrong(some)


def test_every_trouble_of_the_simulator_meets_tables() -> None:
    assert {cell.row.kind for cell in CELLS} == {f for f in FAULTS if not f.startswith("webhook")}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("row", [*endings()], ids=str)
def test_however_a_run_ends_its_row_says_so_and_the_others_have_answers(
    row: Row, mode: Mode
) -> None:
    office = Office(mode)
    office.sim.scripts.add(RunScript(contains="Company 1?", times=None, **row.options))
    desk = Desk(office)
    assert desk.ask() is None
    check(desk, None)
    others = [one for nth, (_, one, _) in enumerate(desk.answers) if nth != 1]
    assert all(isinstance(one, str) for one in others)
    run_id, ended, interaction_id = desk.answers[1]
    run = next(run for run in office.sim.all_runs() if "Company 1?" in run.text)
    assert run_id == run.run_id
    if row.kind != "completed":
        assert isinstance(ended, errors.ParallelError)
        assert interaction_id in (None, run.interaction_id)
        office.sim.scripts.clear()
        office.sim.settle(run_id)
    desk.ask()
    assert office.asked == Counter(QUESTIONS)
