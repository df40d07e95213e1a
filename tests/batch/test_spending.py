"""What a batch may cost: each limit is reached exactly, and what was not started or has failed is free."""

from __future__ import annotations

import pytest

from langchain_parallel import Limits, RequestOptions, errors
from langchain_parallel.batch.spending import BatchSpending

from .tables import Office, companies


def _spending(**limits: float) -> BatchSpending:
    return BatchSpending.of("pro", Limits(**limits), RequestOptions())  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [1, 3, 7, 11, 1_000])
def test_a_limit_of_n_prices_pays_for_n_runs_and_no_more(rows: int) -> None:
    """Whatever a sum of floats makes of it."""
    spending = _spending(max_cost_usd=round(rows * 0.1, 6))
    assert spending.refusal(rows) is None
    assert isinstance(spending.refusal(rows + 1), errors.LimitExceeded)
    for _ in range(rows):
        assert spending.refusal() is None
        spending.reserve()
    assert isinstance(spending.refusal(), errors.LimitExceeded)
    spending.release()
    assert spending.refusal() is None
    assert spending.refusal(2) is not None


def test_a_limit_of_runs_counts_those_of_earlier_processes() -> None:
    spending = _spending(max_runs=5)
    spending.note_earlier(0.3, 3)
    assert spending.refusal(2) is None
    assert isinstance(spending.refusal(3), errors.LimitExceeded)
    spending.reserve()
    assert (spending.runs, round(spending.usd, 6)) == (4, 0.4)
    assert spending.refusal(1) is None
    assert spending.refusal(2) is not None


def test_a_run_that_was_not_billed_costs_nothing_and_any_other_its_price() -> None:
    spending = _spending(max_cost_usd=0.1)
    spending.reserve()
    for billed, left in ((None, 0.1), (True, 0.1), (False, 0.0)):
        spending.settle(errors.ParallelError("It failed.", billed=billed))
        assert round(spending.usd, 6) == left
    assert spending.runs == 1


def test_a_row_that_cannot_be_asked_makes_no_room_for_another() -> None:
    """It has cost nothing, and nothing was counted for it."""
    rows = [{"company": ""}, {"company": ""}, *companies(3)]
    found = list(Office().stream(iter(rows), limits=Limits(max_cost_usd=0.02)))
    kinds = [type(row.error) for row in found]
    assert kinds == [errors.InvalidRequest] * 2 + [type(None)] * 2 + [errors.LimitExceeded]
