"""`write_turns_once`: a session with it is the same session, and threads go on with and without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite
from typing_extensions import TypedDict

from langchain_parallel import create_research_graph
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.research import Turn, merge_turns, write_turns_once
from langchain_parallel.simulator import ManualClock, Simulator

from .harness import Session, blocking_client, script

Durability = Literal["sync", "async", "exit"]
FOLLOW_UP: Any = {"action": "follow_up", "question": "How many?", "reason": "scripted"}
FORK: Any = {"action": "branch", "questions": [{"question": "Here?"}, {"question": "There?"}]}


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
        return
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as opened:
        yield opened


def session(checkpointer: Any, *verdicts: Any, **options: Any) -> Session:
    options["limits"] = Limits(max_runs_per_question=4)
    made = Session("sync", checkpointer=checkpointer, options=options)
    made.simulator = Simulator(ManualClock(), seed=7)
    made.options["evaluate"] = script(*verdicts)
    return made


def graph_of(of: Session, *, once: bool, compiled: bool = True) -> Any:
    client = blocking_client(of.simulator)
    graph: Any = create_research_graph(processor=("pro", "core-fast"), client=client, **of.options)
    graph = write_turns_once(graph) if once else graph
    return graph.compile(checkpointer=of.checkpointer) if compiled else graph


def ask(
    graph: Any, of: Session, given: Any, durability: Durability = "sync", config: Any = None
) -> Any:
    given = {"question": given} if isinstance(given, str) else given
    return graph.invoke(given, config or of.config, durability=durability)


def questions(graph: Any, config: Any) -> list[str]:
    turns: list[Turn] = graph.get_state(config).values.get("turns") or []
    return [turn["question"] for turn in turns]


@pytest.mark.grid
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_session_is_the_same(saver: Any, durability: Durability) -> None:
    shown = []
    for once, checkpointer in ((False, InMemorySaver()), (True, saver)):
        of = session(checkpointer, FOLLOW_UP, None, FORK, None)
        asked = ("Who leads?", "And where?", "Since when?")
        outs = [ask(graph_of(of, once=once), of, question, durability) for question in asked]
        turns = graph_of(of, once=once).get_state(of.config).values["turns"]
        assert turns == outs[-1]["turns"]
        assert len(of.runs) == len(turns) == 6
        shown.append([(turn["position"], turn["question"], turn["verdict"]) for turn in turns])
    assert shown[0] == shown[1]


def test_a_thread_goes_on_with_it_and_without_it(saver: Any) -> None:
    of = session(saver)
    asked = []
    for number, once in enumerate((False, True, True, False, True)):
        asked.append(f"Question {number}?")
        out = ask(graph_of(of, once=once), of, asked[-1])
        assert [turn["question"] for turn in out["turns"]] == asked
        for either in (False, True):
            assert questions(graph_of(of, once=either), of.config) == asked
    assert len(of.runs) == 5


def test_every_checkpoint_of_it_has_the_turns_of_its_time(saver: Any) -> None:
    of = session(saver)
    graph = graph_of(of, once=True)
    for number in range(3):
        ask(graph, of, f"Question {number}?")
    seen = [len(one.values.get("turns") or ()) for one in graph.get_state_history(of.config)]
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == {0, 1, 2, 3}


def test_a_fork_of_it_is_a_session_of_its_own_and_pays_for_nothing_again(saver: Any) -> None:
    of = session(saver)
    graph = graph_of(of, once=True)
    for number in range(3):
        ask(graph, of, f"Question {number}?")
    head = graph.get_state(of.config).config
    history = list(graph.get_state_history(of.config))
    second = next(s for s in history if len(s.values.get("turns") or ()) == 2 and not s.next)
    again = ask(graph, of, "Question 2?", config=second.config)
    assert [turn["question"] for turn in again["turns"]] == [f"Question {n}?" for n in range(3)]
    assert len(of.runs) == 3
    forked = graph.update_state(second.config, {"verdict": {"action": "stop"}}, as_node="evaluate")
    other = ask(graph, of, "Something else?", config=forked)
    asked = ["Question 0?", "Question 1?", "Something else?"]
    assert [t["question"] for t in other["turns"] if t["asked_by"] == "caller"] == asked
    assert questions(graph, head) == [f"Question {number}?" for number in range(3)]
    assert len(of.runs) == 4


def test_turns_from_before_a_snapshot_are_there(saver: Any) -> None:
    of = session(saver)
    asked = [f"Question {number}?" for number in range(5)]
    for question in asked:
        graph = graph_of(of, once=True)
        graph.channels["turns"].snapshot_frequency = 5
        ask(graph, of, question)
    assert questions(graph_of(of, once=True), of.config) == asked
    written = [one.checkpoint["channel_values"] for one in saver.list(of.config)]
    assert 0 < sum("turns" in values for values in written) < len(written) / 3


def test_what_a_person_writes_into_the_turns_is_kept(saver: Any) -> None:
    of = session(saver)
    graph = graph_of(of, once=True)
    ask(graph, of, "Who leads?")
    [turn] = graph.get_state(of.config).values["turns"]
    graph.update_state(of.config, {"turns": [{**turn, "warnings": ["checked"]}]})
    assert graph.get_state(of.config).values["turns"][0]["warnings"] == ["checked"]
    graph.update_state(of.config, {"turns": Overwrite([])})
    assert questions(graph_of(of, once=True), of.config) == []


def test_what_was_refused_is_not_in_the_way_later(saver: Any) -> None:
    of = session(saver)
    graph = graph_of(of, once=True)
    ask(graph, of, "Who leads?")
    with pytest.raises(InvalidRequest):
        ask(graph, of, Command(update={"turns": [{"question": "no turn"}]}, goto="plan"))
    graph.update_state(of.config, {})
    ask(graph, of, "And where?")
    assert questions(graph_of(of, once=True), of.config) == ["Who leads?", "And where?"]


class Parent(TypedDict, total=False):
    """A graph that keeps the session."""

    question: str
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]


def test_a_parent_that_keeps_the_turns_writes_them_once(saver: Any) -> None:
    of = session(saver)
    parent: Any = StateGraph(Parent)
    parent.add_node("research", graph_of(of, once=False, compiled=False).compile())
    parent.add_edge(START, "research")
    parent.add_edge("research", END)
    graph = write_turns_once(parent).compile(checkpointer=saver)
    for number in range(3):
        ask(graph, of, f"Question {number}?")
    assert questions(graph, of.config) == [f"Question {number}?" for number in range(3)]
    assert "turns" not in saver.get_tuple(of.config).checkpoint["channel_values"]


def test_it_is_asked_for_once_of_a_graph_that_has_turns() -> None:
    graph = create_research_graph(api_key="key-of-a-test")
    assert write_turns_once(graph) is graph
    channel = graph.channels["turns"]
    assert write_turns_once(graph).channels["turns"] is channel

    class Other(TypedDict):
        turns: list[Turn]

    wrong: list[Any] = [graph.compile(), StateGraph(Other), StateGraph(ParentWithout), object()]
    for one in wrong:
        with pytest.raises(InvalidRequest, match="uncompiled graph"):
            write_turns_once(one)


class ParentWithout(TypedDict):
    """No session."""

    question: str
