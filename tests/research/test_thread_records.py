"""Records of a thread: in the store or the checkpointer, for every process, and seen by nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore

from langchain_parallel._core.calls import adrive, drive
from langchain_parallel._graph.records import Records
from langchain_parallel._graph.store import NAMESPACE
from langchain_parallel.errors import CheckpointNotWritten
from langchain_parallel.parked.checkpoint_scan import scan_checkpoints

BACKENDS = ("memory", "sqlite", "postgres")


class State(TypedDict, total=False):
    name: str
    put: Any
    got: Any


def graph(records: Records, **compiled_with: Any) -> Any:
    """A graph whose one node, in a subgraph, reads a record and may write it."""

    def work(state: State, config: RunnableConfig) -> Any:
        got = drive(records.get(config, state["name"]))
        if state.get("put") is not None:
            drive(records.put(config, state["name"], state["put"]))
        return {"got": got}

    async def awork(state: State, config: RunnableConfig) -> Any:
        got = await adrive(records.get(config, state["name"]))
        if state.get("put") is not None:
            await adrive(records.put(config, state["name"], state["put"]))
        return {"got": got}

    from langgraph._internal._runnable import RunnableCallable

    inner: Any = StateGraph(State)
    inner.add_node("work", RunnableCallable(work, awork))
    inner.add_edge(START, "work")
    outer: Any = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    outer.add_edge("inner", END)
    return outer.compile(**compiled_with)


@contextmanager
def opened(backend: str, folder: Path, postgres_uri: Callable[[], str]) -> Iterator[Any]:
    with ExitStack() as stack:
        if backend == "postgres":
            yield stack.enter_context(PostgresSaver.from_conn_string(postgres_uri()))
        elif backend == "sqlite":
            connection = sqlite3.connect(folder / "checkpoints.db", check_same_thread=False)
            stack.callback(connection.close)
            yield SqliteSaver(connection)
        else:
            yield InMemorySaver()


@asynccontextmanager
async def aopened(
    backend: str, folder: Path, postgres_uri: Callable[[], str]
) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        if backend == "postgres":
            yield await enter(AsyncPostgresSaver.from_conn_string(postgres_uri()))
        elif backend == "sqlite":
            yield AsyncSqliteSaver(await enter(aiosqlite.connect(folder / "checkpoints.db")))
        else:
            yield InMemorySaver()


def thread(id: str) -> Any:
    return {"configurable": {"thread_id": id}}


def asked(put: Any = None, name: str = "a name") -> Any:
    return {"name": name, "put": put, "got": None}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_a_record_is_replaced_and_read_by_another_object(
    backend: str, durability: str, tmp_path: Path, postgres_uri: Callable[[], str]
) -> None:
    config = thread(f"records of {backend} {durability}")
    with opened(backend, tmp_path, postgres_uri) as saver:

        def run(given: Any, config: Any = config) -> Any:
            made = graph(Records(), checkpointer=saver)
            return made.invoke(given, config, durability=durability)["got"]

        assert run(asked({"by": "one", "run_id": None, "n": [1]})) is None
        assert run(asked({"by": "two", "run_id": "trun_1"})) == {
            "by": "one",
            "run_id": None,
            "n": [1],
        }
        assert run(asked()) == {"by": "two", "run_id": "trun_1"}
        assert run(asked(name="another")) is None
        assert run(asked(), thread(f"another of {backend} {durability}")) is None
        saver.delete_thread(config["configurable"]["thread_id"])
        assert run(asked()) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_record_is_replaced_by_asynchronous_callers(
    backend: str, tmp_path: Path, postgres_uri: Callable[[], str]
) -> None:
    config = thread(f"records awaited of {backend}")

    async def run() -> list[Any]:
        async with aopened(backend, tmp_path, postgres_uri) as saver:
            got = []
            for put in ({"n": 1}, {"n": 2}, None):
                made = graph(Records(), checkpointer=saver)
                got.append((await made.ainvoke(asked(put), config))["got"])
            return got

    assert asyncio.run(run()) == [None, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nobody_sees_a_record_who_looks_at_states(
    backend: str, tmp_path: Path, postgres_uri: Callable[[], str]
) -> None:
    config = thread(f"unseen on {backend}")
    with opened(backend, tmp_path, postgres_uri) as saver:
        made = graph(Records(), checkpointer=saver)

        def seen() -> Any:
            snapshot = made.get_state(config, subgraphs=True)
            history = [one.config for one in made.get_state_history(config)]
            return snapshot.values, snapshot.next, snapshot.config, history

        made.invoke(asked(), config)
        before = seen()
        newest = next(iter(saver.list(None, limit=1))).config
        context: Any = {"configurable": {**config["configurable"], "__pregel_checkpointer": saver}}
        for n in range(3):
            drive(Records().put(context, f"record {n}", {"n": n}))
        assert seen() == before
        assert next(iter(saver.list(None, limit=1))).config == newest or backend == "memory"
        parked = drive(scan_checkpoints(saver, lambda _: True))
        assert f"unseen on {backend}" not in str(parked)  # a database has threads of other tests
        namespaces = {
            one.config["configurable"]["checkpoint_ns"].partition(":")[0]
            for one in saver.list({"configurable": {"thread_id": f"unseen on {backend}"}})
        }
        assert NAMESPACE in namespaces  # whoever lists all namespaces can tell them apart


def test_a_page_of_a_scan_that_ends_among_records_leaves_no_thread_out(
    postgres_uri: Callable[[], str],
) -> None:
    """Records share an id: a list that goes on before it would leave out what comes after it."""
    with PostgresSaver.from_conn_string(postgres_uri()) as saver:
        graph(Records(), checkpointer=saver).invoke(asked({"n": 1}), thread("records and pages"))
        every = [one.checkpoint["id"] for one in saver.list(None)]
        first = next(at for at, id in enumerate(every) if id.startswith("00000000"))
        assert all(id.startswith("00000000") for id in every[first:])


def test_a_store_is_used_where_there_is_one() -> None:
    saver, store = InMemorySaver(), InMemoryStore()
    made = graph(Records(), checkpointer=saver, store=store)
    made.invoke(asked({"n": 1}), thread("stored"))
    (item,) = store.search(("langchain_parallel", "records"))
    assert item.value["record"] == {"n": 1}
    assert not any(ns.startswith(NAMESPACE) for ns in saver.storage["stored"])
    without_checkpoints = graph(Records(), store=store)
    assert without_checkpoints.invoke(asked(), thread("stored"))["got"] == {"n": 1}
    assert without_checkpoints.invoke(asked(name="another"), thread("stored"))["got"] is None
    assert without_checkpoints.invoke(asked(), thread("another"))["got"] is None


def test_without_store_and_checkpointer_the_object_remembers() -> None:
    records = Records()
    made = graph(records)
    made.invoke(asked({"n": 1}), thread("remembered"))
    assert made.invoke(asked(), thread("remembered"))["got"] == {"n": 1}
    assert graph(Records()).invoke(asked(), thread("remembered"))["got"] is None


def test_a_checkpointer_that_raises_is_an_error_of_ours() -> None:
    class Full(InMemorySaver):
        def put(self, config: Any, *rest: Any) -> Any:
            if config["configurable"]["checkpoint_ns"].startswith(NAMESPACE):
                raise OSError("disk full")
            return super().put(config, *rest)

    made = graph(Records(), checkpointer=Full())
    with pytest.raises(CheckpointNotWritten, match="OSError") as raised:
        made.invoke(asked({"n": 1}), thread("full"))
    assert raised.value.billed is None  # an earlier step may have sent something


def test_a_record_that_is_gone_once_it_is_replaced_was_not_kept() -> None:
    class Forgetful(InMemorySaver):
        puts = 0

        def put(self, *args: Any) -> Any:
            self.puts += 1
            return super().put(*args)

        def get_tuple(self, config: Any) -> Any:
            return None if self.puts > 1 else super().get_tuple(config)

    place: Any = {"configurable": {"thread_id": "t", "__pregel_checkpointer": Forgetful()}}
    records = Records()
    drive(records.put(place, "a name", {"n": 1}))
    with pytest.raises(CheckpointNotWritten, match="forgets it"):
        drive(records.put(place, "a name", {"n": 2}))


def test_a_copy_of_a_tool_uses_the_same_records() -> None:
    records = Records()
    assert deepcopy(records) is records


def test_a_record_that_another_process_replaces_at_once_was_kept() -> None:
    class Shared(InMemorySaver):
        def put(self, config: Any, checkpoint: Any, metadata: Any, *rest: Any) -> Any:
            theirs: Any = {**metadata, NAMESPACE: {"by": "another process"}}
            return super().put(config, checkpoint, theirs, *rest)

    place: Any = {"configurable": {"thread_id": "t", "__pregel_checkpointer": Shared()}}
    drive(Records().put(place, "a name", {"by": "this process"}))


def test_a_record_may_be_written_twice() -> None:
    """Its checkpoint is no parent of itself: who goes back through a history comes to an end."""
    records, saver = Records(), InMemorySaver()
    place: Any = {"configurable": {"thread_id": "t", "__pregel_checkpointer": saver}}
    for _ in range(2):
        drive(records.put(place, "a name", {"n": 1}))
    assert drive(records.get(place, "a name")) == {"n": 1}
    assert [one.parent_config for one in saver.list(thread("t"))] == [None]
