"""Several questions at the same time: each its own head, joined in order, and none stops another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.types import Command

from langchain_parallel.errors import InvalidRequest, ParallelError, ServerFault, StillRunning
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, RunScript

from .harness import Mode, Session, invoke, script

TEN_RUNS = Limits(max_runs_per_question=10)
LAW = {"type": "object", "properties": {"law": {"type": "string"}}}
THREE: Any = {
    "action": "branch",
    "reason": "three sides",
    "questions": [
        {"question": "Its makers?"},
        {"question": "Its buyers?", "processor": "lite"},
        {
            "question": "Its rules?",
            "output_schema": {"type": "object", "properties": {"law": {"type": "string"}}},
        },
    ],
}


@pytest.fixture
def session(mode: Mode) -> Session:
    return Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})


def test_branches_start_from_the_turn_that_was_judged(session: Session) -> None:
    out = session.ask("Map the landscape")
    first, *branches = out["turns"]
    assert [turn["question"] for turn in branches] == ["Its makers?", "Its buyers?", "Its rules?"]
    assert {turn["parent_interaction_id"] for turn in branches} == {first["interaction_id"]}
    assert len({turn["interaction_id"] for turn in branches}) == 3
    assert [turn["processor"] for turn in branches] == ["core-fast", "lite", "core-fast"]
    assert set(branches[2]["content"]) == {"law"}
    assert [turn["position"] for turn in out["turns"]] == [0, 1, 2, 3]
    assert [turn["round"] for turn in out["turns"]] == [0, 1, 1, 1]
    assert len(session.runs) == 4
    assert out["spent_usd"] == pytest.approx(0.1 + 0.025 + 0.005 + 0.025)


def test_a_branch_does_not_see_its_siblings(session: Session) -> None:
    out = session.ask("Map the landscape")
    makers = json.dumps(out["turns"][1]["content"])
    assert "Map the landscape" in makers
    assert "Its buyers?" not in makers


def test_the_last_branch_with_an_answer_is_the_head(session: Session) -> None:
    out = session.ask("Map the landscape")
    assert out["interaction_id"] == out["turns"][3]["interaction_id"]
    after = session.ask("And next year?")
    assert after["turns"][4]["parent_interaction_id"] == out["interaction_id"]


def test_branches_may_start_anywhere_in_the_session(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(None), "limits": TEN_RUNS})
    root = session.ask("Map the landscape")["interaction_id"]
    fork: Any = {
        "action": "branch",
        "questions": [
            {"question": "Its makers?", "continue_from": root},
            {"question": "Its rules?"},
        ],
    }
    session.options["evaluate"] = script(fork)
    out = session.ask("Its buyers?")
    second = out["turns"][1]["interaction_id"]
    assert [turn["parent_interaction_id"] for turn in out["turns"][2:]] == [root, second]


def test_all_branches_are_waited_for_at_the_same_time(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    session.ask("Map the landscape")
    waits = [
        index
        for index, entry in enumerate(session.simulator.requests)
        if entry.path.endswith("/events") or entry.path.endswith("/result")
    ]
    posts = [
        index
        for index, entry in enumerate(session.simulator.requests)
        if entry.method == "POST" and entry.path.endswith("/runs")
    ]
    assert len(posts) == 4
    assert not any(
        posts[1] < wait < posts[3] for wait in waits
    )  # all started before one is waited for


def test_a_branch_that_fails_stops_no_other(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    session.simulator.scripts.add(
        RunScript("failed", contains="Its buyers", message="No such buyers.")
    )
    out = session.ask("Map the landscape")
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 2 + ["failed", "completed"]
    assert "No such buyers" in out["turns"][2]["error"]
    assert out["turns"][2]["cost_usd"] == 0.0
    assert out["answer"]["law"] == out["turns"][3]["content"]["law"]


def test_a_branch_that_is_refused_is_reported_and_stops_no_other(session: Session) -> None:
    refusal = Fault("status_before", status=422, method="POST", path="*/runs", skip=2)
    session.simulator.faults.add(refusal)
    out = session.ask("Map the landscape")
    statuses = [turn["status"] for turn in out["turns"]]
    assert statuses.count("refused") == 1
    assert statuses.count("completed") == 3
    (refused,) = (turn for turn in out["turns"] if turn["status"] == "refused")
    assert refused["run_id"] == ""
    assert refused["cost_usd"] == 0.0
    assert len(session.runs) == 3


def test_every_branch_that_is_refused_is_a_turn_of_its_own(session: Session) -> None:
    session.simulator.faults.add(
        Fault("status_before", status=422, method="POST", contains="Its ", times=None)
    )
    out = session.ask("Map the landscape")
    assert [turn["question"] for turn in out["turns"][1:]] == [
        "Its makers?",
        "Its buyers?",
        "Its rules?",
    ]
    assert [turn["status"] for turn in out["turns"]] == ["completed"] + ["refused"] * 3
    assert len({turn["key"] for turn in out["turns"]}) == 4
    assert len(session.runs) == 1
    assert session.graph().get_state(session.config).next == ()


def test_branches_that_all_fail_leave_the_head_where_it_was(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    session.simulator.scripts.add(RunScript("failed", contains="Its ", times=None))
    out = session.ask("Map the landscape")
    assert out["interaction_id"] == out["turns"][0]["interaction_id"]
    assert out["answer"] == out["turns"][0]["content"]


def test_more_branches_than_runs_are_left_stop(mode: Mode) -> None:
    session = Session(
        mode, options={"evaluate": script(THREE), "limits": Limits(max_runs_per_question=3)}
    )
    out = session.ask("Map the landscape")
    assert len(session.runs) == 1
    reason = (
        "The answer stands: a question gets 3 runs at most (max_runs_per_question). "
        "Not asked further: three sides"
    )
    assert out["verdict"] == {"action": "stop", "reason": reason}


def test_the_verdict_on_a_round_is_kept_with_each_of_its_turns(mode: Mode) -> None:
    stop: Any = {"action": "stop", "reason": "enough seen"}
    session = Session(mode, options={"evaluate": script(THREE, stop), "limits": TEN_RUNS})
    out = session.ask("Map the landscape")
    assert out["turns"][0]["verdict"]["reason"] == "three sides"
    assert [turn["verdict"] for turn in out["turns"][1:]] == [stop] * 3


def test_a_session_that_branched_is_replayed_without_paying_again(session: Session) -> None:
    session.ask("Map the landscape")
    graph = session.graph()
    snapshots = list(graph.get_state_history(session.config))
    before = [s for s in snapshots if s.next and "submit_branch" in s.next]
    assert before
    session.options["evaluate"] = script()
    session.ask(None, config=before[-1].config)
    assert len(session.runs) == 4


def test_what_cannot_be_waited_for_is_done_when_the_thread_is_resumed(mode: Mode) -> None:
    session = Session(
        mode,
        options={
            "evaluate": script(THREE, None),
            "limits": TEN_RUNS,
            "timeout": 30.0,
        },
    )
    session.options["processor"] = "lite"
    session.simulator.scripts.add(RunScript(contains="Its rules", seconds=100.0))
    with pytest.raises(StillRunning) as caught:
        session.ask("Map the landscape")
    assert caught.value.run_id
    session.options["timeout"] = 600.0
    out = session.ask(None)
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 4
    assert len(session.runs) == 4


def test_another_question_in_between_leaves_no_paid_branch_behind(mode: Mode) -> None:
    session = Session(
        mode,
        options={
            "evaluate": script(THREE, None),
            "limits": TEN_RUNS,
            "timeout": 30.0,
        },
    )
    session.options["processor"] = "lite"
    session.simulator.scripts.add(RunScript(contains="Its ", seconds=100.0, times=None))
    with pytest.raises(StillRunning):
        session.ask("Map the landscape")
    assert len(session.runs) == 4
    out = session.ask("Something else?")
    kept = {turn["run_id"] for turn in out["turns"]}
    assert {run["run_id"] for run in session.runs} == kept
    assert [turn["status"] for turn in out["turns"]].count("unfinished") == 3
    positions = [turn["position"] for turn in out["turns"]]
    assert positions == sorted(set(positions))


def test_a_branch_that_cannot_be_started_at_first_is_started_after_the_others(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    lost = Fault("drop_before", method="POST", path="*/runs", contains="Its buyers", times=4)
    session.simulator.faults.add(lost)
    out = session.ask("Map the landscape")
    asked = [turn["question"] for turn in out["turns"]]
    assert asked == ["Map the landscape", "Its makers?", "Its buyers?", "Its rules?"]
    assert len(session.runs) == 4
    started = [run["interaction_id"] for run in session.runs]
    assert started[-1] == out["turns"][2]["interaction_id"]


def test_a_branch_that_cannot_be_read_raises_once_the_others_are_done(mode: Mode) -> None:
    rehearsal = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    rehearsal.ask("Map the landscape")
    last = rehearsal.runs[3]["run_id"]  # the simulator numbers its runs the same every time
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    session.simulator.faults.add(Fault("status_before", path=f"*{last}*", times=None))
    with pytest.raises(ServerFault) as caught:
        session.ask("Map the landscape")
    assert caught.value.run_id == last
    assert len(session.state()["turns"]) == 3
    assert session.graph().get_state(session.config).next == ("join",)  # behind all of them
    session.simulator.faults.clear()
    assert [turn["status"] for turn in session.ask(None)["turns"]] == ["completed"] * 4
    assert len(session.runs) == 4


def test_what_still_cannot_be_started_ends_the_invocation_and_is_done_on_resume(mode: Mode) -> None:
    session = Session(mode, options={"evaluate": script(THREE), "limits": TEN_RUNS})
    away = Fault("refuse", method="POST", path="*/runs", contains="Its buyers", times=None)
    session.simulator.faults.add(away)
    with pytest.raises(ParallelError):
        session.ask("Map the landscape")
    assert len(session.state()["turns"]) == 3  # the other branches have their answers
    session.simulator.faults.clear()
    out = session.ask(None)
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 4
    assert len(session.runs) == 4


# --- positions, and what is on its way -----------------------------------------------------------


def test_a_declined_branch_leaves_a_gap_that_nothing_falls_into(mode: Mode) -> None:
    judged: list[str] = []
    rounds = script(
        THREE, {"action": "branch", "questions": [{"question": "D?"}, {"question": "E?"}]}
    )

    def evaluate(state: Any, turn: Any) -> Any:
        judged.append(turn["question"])
        return rounds(state, turn)

    options = {
        "evaluate": evaluate,
        "limits": Limits(max_cost_usd=0.1, max_runs_per_question=10),
    }
    session = Session(mode, options=options)
    session.ask("Map the landscape")
    no, yes = {"type": "reject"}, {"type": "approve"}
    more = {"decisions": [no, yes, yes], "limits": {"max_cost_usd": 9.0}}
    out = invoke(mode, session.graph(), Command(resume=more), session.config)
    asked = [turn["question"] for turn in out["turns"]]
    assert asked == ["Map the landscape", "Its buyers?", "Its rules?", "D?", "E?"]
    assert judged == ["Map the landscape", "Its rules?", "E?"]
    assert len({turn["position"] for turn in out["turns"]}) == 5
    session.ask("Its makers?")  # which was declined, and is no replay
    again = session.ask("Its buyers?")
    assert again["turns"][-1]["question"] == "Its buyers?"
    assert len(session.runs) == 7


def stuck(mode: Mode) -> Session:
    """A session whose three branches are on their way when its patience ends."""
    options = {
        "evaluate": script(THREE),
        "limits": TEN_RUNS,
        "timeout": 30.0,
    }
    session = Session(mode, options=options)
    session.options["processor"] = "lite"
    session.simulator.scripts.add(RunScript(contains="Its ", seconds=100.0, times=None))
    with pytest.raises(StillRunning):
        session.ask("Map the landscape")
    session.options["timeout"] = 600.0
    return session


def test_a_branchs_question_asked_again_while_it_is_on_its_way_finds_its_run(mode: Mode) -> None:
    session = stuck(mode)
    out = session.ask("Its makers?")
    assert len(session.runs) == 4
    assert {run["run_id"] for run in session.runs} == {turn["run_id"] for turn in out["turns"]}
    last = out["turns"][-1]
    assert (last["question"], last["asked_by"], last["status"]) == (
        "Its makers?",
        "caller",
        "completed",
    )
    assert [turn["status"] for turn in out["turns"]].count("unfinished") == 2


def test_input_without_a_question_continues_the_turns_on_their_way(mode: Mode) -> None:
    session = stuck(mode)
    out = invoke(mode, session.graph(), {"limits": {"max_cost_usd": 9.0}}, session.config)
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 4
    assert len(session.runs) == 4
    with pytest.raises(InvalidRequest, match="There is no question"):
        invoke(mode, session.graph(), {"limits": {"max_cost_usd": 10.0}}, session.config)
    assert len(session.runs) == 4


def test_a_branch_started_late_parks_like_the_others(mode: Mode) -> None:
    options = {
        "evaluate": script(THREE),
        "limits": TEN_RUNS,
        "wait": "park",
    }
    session = Session(mode, options=options)
    session.ask("Map the landscape")
    clock: Any = session.simulator.clock
    clock.advance(3_600.0)
    session.simulator.faults.add(
        Fault("drop_before", method="POST", path="*/runs", contains="Its buyers", times=4)
    )
    invoke(mode, session.graph(), Command(resume="knock"), session.config)
    (interrupt,) = session.graph().get_state(session.config).interrupts
    assert "Its buyers?" in [run["question"] for run in interrupt.value["runs"]]
    clock.advance(3_600.0)
    out = invoke(mode, session.graph(), Command(resume="knock"), session.config)
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 4
