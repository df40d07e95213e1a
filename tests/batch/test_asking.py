"""A table in a step of a graph: a person sees rows and price, and nothing is sent before the answer."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from langchain_parallel import Limits, errors, research_table

from .tables import QUESTION, Office, companies


class State(TypedDict, total=False):
    answers: list[str]


def graph_on(office: Office, limits: Limits, *, saver: bool = True) -> Any:
    def enrich(state: State) -> State:
        table = research_table(companies(3), QUESTION, client=office.client(), limits=limits)
        return {"answers": [str(row.run_id) for row in table]}

    graph = StateGraph(State)
    graph.add_node("enrich", enrich)
    graph.add_edge(START, "enrich")
    graph.add_edge("enrich", END)
    return graph.compile(checkpointer=InMemorySaver() if saver else None)


THREAD: Any = {"configurable": {"thread_id": "t"}}


@pytest.mark.parametrize(
    "limits", [Limits(max_cost_usd=0.01), Limits(approve_above="lite")], ids=str
)
def test_a_person_is_asked_and_then_it_is_paid_for_once(limits: Limits) -> None:
    office = Office()
    graph = graph_on(office, limits)
    state = graph.invoke({}, THREAD)
    [interrupt] = state["__interrupt__"]
    shown = interrupt.value
    assert (shown["type"], shown["rows"], shown["cost_usd"]) == ("approve_batch", 3, 0.03)
    assert not office.sim.requests
    done = graph.invoke(Command(resume={"approve": True}), THREAD)
    assert len(done["answers"]) == 3
    assert sum(office.asked.values()) == 3


@pytest.mark.parametrize("answer", [{"approve": False}, "yes", {"approve": "true"}], ids=str)
def test_anything_but_an_approval_sends_nothing(answer: Any) -> None:
    office = Office()
    graph = graph_on(office, Limits(max_cost_usd=0.01))
    graph.invoke({}, THREAD)
    with pytest.raises(errors.LimitExceeded):
        graph.invoke(Command(resume=answer), THREAD)
    assert not office.asked


def test_without_a_checkpointer_nobody_is_asked() -> None:
    office = Office()
    with pytest.raises(errors.LimitExceeded):
        graph_on(office, Limits(max_cost_usd=0.01), saver=False).invoke({})
    assert not office.asked


def test_behind_a_server_nobody_raises_a_limit() -> None:
    office = Office()
    config = {
        "configurable": {
            "thread_id": "t",
            "langgraph_auth_user_id": "u",
            "langgraph_auth_user": {"identity": "u"},
        }
    }
    with pytest.raises(errors.LimitExceeded):
        graph_on(office, Limits(max_cost_usd=0.01)).invoke({}, config)
    assert not office.asked
