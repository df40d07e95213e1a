"""A table's node that parks: one interrupt for a whole batch, and one wake-up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import Limits
from langchain_parallel._core.calls import drive
from langchain_parallel.batch import create_table_node
from langchain_parallel.parked import Outcome, aresume_parked, asweep, resume_parked, sweep
from langchain_parallel.parked.resumption import thread_lock
from langchain_parallel.simulator import RunScript

from .tables import QUESTION, Office, companies
from .test_node import THREAD, State


class ParkedPlant:
    """A graph whose node parks; `processes` counts how often the node has run."""

    def __init__(self, office: Office, *, store: bool = False, **options: Any) -> None:
        self.office, self.saver = office, InMemorySaver()
        self.store = InMemoryStore() if store else None
        self.options: dict[str, Any] = {"processor": "lite", "wait": "park", **options}
        self.compile()

    def compile(self, question: str = QUESTION) -> None:
        how = {"client": self.office.client(), **self.options}
        graph = StateGraph(State)
        graph.add_node("profile", create_table_node("companies", "profiles", question, **how))
        graph.add_edge(START, "profile")
        graph.add_edge("profile", END)
        self.graph = graph.compile(checkpointer=self.saver, store=self.store)

    def do(self, blocking: Any, awaiting: Any) -> Any:
        return blocking() if self.office.mode == "sync" else asyncio.run(awaiting())

    def run(self, given: Any, config: Any = THREAD, **how: Any) -> Any:
        graph = self.graph
        return self.do(
            lambda: graph.invoke(given, config, **how), lambda: graph.ainvoke(given, config, **how)
        )

    def wake(self, run_id: str) -> Outcome:
        """A webhook about a run, at another process."""
        client = self.office.client()
        result: Any = self.do(
            lambda: resume_parked(self.graph, run_id, client),
            lambda: aresume_parked(self.graph, run_id, client),
        )
        return Outcome(result.outcome)

    def sweep(self) -> Any:
        client, how = self.office.client(), dict[str, Any](per_second=1e5)
        return self.do(
            lambda: sweep(self.graph, client, **how), lambda: asweep(self.graph, client, **how)
        )

    def profiles(self) -> list[Any]:
        return [*self.graph.get_state(THREAD).values.get("profiles", ())]

    @property
    def steps(self) -> int:
        """The checkpoints of the thread."""
        return len([*self.graph.get_state_history(THREAD)])


@pytest.fixture(params=[False, True], ids=["checkpointer", "store"])
def plant(office: Office, request: pytest.FixtureRequest) -> ParkedPlant:
    for nth in range(6):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=100.0 * (nth + 1)))
    return ParkedPlant(office, store=request.param)


def test_one_interrupt_has_the_batch_and_one_wake_up_all_answers(plant: ParkedPlant) -> None:
    sim, clock = plant.office.sim, plant.office.clock
    [interrupt] = plant.run({"companies": companies(6)})["__interrupt__"]
    assert clock.monotonic() < 60.0  # nothing has waited
    assert (interrupt.value["kind"], interrupt.value["runs"]) == ("parked", [])
    assert interrupt.value["batch"]["active"] == 6
    outcomes = []
    for run in sorted(sim.all_runs(), key=lambda run: run.text):
        clock.sleep(100.0)
        plant.compile()
        outcomes.append(plant.wake(run.run_id))
    near = Outcome.STILL_ACTIVE  # it may be the last one, whose end is not counted yet
    assert outcomes == [*[Outcome.BATCH_ACTIVE] * 3, near, near, Outcome.RESUMED]
    assert len(plant.profiles()) == 6
    assert all(one["answer"] for one in plant.profiles())
    assert set(plant.office.asked.values()) == {1}
    assert plant.wake(sim.all_runs()[0].run_id) == Outcome.NOT_PARKED
    if plant.store is not None:
        assert not plant.store.search(("langchain_parallel", "parked"))


def test_a_sweep_wakes_it_when_all_have_ended(plant: ParkedPlant) -> None:
    plant.run({"companies": companies(4)})
    plant.office.clock.sleep(250.0)
    assert plant.sweep().still_active == 1
    assert plant.profiles() == []
    plant.office.clock.sleep(250.0)
    assert plant.sweep().resumed == ["t"]
    assert len(plant.profiles()) == 4
    assert plant.sweep().threads == 0
    assert set(plant.office.asked.values()) == {1}


def test_a_resume_that_is_too_early_parks_it_again(plant: ParkedPlant) -> None:
    first = plant.run({"companies": companies(3)})["__interrupt__"]
    for _ in range(2):
        again = plant.run(Command(resume="now?"))["__interrupt__"]
        assert again[0].value["batch"] == first[0].value["batch"]
    assert set(plant.office.asked.values()) == {1}


def test_webhooks_that_come_at_once_wake_it_once(plant: ParkedPlant) -> None:
    plant.run({"companies": companies(6)})
    plant.office.clock.sleep(700.0)
    outcomes: list[Outcome] = []
    runs = [run.run_id for run in plant.office.sim.all_runs()]
    together = [
        threading.Thread(target=lambda one=one: outcomes.append(plant.wake(one))) for one in runs
    ]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert outcomes.count(Outcome.RESUMED) == 1
    assert len(plant.profiles()) == 6
    assert set(plant.office.asked.values()) == {1}
    assert plant.steps == 3  # the input, the node, and nothing twice


def test_a_person_approves_it_and_then_it_parks(plant: ParkedPlant) -> None:
    plant.options["limits"] = Limits(max_runs=1)
    plant.compile()
    [asked] = plant.run({"companies": companies(2)})["__interrupt__"]
    assert asked.value["type"] == "approve_batch"
    [parked] = plant.run(Command(resume={"approve": True}))["__interrupt__"]
    assert parked.value["kind"] == "parked"
    plant.office.clock.sleep(300.0)
    assert plant.sweep().resumed == ["t"]
    assert len(plant.profiles()) == 2


def test_a_node_that_asks_something_else_leaves_it_parked(plant: ParkedPlant) -> None:
    plant.run({"companies": companies(2)})
    plant.compile("Who founded {company}?")
    plant.office.clock.sleep(300.0)
    result = plant.sweep()
    assert not result.resumed
    assert plant.profiles() == []
    assert not any("founded" in run.text for run in plant.office.sim.all_runs())
    plant.compile()
    plant.sweep()
    assert len(plant.profiles()) == 2


def test_a_batch_of_several_groups_is_woken_at_most_once_for_each(plant: ParkedPlant) -> None:
    plant.options["chunk_size"] = 2
    plant.compile()
    plant.run({"companies": companies(6)})
    woken = 0
    for _ in range(7):
        plant.office.clock.sleep(100.0)
        before = plant.office.sim.all_runs()
        woken += sum(plant.wake(run.run_id) is Outcome.RESUMED for run in before)
    assert len(plant.profiles()) == 6
    assert woken <= 3
    assert set(plant.office.asked.values()) == {1}


def test_without_a_place_to_wait_it_blocks(office: Office) -> None:
    plant = ParkedPlant(office)
    assert len(plant.run({"companies": companies(2)}, durability="exit")["profiles"]) == 2


def test_a_webhook_that_found_the_thread_busy_wakes_the_batch_when_it_comes_again(
    plant: ParkedPlant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_parallel.parked.threads.BUSY_SECONDS", 0.05)
    plant.run({"companies": companies(2)})
    plant.office.clock.sleep(300.0)
    [first, _] = plant.office.sim.all_runs()
    lock = drive(thread_lock(plant.graph, THREAD, None))
    assert plant.wake(first.run_id) == Outcome.IN_PROGRESS
    lock.release()
    assert plant.wake(first.run_id) == Outcome.RESUMED
    assert len(plant.profiles()) == 2
    if plant.store is not None:
        assert not plant.store.search(("langchain_parallel", "parked"))
