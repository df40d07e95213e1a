"""Runs that the ledger has and the session does not know: told as turns, and counted by limits."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import InteractionTree, SessionReport, create_research_graph
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.research import Turn, merge_turns
from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator

from .harness import Mode, Session, blocking_client, client_of, invoke, script

FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


def start_elsewhere(session: Session, question: str = "Stray?", position: str = "other") -> str:
    """A run in the session's ledger that another process has started."""
    client = blocking_client(session.simulator)
    request = TaskRunInput(input=question, processor="pro")
    ledger_id = session.state()["ledger_id"]
    return client.submit(ledger_id, request, position=position).run.run_id


def questions(state: Any) -> list[tuple[str, str, str]]:
    return [(turn["question"], turn["asked_by"], turn["status"]) for turn in state["turns"]]


def unknown(session: Session) -> set[str]:
    return {run["run_id"] for run in session.runs} - {
        turn["run_id"] for turn in session.state()["turns"]
    }


def open_again(stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "record": {**stored["record"], "open": True}}


def reopen(session: Session) -> None:
    """The session's ledger is in the store as one whose question was not answered."""
    assert session.store is not None
    items = session.store.search(("langchain_parallel", "records"))
    ledgers = [item for item in items if item.value["name"].startswith("ledger of ")]
    assert ledgers
    for item in ledgers:
        session.store.put(item.namespace, item.key, open_again(item.value))


def requests_of(session: Session) -> list[str]:
    return [f"{entry.method} {entry.path}" for entry in session.simulator.requests]


def test_an_unknown_run_is_told_before_the_next_is_sent(session: Session) -> None:
    first = session.ask("How large is it?")
    run_id = start_elsewhere(session)
    out = session.ask("Who sells it?")
    assert questions(out) == [
        ("How large is it?", "caller", "completed"),
        ("Stray?", "elsewhere", "unfinished"),
        ("Who sells it?", "caller", "completed"),
    ]
    assert out["turns"][1]["run_id"] == run_id
    assert out["turns"][1]["ended_at"] is None  # nobody has waited for it
    assert out["turns"][2]["parent_interaction_id"] == first["interaction_id"]
    assert out["spent_usd"] == pytest.approx(0.1 + 0.1 + 0.025)
    assert "no turn of this session had asked" in out["turns"][1]["warnings"][0]
    assert "Stray?" in InteractionTree.of(out).text()
    assert "Asked by: elsewhere" in SessionReport.of(out).to_markdown("audit")
    assert questions(session.ask("And then?"))[:3] == questions(out)  # once
    assert not unknown(session)


def test_where_nothing_is_unknown_no_request_is_made_for_it(session: Session) -> None:
    session.ask("How large is it?")
    before = len(requests_of(session))
    session.ask("Who sells it?")
    usual = requests_of(session)[before:]
    assert sum(request.startswith("GET") and "/runs" in request for request in usual) <= 4
    start_elsewhere(session)
    before = len(requests_of(session))
    session.ask("And then?")
    more = requests_of(session)[before:]
    # Read on, then with inputs, and looked at again before the send.
    assert len(more) - len(usual) <= 4, more


def test_unknown_runs_count_as_spent(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=0.2, on_exceed="stop")
    session.ask("How large is it?")
    start_elsewhere(session)
    out = session.ask("Who sells it?")
    assert len(session.runs) == 2
    assert out["verdict"]["reason"] == "This would bring the session to $0.225; the limit is $0.20."
    assert questions(out)[-1] == ("Stray?", "elsewhere", "unfinished")
    assert out["spent_usd"] == 0.2


def test_a_person_is_asked_with_the_unknown_runs_in_view(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=0.2)
    session.ask("How large is it?")
    start_elsewhere(session)
    session.ask("Who sells it?")
    (waiting,) = session.graph().get_state(session.config).interrupts
    assert waiting.value["spent_usd"] == 0.2
    answer: Any = Command(resume={"decisions": [{"type": "approve"}]})
    out = invoke(session.mode, session.graph(), answer, session.config)
    assert out["verdict"]["action"] == "accept"
    assert len(session.runs) == 3
    assert not unknown(session)


def test_a_failed_one_is_free(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=0.2, on_exceed="stop")
    session.ask("How large is it?")
    session.simulator.scripts.add(RunScript("failed", contains="Stray"))
    start_elsewhere(session)
    clock: Any = session.simulator.clock
    clock.advance(3_600.0)
    out = session.ask("Who sells it?")
    assert questions(out)[1] == ("Stray?", "elsewhere", "failed")
    assert out["spent_usd"] == 0.125


