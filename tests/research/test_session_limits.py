"""A session's limits: planned runs count before they are sent; past one a person is asked, or it stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.types import Command

from langchain_parallel.errors import CreditExhausted, InvalidRequest, StillRunning
from langchain_parallel.options import Limits, RequestOptions, SessionLimits
from langchain_parallel.processors import PROCESSORS
from langchain_parallel.research.usage import exceeded_limits, raise_limits, spent_usd, usage
from langchain_parallel.simulator import Fault, RunScript

from .harness import Mode, Session, client_of, invoke, script, stream

MORE: Any = {"action": "follow_up", "question": "More?", "reason": "thin"}
FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}
YES = {"decisions": [{"type": "approve"}]}
NINE_DOLLARS = {"limits": {"max_cost_usd": 9.0}}
NO = {"decisions": [{"type": "reject", "message": "Too dear."}]}


def asked_of(session: Session) -> Any:
    """The interrupt that the thread waits in."""
    (interrupt,) = session.graph().get_state(session.config).interrupts
    return interrupt.value


def answer(session: Session, given: Any) -> Any:
    return invoke(session.mode, session.graph(), Command(resume=given), session.config)


def unsealed(limits: Any) -> dict[str, Any]:
    """Limits that a person has raised, without the seal that proves it."""
    return {name: value for name, value in limits.items() if name != "seal"}


def limited(mode: Mode, limits: dict[str, Any], *verdicts: Any, **options: Any) -> Session:
    """A session with these limits, in which an evaluation may ask as often as it likes."""
    more = {"limits": Limits(**{"max_runs_per_question": 20, **limits}), **options}
    return Session(mode, options={"evaluate": script(*verdicts), **more})


# --- reached, and stopped ------------------------------------------------------------------------


def test_a_run_that_would_pass_a_limit_is_not_started(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.12, "on_exceed": "stop"}, MORE)
    out = session.ask("How large is it?")
    assert len(session.runs) == 1
    assert out["verdict"]["action"] == "stop"
    assert out["verdict"]["reason"] == "This would bring the session to $0.125; the limit is $0.12."
    assert out["answer"] == out["turns"][0]["content"]
    assert out["spent_usd"] == 0.1


def test_the_money_may_be_used_up_to_its_last_cent(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.15, "on_exceed": "stop"}, MORE, MORE, MORE)
    out = session.ask("How large is it?")
    assert len(session.runs) == 3
    assert out["spent_usd"] == 0.15


def test_not_even_a_first_run_passes_a_limit(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.05, "on_exceed": "stop"})
    out = session.ask("How large is it?")
    assert session.runs == []
    assert out["verdict"]["action"] == "stop"
    assert out["turns"] == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_runs": 1}, "This would bring the session to 2 runs; the limit is 1."),
        ({"max_seconds": 600}, "seconds of research; the limit is 600."),
    ],
)
def test_runs_and_seconds_are_limited_too(mode: Mode, limits: Any, reason: str) -> None:
    session = limited(mode, {**limits, "on_exceed": "stop"}, MORE, processor="pro")
    out = session.ask("How large is it?")
    assert len(session.runs) == 1
    assert reason in out["verdict"]["reason"]


def test_failed_runs_no_longer_count_against_the_limits(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1, "on_exceed": "stop"})
    session.simulator.scripts.add(RunScript("failed"))
    assert session.ask("How large is it?")["turns"][0]["status"] == "failed"
    out = session.ask("How large is it then?")
    assert [turn["status"] for turn in out["turns"]] == ["failed", "completed"]


def test_the_limits_are_the_sessions_over_all_its_questions(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.11, "on_exceed": "stop"})
    session.ask("How large is it?")
    out = session.ask("And next year?")
    assert len(session.runs) == 1
    assert out["verdict"]["action"] == "stop"


def test_a_session_may_be_given_its_own_limits(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 5.0, "on_exceed": "stop"}, MORE)
    out = session.ask("How large is it?", limits={"max_cost_usd": 0.1})
    assert len(session.runs) == 1
    assert "the limit is $0.10." in out["verdict"]["reason"]


def test_branches_are_reviewed_together(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.13, "on_exceed": "stop"}, FORK)
    out = session.ask("How large is it?")
    assert len(session.runs) == 1
    assert out["verdict"]["reason"] == "This would bring the session to $0.15; the limit is $0.13."


def test_a_processor_without_a_known_price_does_not_pass_a_limit_in_money(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 9.0, "on_exceed": "stop"})
    session.options["request"] = RequestOptions(allow_unknown_processor=True)
    client = client_of(mode, session.simulator, allow_unknown_processor=True)
    session.options["client"] = client
    out = session.ask("How large is it?", processor="core9x")
    assert session.runs == []
    assert "The price of core9x is not known, and the limit is $9.00." in out["verdict"]["reason"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_cost": 1}, r"'max_cost' is no limit; max_cost_usd, max_runs, max_seconds are"),
        ({"max_cost_usd": "1"}, r"max_cost_usd must be a number from 0 up"),
        ({"max_runs": -1}, r"max_runs must be a number"),
        ({"max_seconds": float("nan")}, r"max_seconds must be a number"),
        ({"max_seconds": float("inf")}, r"max_seconds must be a number"),
        ({"max_runs": True}, r"max_runs must be a number"),
        ([1.0], r"Limits are an object such as"),
    ],
)
def test_a_wrong_limit_is_refused_before_anything_is_sent(
    mode: Mode, limits: Any, words: str
) -> None:
    session = limited(mode, {})
    with pytest.raises(InvalidRequest, match=words):
        session.ask("How large is it?", limits=limits)
    assert session.simulator.requests == []


# --- reached, and asked --------------------------------------------------------------------------


def test_a_person_sees_the_amount_what_it_buys_and_what_was_found(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.ask("How large is it?")
    request = asked_of(session)
    assert request["kind"] == "spend"
    assert request["cost_usd"] == 0.025
    assert request["spent_usd"] == 0.1
    assert request["limits"] == {"max_cost_usd": 0.1}
    assert request["used_if_approved"]["cost_usd"] == 0.125
    (action,) = request["action_requests"]
    assert action["args"]["question"] == "More?"
    assert action["args"]["processor"] == "core-fast"
    (found,) = request["found"]
    assert found["question"] == "How large is it?"
    assert found["answer"]
    assert len(session.runs) == 1


def test_approval_raises_the_limits_as_far_as_needed_and_no_further(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE, MORE)
    session.ask("How large is it?")
    answer(session, YES)
    assert len(session.runs) == 2
    assert unsealed(session.state()["limits"]) == {"max_cost_usd": 0.125}
    assert asked_of(session)["used_if_approved"]["cost_usd"] == 0.15  # and asks again
    out = answer(session, {**YES, "limits": {"max_cost_usd": 1.0}})
    assert len(session.runs) == 3
    assert out["spent_usd"] == 0.15
    session.options["evaluate"] = script(MORE)
    assert len(session.ask("And next year?")["turns"]) == 5  # 1 USD holds


def test_a_rejection_stops_with_its_reason_and_keeps_what_was_found(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    first = session.ask("How large is it?")
    out = answer(session, NO)
    assert len(session.runs) == 1
    assert out["verdict"] == {"action": "stop", "reason": "Too dear.", "decided_by": "person"}
    assert out["answer"] == first["turns"][0]["content"]
    assert session.graph().get_state(session.config).next == ()


def test_what_is_asked_may_be_changed_before_it_is_paid_for(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.ask("How large is it?")
    action = {"name": "research", "args": {"question": "Only Europe?", "processor": "lite"}}
    out = answer(session, {"decisions": [{"type": "edit", "edited_action": action}]})
    second = out["turns"][1]
    assert (second["question"], second["processor"]) == ("Only Europe?", "lite")
    assert second["asked_by"] == "person"
    assert unsealed(session.state()["limits"]) == {"max_cost_usd": 0.105}


def test_some_branches_may_be_declined_and_others_not(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, FORK)
    session.ask("How large is it?")
    assert [a["args"]["question"] for a in asked_of(session)["action_requests"]] == [
        "Left?",
        "Right?",
    ]
    out = answer(session, {"decisions": [{"type": "reject"}, {"type": "approve"}]})
    assert [turn["question"] for turn in out["turns"]] == ["How large is it?", "Right?"]
    assert len(session.runs) == 2


def test_new_limits_that_are_too_low_are_refused_in_words(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.ask("How large is it?")
    answer(session, {**YES, "limits": {"max_cost_usd": 0.11}})
    assert "The new limits are too low." in asked_of(session)["refused"][0]
    assert len(session.runs) == 1
    answer(session, YES)
    assert len(session.runs) == 2


def test_another_question_in_between_replaces_the_one_that_waits(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.ask("How large is it?")
    requests = len(session.simulator.requests)
    session.options["limits"] = Limits(max_cost_usd=0.2)
    session.ask("And next year?", processor="lite")
    assert [run["processor"] for run in session.runs] == ["pro", "lite"]
    looks = [e for e in session.simulator.requests[requests:] if e.path.endswith("/runs")]
    assert len(looks) <= 2  # what was never sent is not looked for
    assert session.graph().get_state(session.config).next == ()


def test_without_a_checkpointer_no_person_can_be_asked_so_it_stops_and_keeps_the_answer(
    mode: Mode,
) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.checkpointer = None
    out = session.ask("How large is it?")
    assert out["verdict"]["action"] == "stop"
    assert "needs a checkpointer" in out["verdict"]["reason"]
    assert out["turns"][0]["status"] == "completed"


# --- above a processor ---------------------------------------------------------------------------


def test_above_a_processor_a_person_is_asked_first(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(approve_above="pro")})
    session.ask("How large is it?", processor="ultra")
    assert session.runs == []
    assert asked_of(session)["reasons"] == ["ultra costs more than pro."]
    answer(session, YES)
    assert [run["processor"] for run in session.runs] == ["ultra"]
    session.ask("And next year?")
    assert len(session.runs) == 2


def test_an_unknown_processor_for_approval_is_refused(mode: Mode) -> None:
    with pytest.raises(InvalidRequest, match="did you mean pro"):
        Session(mode, options={"limits": Limits(approve_above="prow")}).graph()


# --- no credit -----------------------------------------------------------------------------------


def test_without_credit_a_person_is_asked_as_for_a_limit(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 5.0})
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    session.ask("How large is it?")
    assert session.runs == []
    assert "credit" in asked_of(session)["reasons"][0]
    out = answer(session, YES)
    assert len(session.runs) == 1
    assert out["turns"][0]["status"] == "completed"


def test_without_credit_a_session_that_asks_no_person_stops(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 5.0, "on_exceed": "stop"})
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    out = session.ask("How large is it?")
    assert out["verdict"]["action"] == "stop"
    assert "credit" in out["verdict"]["reason"]
    assert len(session.ask("How large is it?")["turns"]) == 1


def test_without_credit_and_limits_there_is_an_error(session: Session) -> None:
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    with pytest.raises(CreditExhausted):
        session.ask("How large is it?")
    assert len(session.ask(None)["turns"]) == 1


def test_a_branch_without_credit_is_asked_about_once_the_others_are_done(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 5.0}, FORK)
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs", skip=1))
    session.ask("How large is it?")
    request = asked_of(session)
    assert len(request["action_requests"]) == 1
    assert len(session.runs) == 2
    assert len(session.state()["turns"]) == 2  # the other branch has its answer
    out = answer(session, YES)
    assert [turn["question"] for turn in out["turns"]] == ["How large is it?", "Left?", "Right?"]
    assert len(session.runs) == 3


def test_an_edited_branch_may_not_ask_what_one_beside_it_has_asked(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 5.0}, FORK)
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs", skip=2))
    session.ask("How large is it?")
    (left,) = asked_of(session)["action_requests"]
    twin = {"Left?": "Right?", "Right?": "Left?"}[left["args"]["question"]]
    action = {"name": "research", "args": {"question": twin}}
    answer(session, {"decisions": [{"type": "edit", "edited_action": action}]})
    assert "would both be paid for" in asked_of(session)["refused"][0]
    assert len(session.runs) == 2


# --- what was shown is what is decided on --------------------------------------------------------


def test_a_rejected_run_stays_unsent_if_it_needs_no_approval_any_more(mode: Mode) -> None:
    session = limited(mode, {"approve_above": "base"})
    session.ask("How large is it?")
    assert asked_of(session)
    session.options["limits"] = Limits()
    out = answer(session, NO)
    assert out["verdict"]["reason"] == "Too dear."
    assert session.runs == []


def test_branches_that_were_changed_after_they_were_cleared_are_reviewed_again(mode: Mode) -> None:
    session = limited(mode, {"approve_above": "pro"}, FORK)
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit_branch"]
    invoke(mode, graph, {"question": "How large is it?"}, session.config)
    branches = session.state()["branches"]
    changed = [{**branch, "processor": "ultra8x"} for branch in branches]
    graph.update_state(session.config, {"branches": changed}, as_node="plan")
    session.ask(None)
    assert [action["args"]["processor"] for action in asked_of(session)["action_requests"]] == [
        "ultra8x",
        "ultra8x",
    ]
    assert len(session.runs) == 1
    out = answer(session, {"decisions": [YES["decisions"][0], NO["decisions"][0]]})
    assert [run["processor"] for run in session.runs] == ["pro", "ultra8x"]
    assert [turn["question"] for turn in out["turns"]] == ["How large is it?", "Left?"]


# --- cost ----------------------------------------------------------------------------------------


def test_what_was_spent_is_streamed_after_each_turn(mode: Mode) -> None:
    session = limited(mode, {}, MORE)
    given = {"question": "How large is it?"}
    chunks = stream(mode, session.graph(), given, session.config, stream_mode="custom")
    spending = [chunk for chunk in chunks if chunk["type"] == "spending"]
    assert [(s["cost_usd"], s["spent_usd"]) for s in spending] == [(0.1, 0.1), (0.025, 0.125)]
    assert {s["run_id"] for s in spending} == {run["run_id"] for run in session.runs}


# --- the arithmetic ------------------------------------------------------------------------------

processors = st.sampled_from([*PROCESSORS, "core9x"])
statuses = st.sampled_from(["completed", "failed", "cancelled"])


@st.composite
def turns(draw: st.DrawFn) -> list[Any]:
    made = []
    for position in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, 100))
        end = start + draw(st.integers(0, 50))
        known = PROCESSORS.get(name := draw(processors))
        cost = draw(st.sampled_from([0.0, None, known.usd if known else None]))
        made.append(
            {
                "run_id": f"run {position}",
                "processor": name,
                "status": draw(statuses),
                "cost_usd": cost,
                "started_at": f"2026-01-01T00:{start // 60:02}:{start % 60:02}Z",
                "ended_at": f"2026-01-01T00:{end // 60:02}:{end % 60:02}.5Z",
            }
        )
    return made


planned = st.lists(st.builds(lambda name: {"processor": name}, processors), min_size=1, max_size=4)
dollars = st.floats(0, 10, allow_nan=False)


@given(turns(), planned, dollars, st.integers(0, 12), st.floats(0, 20_000))
def test_runs_pass_exactly_when_they_stay_within_every_limit(
    before: Any, runs: Any, most: float, most_runs: int, most_seconds: float
) -> None:
    limits = SessionLimits(max_cost_usd=most, max_runs=most_runs, max_seconds=most_seconds)
    after = usage(before, runs)
    unknown = any(run["processor"] not in PROCESSORS for run in runs)
    fits = (
        not unknown
        and after["cost_usd"] <= most + 1e-9
        and after["runs"] <= most_runs
        and after["seconds"] <= most_seconds
    )
    assert fits == (not list(exceeded_limits(before, runs, limits)))


@given(turns(), planned, dollars, st.integers(0, 12), st.floats(0, 20_000))
def test_raised_limits_let_pass_what_they_were_raised_for(
    before: Any, runs: Any, most: float, most_runs: int, most_seconds: float
) -> None:
    limits = SessionLimits(max_cost_usd=most, max_runs=most_runs, max_seconds=most_seconds)
    higher = raise_limits(limits, usage(before, runs))
    left = list(exceeded_limits(before, runs, higher))
    assert all("is not known" in words for words in left)
    assert higher.keys() == limits.keys()


@given(turns())
def test_time_counts_once_however_many_runs_were_active(some: Any) -> None:
    seconds = usage(some)["seconds"]
    assert seconds <= 151.0
    assert usage([*some, *some])["seconds"] == seconds
    assert spent_usd(some) <= usage(some)["cost_usd"] + 1e-9


# --- attacked ------------------------------------------------------------------------------------


def test_under_stop_approving_an_expensive_run_does_not_raise_the_limit(mode: Mode) -> None:
    limits = {"max_cost_usd": 1.0, "on_exceed": "stop", "approve_above": "pro"}
    session = limited(mode, limits)
    out = session.ask("How large is it?", processor="ultra8x")
    assert out["verdict"]["action"] == "stop"
    session.ask("How large is it?", processor="ultra")
    assert asked_of(session)["reasons"] == ["ultra costs more than pro."]
    answer(session, YES)
    assert [run["processor"] for run in session.runs] == ["ultra"]


def test_under_stop_an_edit_to_a_more_expensive_processor_does_not_raise_the_limit(
    mode: Mode,
) -> None:
    limits = {"max_cost_usd": 1.0, "on_exceed": "stop", "approve_above": "pro"}
    session = limited(mode, limits)
    session.ask("How large is it?", processor="ultra")
    action = {"name": "research", "args": {"processor": "ultra8x"}}
    answer(session, {"decisions": [{"type": "edit", "edited_action": action}]})
    request = asked_of(session)
    assert request["refused"] == ["This would bring the session to $2.40; the limit is $1.00."]
    assert request["limits"] == {"max_cost_usd": 1.0}
    assert session.runs == []
    answer(session, {"decisions": [{"type": "edit", "edited_action": action}], **NINE_DOLLARS})
    assert [run["processor"] for run in session.runs] == ["ultra8x"]  # a person has set others


def test_under_ask_an_edit_to_a_more_expensive_processor_raises_the_limit_to_its_price(
    mode: Mode,
) -> None:
    session = limited(mode, {"max_cost_usd": 1.0, "approve_above": "pro"})
    session.ask("How large is it?", processor="ultra")
    action = {"name": "research", "args": {"processor": "ultra8x"}}
    out = answer(session, {"decisions": [{"type": "edit", "edited_action": action}]})
    assert unsealed(out["limits"]) == {"max_cost_usd": 2.4}
    assert out["spent_usd"] == 2.4


def test_what_is_asked_for_is_what_is_used_where_other_branches_are_on_their_way(
    mode: Mode,
) -> None:
    """Left is on its way, Right was not started for want of credit, and the limit was lowered since."""
    session = limited(mode, {"max_cost_usd": 5.0}, FORK, timeout=700.0)
    session.simulator.scripts.add(RunScript(contains="Left?", seconds=1_000.0))
    broke = Fault("payment_required", method="POST", contains="Right?", times=None)
    session.simulator.faults.add(broke)
    with pytest.raises(StillRunning):
        session.ask("How large is it?")
    session.simulator.faults.clear()
    assert len(session.runs) == 2
    session.options["timeout"] = None

    lower = {"limits": {"max_cost_usd": 0.12, "max_runs": 2}}
    invoke(mode, session.graph(), lower, session.config)
    request = asked_of(session)
    assert [a["args"]["question"] for a in request["action_requests"]] == ["Right?"]
    assert request["cost_usd"] == 0.025
    assert request["spent_usd"] == 0.1
    assert "This would bring the session to $0.15; the limit is $0.12." in request["reasons"]
    assert "This would bring the session to 3 runs; the limit is 2." in request["reasons"]
    out = answer(session, YES)
    used = usage(out["turns"])
    assert used["runs"] == request["used_if_approved"]["runs"] == len(session.runs) == 3
    assert used["cost_usd"] == request["used_if_approved"]["cost_usd"] == out["spent_usd"] == 0.15
    assert used["cost_usd"] == session.simulator.billing.total_usd
    assert unsealed(out["limits"]) == {"max_cost_usd": 0.15, "max_runs": 3}


def test_every_branch_without_credit_is_a_turn_where_a_person_declines(mode: Mode) -> None:
    three: Any = {**FORK, "questions": [*FORK["questions"], {"question": "Below?"}]}
    session = limited(mode, {"max_cost_usd": 5.0}, three)
    session.simulator.faults.add(Fault("payment_required", method="POST", contains="Right?"))
    session.simulator.faults.add(Fault("payment_required", method="POST", contains="Below?"))
    session.ask("How large is it?")
    out = answer(session, {"decisions": [{"type": "reject"}, {"type": "reject"}]})
    assert [(turn["question"], turn["status"]) for turn in out["turns"][1:]] == [
        ("Left?", "completed"),
        ("Right?", "refused"),
        ("Below?", "refused"),
    ]
    assert session.graph().get_state(session.config).next == ()
    assert len(session.runs) == 2


def test_what_a_person_approves_is_checked_as_it_is_then(mode: Mode) -> None:
    """The state may have been edited while the question was open."""
    strict = RequestOptions(strict=True)
    session = Session(mode, options={"limits": Limits(approve_above="lite"), "request": strict})
    session.ask("How large is it?")
    pending = session.state()["pending"]
    wrong = {"pending": {**pending, "question": "x" * 26_000}}
    session.graph().update_state(session.config, wrong, as_node="plan")
    session.ask(None)
    answer(session, YES)
    assert "over the 25,000 allowed" in asked_of(session)["refused"][0]
    assert session.simulator.billing.total_usd == 0


def test_a_plan_changed_after_approval_is_asked_about_again(mode: Mode) -> None:
    session = Session(mode, options={"limits": Limits(approve_above="pro")})
    graph = session.graph()
    more = {"interrupt_before": ["submit"], "durability": "sync"}
    graph.invoke({"question": "How large is it?"}, session.config, **more) if mode == "sync" else (
        asyncio.run(graph.ainvoke({"question": "How large is it?"}, session.config, **more))
    )
    pending = session.state()["pending"]
    graph.update_state(session.config, {"pending": {**pending, "processor": "ultra8x"}})
    session.ask(None)
    assert session.runs == []
    assert asked_of(session)["reasons"] == ["ultra8x costs more than pro."]
    answer(session, YES)
    assert [run["processor"] for run in session.runs] == ["ultra8x"]


def test_two_branches_cannot_be_edited_into_the_same_question(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, FORK)
    session.ask("How large is it?")
    same = {"name": "research", "args": {"question": "Right?", "processor": "core-fast"}}
    edited = {"type": "edit", "edited_action": same}
    answer(session, {"decisions": [edited, {"type": "approve"}]})
    assert "ask the same" in asked_of(session)["refused"][0]
    assert len(session.runs) == 1


def test_only_the_run_itself_can_be_edited_where_money_is_asked_for(mode: Mode) -> None:
    session = limited(mode, {"max_cost_usd": 0.1}, MORE)
    session.ask("How large is it?")
    for args, name, words in (
        ({}, "stop", "cannot be done here"),
        ({"continue_from": "intr_nonsense"}, "research", "is no interaction of the session"),
    ):
        edited = {"type": "edit", "edited_action": {"name": name, "args": args}}
        answer(session, {"decisions": [edited]})
        assert words in asked_of(session)["refused"][0]
    assert len(session.runs) == 1


@pytest.mark.parametrize("on_exceed", ["ask", "stop"])
def test_branches_with_answers_are_judged_where_one_has_no_credit(
    mode: Mode, on_exceed: str
) -> None:
    judged: list[str] = []
    verdicts = script(FORK)

    def evaluate(state: Any, turn: Any) -> Any:
        judged.append(turn["question"])
        return verdicts(state, turn)

    session = limited(mode, {"max_cost_usd": 5.0, "on_exceed": on_exceed})
    session.options["evaluate"] = evaluate
    broke = Fault("payment_required", method="POST", contains="Right?", times=None)
    session.simulator.faults.add(broke)
    out = session.ask("How large is it?")
    if on_exceed == "ask":
        out = answer(session, NO)
    assert [turn["status"] for turn in out["turns"]] == ["completed", "completed", "refused"]
    assert out["answer"] == out["turns"][1]["content"]
    assert out["interaction_id"] == out["turns"][1]["interaction_id"]
    assert judged == ["How large is it?", "Right?"]
    assert session.graph().get_state(session.config).next == ()


def test_limits_given_beside_the_question_make_missing_credit_a_question_too(mode: Mode) -> None:
    session = Session(mode)
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    session.ask("How large is it?", limits={"max_cost_usd": 5.0})
    assert "credit" in asked_of(session)["reasons"][0]
