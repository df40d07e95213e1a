"""A ledger that is gone: nothing is sent, until a person begins a new one and knows what it cannot know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.memory import InMemoryStore

from langchain_parallel import ParallelTaskTool, aresume, resume
from langchain_parallel.errors import LedgerNotFound
from langchain_parallel.options import Limits
from langchain_parallel.simulator import ManualClock, Simulator

from ..middleware.harness import Account, Model, calls, more, start, texts
from .harness import Session, blocking_client

FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


def lose(simulator: Simulator, ledger_id: str) -> None:
    """The server has no such group any more; its runs stay readable."""
    del simulator._groups[ledger_id]


def replacing(ledger_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": "thread", "replace_ledger": ledger_id}}


def test_nothing_is_sent_and_the_error_says_how_to_go_on(session: Session) -> None:
    gone = session.ask("How large is it?")["ledger_id"]
    lose(session.simulator, gone)
    for _ in range(2):
        with pytest.raises(LedgerNotFound) as error:
            session.ask("Who sells it?")
        assert f'{{"configurable": {{"replace_ledger": "{gone}"}}}}' in error.value.hint
        assert "(core-fast, $0.025)" in error.value.hint
    assert len(session.runs) == 1


def test_a_person_may_begin_a_new_one_with_the_next_question(session: Session) -> None:
    first = session.ask("How large is it?")
    lose(session.simulator, first["ledger_id"])
    out = session.ask("Who sells it?", config=replacing(first["ledger_id"]))
    assert out["ledger_id"] != first["ledger_id"]
    assert [turn["status"] for turn in out["turns"]] == ["completed", "completed"]
    assert out["turns"][1]["parent_interaction_id"] == first["interaction_id"]
    # Said once: the state has the new one from now on.
    assert session.ask("And then?")["ledger_id"] == out["ledger_id"]
    assert len(session.runs) == 3


def test_or_by_resuming_the_thread_that_is_stuck(session: Session) -> None:
    gone = session.ask("How large is it?")["ledger_id"]
    lose(session.simulator, gone)
    with pytest.raises(LedgerNotFound):
        session.ask("Who sells it?")
    graph = session.graph()
    if session.mode == "sync":
        state, resumed = resume(graph, replacing(gone))
    else:
        state, resumed = asyncio.run(aresume(graph, replacing(gone)))
    assert resumed
    turn = state.values["turns"][1]
    assert turn["status"] == "completed"
    assert f"Its ledger {gone} is gone" in turn["warnings"][0]
    assert "$0.025" in turn["warnings"][0]
    assert len(session.runs) == 2


def test_a_question_that_another_overtakes_stays_as_one_that_nobody_can_tell(
    session: Session,
) -> None:
    gone = session.ask("How large is it?")["ledger_id"]
    lose(session.simulator, gone)
    with pytest.raises(LedgerNotFound):
        session.ask("Who sells it?")
    out = session.ask("Who buys it?", config=replacing(gone))
    assert [turn["status"] for turn in out["turns"]] == ["completed", "unknown", "completed"]
    assert out["turns"][1]["cost_usd"] is None


def test_branches_go_on_in_the_new_one(session: Session) -> None:
    lost: list[str] = []

    def evaluate(state: Any, turn: Any) -> Any:
        if lost:
            return None
        lost.append(state["ledger_id"])
        lose(session.simulator, state["ledger_id"])
        return FORK

    session.options |= {"evaluate": evaluate, "limits": Limits(max_runs_per_question=9)}
    with pytest.raises(LedgerNotFound):
        session.ask("How large is it?")
    out = session.ask(config=replacing(lost[0]))
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 3
    assert len(session.runs) == 3


def test_one_that_is_there_is_not_replaced(session: Session) -> None:
    here = session.ask("How large is it?")["ledger_id"]
    out = session.ask("Who sells it?", config=replacing(here))
    assert out["ledger_id"] == here


def test_another_id_replaces_nothing(session: Session) -> None:
    gone = session.ask("How large is it?")["ledger_id"]
    lose(session.simulator, gone)
    with pytest.raises(LedgerNotFound):
        session.ask("Who sells it?", config=replacing("tgrp_other"))
    assert len(session.runs) == 1


@pytest.mark.parametrize("with_store", [False, True])
def test_in_an_agent_the_model_says_so_and_the_person_goes_on(with_store: bool) -> None:
    account = Account("sync")
    how: dict[str, Any] = {"checkpointer": InMemorySaver()}
    how |= {"store": InMemoryStore()} if with_store else {}
    agent = account.agent(Model(calls(start("One?")), "done"), compiled=how)
    state = account.invoke(agent, more(), {"configurable": {"thread_id": "thread"}})
    gone = state["parallel_research"]["r1"]["ledger_id"]
    lose(account.simulator, gone)
    agent = account.agent(Model(calls(start("Two?")), "done"), compiled=how)
    state = account.invoke(agent, more(), {"configurable": {"thread_id": "thread"}})
    assert len(account.runs) == 1
    agent = account.agent(Model(calls(start("Three?")), "done"), compiled=how)
    state = account.invoke(agent, more(), replacing(gone))
    assert state["parallel_research"]["r3"]["status"] == "completed"
    assert state["parallel_research"]["r2"]["status"] == "refused"
    agent = account.agent(Model(calls(start("Four?")), "done"), compiled=how)
    state = account.invoke(agent, more(), {"configurable": {"thread_id": "thread"}})
    assert state["parallel_research"]["r4"]["status"] == "completed"
    assert account.asked == ["One?", "Three?", "Four?"]
    assert texts(state)


def test_the_tool_with_a_store_goes_on_in_a_new_one() -> None:
    simulator, store = Simulator(ManualClock()), InMemoryStore()
    tool = ParallelTaskTool(processor="lite", client=blocking_client(simulator))
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([tool]))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    compiled = graph.compile(checkpointer=InMemorySaver(), store=store)

    def ask(id: str, config: Any) -> str:
        call: Any = {"name": "parallel_task", "args": {"input": f"{id}?"}, "id": id}
        out = compiled.invoke({"messages": [AIMessage("", id=id, tool_calls=[call])]}, config)
        return str(out["messages"][-1].content)

    usual = {"configurable": {"thread_id": "thread"}}
    ask("one", usual)
    (gone,) = list(simulator._groups)
    lose(simulator, gone)
    assert "replace_ledger" in ask("two", usual)
    assert len(simulator.runs()) == 1
    ask("three", replacing(gone))
    ask("four", usual)
    assert len(simulator.runs()) == 3
    assert len({run["taskgroup_id"] for run in simulator.runs()} - {gone}) == 1
