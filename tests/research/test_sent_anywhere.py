"""A person or another node sends the thread to a node of ours, or writes its state."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from langgraph.types import Command, Send

from langchain_parallel.errors import InvalidRequest, ParallelError
from langchain_parallel.options import Limits

from .harness import Mode, Session, invoke, script

NODES = [
    *("plan", "approve", "submit", "wait", "submit_branch", "wait_branch", "join", "evaluate"),
    "review",
]
FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


def finished(session: Session) -> None:
    session.ask("Zero?")


def planned(session: Session) -> None:
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit"]
    invoke(session.mode, graph, {"question": "Zero?"}, session.config)


def on_hold(session: Session) -> None:
    session.options["limits"] = Limits(approve_above="lite")
    session.ask("Zero?")


def beyond(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=0.01, on_exceed="stop")
    graph = session.graph()
    graph.interrupt_before_nodes = ["approve"]
    invoke(session.mode, graph, {"question": "Zero?"}, session.config)


def branched(session: Session) -> None:
    session.options["evaluate"] = script(FORK)
    session.options["limits"] = Limits(max_runs_per_question=9)
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit_branch"]
    invoke(session.mode, graph, {"question": "Zero?"}, session.config)
    del session.options["evaluate"]


def go_to(session: Session, node: str) -> None:
    invoke(session.mode, session.graph(), Command(goto=node), session.config)


def send_nothing_to(session: Session, node: str) -> None:
    invoke(session.mode, session.graph(), Command(goto=Send(node, {})), session.config)


def parts(**case: Any) -> list[object]:
    """Each node and each stage in each way."""
    node, stage, how = (str(case[name]) for name in ("node", "stage", "how"))
    return [(node, how), (stage, how)]


def write_as(session: Session, node: str) -> None:
    session.graph().update_state(session.config, {"question": None}, as_node=node)
    session.ask()


@pytest.mark.grid(shows=parts)
@pytest.mark.parametrize("how", [go_to, send_nothing_to, write_as])
@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("stage", [None, finished, planned, on_hold, beyond, branched])
def test_it_never_pays_unasked_and_says_what_to_do(stage: Any, node: str, how: Any) -> None:
    session = Session("sync")
    if stage is not None:
        stage(session)
    paid = len(session.runs)
    with suppress(ParallelError):  # any other error fails the test
        how(session, node)
    if stage in (on_hold, beyond):
        assert not session.runs
    elif stage is branched:
        assert len(session.runs) <= 3
    else:
        assert len(session.runs) <= paid + (stage is planned)
    session.options.pop("limits", None)
    turns = session.ask("Next?")["turns"]
    assert turns[-1]["question"] == "Next?"
    assert {run["run_id"] for run in session.runs} == {turn["run_id"] for turn in turns} - {""}


WRONG: list[dict[str, Any]] = [
    {"pending": {"question": "?"}},
    {"pending": "?"},
    {"branches": [{"question": "?"}]},
    {"turns": [{}]},
    {"turns": "?"},
    {"verdict": {}},
    {"verdict": "?"},
    {"verdict": {"action": "follow_up"}},
    {"verdict": {"action": "branch", "questions": [{}]}},
    {"limits": 3},
    {"limits": {"max_runs": "?"}},
    {"limits": {"max_cost_usd": math.nan}},
    {"limits": {"max_runs": 2**64}},
    {"interaction_id": "\ud83d"},
    {"answer": {1, 2}},
    {"answer": {"big": 2**64}},
    {"answer": [math.nan]},
    {"question": "\ud83d"},
]


@pytest.mark.grid
@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("node", ["plan", "submit", "evaluate"])
def test_what_no_step_could_use_is_refused_before_it_is_in_the_state(
    mode: Mode, node: str, wrong: dict[str, Any]
) -> None:
    session = Session(mode)
    session.ask("Zero?")
    with pytest.raises(InvalidRequest):
        session.graph().update_state(session.config, wrong, as_node=node)
    with pytest.raises(InvalidRequest) as refused:
        invoke(session.mode, session.graph(), Command(goto=node, update=wrong), session.config)
    assert refused.value.hint
    session.graph().update_state(session.config, {})  # LangGraph kept what the command wrote
    assert len(session.ask("Next?")["turns"]) == len(session.runs) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"turns": [{"run_id": "r", "key": "", "position": 2**70}]},
        {"limits": {"max_runs": 2**70}},
        {"interaction_id": "\x00"},
        {"ledger_id": "\ud83d"},
    ],
    ids=str,
)
def test_input_that_cannot_be_stored_is_refused_in_words(
    session: Session, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        session.ask("Zero?", **given)
    assert not session.runs
    assert len(session.ask("Next?")["turns"]) == 1


@pytest.mark.parametrize(
    "verdict",
    [
        {"action": "follow_up", "question": "Half \ud83d?"},
        {"action": "follow_up", "question": "More?", "continue_from": "\x00"},
        {"action": "accept", "unsupported": {"i": 2**70}},
        {"action": "follow_up", "question": "More?", "output_schema": {"n": 2**70}},
    ],
    ids=str,
)
def test_a_verdict_that_cannot_be_stored_is_refused_and_the_answer_kept(
    session: Session, verdict: Any
) -> None:
    session.options |= {"evaluate": script(verdict), "limits": Limits(max_runs_per_question=3)}
    with pytest.raises(InvalidRequest, match="kept"):
        session.ask("Zero?")
    assert session.state()["answer"]
    assert len(session.ask()["turns"]) == len(session.runs) == 1


def test_a_reason_is_made_storable(session: Session) -> None:
    session.options["evaluate"] = script({"action": "stop", "reason": "half \ud83d, NUL \x00"})
    out = session.ask("Zero?")
    assert (
        out["verdict"]["reason"] == "half \N{REPLACEMENT CHARACTER}, NUL \N{REPLACEMENT CHARACTER}"
    )
    assert out["turns"][0]["verdict"] == out["verdict"]
