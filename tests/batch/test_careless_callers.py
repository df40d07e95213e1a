"""What somebody who does not know this package writes first: it works, or says what to write."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import pytest

from langchain_parallel import Limits, errors
from langchain_parallel.batch.table_plan import TablePlan

from .tables import QUESTION, SCHEMA, Office, companies


async def _ask(row: Any) -> str:
    return f"Who runs {row['company']}?"


@pytest.mark.parametrize(
    "question",
    [_ask, lambda _: object(), lambda row: {"firm": object()}],
    ids=["async", "text", "cell"],
)
def test_what_is_another_text_in_each_process_is_not_paid_for(
    office: Office, question: Any
) -> None:
    """`<coroutine object … at 0x7f…>` is found again by nobody."""
    table = office.research(companies(2), question)
    assert [type(row.error) for row in table] == [errors.InvalidRequest] * 2
    assert not office.asked


@pytest.mark.skipif(not hasattr(sys, "get_int_max_str_digits"), reason="every number has a text")
@pytest.mark.parametrize("question", [QUESTION, ["company"]], ids=["template", "columns"])
def test_a_cell_that_has_no_text_takes_no_other_row_with_it(office: Office, question: Any) -> None:
    rows = [{"company": "A"}, {"company": 10**5_000}, {"company": "C"}]
    table = office.research(iter(rows), question, chunk_size=1)
    assert [type(row.error) for row in table.errors] == [errors.InvalidRequest]
    assert sum(office.asked.values()) == 2


def test_a_question_may_hold_what_a_cell_may(office: Office) -> None:
    def ask(row: Any) -> Any:
        return {"firm": row["company"], "since": dt.date(2026, 1, 2), "in": {"EU"}}

    assert not office.research(iter(companies(2)), ask).errors
    [first, _] = office.sim.all_runs()
    assert first.request["input"] == {"firm": "Company 0", "since": "2026-01-02", "in": ["EU"]}


def test_an_id_that_nobody_would_keep_is_refused_before_anything_is_paid(office: Office) -> None:
    kept: list[str] = []

    async def keep(batch_id: str) -> None:
        kept.append(batch_id)

    with pytest.raises(errors.InvalidRequest, match="on_begin is asynchronous"):
        office.research(companies(2), on_begin=keep)
    assert not office.asked


@pytest.mark.parametrize("form", [list, iter], ids=["list", "iterator"])
def test_follow_ups_go_on_where_the_first_row_has_failed(office: Office, form: Any) -> None:
    first = office.research([{"company": ""}, {"company": "B"}], output_schema=SCHEMA)
    rows = first if form is list else iter(first)
    more = office.research(rows, "What did {ceo} do before?", continue_from="interaction_id")
    assert isinstance(more[0].error, errors.InvalidRequest)
    assert more[1].error is None


def test_a_row_is_read_like_a_dict(office: Office) -> None:
    [failed, row] = office.research([{"company": ""}, {"company": "B"}], output_schema=SCHEMA)
    assert dict(row) == {"company": "B", **row.values}
    assert list(row) == ["company", "ceo", "employees"]
    assert "ceo" in row
    assert "ceo" not in failed
    with pytest.raises(KeyError, match="company of this row is empty"):
        failed["ceo"]
    with pytest.raises(KeyError, match="town"):
        row["town"]


def test_who_declines_is_not_told_to_give_approve(office: Office) -> None:
    limits = Limits(max_cost_usd=0.01)
    with pytest.raises(errors.LimitExceeded, match="not approved") as declined:
        office.research(companies(2), QUESTION, limits=limits, approve=lambda _: False)
    assert "give `approve`" not in str(declined.value)
    with pytest.raises(errors.LimitExceeded, match="give `approve`"):
        office.research(companies(2), QUESTION, limits=limits)
    assert not office.asked


@pytest.mark.parametrize("schema", [["ceo", "employees"], 5], ids=str)
def test_what_is_no_schema_is_refused_as_any_option_is(office: Office, schema: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="output_schema: A value of the type"):
        office.research(companies(2), output_schema=schema)


@pytest.mark.parametrize("question", [None, 5, [], [1]], ids=str)
def test_what_is_no_question_is_refused(office: Office, question: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="question is a template"):
        office.research(companies(2), question)


@pytest.mark.parametrize(
    "given", [{"batch_id": ""}, {"processor": ""}, {"processor": None}], ids=str
)
def test_an_option_that_a_variable_left_empty_is_refused(
    office: Office, given: dict[str, Any]
) -> None:
    with pytest.raises(errors.InvalidRequest, match="leave it out for"):
        office.research(companies(2), QUESTION, **given)
    assert not office.asked


def test_a_timeout_beyond_all_numbers_is_none(office: Office) -> None:
    assert not office.research(companies(1), QUESTION, timeout=10**400)[0].error


def test_a_plan_speaks_of_one_row() -> None:
    assert str(TablePlan("new", 1, 0, 1, 0.0)) == "1 row with new: $0.00; 1 is paid for already."