@pytest.mark.parametrize("limit", [None, 0.2])
def test_beside_branches_it_is_told_once_and_counted(session: Session, limit: float | None) -> None:
    session.options["evaluate"] = script(None, FORK)
    session.options["limits"] = Limits(
        max_runs_per_question=9, max_cost_usd=limit, on_exceed="stop"
    )
    session.options["processor"] = ("core-fast", "core-fast")
    session.ask("How large is it?")
    start_elsewhere(session)
    out = session.ask("Who sells it?")
    asked = [turn["asked_by"] for turn in out["turns"]]
    assert asked.count("elsewhere") == 1
    assert not unknown(session)
    assert len(session.runs) == 5
    assert out["spent_usd"] == pytest.approx(0.1 + 0.025 * 4)


def test_branches_that_the_ledger_leaves_no_money_for_are_not_sent(session: Session) -> None:
    """Another session of the same ledger spends between the plan and its branches."""

    def evaluate(state: Any, turn: Turn) -> Any:
        if turn["question"] != "Who sells it?":
            return None
        return FORK

    session.options["evaluate"] = evaluate
    session.options["limits"] = Limits(max_runs_per_question=9, max_cost_usd=0.2, on_exceed="stop")
    session.options["processor"] = ("core-fast", "core-fast")
    graph = session.graph()
    graph.interrupt_before_nodes = ["submit_branch"]
    invoke(session.mode, graph, {"question": "Who sells it?"}, session.config)
    start_elsewhere(session)
    start_elsewhere(session, "Another?")
    out = session.ask()
    assert len(session.runs) == 3
    assert not unknown(session)
    assert [turn["status"] for turn in out["turns"]] == ["completed", "unfinished", "unfinished"]
    assert out["spent_usd"] == pytest.approx(0.225)


def test_it_does_not_lengthen_what_an_evaluation_may_ask(session: Session) -> None:
    more: Any = {"action": "follow_up", "question": "More?"}
    ids: list[str] = []

    def evaluate(state: Any, turn: Turn) -> Any:
        ids.append(start_elsewhere(session, position=str(len(ids))))
        return more

    session.options |= {"evaluate": evaluate, "limits": Limits(max_runs_per_question=3)}
    out = session.ask("How large is it?")
    assert sum(turn["asked_by"] != "elsewhere" for turn in out["turns"]) == 3


def ask_together(session: Session, questions: list[str]) -> None:
    """On one thread, at the same instant."""
    together = threading.Barrier(len(questions))

    def one(question: str) -> Any:
        graph = session.graph()
        together.wait()
        return graph.invoke({"question": question}, session.config)

    async def all_of_them() -> None:
        graphs = [session.graph() for _ in questions]
        each = zip(graphs, questions, strict=True)
        await asyncio.gather(*(g.ainvoke({"question": q}, session.config) for g, q in each))

    if session.mode == "async":
        asyncio.run(all_of_them())
        return
    with ThreadPoolExecutor(len(questions)) as pool:
        list(pool.map(one, questions))


def test_questions_at_the_same_instant_are_all_kept(mode: Mode) -> None:
    asked = ["Who sells it?", "Who buys it?", "Who makes it?"]
    for _ in range(4):
        session = Session(mode)
        session.ask("How large is it?")
        ask_together(session, asked)
        session.ask("And then?")
        told = {turn["question"] for turn in session.state()["turns"]}
        assert told == {"How large is it?", *asked, "And then?"}
        assert len(session.runs) == 5
        assert not unknown(session)


def test_a_question_that_exit_and_a_kill_forgot_is_told_by_the_next(session: Session) -> None:
    session.store = InMemoryStore()

    session.ask("Forgotten?")
    session.checkpointer = InMemorySaver()  # nothing was written, and the store has the ledger
    reopen(session)
    out = session.ask("Who sells it?")
    assert questions(out) == [
        ("Forgotten?", "elsewhere", "unfinished"),
        ("Who sells it?", "caller", "completed"),
    ]


def test_a_fork_counts_what_the_other_line_has_spent(session: Session) -> None:
    session.options["limits"] = Limits(max_cost_usd=0.14, on_exceed="stop")
    session.ask("How large is it?")
    here = session.graph().get_state(session.config).config
    session.ask("Who sells it?")
    out = session.ask("Who buys it?", config=here)
    assert len(session.runs) == 2
    assert questions(out)[-1] == ("Who sells it?", "elsewhere", "unfinished")
    assert out["verdict"]["action"] == "stop"


