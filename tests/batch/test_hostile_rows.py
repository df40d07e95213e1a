"""Rows, columns and callers that mean no good, or are careless: nothing is paid twice, or for nothing."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.batch.table import stream_table
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, RunScript

from .tables import QUESTION, SCHEMA, Office, companies


@pytest.mark.parametrize("template", ["{0.__class__}", "{row.__init__}", "{row[x]}", "{}", "{0}"])
def test_a_template_names_columns_and_nothing_else(office: Office, template: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="no column"):
        office.research([{"row": "A"}], f"Who runs {template}?")
    assert not office.sim.requests


def test_what_stands_in_a_cell_or_a_name_is_no_template(office: Office) -> None:
    rows = [{"a.__class__": "{secret.__class__} %s {0}", "secret": "S"}]
    office.research(rows, "Who is {a.__class__}?")
    assert office.asked == {"Who is {secret.__class__} %s {0}?": 1}


def test_a_row_without_the_column_of_the_question_does_not_ask_its_name(office: Office) -> None:
    table = office.research([{"question": "Who?"}, {"company": "A"}, {}], "question")
    assert office.asked == {"Who?": 1}
    assert [type(row.error) for row in table.errors] == [errors.InvalidRequest] * 2


def test_a_function_that_fails_for_a_row_is_the_error_of_that_row(office: Office) -> None:
    def ask(row: Any) -> str:
        return f"Who runs {row['company'].upper()}?"

    rows = [{"company": "A"}, {"company": None}, {}, {"company": "D"}]
    table = office.research(iter(rows), ask, chunk_size=1)
    assert [type(row.error) for row in table.errors] == [errors.InvalidRequest] * 2
    assert sum(office.asked.values()) == 2


@pytest.mark.parametrize("text", ["\ud800", "\0", "\u202e", "\U0001f600" * 50, "é\n\t"])
def test_odd_text_in_one_row_stops_no_other(office: Office, text: str) -> None:
    rows = [{"company": "A"}, {"company": f"x{text}"}, {"company": "C"}]
    table = office.research(rows)
    assert [row.error for row in (table[0], table[2])] == [None, None]
    again = office.research(rows, batch_id=table.batch_id)
    assert [row.run_id for row in again] == [row.run_id for row in table]
    assert office.paid_once()


def test_no_rows_are_no_runs(office: Office) -> None:
    assert len(office.research([])) == 0
    assert office.research(iter([])).errors == []
    assert not office.asked


# --- money ---------------------------------------------------------------------------------------


def _blocking(office: Office) -> Office:
    blocking = Office("sync")
    blocking.clock, blocking.sim = office.clock, office.sim
    return blocking


def test_a_batch_just_begun_is_not_researched_by_a_second_call(office: Office) -> None:
    begun: list[str] = []
    first = stream_table(
        companies(),
        QUESTION,
        client=_blocking(office).client(),
        on_begin=begun.append,
        chunk_size=4,
        max_in_flight=4,
    )
    next(first)
    with pytest.raises(errors.ParallelError, match="already"):
        office.research(companies(), batch_id=begun[0])
    assert len([*first]) == 11
    assert office.paid_once()
    assert not office.research(companies(), batch_id=begun[0]).errors
    assert office.paid_once()


def test_the_rest_of_a_killed_chunk_is_waited_for_where_some_of_it_is_listed(
    office: Office,
) -> None:
    """The first chunk names the next group, so that the list of that one alone says too little."""
    blocking = _blocking(office).client()
    begun: list[str] = []
    first = stream_table(
        companies(5),
        QUESTION,
        client=blocking,
        on_begin=begun.append,
        chunk_size=3,
        max_in_flight=3,
    )
    next(first)
    first.close()
    policy = type(blocking._settings.policy)(max_attempts=1, settle_seconds=0.0)
    dying = _blocking(office).client(retry_policy=policy)
    late = Fault("drop_after", method="POST", path="*/runs", acts_after=50.0)
    office.sim.faults.add(late)
    rest = [
        TaskRunInput(input=QUESTION.format(**row), processor="base") for row in companies(5)[3:]
    ]
    dying.submit_many(begun[0], rest, positions=["row", "row"])
    assert sum(office.asked.values()) == 3
    assert not office.research(companies(5), batch_id=begun[0]).errors
    assert office.asked == {QUESTION.format(**row): 1 for row in companies(5)}


def test_what_was_paid_for_before_is_not_said_to_be_unsent(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=5_000.0, times=None))
    first = office.research(companies(), timeout=100.0)
    again = office.research(
        companies(), timeout=100.0, chunk_size=4, max_in_flight=4, batch_id=first.batch_id
    )
    assert [row.run_id for row in again] == [row.run_id for row in first]
    assert {type(row.error) for row in again} == {errors.StillRunning}


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_whoever_interrupts_is_told_the_batch(
    office: Office, end: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []

    def interrupt(progress: Any) -> None:
        begun.append(progress.batch_id)
        if progress.started:
            raise end

    with pytest.raises(end):
        office.research(companies(), on_progress=interrupt)
    assert begun[0] in caplog.text
    assert not office.research(companies(), batch_id=begun[0]).errors
    assert office.paid_once()


# --- files ---------------------------------------------------------------------------------------


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_what_an_earlier_table_has_found_is_still_a_text_of_the_web(
    office: Office, tmp_path: Path
) -> None:
    formula = {"ceo": "=HYPERLINK(1)", "employees": 1}
    office.sim.scripts.add(RunScript(output={"type": "json", "content": formula, "basis": []}))
    first = office.research([{"company": "=own"}], output_schema=SCHEMA)
    second = office.research(
        first, "What did {ceo} do?", continue_from="interaction_id", output_schema="text"
    )
    third = office.research(second, "And {ceo} before {output}?", output_schema="text")
    for table in (second, third):
        table.write(tmp_path / "a.csv")
        names, cells = _read(tmp_path / "a.csv")
        row = dict(zip(names, cells, strict=True))
        assert (row["company"], row["ceo"]) == ("=own", "'=HYPERLINK(1)")


def test_no_column_takes_the_place_of_another(office: Office, tmp_path: Path) -> None:
    row = {"company": "A", "run_id": "mine", "error": "E", "ceo": "C", "answer_ceo": "D"}
    row |= {"ceo_sources": "F", "row_json": "G"}
    table = office.research([row], output_schema=SCHEMA)
    table.write(tmp_path / "a.csv")
    names, cells = _read(tmp_path / "a.csv")
    assert len(names) == len(set(names)) == len(cells)
    read = dict(zip(names, cells, strict=True))
    assert {name: read[name] for name in row} == row
    assert set(table.to_records()[0]) == set(names)


def test_answers_of_a_follow_up_stand_under_their_names(office: Office, tmp_path: Path) -> None:
    first = office.research(companies(2), output_schema=SCHEMA)
    second = office.research(first, "And {ceo}?", continue_from="interaction_id")
    second.write(tmp_path / "a.csv")
    names, *lines = _read(tmp_path / "a.csv")
    assert len(names) == len(set(names))
    for line, earlier, row in zip(lines, first, second, strict=True):
        read = dict(zip(names, line, strict=True))
        assert read["interaction_id"] == earlier.interaction_id
        assert read["run_id"] == row.run_id
        assert read["error"] == ""
