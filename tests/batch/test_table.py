"""A table: each row is asked once, and has its answer cell by cell or its own error."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from langchain_parallel import Limits, errors
from langchain_parallel.batch import BatchProgress
from langchain_parallel.batch.table import research_table, stream_table
from langchain_parallel.simulator import Fault, Listing, RunScript

from .tables import QUESTION, SCHEMA, Office, companies


class Company(BaseModel):
    ceo: str
    employees: int


def test_each_row_has_its_answer_in_order(office: Office) -> None:
    table = office.research(companies(), output_schema=Company)
    assert [row["company"] for row in table] == [row["company"] for row in companies()]
    assert not table.errors
    assert office.answers_its_question(table)
    assert table.columns == ["ceo", "employees"]
    cell = table[0].cells["ceo"]
    assert cell.confidence in ("high", "medium", "low")
    assert cell.sources
    assert isinstance(table[0]["employees"], int)
    assert (table.cost_usd, table.plan.cost_usd) == (0.12, 0.12)


def test_a_table_is_shown_on_one_line(office: Office) -> None:
    table = office.research([{"company": "Acme"}, {"company": ""}])
    assert repr(table) == f"ResearchTable: 2 rows, 1 error, batch_id={table.batch_id!r}"
    for batch_id in (None, table.batch_id):
        planned = office.research(companies(2), dry_run=True, batch_id=batch_id)
        assert repr(planned) == f"ResearchTable, not started: {planned.plan}"


def test_a_batch_that_is_none_is_no_batch_to_go_on_with(office: Office) -> None:
    with pytest.raises(errors.LedgerNotFound) as caught:
        office.research(companies(1), batch_id="tgrp_none")
    assert "Go on later" not in str(caught.value)


def test_a_text_answer_has_one_column(office: Office) -> None:
    table = office.research(companies(2), output_schema="One sentence.")
    assert table.columns == ["output"]
    assert isinstance(table[0]["output"], str)


def test_a_small_table_is_a_handful_of_requests(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=30.0, times=None))
    office.research(companies(150))
    sent = [entry.method for entry in office.sim.requests]
    assert (sent.count("POST"), len(sent) <= 6) == (2, True)


def test_as_they_are_answered_the_quick_ones_come_first(office: Office) -> None:
    for nth in range(12):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=100.0 - 8 * nth))
    table = office.research(companies(), in_order=False)
    assert [row.number for row in table] == list(reversed(range(12)))


def test_in_order_they_come_in_order(office: Office) -> None:
    office.sim.scripts.add(RunScript(contains="Company 0?", seconds=500.0))
    office.sim.scripts.add(RunScript(seconds=5.0, times=None))
    table = office.research(companies(), chunk_size=5)
    assert [row.number for row in table] == list(range(12))


def test_an_error_is_the_value_of_its_row(office: Office) -> None:
    office.sim.scripts.add(RunScript(contains="Company 3?", outcome="failed", message="No luck"))
    office.sim.scripts.add(RunScript(contains="Company 5?", outcome="action_required"))
    table = office.research(companies())
    assert [(row.number, type(row.error)) for row in table.errors] == [
        (3, errors.RunFailed),
        (5, errors.ActionRequired),
    ]
    failed = table[3]
    assert failed.run_id
    assert failed.interaction_id
    assert failed.cost_usd == 0.0
    assert "No luck" in str(failed.error)
    assert table[5].cost_usd is None


def test_a_row_that_cannot_be_asked_is_not_sent(office: Office) -> None:
    rows = [*companies(2), {"company": "  "}, {"company": None}, {"company": "Last"}]
    table = office.research(rows)
    assert [type(row.error) for row in table.errors] == [errors.InvalidRequest] * 2
    assert sum(office.asked.values()) == 3
    assert table.plan.invalid == 2


def test_a_row_that_the_server_refuses_does_not_stop_the_others(office: Office) -> None:
    first = office.research([{"company": "X"}])
    before = ["intr_unknown", first[0].interaction_id]
    rows = [{"company": "A", "before": one} for one in before]
    table = office.research(rows, continue_from="before")
    assert [type(row.error) for row in table] == [errors.Unprocessable, type(None)]


# --- going on ------------------------------------------------------------------------------------


def test_gone_on_with_nothing_is_paid_again(office: Office) -> None:
    first = office.research(companies())
    again = office.research(companies(), batch_id=first.batch_id)
    assert [row.run_id for row in again] == [row.run_id for row in first]
    assert office.paid_once()


@pytest.mark.grid
@pytest.mark.parametrize("size", [3, 5, 1_000])
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[::-1],
        lambda rows: [{"company": "New"}, *rows],
        lambda rows: [*rows[:4], {"company": "New"}, *rows[4:]],
        lambda rows: rows[3:],
    ],
)
def test_rows_may_come_again_in_any_order(office: Office, change: Any, size: int) -> None:
    first = office.research(companies(), chunk_size=size)
    paid = {row["company"]: row.run_id for row in first}
    again = office.research(change(companies()), batch_id=first.batch_id, chunk_size=size)
    for row in again:
        assert row.run_id == paid.get(row["company"], row.run_id)
    assert office.paid_once()
    assert set(office.asked.values()) == {1}


def test_more_rows_may_follow_on_another_day(office: Office) -> None:
    batch = office.research(companies(4), chunk_size=3).batch_id
    for number in (6, 7, 15):
        table = office.research(companies(number), chunk_size=3, batch_id=batch)
        assert not table.errors
    assert sum(office.asked.values()) == 15
    assert office.paid_once()


def test_what_an_earlier_process_may_have_just_sent_is_waited_for(office: Office) -> None:
    begun: list[str] = []
    lost = Fault("drop_after", method="POST", path="*/runs", acts_after=50.0, skip=1)
    office.sim.faults.add(lost)

    class Killed(Exception):
        pass

    def dies(progress: BatchProgress) -> None:
        if progress.read == 6:  # the first of two chunks is acknowledged
            raise Killed

    rows = stream_table(
        companies(),
        QUESTION,
        client=office.client() if office.mode == "sync" else Office.client(_blocking(office)),
        chunk_size=6,
        on_begin=begun.append,
        on_progress=dies,
    )
    with pytest.raises(Killed):
        list(rows)
    office.sim.faults.clear()
    table = office.research(companies(), chunk_size=6, batch_id=begun[0])
    assert not table.errors
    assert office.paid_once()


def _blocking(office: Office) -> Office:
    blocking = Office("sync")
    blocking.clock, blocking.sim = office.clock, office.sim
    return blocking


def test_a_late_chunk_of_a_killed_process_is_found_whatever_comes_first(office: Office) -> None:
    """Its runs show up 50 s after it was killed, and its rows come last now."""
    blocking = _blocking(office).client()
    batch = blocking.create_group().taskgroup_id
    office.sim.faults.add(
        Fault("drop_after", method="POST", path="*/runs", acts_after=50.0, times=None)
    )
    policy = type(blocking._settings.policy)(max_attempts=1, settle_seconds=0.0)
    dying = _blocking(office).client(retry_policy=policy)
    research_table(companies(3), QUESTION, client=dying, batch_id=batch)
    office.sim.faults.clear()
    assert office.sim.runs() == []
    table = office.research(companies()[::-1], batch_id=batch, chunk_size=4)
    assert not table.errors
    assert office.paid_once()
    assert set(office.asked.values()) == {1}


def test_two_calls_of_one_process_do_not_research_a_batch_at_once(office: Office) -> None:
    batch = office.research(companies(3)).batch_id
    open_one = stream_table(
        companies(), QUESTION, batch_id=batch, client=_blocking(office).client()
    )
    next(open_one)
    with pytest.raises(errors.ParallelError, match="already"):
        office.research(companies(), batch_id=batch)
    open_one.close()
    assert not office.research(companies(), batch_id=batch).errors


def test_a_batch_that_is_not_there_sends_nothing(office: Office) -> None:
    with pytest.raises(errors.LedgerNotFound):
        office.research(companies(), batch_id="tgrp_none")
    assert not office.asked


# --- whose row it is -----------------------------------------------------------------------------


def test_the_same_question_in_two_rows_is_two_runs(office: Office) -> None:
    rows = [{"company": "A"}, {"company": "A"}, {"company": "B"}]
    first = office.research(rows)
    assert len({row.run_id for row in first}) == 3
    again = office.research(rows, batch_id=first.batch_id)
    assert [row.run_id for row in again] == [row.run_id for row in first]


def test_an_id_names_a_row_and_stands_once(office: Office) -> None:
    rows = [{"id": 1, "company": "A"}, {"id": 2, "company": "A"}]
    table = office.research(rows, row_id="id")
    assert [row.row_id for row in table] == ["1", "2"]
    assert office.asked == {"Who runs A?": 2}
    twice = [*rows, {"id": 1, "company": "C"}]
    with pytest.raises(errors.InvalidRequest, match="earlier row"):
        office.research(twice, row_id="id")
    streamed = list(office.stream(iter(twice), row_id="id"))
    assert [type(row.error) for row in streamed] == [type(None)] * 2 + [errors.InvalidRequest]


def test_another_question_under_an_id_is_another_run(office: Office) -> None:
    first = office.research([{"id": "a", "company": "A"}], row_id="id")
    again = office.research([{"id": "a", "company": "B"}], row_id="id", batch_id=first.batch_id)
    assert again[0].run_id != first[0].run_id


# --- follow-ups ----------------------------------------------------------------------------------


def test_each_row_is_continued_on_its_own_interaction(office: Office) -> None:
    first = office.research(companies(4), output_schema=SCHEMA)
    second = office.research(
        first, "What did {ceo} of {company} do before?", continue_from="interaction_id"
    )
    before = {
        run.run_id: run.request.get("previous_interaction_id") for run in office.sim.all_runs()
    }
    assert [before[row.run_id or ""] for row in second] == [row.interaction_id for row in first]
    assert not second.errors


def test_a_row_without_an_answer_has_nothing_to_continue(office: Office) -> None:
    office.sim.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    first = office.research(companies(1))
    second = office.research(first, "And {company} before?", continue_from="interaction_id")
    assert type(second[0].error) is errors.InvalidRequest


# --- price and limits ----------------------------------------------------------------------------


def test_the_price_is_known_before_anything_is_sent(office: Office) -> None:
    plan = office.research(companies(100), processor="core", dry_run=True).plan
    assert (plan.rows, plan.cost_usd, plan.seconds) == (100, 2.5, (60, 300))
    assert "100 rows with core: $2.50" in str(plan)
    assert office.sim.requests == []


def test_what_is_paid_for_already_is_no_part_of_the_price(office: Office) -> None:
    batch = office.research(companies(4)).batch_id
    plan = office.research(companies(6), batch_id=batch, dry_run=True).plan
    assert (plan.adopted, plan.to_start, plan.cost_usd) == (4, 2, 0.02)


def test_a_table_that_would_pass_its_limit_is_not_begun(office: Office) -> None:
    for limits in (Limits(max_cost_usd=0.11), Limits(max_runs=11, on_exceed="stop")):
        with pytest.raises(errors.LimitExceeded):
            office.research(companies(), limits=limits)
    assert not office.asked
    assert not office.research(companies(), limits=Limits(max_cost_usd=0.12)).errors


def test_a_stream_stops_at_its_limit(office: Office) -> None:
    rows = list(office.stream(iter(companies()), limits=Limits(max_cost_usd=0.05), chunk_size=3))
    assert [type(row.error) for row in rows] == [type(None)] * 5 + [errors.LimitExceeded] * 7
    assert sum(office.asked.values()) == 5


def test_what_a_failed_run_has_not_cost_is_free_for_the_next(office: Office) -> None:
    office.sim.scripts.add(RunScript(outcome="failed", seconds=1.0, times=3))
    limits = Limits(max_cost_usd=0.03)
    rows = list(office.stream(iter(companies(6)), limits=limits, chunk_size=3, max_in_flight=3))
    assert [type(row.error) for row in rows[:3]] == [errors.RunFailed] * 3
    assert not any(row.error for row in rows[3:])


def test_what_earlier_processes_have_spent_counts(office: Office) -> None:
    batch = office.research(companies(4)).batch_id
    limits = Limits(max_cost_usd=0.06)
    rows = office.research(companies(12), batch_id=batch, limits=limits)
    assert [row.number for row in rows.errors] == list(range(6, 12))


def test_a_person_may_approve_what_is_beyond(office: Office) -> None:
    seen: list[Any] = []

    def decline(plan: Any) -> bool:
        seen.append(plan)
        return False

    limits = Limits(max_cost_usd=0.01, approve_above="lite")
    with pytest.raises(errors.LimitExceeded):
        office.research(companies(), limits=limits, approve=decline)
    assert not office.asked
    table = office.research(companies(), limits=limits, approve=lambda plan: plan.cost_usd == 0.12)
    assert not table.errors
    assert seen[0].rows == 12


def test_limits_of_sessions_are_refused(office: Office) -> None:
    for limits in (Limits(max_seconds=5.0), Limits(approvers=["me"])):
        with pytest.raises(errors.InvalidRequest):
            office.research(companies(), limits=limits)


# --- trouble -------------------------------------------------------------------------------------


@pytest.mark.grid
@pytest.mark.parametrize(
    "fault",
    [
        *(
            Fault(kind, method="POST", path="*/runs", skip=1)
            for kind in (
                "drop_before",
                "drop_after",
                "status_after",
                "malformed_json",
                "rate_limit",
            )
        ),
        *(
            Fault(kind, path="*/events", times=3)
            for kind in (
                "sse_cut",
                "sse_only_heartbeats",
                "status_before",
                "drop_before",
                "sse_error",
            )
        ),
        Fault("sse_cut", method="GET", path="*/runs", after_events=2, skip=2, times=4),
        Fault("status_before", method="GET", times=7),
        Fault("hang", method="GET", path="*/runs", skip=2, seconds=900.0),
    ],
    ids=lambda fault: f"{fault.kind} {fault.method} {fault.path}",
)
def test_whatever_happens_on_the_way_every_row_is_paid_once(office: Office, fault: Fault) -> None:
    office.sim.faults.add(fault)
    table = office.research(companies(), chunk_size=5)
    assert not table.errors
    assert office.paid_once()
    assert office.answers_its_question(table)


@pytest.mark.grid
@pytest.mark.parametrize(
    "listing",
    [Listing(newest_first=True), Listing(page=2), Listing(newest_first=True, page=3)],
    ids=str,
)
def test_however_lists_come_each_row_has_its_own_answer(office: Office, listing: Listing) -> None:
    office.sim.listing = listing
    table = office.research(companies(), chunk_size=8)
    again = office.research(companies(), chunk_size=8, batch_id=table.batch_id)
    assert [row.run_id for row in again] == [row.run_id for row in table]
    assert not table.errors
    assert office.answers_its_question(again)


def test_a_list_that_cannot_be_trusted_sends_nothing_more(office: Office) -> None:
    batch = office.research(companies()).batch_id
    office.sim.listing = Listing(most=4)
    with pytest.raises(errors.SubmissionUnknown, match="4 of 12"):
        office.research(companies(), batch_id=batch)
    assert office.paid_once()


def test_without_credit_in_the_middle_the_rest_says_so(office: Office) -> None:
    office.sim.faults.add(
        Fault("payment_required", method="POST", path="*/runs", skip=1, times=None)
    )
    table = office.research(companies(), chunk_size=5)
    assert [row.number for row in table.errors] == list(range(5, 12))
    assert {type(row.error) for row in table.errors} == {errors.CreditExhausted}
    assert all(row.cost_usd == 0.0 for row in table.errors)
    office.sim.faults.clear()
    assert not office.research(companies(), batch_id=table.batch_id).errors
    assert office.paid_once()


def test_a_quota_of_a_minute_is_waited_for(office: Office) -> None:
    office.sim.faults.add(Fault("rate_limit", method="POST", path="*/runs", seconds=50.0, times=9))
    table = office.research(companies(), chunk_size=5)
    assert not table.errors
    assert office.paid_once()


def test_a_row_that_was_turned_away_counts_once_in_what_the_table_may_cost(office: Office) -> None:
    office.sim.faults.add(Fault("rate_limit", method="POST", path="*/runs", seconds=50.0, times=9))
    seen: list[BatchProgress] = []
    limits = Limits(max_cost_usd=0.12, max_runs=12)
    table = office.research(companies(), chunk_size=5, limits=limits, on_progress=seen.append)
    assert not table.errors
    assert seen[-1].cost_usd == 0.12


def test_a_run_that_takes_too_long_can_be_gone_on_with(office: Office) -> None:
    office.sim.scripts.add(RunScript(contains="Company 3?", seconds=5_000.0))
    table = office.research(companies(), timeout=1_000.0)
    assert [(row.number, type(row.error)) for row in table.errors] == [(3, errors.StillRunning)]
    assert table[3].run_id
    assert table.batch_id
    assert table.batch_id in str(table[3].error)
    again = office.research(companies(), batch_id=table.batch_id)
    assert not again.errors
    assert again[3].run_id == table[3].run_id


def test_rows_that_were_not_read_in_time_say_that_nothing_was_sent(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=5_000.0, times=None))
    table = office.research(companies(), timeout=100.0, chunk_size=4, max_in_flight=4)
    assert len(table) == 12
    assert len(table.errors) == 12
    assert sum(office.asked.values()) == 4
    assert {row.cost_usd for row in table.errors[4:]} == {0.0}


def test_one_broken_answer_is_one_error(office: Office) -> None:
    office.sim.scripts.add(RunScript(contains="Company 4?", output={"type": 5, "content": {}}))
    table = office.research(companies())
    assert [row.number for row in table.errors] in ([], [4])
    assert office.answers_its_question(table)


def test_the_progress_has_the_batch_before_anything_is_paid(office: Office) -> None:
    seen: list[BatchProgress] = []
    begun: list[Any] = []
    table = office.research(
        companies(),
        on_progress=seen.append,
        on_begin=lambda batch_id: begun.append((batch_id, sum(office.asked.values()))),
    )
    assert begun == [(table.batch_id, 0)]
    assert seen[0] == BatchProgress(
        str(table.batch_id), read=0, started=0, adopted=0, answered=0, failed=0, cost_usd=0.0
    )
    assert (seen[-1].adopted, seen[-1].failed) == (0, 0)
    assert (seen[-1].started, seen[-1].answered, seen[-1].cost_usd) == (12, 12, 0.12)


def test_an_iterator_is_read_no_further_than_there_is_room(office: Office) -> None:
    read: list[int] = []

    def endless() -> Any:
        for nth in range(10_000):
            read.append(nth)
            yield {"company": f"Company {nth}"}

    rows = stream_table(
        endless(), QUESTION, client=_blocking(office).client(), chunk_size=5, max_in_flight=10
    )
    for _ in range(7):
        next(rows)
    assert max(read) < 30
    rows.close()


@pytest.mark.grid
@pytest.mark.parametrize(
    ("rows", "question", "options"),
    [
        (companies(), "Who runs it?", {}),
        (companies(), "Who runs {boss}?", {}),
        (companies(), "Who runs {company!r}?", {}),
        (companies(), "Who runs {company", {}),
        (companies(), ["company", "country"], {}),
        (companies(), QUESTION, {"row_id": "id"}),
        ([*companies(), *companies(1)], QUESTION, {"row_id": "company"}),
        (companies(), QUESTION, {"processor": "unknown"}),
        (companies(), QUESTION, {"processor": "chat:lite"}),
        (companies(), QUESTION, {"colour": "red"}),
        (companies(), QUESTION, {"chunk_size": 1_001}),
        (companies(), QUESTION, {"max_in_flight": 0}),
        (companies(), QUESTION, {"on_begin": "file"}),
        (companies(), QUESTION, {"timeout": -1.0}),
        ({"company": "A"}, QUESTION, {}),
        ([1, 2], QUESTION, {}),
        ("missing.csv", QUESTION, {}),
        ("rows.xlsx", QUESTION, {}),
        (5, QUESTION, {}),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    office: Office, rows: Any, question: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidRequest):
        office.research(rows, question, **options)
    assert not office.sim.requests


@pytest.mark.parametrize("pause", [1, 9_000])
def test_answers_that_the_server_does_not_give_yet_are_not_asked_for_without_a_pause(
    office: Office, pause: int
) -> None:
    office.sim.faults.add(
        Fault("rate_limit", method="GET", path="/v1/tasks/runs/*/result", seconds=pause, times=None)
    )
    table = office.research(companies(3), timeout=1_200.0)
    assert [type(row.error) for row in table] == [errors.StillRunning] * 3
    asked = [one for one in office.sim.requests if one.path.endswith("/result")]
    assert len(asked) < 3 * 1_200
