"""Checkpointers of other kinds: what keeps no records is refused before it costs a run; a store mends it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import create_research_graph
from langchain_parallel._core.calls import drive
from langchain_parallel._graph.records import Records
from langchain_parallel.errors import CheckpointNotWritten
from langchain_parallel.simulator import ManualClock, Simulator

from ..tool.helpers import START, Account, agent, answers, calls, thread
from .harness import blocking_client


def namespace(config: RunnableConfig) -> str:
    return str(config["configurable"].get("checkpoint_ns", ""))


class Refusing(InMemorySaver):
    """Knows only the namespaces of graphs."""

    def get_tuple(self, config: RunnableConfig) -> Any:
        if namespace(config).startswith("langchain_parallel"):
            raise ValueError("unknown namespace")
        return super().get_tuple(config)


class Losing(InMemorySaver):
    """Drops what it does not know, and says nothing."""

    def put(self, config: RunnableConfig, *args: Any) -> Any:
        if namespace(config).startswith("langchain_parallel"):
            return config
        return super().put(config, *args)


class Filtering(InMemorySaver):
    """Keeps LangGraph's own metadata only."""

    def put(self, config: RunnableConfig, checkpoint: Any, metadata: Any, *args: Any) -> Any:
        kept: Any = {name: metadata[name] for name in ("source", "step", "parents")}
        return super().put(config, checkpoint, kept, *args)


class Bare(InMemorySaver):
    """Gives back nothing beside a checkpoint that it does not know."""

    def get_tuple(self, config: RunnableConfig) -> Any:
        found: Any = super().get_tuple(config)
        is_ours = namespace(config).startswith("langchain_parallel")
        return found._replace(metadata=None) if found and is_ours else found


class Mixing(InMemorySaver):
    """Keeps no namespaces apart."""

    def get_tuple(self, config: RunnableConfig) -> Any:
        return super().get_tuple(_in_one(config))

    def put(self, config: RunnableConfig, *args: Any) -> Any:
        return super().put(_in_one(config), *args)

    def put_writes(self, config: RunnableConfig, *args: Any) -> None:
        super().put_writes(_in_one(config), *args)


def _in_one(config: RunnableConfig) -> RunnableConfig:
    return {**config, "configurable": {**config["configurable"], "checkpoint_ns": ""}}


class Frozen(InMemorySaver):
    """Keeps the first checkpoint of an id."""

    def put(self, config: RunnableConfig, checkpoint: Any, *args: Any) -> Any:
        place = {**config["configurable"], "checkpoint_id": checkpoint["id"]}
        if super().get_tuple({"configurable": place}) is not None:
            return config
        return super().put(config, checkpoint, *args)


class Shallow(InMemorySaver):
    """Shows a namespace's latest checkpoint, whichever is asked for."""

    def get_tuple(self, config: RunnableConfig) -> Any:
        place = {k: v for k, v in config["configurable"].items() if k != "checkpoint_id"}
        return super().get_tuple({"configurable": place})


USELESS = [Refusing, Losing, Filtering, Bare, Mixing]
OURS = [*USELESS, Frozen, Shallow, InMemorySaver]


@pytest.mark.parametrize("kind", USELESS)
def test_a_checkpointer_that_keeps_no_records_is_refused_before_anything_is_paid(
    kind: type[InMemorySaver],
) -> None:
    simulator = Simulator(ManualClock())
    options: dict[str, Any] = {"client": blocking_client(simulator), "processor": "lite"}
    graph: Any = create_research_graph(**options).compile(checkpointer=kind())
    with pytest.raises(CheckpointNotWritten, match="store"):
        graph.invoke({"question": "Who leads?"}, thread("t"))
    account = Account(simulator)
    tool = agent(account.tool(), calls({"input": "Who leads?"}), "done", checkpointer=kind())
    with pytest.raises(CheckpointNotWritten, match="store"):
        tool.invoke(START, thread("t"))
    assert simulator.runs() == []


@pytest.mark.parametrize("kind", OURS)
def test_with_a_store_any_checkpointer_will_do(kind: type[InMemorySaver]) -> None:
    simulator = Simulator(ManualClock())
    options: dict[str, Any] = {"client": blocking_client(simulator), "processor": "lite"}
    graph: Any = create_research_graph(**options).compile(
        checkpointer=kind(), store=InMemoryStore()
    )
    for question in ("Who leads?", "Who follows?"):
        state = graph.invoke({"question": question}, thread("t"))
        assert state["turns"][-1]["status"] == "completed"
    assert len(simulator.runs()) == 2


def test_a_checkpointer_that_replaces_nothing_is_refused_when_that_is_seen() -> None:
    simulator, kept = Simulator(ManualClock()), Frozen()
    account = Account(simulator)
    tool = account.tool()
    state = agent(tool, calls({"input": "A?"}), "done", checkpointer=kept).invoke(
        START, thread("t")
    )
    assert answers(state)[-1].status == "success"
    with pytest.raises(CheckpointNotWritten, match="forgets it"):
        agent(tool, calls({"input": "B?"}), "done", checkpointer=kept).invoke(START, thread("t"))
    assert len(simulator.runs()) == 1


def test_a_checkpointer_that_keeps_the_latest_only_is_asked_for_no_history() -> None:
    simulator = Simulator(ManualClock())
    options: dict[str, Any] = {"client": blocking_client(simulator), "processor": "lite"}
    graph: Any = create_research_graph(**options).compile(checkpointer=Shallow())
    for question in ("Who leads?", "Who follows?"):
        graph.invoke({"question": question}, thread("t"))
    assert len(simulator.runs()) == 2


def test_what_is_seen_to_keep_records_is_not_read_back_any_more() -> None:
    read: list[str] = []

    class Counting(InMemorySaver):
        def get_tuple(self, config: RunnableConfig) -> Any:
            read.append(namespace(config))
            return super().get_tuple(config)

    simulator, kept, counts = Simulator(ManualClock()), Counting(), []
    tool = Account(simulator).tool()
    for question in ("A?", "B?", "C?"):
        read.clear()
        graph = agent(tool, calls({"input": question}), "done", checkpointer=kept)
        graph.invoke(START, thread("t"), durability="sync")
        counts.append(sum(where.startswith("langchain_parallel") for where in read))
    assert counts[0] > counts[1] == counts[2] == 4


def test_the_same_record_written_twice_does_not_show_that_records_are_replaced() -> None:
    place: Any = {"configurable": {"thread_id": "t", "__pregel_checkpointer": Frozen()}}
    records = Records()
    for _ in range(2):
        drive(records.put(place, "a name", {"n": 1}))
    with pytest.raises(CheckpointNotWritten, match="forgets it"):
        drive(records.put(place, "a name", {"n": 2}))
