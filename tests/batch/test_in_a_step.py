"""A table in a step of a graph that runs again: it finds its batch, whatever has ended the step."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from langchain_parallel import aresearch_table, research_table
from langchain_parallel.simulator import RunScript

from .tables import QUESTION, Office, companies

THREAD: Any = {"configurable": {"thread_id": "t"}}


@pytest.fixture(autouse=True)
def _steps_have_a_config(office: Office) -> None:
    if office.mode == "async" and sys.version_info < (3, 11):
        pytest.skip("an asynchronous step loses LangChain's config there (docs/guides/batch.md)")


class State(TypedDict, total=False):
    rounds: int
    answers: list[str]


class Killed(BaseException):
    """Ends a process, as it were."""


class Plant:
    """A graph with a table in a step, and what happens in it."""

    def __init__(self, office: Office, **compiled: Any) -> None:
        self.office, self.rows, self.dies = office, companies(6), list[str]()
        self.tables: list[Any] = []
        self.options: dict[str, Any] = {"chunk_size": 2, "max_in_flight": 2}
        self.client = office.client()
        graph = StateGraph(State)
        step = self.enrich if office.mode == "sync" else self.aenrich
        graph.add_node("enrich", step, retry_policy=RetryPolicy(max_attempts=1))
        graph.add_edge(START, "enrich")
        graph.add_conditional_edges(
            "enrich", lambda state: "enrich" if state["rounds"] < 2 else END, ["enrich", END]
        )
        self.graph = graph.compile(**{"checkpointer": InMemorySaver(), **compiled})

    def die(self, progress: Any) -> None:
        if self.dies and progress.started >= 4:
            self.dies.pop()
            raise Killed

    def enrich(self, state: State) -> State:
        return self._kept(state, research_table(self.rows, QUESTION, **self._how))

    async def aenrich(self, state: State) -> State:
        return self._kept(state, await aresearch_table(self.rows, QUESTION, **self._how))

    @property
    def _how(self) -> dict[str, Any]:
        return {"client": self.office.client(), "on_progress": self.die, **self.options}

    def _kept(self, state: State, table: Any) -> State:
        self.tables.append(table)
        return {"rounds": state.get("rounds", 0) + 1, "answers": [row.run_id for row in table]}

    def run(self, given: Any, config: Any = THREAD, **how: Any) -> Any:
        if self.office.mode == "sync":
            return self.graph.invoke(given, config, **how)
        return asyncio.run(self.graph.ainvoke(given, config, **how))


@pytest.mark.parametrize("store", [False, True], ids=["checkpointer", "store"])
def test_a_step_that_was_killed_goes_on_with_its_batch(office: Office, store: bool) -> None:
    plant = Plant(office, **({"store": InMemoryStore()} if store else {}))
    plant.dies.append("in the first round")
    with pytest.raises(Killed):
        plant.run({"rounds": 1})
    assert sum(office.asked.values()) == 4
    done = plant.run(None)
    assert len(done["answers"]) == 6
    assert set(office.asked.values()) == {1}


def test_the_same_step_later_is_another_table(office: Office) -> None:
    plant = Plant(office)
    plant.run({"rounds": 0})
    assert len({table.batch_id for table in plant.tables}) == 2
    assert set(office.asked.values()) == {2}


def test_a_replay_finds_its_batch_and_a_later_input_does_not(office: Office) -> None:
    plant = Plant(office)
    first = plant.run({"rounds": 1})
    start = [*plant.graph.get_state_history(THREAD)][-2].config
    assert plant.run(None, start)["answers"] == first["answers"]
    assert set(office.asked.values()) == {1}
    assert plant.run({"rounds": 1})["answers"] != first["answers"]


def test_rows_may_have_changed_and_other_threads_are_others(office: Office) -> None:
    plant = Plant(office)
    plant.dies.append("once")
    with pytest.raises(Killed):
        plant.run({"rounds": 1})
    plant.rows = [*companies(8)[::-1]]
    plant.run(None)
    assert set(office.asked.values()) == {1}
    plant.run({"rounds": 1}, {"configurable": {"thread_id": "other"}})
    assert set(office.asked.values()) == {2}


def test_where_a_rerun_could_not_find_it_each_call_is_a_batch(office: Office) -> None:
    for plant, how in (
        (Plant(office, checkpointer=None), {}),
        (Plant(office), {"durability": "exit"}),
    ):
        plant.run({"rounds": 1}, **how)
        plant.run({"rounds": 1}, **how)
        assert len({table.batch_id for table in plant.tables}) == 2


def test_a_second_table_of_the_step_does_not_wait(office: Office) -> None:
    """It asks the same of other rows, and goes into the same batch."""
    office.sim.scripts.add(RunScript(seconds=10.0, times=None))
    taken: list[float] = []

    def twice(state: State) -> State:
        for rows in (companies(3), companies(6)[2:]):
            began = office.clock.monotonic()
            table = research_table(rows, QUESTION, client=Office.client(_blocking(office)))
            taken.append(office.clock.monotonic() - began)
            assert not table.errors
        return {"answers": []}

    graph = StateGraph(State)
    graph.add_node("twice", twice)
    graph.add_edge(START, "twice")
    graph.compile(checkpointer=InMemorySaver()).invoke({}, THREAD)
    assert set(office.asked.values()) == {1}
    assert max(taken) < 40.0  # the settling time would be more


def _blocking(office: Office) -> Office:
    blocking = Office("sync")
    blocking.clock, blocking.sim = office.clock, office.sim
    return blocking