def test_a_replay_tells_nothing_and_spends_nothing(session: Session) -> None:
    session.ask("How large is it?")
    session.ask("Who sells it?")
    (before,) = [
        one
        for one in session.graph().get_state_history(session.config)
        if one.next == ("submit",) and not one.values["turns"]
    ]
    out = session.ask(config=before.config)
    assert questions(out) == [("How large is it?", "caller", "completed")]
    assert len(session.runs) == 2


def test_a_twin_that_shows_up_late_is_told_as_one(session: Session) -> None:
    out = session.ask("How large is it?")
    turn = out["turns"][0]
    metadata = session.runs[0]["metadata"]
    again = TaskRunInput(input=turn["question"], processor="pro", metadata=metadata)
    client = blocking_client(session.simulator)
    (twin,) = client.add_runs(out["ledger_id"], [again]).run_ids
    told = session.ask("Who sells it?")["turns"][1]
    assert (told["run_id"], told["asked_by"]) == (twin, "elsewhere")
    assert f"The same request as run {turn['run_id']}" in told["warnings"][1]


# --- several sessions of one parent -----------------------------------------------------------------


class Parent(TypedDict, total=False):
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]


def parent_of_three(mode: Mode, simulator: Simulator, limits: Limits) -> Any:
    """Three research nodes at the same time, each a session of its own, in one ledger."""
    made: Any = create_research_graph(
        processor="core-fast", limits=limits, client=client_of(mode, simulator)
    )
    research = made.compile()

    def node(question: str) -> Any:
        def blocking(state: Parent) -> Any:
            given = {"question": question, "ledger_id": state["ledger_id"]}
            return {"turns": research.invoke(given)["turns"]}

        async def asynchronous(state: Parent) -> Any:
            given = {"question": question, "ledger_id": state["ledger_id"]}
            return {"turns": (await research.ainvoke(given))["turns"]}

        return blocking if mode == "sync" else asynchronous

    graph: Any = StateGraph(Parent)
    for name in ("market", "makers", "buyers"):
        graph.add_node(name, node(f"What about the {name}?"))
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize(("dollars", "runs"), [(0.025, 1), (0.05, 2), (0.075, 3)])
def test_sessions_that_share_a_ledger_share_its_limits(
    mode: Mode, dollars: float, runs: int
) -> None:
    simulator = Simulator(ManualClock())
    graph = parent_of_three(mode, simulator, Limits(max_cost_usd=dollars, on_exceed="stop"))
    ledger_id = blocking_client(simulator).create_group().taskgroup_id
    config = {"configurable": {"thread_id": "parent"}}
    out = invoke(mode, graph, {"ledger_id": ledger_id}, config)
    assert len(simulator.runs()) == runs
    answered = [turn for turn in out["turns"] if turn["status"] == "completed"]
    assert len(answered) == len({turn["run_id"] for turn in out["turns"]}) == runs


def test_a_list_that_cannot_be_read_keeps_the_run_from_being_sent(session: Session) -> None:
    session.ask("How large is it?")
    start_elsewhere(session)
    session.simulator.faults.add(
        Fault("status_before", method="GET", path="*/runs", skip=1, times=None)
    )
    with pytest.raises(Exception, match="503"):
        session.ask("Who sells it?")
    session.simulator.faults.clear()
    session.ask()
    assert len(session.runs) == 3
    assert not unknown(session)


def test_two_sessions_that_look_at_the_same_instant_do_not_take_the_same_dollar() -> None:
    """Each reads the list before the other sends, unless looking and sending are one step."""
    simulator = Simulator(ManualClock())
    ledger_id = blocking_client(simulator).create_group().taskgroup_id
    handle, together = simulator.handle, threading.Barrier(2)

    def read_together(request: Any) -> Any:
        response = handle(request)
        if request.method == "GET" and request.path.endswith("/runs"):
            with suppress(threading.BrokenBarrierError):  # the other waits for this one to send
                together.wait(0.3)
        return response

    simulator.handle = read_together  # type: ignore[method-assign]
    limits = Limits(max_runs=1, on_exceed="stop")

    def ask(question: str) -> Any:
        made: Any = create_research_graph(
            processor="lite", limits=limits, client=blocking_client(simulator)
        )
        return made.compile().invoke({"question": question, "ledger_id": ledger_id})

    with ThreadPoolExecutor(2) as pool:
        outs = list(pool.map(ask, ["What?", "Who?"]))
    assert len(simulator.runs()) == 1
    assert sorted(out["verdict"]["action"] for out in outs) == ["accept", "stop"]
