"""Rows, columns and callers that mean no good, or are careless: nothing is paid twice, or for nothing."""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel import errors
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.batch.table import stream_table
from langchain_parallel.batch.table_job import TableJob
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import Fault, Listing, RunScript, SimulatorTransport

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


def test_a_doubt_about_a_list_ends_when_it_shows_all_that_is_counted(office: Office) -> None:
    batch = office.research(companies(1)).batch_id
    assert batch is not None
    policy = RetryPolicy(max_attempts=1, settle_seconds=0.0)
    dying = _blocking(office).client(retry_policy=policy)
    office.sim.scripts.add(RunScript(late_commit=40.0, late_count=0.0, times=2))
    rest = [TaskRunInput(input=QUESTION.format(**row), processor="base") for row in companies(3)]
    dying.submit_many(batch, rest[1:], positions=["row", "row"])
    assert not office.research(companies(5), batch_id=batch).errors
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


# --- what else rows may be ------------------------------------------------------------------------


@pytest.mark.parametrize("given", [[1], {"a": 1}, 1.5, True, dt.date(2026, 1, 2), b"x"])
def test_an_id_may_be_anything_that_can_be_written(office: Office, given: Any) -> None:
    rows = [{"id": given, "company": "A"}, {"id": "other", "company": "A"}]
    table = office.research(rows, row_id="id")
    again = office.research(rows[::-1], row_id="id", batch_id=table.batch_id)
    assert [row.run_id for row in again][::-1] == [row.run_id for row in table]
    assert office.asked == {"Who runs A?": 2}


def test_a_frame_with_gaps_asks_what_it_can(office: Office) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "company": ["A", None, "C", float("nan")],
            "since": [pandas.Timestamp(2020, 1, 2), pandas.NaT, pandas.NaT, pandas.NaT],
            "size": [1, pandas.NA, 3, 4],
        }
    )
    table = office.research(frame)
    assert set(office.asked) == {"Who runs A?", "Who runs C?"}
    assert [row.error is None for row in table] == [True, False, True, False]
    assert table[0].row == {"company": "A", "since": "2020-01-02T00:00:00", "size": 1}
    assert json.dumps([row.to_json() for row in table], allow_nan=False)


def test_long_questions_go_in_several_requests() -> None:
    office = Office("sync")
    job = TableJob.of(companies(12), QUESTION, {"client": office.client()})
    flow = job.flow(lambda _: None)
    flow.queue = replace(flow.queue, most_chars=3 * len("Who runs Company 0?"))
    assert [*job.sync._iterate(flow.steps())]
    sent = [one for one in office.sim.requests if one.method == "POST"]
    assert (
        len(sent) == 5 + 5
    )  # ten in threes and two, which are longer; each with a group of its own
    assert office.asked == {QUESTION.format(**row): 1 for row in companies(12)}


def test_a_row_that_is_too_long_for_the_server_stops_no_other(office: Office) -> None:
    rows = [{"company": "x" * 200_000 if nth == 3 else f"Company {nth}"} for nth in range(8)]
    with pytest.warns(errors.RequestWarning, match="25,000"):
        table = office.research(rows)
    assert [row.number for row in table.errors] == [3]
    assert isinstance(table[3].error, errors.Unprocessable)
    assert len(str(table[3].error)) < 1_000
    assert sum(office.asked.values()) == 7


def test_columns_named_like_ours_stay_what_they_are(office: Office, tmp_path: Path) -> None:
    names = [
        "company",
        "run_id",
        "error",
        "interaction_id",
        "output",
        "output_sources",
        "ceo",
        "row",
    ]
    rows = [{name: f"{name} {nth}" for name in names} for nth in range(3)]
    table = office.research(rows, output_schema=SCHEMA)
    assert table.write(tmp_path / "table.csv") == 3
    with (tmp_path / "table.csv").open(newline="") as file:
        lines = [*csv.DictReader(file)]
    assert [{name: line[name] for name in names} for line in lines] == rows
    assert len(set(lines[0])) == len(lines[0])
    assert {run.run_id for run in office.sim.all_runs()} == {
        line["answer_run_id"] for line in lines
    }


class _Forgetful(SimulatorTransport):
    """A server that reads no list on from where it broke off, and begins it anew each time."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(_from_the_start(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(_from_the_start(request))


def _from_the_start(request: httpx.Request) -> httpx.Request:
    query = request.url.params.remove("last_event_id")
    request.url = request.url.copy_with(params=query)
    return request


def test_a_list_that_repeats_rows_and_omits_others_is_read_to_an_end(office: Office) -> None:
    def forget(progress: Any) -> None:
        if progress.started:
            office.sim.listing = Listing(most=2)

    office.sim.scripts.add(RunScript(seconds=40.0, times=None))  # so that the list is read
    client = office.client(_Forgetful(office.sim))
    table = office.research(companies(12), client=client, on_progress=forget)
    assert not table.errors
    assert office.answers_its_question(table)
    assert len(office.sim.requests) < 30
    assert office.paid_once()


class _Endless(SimulatorTransport):
    """A server whose lists show other runs, of nobody, each time that they are read."""

    def __init__(self, simulator: Any, *, answers_only: bool) -> None:
        super().__init__(simulator)
        self._answers_only = answers_only
        self.lists = 0

    def _made_up(self, request: httpx.Request) -> httpx.Response | None:
        is_list = request.method == "GET" and request.url.path.endswith("/runs")
        has_answers = "include_output" in request.url.params
        if not is_list or (self._answers_only and not has_answers):
            return None
        self.lists += 1
        assert self.lists < 2_000, "It is read for ever."
        run = {"run_id": f"trun_{self.lists}", "status": "running", "is_active": True}
        event = {"type": "task_run.state", "event_id": f"{self.lists}", "run": run}
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, text=f"data: {json.dumps(event)}\n\n")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._made_up(request) or super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._made_up(request) or await super().handle_async_request(request)


def test_a_list_of_answers_that_never_ends_keeps_no_answer(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=40.0, times=None))
    endless = _Endless(office.sim, answers_only=True)
    table = office.research(companies(12), client=office.client(endless))
    assert not table.errors
    assert office.answers_its_question(table)
    assert endless.lists <= 12 + 5 * 3


def test_a_list_that_never_ends_is_read_with_pauses(office: Office) -> None:
    first = office.research(companies(2))
    endless = _Endless(office.sim, answers_only=False)
    before = office.clock.monotonic()
    with pytest.raises((AssertionError, errors.ParallelError)):
        office.research(companies(2), client=office.client(endless), batch_id=first.batch_id)
    assert office.clock.monotonic() - before > 0.2 * (endless.lists - 110)


def test_a_display_writes_nothing_where_nobody_sees_it(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not office.research(companies(3), progress=True).errors
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
