"""The group of a new table is made while its rows become requests; and never where it may be refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import stream_table
from langchain_parallel.batch.early_group import EarlyGroup
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault

from .tables import QUESTION, Office, companies


def test_the_group_is_made_while_rows_become_requests(office: Office) -> None:
    is_asked_for = threading.Event()
    handle = office.sim.handle

    def note(request: Any, *given: Any) -> Any:
        is_asked_for.set()
        return handle(request, *given)

    office.sim.handle = note  # type: ignore[method-assign]

    def question(row: Any) -> str:
        assert is_asked_for.wait(10.0)
        return QUESTION.format(**row)

    table = office.research(companies(3), question)
    assert [row.error for row in table] == [None] * 3
    paths = [one.path for one in office.sim.requests if one.method == "POST"]
    assert paths == ["/v1/tasks/groups", f"/v1/tasks/groups/{table.batch_id}/runs"]


@pytest.mark.parametrize(
    ("rows", "options", "raised"),
    [
        (companies(3), {"limits": Limits(max_runs=2)}, errors.LimitExceeded),
        (companies(3), {"question": "Who runs {firm}?"}, errors.InvalidRequest),
        ([*companies(3), 5], {}, errors.InvalidRequest),
        ([*companies(3), *companies(1)], {"row_id": "company"}, errors.InvalidRequest),
        (
            companies(3),
            {"approve": lambda _: False, "limits": Limits(approve_above="lite")},
            errors.LimitExceeded,
        ),
    ],
)
def test_nothing_is_asked_for_where_a_table_is_refused(
    office: Office, rows: Any, options: Any, raised: type[Exception]
) -> None:
    how = {"question": QUESTION, "processor": "base", **options}
    with pytest.raises(raised):
        office.research(rows, **how)
    assert office.sim.requests == []


def test_why_it_could_not_be_made_is_raised(office: Office) -> None:
    refused = Fault("status_before", method="POST", path="/v1/tasks/groups", status=401)
    office.sim.faults.add(refused)
    with pytest.raises(errors.AuthenticationFailed):
        office.research(companies(3))
    assert len(office.sim.requests) == 1


def test_a_table_that_may_never_be_iterated_makes_no_group_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[EarlyGroup] = []
    monkeypatch.setattr(EarlyGroup, "begin", begun.append)
    stream_table(companies(3), QUESTION, client=Office().client())
    assert not begun
