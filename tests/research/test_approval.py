"""What was cleared or approved is what is sent, and what is counted against the limits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from langchain_parallel._graph.seals import Seals
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits, Quota
from langchain_parallel.processors import price_usd
from langchain_parallel.research.approval import (
    above_price,
    check_asked_once,
    check_raised,
    final_objections,
    limit_objections,
    price_objections,
    to_review,
)
from langchain_parallel.research.spending_rules import SpendingRules, may_approve
from langchain_parallel.research.usage import (
    exceeded_limits,
    exceeded_quotas,
    forecast,
    price_of,
    raise_limits,
    spent_usd,
    usage,
)

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


# --- usage ---------------------------------------------------------------------------------------


def ended_turn(processor: str = "pro", **more: Any) -> Any:
    return {**TURN, "processor": processor, "run_id": "trun_1", "status": "completed", **more}


def planned_turn(processor: str = "pro", **more: Any) -> Any:
    return {**TURN, "processor": processor, **more}


def test_planned_turns_count_with_their_price_and_the_longest_time_of_all() -> None:
    first = {"started_at": "2025-06-15T10:00:00Z", "ended_at": "2025-06-15T10:01:40.5Z"}
    turns = [
        ended_turn(cost_usd=0.1, **first),
        ended_turn("lite", cost_usd=None),  # it counts with its list price
        ended_turn(status="refused", cost_usd=0.0),  # it never was a run
    ]
    assert usage(turns) == {"cost_usd": 0.105, "runs": 2, "seconds": 100.5}
    plan = [planned_turn("lite"), planned_turn("base"), planned_turn("core9x")]
    assert usage(turns, plan) == {"cost_usd": 0.12, "runs": 5, "seconds": 280.5}
    assert usage([], [planned_turn("core9x")]) == {"cost_usd": 0.0, "runs": 1, "seconds": 0.0}


@pytest.mark.parametrize("cost", [None, -1.0, float("nan"), "0.0"])
def test_a_cost_that_is_none_counts_as_the_list_price(cost: Any) -> None:
    assert usage([ended_turn("base", cost_usd=cost)])["cost_usd"] == 0.01
    assert usage([ended_turn("core9x", cost_usd=cost)])["cost_usd"] == 0.0
    assert usage([ended_turn("base", cost_usd=0)])["cost_usd"] == 0.0


def test_only_known_costs_are_spent() -> None:
    turns = [ended_turn(cost_usd=0.1), ended_turn(cost_usd=0.2), ended_turn(cost_usd=None)]
    assert spent_usd(turns) == 0.3
    odd = ended_turn(cost_usd=0.12345678)
    assert spent_usd([odd]) == usage([odd])["cost_usd"] == 0.123457
    assert price_of([planned_turn("lite"), planned_turn("base")]) == 0.015
    assert price_of([planned_turn("lite"), planned_turn("core9x")]) is None


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, []),
        ({"max_cost_usd": 0.2, "max_runs": 2, "max_seconds": 600}, []),
        ({"max_cost_usd": 0.1 + 0.1 - 1e-12}, []),  # sums of floats
        (
            {"max_cost_usd": 0.1999999},
            ["This would bring the session to $0.20; the limit is $0.199999."],
        ),
        ({"max_cost_usd": 0.0}, ["This would bring the session to $0.20; the limit is $0.00."]),
        ({"max_runs": 1.9}, ["This would bring the session to 2 runs; the limit is 1."]),
        (
            {"max_seconds": 599.5},
            ["This could bring the session to 600 seconds of research; the limit is 599."],
        ),
    ],
)
def test_limits_are_passed_by_more_than_they_allow(limits: Any, said: list[str]) -> None:
    assert [*exceeded_limits([ended_turn(cost_usd=0.1)], [planned_turn()], limits)] == said


def test_what_has_no_known_price_passes_a_limit_in_money() -> None:
    limits: Any = {"max_cost_usd": 0.29}
    one, other = planned_turn("core9x"), planned_turn("core8x")
    [said] = exceeded_limits([], [one, planned_turn("lite")], limits)
    assert said == "The price of core9x is not known, and the limit is $0.29."
    [said] = exceeded_limits([], [one, other, one], limits)
    assert said == "The prices of core8x and core9x are not known, and the limit is $0.29."
    assert [*exceeded_limits([], [one], {"max_runs": 1})] == []


def test_limits_are_raised_where_they_are_too_low() -> None:
    limits: Any = {"max_cost_usd": 0.1, "max_runs": 9}
    needed = usage([ended_turn(cost_usd=0.1)], [planned_turn()])
    assert raise_limits(limits, needed) == {"max_cost_usd": 0.2, "max_runs": 9}


def test_only_what_has_no_run_and_is_not_declined_takes_more_of_a_quota() -> None:
    quota: Any = {
        "per": "all",
        "who": "",
        "every": "day",
        "max_cost_usd": 0.1,
        "used_usd": 0.0,
        "reserved_usd": 0.0,
        "resets_at": "2025-06-16T00:00:00Z",
    }
    larger: Any = {**quota, "max_cost_usd": 0.2}
    plan = [planned_turn(), ended_turn(), planned_turn(status="declined")]
    assert [*exceeded_quotas(plan, [quota])] == []
    [said] = exceeded_quotas([planned_turn(), *plan], [quota, larger])
    assert "so $0.20 more has to wait" in said


# --- objections ----------------------------------------------------------------------------------


def rules(
    paid_connectors: tuple[str, ...] = (), config: Any = None, **limits: Any
) -> SpendingRules:
    door: Any = SimpleNamespace(
        clients=DOOR.clients,
        limits=Limits(**limits),
        options=SimpleNamespace(paid_connectors=paid_connectors),
    )
    given: RunnableConfig = {} if config is None else config
    return SpendingRules(door, "tgrp_1", given)


def test_what_are_no_limits_is_refused_where_no_channel_has_checked_it() -> None:
    given: Any = {"max_cost_usd": float("nan")}
    with pytest.raises(InvalidRequest, match="max_cost_usd"):
        SpendingRules(DOOR, "tgrp_1", {}, given)


def test_what_costs_more_than_may_be_spent_without_asking_is_named() -> None:
    assert above_price(["pro", "lite"], None) == []
    assert above_price(["lite", "base"], "base") == []
    assert above_price(["pro", "lite", "pro"], "base") == ["pro costs more than base."]
    assert above_price(["ultra", "pro"], "base") == ["pro and ultra cost more than base."]


def test_what_a_person_has_approved_needs_no_approval_of_its_price() -> None:
    asking = rules(approve_above="base")
    approved = asking.approve(TURN, passes_limits=False)
    assert price_objections([TURN], asking) == ["pro costs more than base."]
    assert price_objections([approved], asking) == []
    assert price_objections([TURN], rules()) == []


def test_paid_connectors_have_no_known_price() -> None:
    billed = "Calls of carbonarc and other are billed on top, at a price that is not known"
    names = ("carbonarc", "other")
    asking = rules(names, approve_above="ultra")
    approved = asking.approve(TURN, passes_limits=False)
    said = f"{billed}, and what costs more than ultra needs an approval."
    assert price_objections([TURN], asking) == [said]
    assert price_objections([approved], asking) == price_objections([], asking) == []
    assert price_objections([TURN], rules(approve_above="ultra")) == []
    assert price_objections([TURN], rules(names)) == []
    dear = rules(names, approve_above="base")
    assert price_objections([TURN], dear) == ["pro costs more than base."]
    limited = rules(names, max_cost_usd=9.0)
    assert limit_objections([], [TURN], [TURN], limited) == [
        f"{billed}, and there is a limit in USD."
    ]
    assert limit_objections([], [TURN], [TURN], rules(names, max_runs=1)) == []
    assert limit_objections([], [TURN], [TURN], rules(max_cost_usd=9.0)) == []
    quotas = [Quota(max_cost_usd=9.0, per="all")]
    assert len(limit_objections([], [TURN], [TURN], rules(names, quotas=quotas))) == 1


def test_a_yes_beyond_the_limits_is_no_credit() -> None:
    asking = rules(max_cost_usd=0.01)
    [passed] = limit_objections([], [TURN], [TURN], asking)
    assert passed == "This would bring the session to $0.10; the limit is $0.01."
    approved = asking.approve(TURN, passes_limits=True)
    assert limit_objections([], [approved], [approved], asking) == []
    broke: Any = {**approved, "no_credit": True}
    [credit] = limit_objections([], [broke], [broke], asking)
    assert credit == "The account has not enough credit; add some, then approve."
    both = limit_objections([], [approved, TURN], [approved, TURN], asking)
    assert both == ["This would bring the session to $0.20; the limit is $0.01."]


THROUGH_SERVER: Any = {"configurable": {"langgraph_request_id": "r"}}


def test_what_nobody_may_raise_is_final() -> None:
    too_much = "This would bring the session to $0.10; the limit is $0.01."
    nobody = "Nobody may raise it here, because `Limits` names no `approvers`."

    def final(asking: SpendingRules, turn: Any = TURN) -> list[str]:
        return final_objections([], [turn], [turn], asking)

    assert final(rules(max_cost_usd=0.01)) == []  # one's own process
    assert final(rules(max_cost_usd=0.01, on_exceed="stop")) == [too_much]
    assert final(rules(max_cost_usd=9.0, on_exceed="stop")) == []
    there = rules(config=THROUGH_SERVER, max_cost_usd=0.01)
    assert final(there) == [too_much, nobody]
    assert final(there, there.approve(TURN, passes_limits=True)) == []
    assert final(there, there.approve(TURN, passes_limits=False)) == [too_much, nobody]
    assert final(rules(config=THROUGH_SERVER, max_cost_usd=0.01, approvers=["boss"])) == []
    assert final(rules(config=THROUGH_SERVER, max_cost_usd=9.0)) == []
    dear = final(rules(("carbonarc",), THROUGH_SERVER, max_cost_usd=9.0))
    assert len(dear) == 2
    assert dear[1] == nobody
    used: Any = {
        "per": "all",
        "who": "",
        "every": "day",
        "max_cost_usd": 0.1,
        "used_usd": 0.05,
        "reserved_usd": 0.0,
        "resets_at": "2025-06-16T00:00:00Z",
    }
    empty = final(replace(rules(config=THROUGH_SERVER), quotas=[used]))
    assert len(empty) == 2
    assert "so $0.10 more has to wait" in empty[0]


def test_limits_above_the_ceiling_are_refused() -> None:
    there = rules(config=THROUGH_SERVER, max_cost_usd=0.5, max_runs=3)
    check_raised({"max_cost_usd": 0.5, "max_runs": 3}, there)
    check_raised({"max_runs": 1, "max_seconds": 9}, there)
    with pytest.raises(InvalidRequest, match=r"That passes max_cost_usd at most 0\.5\.") as raised:
        check_raised({"max_cost_usd": 0.6, "max_runs": 3}, there)
    assert "Nobody may raise it here" in str(raised.value)
    with pytest.raises(InvalidRequest, match=r"max_cost_usd at most 0\.5, max_runs at most 3"):
        check_raised({"max_cost_usd": 0.6, "max_runs": 4}, there)
    own = rules(max_cost_usd=0.5)
    check_raised({"max_cost_usd": 9.0}, own)
    with pytest.raises(InvalidRequest, match="You may not approve this"):
        check_raised({"max_cost_usd": 9.0}, own, may=False)


def test_two_turns_that_ask_the_same_are_refused() -> None:
    other: Any = {**TURN, "question": "How small is it?"}
    check_asked_once([TURN, other], [])
    for turns, beside in (([TURN, TURN], []), ([other, TURN], [TURN]), ([other, TURN, other], [])):
        with pytest.raises(InvalidRequest, match="would both be paid for"):
            check_asked_once(turns, beside)


def test_limits_that_lower_and_raise_the_doors_own() -> None:
    door = rules(max_cost_usd=1.0, max_runs=5).door
    lower: Any = {"max_cost_usd": 0.5, "max_runs": 9, "max_seconds": 60}
    given = SpendingRules(door, "tgrp_1", {}, lower)
    assert given.limits == {"max_cost_usd": 0.5, "max_runs": 5, "max_seconds": 60}
    assert given.ceiling == {"max_cost_usd": 1.0, "max_runs": 5}
    assert given.raised_by_caller() == {"max_runs": 9}
    assert SpendingRules(door, "tgrp_1", {}).limits == {"max_cost_usd": 1.0, "max_runs": 5}
    same: Any = {"max_cost_usd": 1.0, "max_runs": 5}
    assert given.seal_limits(same) == same  # nothing is raised, so there is nothing to prove
    raised = given.seal_limits({"max_cost_usd": 2.0, "max_runs": 4})
    assert {*raised} == {"max_cost_usd", "max_runs", "seal"}
    believed = SpendingRules(door, "tgrp_1", {}, raised)
    assert believed.limits == {"max_cost_usd": 2.0, "max_runs": 4}
    assert believed.ceiling == {"max_cost_usd": 2.0, "max_runs": 5}
    assert believed.raised_by_caller() == {}


def test_a_turn_that_is_cleared_is_no_longer_on_hold() -> None:
    waiting: Any = {**TURN, "on_hold": "why", "no_credit": True}
    cleared = RULES.clear(waiting)
    assert {*cleared} == {*TURN, "cleared"}


def test_a_position_in_the_ledger_counts_before_one_in_the_session() -> None:
    cleared = RULES.clear(turn(TURN, {"ledger_position": "7"}))
    assert RULES.is_cleared(turn(cleared, {"position": "2"}))
    assert not RULES.is_cleared(turn(cleared, {"ledger_position": "8"}))


def user(name: str | None, *permissions: str) -> Any:
    given = {"langgraph_auth_user_id": name, "langgraph_auth_permissions": list(permissions)}
    return {"configurable": {"langgraph_request_id": "r", **given}}


@pytest.mark.parametrize(
    ("approvers", "config", "may"),
    [
        (None, {}, True),
        (["boss"], user("boss"), True),
        (["boss"], user("anna"), False),
        (["boss"], user(None), False),
        (["permission:pay"], user("anna", "pay"), True),
        (["permission:pay"], user(None, "pay"), True),
        (["permission:pay"], user("anna", "read"), False),
        (["permission:pay"], user("permission:pay"), False),
        (lambda config: "x" in config, {"x": 1}, True),
        (lambda config: "x" in config, {}, False),
    ],
)
def test_who_may_approve(approvers: Any, config: Any, may: bool) -> None:
    assert may_approve(Limits(approvers=approvers), config) is may


@pytest.mark.parametrize("said", [None, 1, "yes"])
def test_a_function_of_approvers_returns_true_or_false(said: Any) -> None:
    with pytest.raises(InvalidRequest, match="must return True or False"):
        may_approve(Limits(approvers=lambda config: said), {})
