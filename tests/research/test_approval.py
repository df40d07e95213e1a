"""What was cleared or approved is what is sent, and what is counted against the limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from langchain_parallel._graph.seals import Seals
from langchain_parallel.options import Limits
from langchain_parallel.processors import price_usd
from langchain_parallel.research.approval import to_review
from langchain_parallel.research.spending_rules import SpendingRules
from langchain_parallel.research.usage import exceeded_limits, forecast, usage

DOOR: Any = SimpleNamespace(clients=SimpleNamespace(seals=Seals(SecretStr("key"))), limits=Limits())
RULES = SpendingRules(DOOR, "tgrp_1", {})
TURN: Any = {
    "position": "1",
    "question": "How large is it?",
    "processor": "pro",
    "parent_interaction_id": "intr_1",
    "output_schema": None,
    "run_id": "",
    "status": "planned",
    "cost_usd": None,
}


def turn(of: Any, changed: dict[str, Any]) -> Any:
    return {**of, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"question": "How small is it?"},
        {"position": "2"},
        {"processor": "ultra"},
        {"parent_interaction_id": "intr_2"},
        {"parent_interaction_id": None},
        {"output_schema": "A number"},
        {"output_schema": {"type": "object", "properties": {"size": {"type": "number"}}}},
    ],
    ids=str,
)
def test_a_yes_holds_for_what_was_shown_and_nothing_else(changed: dict[str, Any]) -> None:
    cleared, approved = RULES.clear(TURN), RULES.approve(TURN, passes_limits=True)
    assert RULES.is_cleared(cleared)
    assert RULES.is_approved(approved)
    assert not RULES.is_cleared(turn(cleared, changed))
    assert not RULES.is_approved(turn(approved, changed))
    assert to_review([turn(cleared, changed)], RULES) == [turn(cleared, changed)]


def test_what_was_cleared_is_not_reviewed_again_nor_is_what_has_a_run() -> None:
    started: Any = {**TURN, "run_id": "trun_1"}
    assert to_review([RULES.clear(TURN), started], RULES) == []


def test_cleared_is_not_approved_and_neither_holds_in_another_session() -> None:
    cleared, approved = RULES.clear(TURN), RULES.approve(TURN, passes_limits=True)
    assert not RULES.is_approved(turn(TURN, {"approved": cleared["cleared"]}))
    assert not RULES.is_cleared(turn(TURN, {"cleared": approved["approved"]}))
    assert not SpendingRules(DOOR, "tgrp_2", {}).is_cleared(cleared)


def test_a_yes_to_a_price_is_none_to_a_limit() -> None:
    approved = RULES.approve(TURN, passes_limits=False)
    assert RULES.is_approved(approved)
    assert not RULES.may_pass_limits(approved)
    assert RULES.may_pass_limits(RULES.approve(TURN, passes_limits=True))


def test_limits_that_a_person_raised_hold_as_they_are_and_nowhere_else() -> None:
    door: Any = SimpleNamespace(clients=DOOR.clients, limits=Limits(max_cost_usd=1.0))
    raised: Any = SpendingRules(door, "tgrp_1", {}).seal_limits({"max_cost_usd": 5})
    assert SpendingRules(door, "tgrp_1", {}, raised).limits == {"max_cost_usd": 5}
    assert (
        SpendingRules(door, "tgrp_1", {}, turn(raised, {"max_cost_usd": 5.0})).raised_by_caller()
        == {}
    )
    forged = SpendingRules(door, "tgrp_1", {}, turn(raised, {"max_cost_usd": 500.0}))
    assert forged.limits == {"max_cost_usd": 1.0}
    assert forged.raised_by_caller() == {"max_cost_usd": 500.0}
    assert SpendingRules(door, "tgrp_2", {}, raised).limits == {"max_cost_usd": 1.0}


def test_a_turn_of_unknown_cost_counts_with_its_list_price() -> None:
    ended: Any = {**TURN, "run_id": "trun_1", "status": "unfinished"}
    free: Any = {**ended, "cost_usd": 0.0}
    assert usage([ended])["cost_usd"] == price_usd("pro")
    assert usage([free])["cost_usd"] == 0.0
    limits: Any = {"max_cost_usd": 1.5 * (price_usd("pro") or 0.0)}
    assert list(exceeded_limits([ended], [TURN], limits))
    assert not list(exceeded_limits([], [TURN], limits))


def test_a_cost_that_nobody_knows_is_shown_as_unknown() -> None:
    ended: Any = {**TURN, "processor": "core9x"}
    known: Any = {**ended, "cost_usd": 0.1}
    assert forecast([ended], [])["cost_usd"] is None
    assert forecast([known], [])["cost_usd"] == 0.1
    assert forecast([], [ended])["cost_usd"] is None
