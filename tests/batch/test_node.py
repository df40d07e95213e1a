"""A list in the state of a user's own graph, researched by a node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from langchain_parallel import Limits, errors
from langchain_parallel.batch import create_table_node
from langchain_parallel.simulator import RunScript

from .tables import QUESTION, SCHEMA, Office, companies

THREAD: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    companies: list[Any]
    profiles: list[dict[str, Any]]


class Plant:
    """A graph with such a node."""

    def __init__(self, office: Office, *, saver: Any = None, **options: Any) -> None:
        self.office, self.saver = office, saver or InMemorySaver()
        self.options = {"output_schema": SCHEMA, "processor": "lite", **options}
        self.compile()

    def compile(self) -> None:
        """As another process has it."""
        how: Any = {"client": self.office.client(), **self.options}
        graph = StateGraph(State)
        graph.add_node("profile", create_table_node("companies", "profiles", QUESTION, **how))
        graph.add_edge(START, "profile")
        graph.add_edge("profile", END)
        self.graph = graph.compile(checkpointer=self.saver)

    def run(self, given: Any, config: Any = THREAD, **how: Any) -> Any:
        if self.office.mode == "sync":
            return self.graph.invoke(given, config, **how)
        return asyncio.run(self.graph.ainvoke(given, config, **how))


def test_each_row_of_the_list_has_its_answer(office: Office) -> None:
    plant = Plant(office)
    office.sim.scripts.add(RunScript(outcome="failed"))
    done = plant.run({"companies": companies(4)})
    assert [one["row"]["company"] for one in done["profiles"]] == [
        f"Company {nth}" for nth in range(4)
    ]
    [failed] = [one for one in done["profiles"] if one["error"]]
    assert failed["answer"] is None
    assert failed["run_id"]
    assert all(
        set(one["answer"]) == {"ceo", "employees"} for one in done["profiles"] if not one["error"]
    )


def test_a_replay_pays_for_nothing_and_a_fork_for_what_is_new(office: Office) -> None:
    plant = Plant(office)
    first = plant.run({"companies": companies(4)})
    plant.compile()
    start = [*plant.graph.get_state_history(THREAD)][-2].config
    assert plant.run(None, start) == first
    assert set(office.asked.values()) == {1}
    fork = plant.graph.update_state(start, {"companies": companies(5)}, as_node=START)
    assert len(plant.run(None, fork)["profiles"]) == 5
    assert set(office.asked.values()) == {1}
    assert len(office.asked) == 5


def test_an_empty_list_asks_nothing_and_no_list_is_refused(office: Office) -> None:
    plant = Plant(office)
    assert plant.run({"companies": []})["profiles"] == []
    with pytest.raises(errors.InvalidRequest, match="companies of the state"):
        plant.run({}, {"configurable": {"thread_id": "other"}})
    assert not office.asked


def test_a_person_is_asked_before_it_is_paid_for(office: Office) -> None:
    plant = Plant(office, limits=Limits(max_runs=2))
    [interrupt] = plant.run({"companies": companies(3)})["__interrupt__"]
    assert (interrupt.value["type"], interrupt.value["rows"]) == ("approve_batch", 3)
    assert not office.asked
    done = plant.run(Command(resume={"approve": True}))
    assert len(done["profiles"]) == 3


def test_what_the_step_has_itself_is_no_option() -> None:
    for taken in ("batch_id", "config"):
        given: Any = {taken: "x", "client": Office().client()}
        with pytest.raises(errors.InvalidRequest, match=taken):
            create_table_node("a", "b", "{c}", **given)
