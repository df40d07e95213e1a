"""The operator's limits are a ceiling: input and state only lower it, and only who may approves more."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.research import ResearchState, by_person

from .harness import Mode, Session, blocking_client, invoke, script

MORE: Any = {"action": "follow_up", "question": "More?", "reason": "thin"}
YES: Any = {"decisions": [{"type": "approve"}]}
NO: Any = {"decisions": [{"type": "reject", "message": "Too dear."}]}
NINE: Any = {"limits": {"max_cost_usd": 9.0}}
BOSSES = ("boss", "permission:research:approve")


def limited(mode: Mode, *verdicts: Any, **limits: Any) -> Session:
    how = {"max_runs_per_question": 20, **limits}
    return Session(mode, options={"evaluate": script(*verdicts), "limits": Limits(**how)})


def called_by(user: str | None, *permissions: str, thread: str = "thread") -> Any:
    """The config of a call that comes through a LangGraph server."""
    given = {"langgraph_auth_user_id": user, "langgraph_auth_permissions": list(permissions)}
    return {"configurable": {"thread_id": thread, "langgraph_request_id": "r", **given}}


def asked_of(session: Session) -> Any:
    (interrupt,) = session.graph().get_state(session.config).interrupts
    return interrupt.value


def answer(session: Session, given: Any, config: Any = None) -> Any:
    return invoke(session.mode, session.graph(), Command(resume=given), config or session.config)


# --- what a caller gives -------------------------------------------------------------------------


def test_a_question_cannot_raise_the_limits(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=0.05, on_exceed="stop")
    words = "max_cost_usd is 1e\\+09; this graph's own is 0.05, and a question can lower limits"
    with pytest.raises(InvalidRequest, match=words):
        session.ask("How large is it?", limits={"max_cost_usd": 1e9})
    out = session.ask("How large is it?")  # what was refused is in the state, and has no effect
    assert "the limit is $0.05." in out["verdict"]["reason"]
    assert session.runs == []


@pytest.mark.parametrize("seal", [{}, {"seal": "0" * 32}])
def test_an_edited_state_cannot_raise_them_either(mode: Mode, seal: Any) -> None:
    session = limited(mode, MORE, max_cost_usd=0.1)
    session.ask("How large is it?")
    session.graph().update_state(session.config, {"limits": {"max_cost_usd": 9.0, **seal}})
    session.ask(None)
    assert asked_of(session)["limits"] == {"max_cost_usd": 0.1}
    assert len(session.runs) == 1


def test_limits_that_a_person_raised_for_one_session_raise_no_other(mode: Mode) -> None:
    session = limited(mode, MORE, max_cost_usd=0.1)
    session.ask("How large is it?")
    raised = answer(session, {**YES, **NINE})["limits"]
    assert raised["max_cost_usd"] == 9.0
    session.options["evaluate"] = script(MORE)
    assert len(session.ask("And then?")["turns"]) == 4  # here they hold
    other = {"configurable": {"thread_id": "other"}}
    with pytest.raises(InvalidRequest, match="can lower limits"):
        session.ask("How large is it?", config=other, limits=raised)


def test_limits_from_a_parents_state_that_are_too_high_have_no_effect_and_are_logged(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    session = limited(mode, max_cost_usd=0.05, on_exceed="stop")
    inner = session.graph()
    parent: Any = StateGraph(ResearchState).add_node("research", inner)
    whole = parent.add_edge(START, "research").add_edge("research", END).compile()
    with caplog.at_level(logging.WARNING, "langchain_parallel"):
        out = invoke(mode, whole, {"question": "How large is it?", **NINE}, session.config)
    assert "the limit is $0.05." in out["verdict"]["reason"]
    assert "have no effect. limits: max_cost_usd is 9" in caplog.text


# --- what is in the state ------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["approve", "submit_branch"])
@pytest.mark.parametrize("edit", [{}, {"limits": {"max_cost_usd": float("nan")}}])
def test_a_task_that_is_sent_with_another_state_is_held_to_the_limits(
    mode: Mode, to: str, edit: Any
) -> None:
    """What `Send` carries comes through no channel."""
    session = limited(mode, max_cost_usd=0.1, on_exceed="stop")
    session.ask("How large is it?", processor="lite")
    first = session.state()["turns"][0]
    ids = {"run_id": "", "interaction_id": None, "key": "", "status": "planned"}
    planned = {**first, **ids, "position": 1, "round": 1, "question": "More?", "processor": "pro"}
    given = {"pending": planned, "turns": [], "ledger_id": session.state()["ledger_id"], **edit}
    how: Any = {"goto": Send(to, given)}
    with suppress(InvalidRequest):
        invoke(mode, session.graph(), Command(**how), called_by("anna"))
    assert len(session.runs) == 1


def test_runs_that_are_called_duplicates_count(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=0.15, on_exceed="stop")
    session.ask("How large is it?")
    first = session.state()["turns"][0]
    forged = {**first, "run_id": "trun_forged", "cost_usd": 0.0, "duplicates": [first["run_id"]]}
    (start,) = (s for s in session.graph().get_state_history(session.config) if s.next == ("plan",))
    for key in (first["key"], "another"):
        edit = {"turns": [{**forged, "key": key}], "ledger_id": first["ledger_id"]}
        fork = session.graph().update_state(start.config, edit, as_node="__start__")
        fork["configurable"] |= called_by("anna")["configurable"]
        out = session.ask("And then?", config=fork, processor="pro")
        assert "the limit is $0.15." in str(out["verdict"])
    assert len(session.runs) == 1


@pytest.mark.parametrize("on_exceed", ["ask", "stop"])
def test_what_askers_approve_in_forks_is_held_to_the_limits_together(
    mode: Mode, on_exceed: Any
) -> None:
    """An approval within the limits raises none, however many there are at one point of the session."""
    session = limited(mode, max_cost_usd=0.15, approve_above="core", on_exceed=on_exceed)
    config, approved = called_by("anna"), []
    given: Any
    for question in ("How large?", "Who leads?", "Since when?"):
        for given in ({"question": question}, Command(resume=YES)):
            stopped = session.graph()
            stopped.interrupt_before_nodes = ["submit"]
            invoke(mode, stopped, given, config)
        approved.append(session.graph().get_state(config).config["configurable"])
    for checkpoint in approved:
        at = {"configurable": {**config["configurable"], **checkpoint}}
        session.ask(None, config=at)
    assert len(session.runs) == 1


@pytest.mark.parametrize("forged", ["cleared", "approved"])
def test_a_plan_that_somebody_else_wrote_is_reviewed(mode: Mode, forged: str) -> None:
    session = limited(mode, approve_above="pro")
    session.ask("How large is it?", processor="ultra")
    pending = session.state()["pending"]
    for seal in ("0" * 32, True, 1, ["x"], None):
        edited = {"pending": {**pending, forged: seal}}
        session.graph().update_state(session.config, edited, as_node="plan")
        session.ask(None)
        assert asked_of(session)["reasons"] == ["ultra costs more than pro."]
    assert session.runs == []


def test_an_approval_is_for_one_point_of_one_session(mode: Mode) -> None:
    session = limited(mode, approve_above="pro")
    session.ask("How large is it?", processor="ultra")
    before = session.state()["ledger_id"]
    answer(session, YES)
    states = list(session.graph().get_state_history(session.config))
    (approved,) = {
        one.values["pending"]["approved"]: one.values["pending"]
        for one in states
        if (one.values.get("pending") or {}).get("approved") and not one.values["pending"]["run_id"]
    }.values()
    for moved in ({"position": 1}, {"ledger_position": 1}):
        again = {"pending": {**approved, **moved}, "ledger_id": before}
        session.graph().update_state(session.config, again, as_node="plan")
        session.ask(None)
        assert asked_of(session)["reasons"] == ["ultra costs more than pro."]
    elsewhere = {"pending": approved, "turns": [], "ledger_id": "tgrp_other"}
    session.graph().update_state(session.config, elsewhere, as_node="plan")
    session.ask(None)
    assert asked_of(session)["reasons"] == ["ultra costs more than pro."]
    assert len(session.runs) == 1


@pytest.mark.parametrize(
    "edit",
    [
        {"cost_usd": 0.0},
        {"cost_usd": -5.0},
        {"cost_usd": None, "processor": "lite"},
        {"status": "refused", "cost_usd": 0.0},
    ],
)
def test_behind_a_server_a_turn_counts_at_least_what_the_ledger_says(mode: Mode, edit: Any) -> None:
    session = limited(mode, max_cost_usd=0.11, on_exceed="stop")
    session.config = called_by("anna")
    out = session.ask("How large is it?")
    cheaper = {"turns": [{**out["turns"][0], **edit}]}
    session.graph().update_state(session.config, cheaper)
    out = session.ask("And then?")
    assert "This would bring the session to $0.125" in out["verdict"]["reason"]
    assert len(session.runs) == 1


def test_behind_a_server_seconds_count_as_the_ledger_says(mode: Mode) -> None:
    session = limited(mode, max_seconds=700, on_exceed="stop")
    session.config = called_by("anna")
    out = session.ask("How large is it?", processor="pro")
    faster = {"turns": [{**out["turns"][0], "started_at": None}]}
    session.graph().update_state(session.config, faster)
    before = len(session.simulator.requests)
    assert "seconds of research" in session.ask("And then?", processor="pro")["verdict"]["reason"]
    assert len(session.runs) == 1
    assert len(session.simulator.requests) - before < 8


# --- who may approve -----------------------------------------------------------------------------


def test_behind_a_server_nobody_raises_a_limit_unless_the_operator_names_who_may(
    mode: Mode,
) -> None:
    session = limited(mode, MORE, max_cost_usd=0.1)
    session.config = called_by("anna")
    out = session.ask("How large is it?")
    assert "Nobody may raise it here" in out["verdict"]["reason"]
    assert len(session.runs) == 1


def test_behind_a_server_the_asker_approves_what_is_within_the_limits(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=1.0, approve_above="pro")
    session.config = called_by("anna")
    session.ask("How large is it?", processor="ultra", limits={"max_cost_usd": 0.2})
    answer(session, {**YES, **NINE})
    assert "max_cost_usd at most 1" in asked_of(session)["refused"][0]
    assert session.runs == []
    answer(session, YES)  # above what the asker had set, and below the operator's
    assert [run["processor"] for run in session.runs] == ["ultra"]


def test_a_yes_to_a_price_is_none_to_a_limit_that_was_reached_meanwhile(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=0.012, approve_above="lite")
    session.config = called_by("anna")
    session.ask("How large is it?", processor="base")
    client = blocking_client(session.simulator)
    request = TaskRunInput(input="In another tab?", processor="lite")
    client.submit(session.state()["ledger_id"], request, position="elsewhere")
    out = answer(session, YES)
    assert "This would bring the session to $0.015" in out["verdict"]["reason"]
    assert [run["processor"] for run in session.runs] == ["lite"]


@pytest.mark.parametrize(
    ("who", "may"),
    [
        (called_by("anna"), False),
        (called_by("boss"), True),
        (called_by("anna", "research:approve"), True),
        (called_by("permission:research:approve"), False),
        (called_by(None), False),
    ],
)
def test_only_those_whom_the_operator_names_approve(mode: Mode, who: Any, may: bool) -> None:
    session = limited(mode, MORE, max_cost_usd=0.1, approvers=BOSSES)
    session.config = called_by("anna")
    session.ask("How large is it?")
    answer(session, {**YES, **NINE}, who)
    assert len(session.runs) == 1 + may
    if may:
        return
    assert "You may not approve this" in asked_of(session)["refused"][0]
    assert session.state().get("limits") is None
    answer(session, YES, called_by("boss"))
    assert len(session.runs) == 2


def test_the_answer_of_one_who_may_not_is_never_taken_for_anothers(mode: Mode) -> None:
    """The step runs again with all answers that it has had, under the config of whoever answers next."""
    session = limited(mode, MORE, max_cost_usd=0.1, approvers=["boss"])
    session.config = called_by("anna")
    session.ask("How large is it?")
    answer(session, {**YES, **NINE})
    out = answer(session, NO, called_by("boss"))
    assert out["verdict"]["reason"] == "Too dear."
    assert len(session.runs) == 1
    assert session.state().get("limits") is None


def test_everybody_may_decline(mode: Mode) -> None:
    session = limited(mode, MORE, max_cost_usd=0.1, approvers=["boss"])
    session.config = called_by("anna")
    session.ask("How large is it?")
    assert answer(session, NO)["verdict"]["reason"] == "Too dear."


def test_a_review_is_anybodys_and_its_limits_are_not(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=0.2, approvers=["boss"])
    session.options["evaluate"] = by_person()
    session.config = called_by("anna")
    session.ask("How large is it?")
    accept = {"decisions": [{"type": "approve"}]}
    answer(session, {**accept, **NINE})
    assert "You may not approve this" in asked_of(session)["refused"][1]
    assert answer(session, accept)["verdict"]["action"] == "accept"


@pytest.mark.parametrize("may", [True, False])
def test_a_function_says_who_may(mode: Mode, may: bool) -> None:
    def is_boss(config: Any) -> bool:
        return bool(config["configurable"]["role"] == "boss") and may

    session = limited(mode, approve_above="lite", approvers=is_boss)
    session.config["configurable"]["role"] = "boss"
    session.ask("How large is it?")
    answer(session, YES)
    assert len(session.runs) == may


def test_a_function_that_says_neither_yes_nor_no_ends_the_step(mode: Mode) -> None:
    session = limited(mode, approve_above="lite", approvers=lambda _: "yes")
    session.ask("How large is it?")
    with pytest.raises(InvalidRequest, match="`approvers` returned str; it must return True"):
        answer(session, YES)
    assert session.runs == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "approvers names nobody"),
        ("boss", r"approvers is text; give a list, such as \['boss'\]"),
        (["boss", ""], "approvers names ''"),
        ([1], "approvers names 1"),
        (["permission:"], "approvers names 'permission:'"),
        (7, "approvers is an int; give a list"),
        ({"boss": True}, "approvers is a dict; give a list"),
    ],
)
def test_wrong_approvers_are_refused_by_name(given: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Limits(approvers=given)


def test_a_seal_is_no_limit_that_a_person_gives(mode: Mode) -> None:
    session = limited(mode, approve_above="lite")
    session.ask("How large is it?")
    answer(session, {**YES, "limits": {"max_cost_usd": 9.0, "seal": "0" * 32}})
    assert "'seal' is no limit" in asked_of(session)["refused"][0]


def test_who_may_not_approve_raises_no_limit_beside_a_no(mode: Mode) -> None:
    session = limited(mode, max_cost_usd=0.05, approvers=["boss"])
    session.ask("How large is it?", config=called_by("anna"))
    answer(session, {**NO, **NINE}, called_by("anna"))
    assert "You may not approve" in asked_of(session)["refused"][0]
    answer(session, {**NO, **NINE}, called_by("boss"))
    assert session.state()["limits"]["max_cost_usd"] == 9.0
    assert session.runs == []
