"""A thread whose id is a number is resumed, or refused before anything is paid; it is never just counted."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import resume
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.parked import Outcome

from ..middleware.harness import Account, Model, calls, start, texts
from ..research.harness import Mode, Session
from .helpers import swept, woken


def parked(mode: Mode, thread_id: Any, saver: Any, store: Any) -> Session:
    session = Session(mode, checkpointer=saver, store=store, options={"wait": "park"})
    session.config = {"configurable": {"thread_id": thread_id}}
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    return session


def sqlite() -> SqliteSaver:
    return SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False))


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


WAYS: list[tuple[str, object, Any]] = [
    ("sync", 0, sqlite),
    ("sync", "0", sqlite),
    ("sync", 7, sqlite),
]
WAYS += [(mode, id, InMemorySaver) for mode in ("sync", "async") for id in ("0", 7, "None")]


@pytest.mark.parametrize("store", [None, InMemoryStore], ids=["bare", "store"])
@pytest.mark.parametrize("how", ["wake", "sweep"])
@pytest.mark.parametrize(("way", "thread_id", "saver"), WAYS)
def test_a_thread_of_any_id_is_resumed(
    way: Mode, thread_id: Any, saver: Any, how: str, store: Any
) -> None:
    session = parked(way, thread_id, saver(), store and store())
    graph, name = session.graph(), str(thread_id)
    if how == "wake":
        result = woken(session, graph, session.runs[0]["run_id"])
        assert (result.outcome, result.thread_id) == (Outcome.RESUMED, name)
    else:
        found = swept(session, graph)
        assert (found.resumed, str(found)) == ([name], "1 thread was parked: 1 resumed.")
    assert graph.get_state({"configurable": {"thread_id": name}}).values["answer"]


@pytest.mark.parametrize("thread_id", [0, False, 0.0, ""])
def test_a_thread_that_would_not_be_found_again_is_refused_before_it_is_paid(
    mode: Mode, thread_id: Any
) -> None:
    session = Session(mode, options={"wait": "park"})
    session.config = {"configurable": {"thread_id": thread_id}}
    with pytest.raises(InvalidRequest, match=r"thread_id is .* does not find a thread again"):
        session.ask("How large is it?")
    assert session.runs == []
    account = Account(mode)
    model = Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()}, wait="park")
    state = account.invoke(
        agent, {"messages": [("user", "Find out")]}, {"configurable": {"thread_id": thread_id}}
    )
    assert "does not find a thread again" in texts(state)[0]
    assert account.runs == []


def test_a_number_that_a_session_in_memory_cannot_have_is_refused_by_resume() -> None:
    session = Session("sync")
    with pytest.raises(InvalidRequest, match="thread_id is 0"):
        resume(session.graph(), {"configurable": {"thread_id": 0}})


@pytest.mark.parametrize("answers", [{"decisions": []}, {"type": "approve"}, "yes", [1]])
def test_an_answer_without_its_interrupt_is_not_ignored(answers: Any) -> None:
    session = Session("sync")
    session.ask("How large is it?")
    with pytest.raises(InvalidRequest, match=r"give {interrupt\.id: answer}"):
        resume(session.graph(), session.config, answers)
