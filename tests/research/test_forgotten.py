"""A subgraph that is asked again without its session says so, once it is sure of it."""

from __future__ import annotations

import operator
import sys
import warnings
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy, Send

from langchain_parallel import create_research_graph
from langchain_parallel.research import Turn, merge_turns
from langchain_parallel.simulator import ManualClock, Simulator

from .harness import Mode, client_of, invoke

AGAIN = "asked again on thread parent without its earlier turns"
CONFIG = {"configurable": {"thread_id": "parent"}}


class State(TypedDict, total=False):
    subject: str
    reports: Annotated[list[Any], operator.add]
    session: dict[str, Any]


class World:
    """A parent with a state of its own, made anew for each question as by another process."""

    def __init__(self, mode: Mode, store: InMemoryStore | None = None) -> None:
        self.mode, self.store = mode, store
        self.simulator, self.saver = Simulator(ManualClock()), InMemorySaver()

    def research(self, **compiled: Any) -> Any:
        client = client_of(self.mode, self.simulator)
        made: Any = create_research_graph(processor="lite", client=client)
        return made.compile(**compiled)

    def ask(self, subject: str, node: Any = None, **more: Any) -> Any:
        graph: Any = StateGraph(State)
        graph.add_node("look", node or self.naive(self.research()), **more)
        graph.add_edge(START, "look")
        graph.add_edge("look", END)
        compiled = graph.compile(checkpointer=self.saver, store=self.store)
        return invoke(self.mode, compiled, {"subject": subject}, CONFIG)

    def naive(self, research: Any, *kept: str) -> Any:
        def given(state: State) -> Any:
            return {"question": state["subject"], **(state.get("session") or {})}

        def made(out: Any) -> Any:
            session = {"session": {name: out[name] for name in kept}} if kept else {}
            return {"reports": [out["answer"]], **session}

        def blocking(state: State) -> Any:
            return made(research.invoke(given(state)))

        async def asynchronous(state: State, config: RunnableConfig) -> Any:
            # Python 3.10 carries no context into tasks: there a node passes its config on by itself.
            passed = [config] if sys.version_info < (3, 11) else []
            return made(await research.ainvoke(given(state), *passed))

        return blocking if self.mode == "sync" else asynchronous


@pytest.fixture(params=[False, True], ids=["", "store"])
def world(mode: Mode, request: pytest.FixtureRequest) -> World:
    return World(mode, InMemoryStore() if request.param else None)


def test_a_second_question_without_the_session_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.ask("Trams?")
    with pytest.warns(UserWarning, match=AGAIN):
        world.ask("Buses?")
    assert AGAIN in caplog.text
    assert "`checkpointer=True`" in caplog.text
    assert len(world.simulator.runs()) == 2


def test_a_parent_that_keeps_the_session_is_told_nothing(world: World) -> None:
    for subject in ("Trams?", "Buses?", "Bikes?"):
        world.ask(subject, world.naive(world.research(), "turns", "interaction_id", "ledger_id"))


def test_a_subgraph_with_its_own_memory_is_told_nothing(world: World) -> None:
    for subject in ("Trams?", "Buses?"):
        world.ask(subject, world.naive(world.research(checkpointer=True)))


class Shared(TypedDict, total=False):
    question: str
    answer: Any
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]


def test_a_replay_or_a_fork_of_a_parent_that_shares_is_told_nothing(world: World) -> None:
    graph: Any = StateGraph(Shared)
    graph.add_node("before", lambda state: {})
    graph.add_node("research", world.research())
    graph.add_edge(START, "before")
    graph.add_edge("before", "research")
    graph.add_edge("research", END)
    compiled = graph.compile(checkpointer=world.saver, store=world.store)
    for question in ("Trams?", "Buses?"):
        invoke(world.mode, compiled, {"question": question}, CONFIG)
    for snapshot in list(compiled.get_state_history(CONFIG)):
        if snapshot.next:
            invoke(world.mode, compiled, None, snapshot.config)


def test_parallel_sends_and_retries_are_not(world: World) -> None:
    research = world.research()
    graph: Any = StateGraph(State)
    graph.add_node("look", world.naive(research))
    sends = lambda state: [Send("look", {"subject": f"{n}?"}) for n in range(3)]  # noqa: E731
    graph.add_conditional_edges(START, sends, ["look"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        invoke(world.mode, graph.compile(checkpointer=world.saver), {}, CONFIG)
    assert len(world.simulator.runs()) == 3


def test_a_task_that_runs_again_is_the_same_session(mode: Mode) -> None:
    world, failures = World(mode), [ConnectionError()]
    inner = world.naive(world.research())

    def blocking(state: State) -> Any:
        out = inner(state)
        if failures:
            raise failures.pop()
        return out

    async def asynchronous(state: State, config: RunnableConfig) -> Any:
        out = await inner(state, config)
        if failures:
            raise failures.pop()
        return out

    node = blocking if mode == "sync" else asynchronous
    world.ask("Trams?", node, retry_policy=RetryPolicy(initial_interval=0.01))
    assert len(world.simulator.runs()) == 1


def test_what_is_known_of_earlier_questions_stays_small(mode: Mode) -> None:
    store = InMemoryStore()
    world = World(mode, store)

    def known() -> Any:
        items = store.search(("langchain_parallel", "records"), limit=100)
        return next(item for item in items if "after" in item.value["record"])

    world.ask("Ada")
    one = known()
    [first] = one.value["record"]["after"]
    many = [f"earlier {nth}" for nth in range(150)]
    store.put(one.namespace, one.key, {**one.value, "record": {"after": many}})
    with pytest.warns(UserWarning, match=AGAIN):
        world.ask("Grace")
    after = known().value["record"]["after"]
    assert len(after) == 100
    assert after[:-1] == many[-99:]
    assert after[-1] != first
