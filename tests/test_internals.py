"""What this package knows of LangGraph's and LangChain's insides, checked against the installed versions.

They have no public way to it. Each name that is copied by hand is here, and a new one is found by itself; a
version that renames one, or means something else by it, is seen here before it costs a run.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.constants import START
from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolRuntime
from langgraph.store.postgres import PostgresStore
from langgraph.types import Command, Send, interrupt
from psycopg_pool import ConnectionPool
from typing_extensions import TypedDict

import langchain_parallel
from langchain_parallel._core.calls import drive
from langchain_parallel._graph import runtime
from langchain_parallel._locks import postgres
from langchain_parallel.parked import checkpoint_scan
from langchain_parallel.parked.index import agent_of
from langchain_parallel.tools import arguments

from .middleware.harness import Model, calls

CONSTANTS = ("langgraph._internal._constants", "langgraph.checkpoint.serde.types")
PACKAGE = Path(langchain_parallel.__file__).parent
NOT_THEIRS = {
    "__main__",
    "__arrow_c_stream__",  # Arrow's
    "__parallel_api_key",  # ours: with two underscores LangGraph does not write it down
    "__parallel_repeated_call",  # as well
    "__parallel_seat",  # as well
    "__parallel_seen",  # as well
    "__pydantic_private__",
    "__version__",
}
"""Python's, pydantic's, and ours."""


def theirs() -> dict[str, str]:
    """LangGraph's constants by their names."""
    modules = map(import_module, CONSTANTS)
    found = {name: value for module in modules for name, value in vars(module).items()}
    return {"START": START, **{n: v for n, v in found.items() if isinstance(v, str)}}


COPIED = {
    "CONFIG_KEY_CHECKPOINTER": runtime._CHECKPOINTER,
    "CONFIG_KEY_DURABILITY": runtime._DURABILITY,
    "CONFIG_KEY_TASK_ID": runtime._TASK_ID,
    "CONFIG_KEY_READ": runtime._READ,
    "CONFIG_KEY_RESUMING": runtime._RESUMING,
    "CONFIG_KEY_CHECKPOINT_MAP": "checkpoint_map",
    "CONFIG_KEY_CHECKPOINT_NS": "checkpoint_ns",
    "CONFIG_KEY_CHECKPOINT_ID": "checkpoint_id",
    "NS_SEP": "|",
    "NS_END": ":",
    "START": runtime._START,
    "INTERRUPT": runtime._INTERRUPT,
    "TASKS": checkpoint_scan._SENT,
}


@pytest.mark.parametrize("name", COPIED)
def test_a_name_is_langgraphs(name: str) -> None:
    assert theirs()[name] == COPIED[name]
    assert checkpoint_scan._INTERRUPT == runtime._INTERRUPT


@pytest.mark.parametrize("name", [runtime._USER, runtime._REQUEST])
def test_a_server_writes_this_name_into_each_config(name: str) -> None:
    server = pytest.importorskip("langgraph_api")
    source = (Path(server.__file__).parent / "models" / "run.py").read_text(encoding="utf-8")
    assert f'configurable["{name}"] = ' in source


def written() -> Iterator[tuple[str, str]]:
    """Texts in the package that look like LangGraph's reserved names."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"__[a-z_]+", text):
                yield path.name, text


def test_every_reserved_name_that_is_written_down_is_one() -> None:
    known = {*theirs().values(), *NOT_THEIRS}
    found = [(file, name) for file, name in written() if not hasattr(object, name)]
    assert {name for _, name in found} >= {runtime._CHECKPOINTER, "__interrupt__", "__scheduled__"}
    unknown = [(f, name) for f, name in found if name not in known and not _is_pythons(name)]
    assert not unknown


def _is_pythons(name: str) -> bool:
    return any(hasattr(kind, name) for kind in (type, ast, Path, written))


def test_a_task_that_has_written_nothing_but_these_is_not_done() -> None:
    """LangGraph says what is no output of a task; what is scheduled is ours to add."""
    names = ("ERROR", "ERROR_SOURCE_NODE", "INTERRUPT", "RESUME", "SCHEDULED")
    assert {theirs()[name] for name in names} == checkpoint_scan._UNDONE
    assert import_module("langgraph.pregel._task_status").CONTROL_WRITES <= checkpoint_scan._UNDONE


# --- what they mean -------------------------------------------------------------------------------


class State(TypedDict, total=False):
    seen: Any


def test_a_running_node_finds_what_it_is_given_under_these_names() -> None:
    seen: dict[str, Any] = {}

    def node(state: State, config: RunnableConfig) -> State:
        given = config["configurable"]
        seen.update(given)
        assert given[runtime._DURABILITY] == "sync"
        assert isinstance(runtime.checkpointer_of(config), InMemorySaver)
        assert runtime.runtime_of(config) is not None
        assert re.fullmatch(r"node:[0-9a-f-]{36}", given["checkpoint_ns"])
        assert abs(runtime._made_at(given["checkpoint_map"][""]) - time.time()) < 60
        assert runtime.given_input(config) is None  # the input was taken by the step before
        return {"seen": True}

    builder = StateGraph(State).add_node("node", node).add_edge(START, "node")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    assert graph.invoke({"seen": 1}, config, durability="sync") == {"seen": True}
    assert set(COPIED.values()) - {"|", ":", START, "checkpoint_id", "__interrupt__"} <= {
        *seen,
        runtime._RESUMING,  # in the first step of an invocation
        checkpoint_scan._SENT,
    }


@pytest.mark.parametrize("again", [None, Command(resume="yes")], ids=["without a word", "answered"])
@pytest.mark.parametrize("is_inside", [False, True], ids=["outermost", "subgraph"])
def test_only_a_task_that_the_invocation_found_is_told_that_it_runs_again(
    again: Any, is_inside: bool
) -> None:
    told: list[tuple[str, bool]] = []

    def before(state: State, config: RunnableConfig) -> State:
        told.append(("before", bool(config["configurable"].get(runtime._RESUMING))))
        return {}

    def ask(state: State, config: RunnableConfig) -> State:
        told.append(("ask", bool(config["configurable"].get(runtime._RESUMING))))
        return {"seen": interrupt("?")}

    builder = StateGraph(State).add_node("before", before).add_node("ask", ask)
    builder.add_edge(START, "before").add_edge("before", "ask")
    if is_inside:
        builder = StateGraph(State).add_node("inner", builder.compile()).add_edge(START, "inner")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({}, config)
    assert told == [("before", False), ("ask", False)]
    told.clear()
    graph.invoke(again, config)
    assert told == [("ask", True)]


def test_a_step_that_takes_the_input_reads_it() -> None:
    def first(state: State, config: RunnableConfig) -> State:
        return {"seen": runtime.given_input(config)}

    graph = StateGraph(State).add_node("first", first).add_edge(START, "first").compile()
    # It has been taken before the first node runs; a condition at the start reads it.
    assert graph.invoke({"seen": 1})["seen"] is None
    took: list[Any] = []

    def start(state: State, config: RunnableConfig) -> str:
        took.append(runtime.given_input(config))
        return "first"

    builder = (
        StateGraph(State).add_node("first", first).add_conditional_edges(START, start, ["first"])
    )
    builder.compile().invoke({"seen": 1})
    assert took == [{"seen": 1}]


def test_a_checkpoint_says_which_nodes_are_due_and_who_began() -> None:
    def ask(state: State) -> State:
        interrupt("?")
        return {}

    builder = StateGraph(State).add_node("ask", ask).add_node("sent", ask)
    builder.add_edge(START, "ask")
    builder.add_conditional_edges(START, lambda state: [Send("sent", {})], ["sent"])
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}
    builder.compile(checkpointer=saver).invoke({}, config)
    newest, first = saver.list(config)
    values = newest.checkpoint["channel_values"]
    assert checkpoint_scan._DUE + "ask" in values
    assert [send.node for send in values[checkpoint_scan._SENT]] == ["sent"]
    assert {channel for _, channel, _ in newest.pending_writes or ()} == {runtime._INTERRUPT}
    assert first.metadata["source"] == "input"


def test_only_what_a_threads_first_input_leads_to_has_the_first_number() -> None:
    """Whatever a caller says, and also in replays and forks: so its ledger is found without a look."""
    seen: list[tuple[bool, bool]] = []

    def node(state: State, config: RunnableConfig) -> State:
        is_first = drive(runtime.input_of(config)).after == runtime.FIRST_INPUT
        seen.append((runtime.first_input_of(config) is not None, is_first))
        return {"seen": True}

    builder = StateGraph(State).add_node("one", node).add_node("two", node)
    builder.add_edge(START, "one").add_edge("one", "two")
    inner = builder.compile()
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}, "metadata": {runtime._STEP: 1}}
    graph.invoke({}, config, durability="sync")
    assert seen == [(True, True), (False, True)]
    before = next(state for state in graph.get_state_history(config) if state.next == ("one",))
    seen.clear()
    graph.invoke({}, config, durability="sync")
    assert seen == [(False, False)] * 2
    seen.clear()
    graph.invoke(None, before.config, durability="sync")
    assert seen[0] in {
        (True, True),
        (False, True),
    }  # a replay may begin with a checkpoint of its own
    seen.clear()
    fork = graph.update_state(before.config, {"seen": 2})
    graph.invoke(None, fork, durability="sync")
    assert seen[0] == (False, True)
    outer = StateGraph(State).add_node("inner", inner).add_edge(START, "inner")
    seen.clear()
    outer.compile(checkpointer=InMemorySaver()).invoke({}, config, durability="sync")
    assert seen == [(False, True)] * 2


def test_an_agents_name_is_in_the_metadata() -> None:
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}
    create_agent(Model("hi"), name="scout", checkpointer=saver).invoke(
        {"messages": [("user", "q")]}, config
    )
    assert {agent_of(found.metadata) for found in saver.list(config)} == {"scout"}


# --- tools ----------------------------------------------------------------------------------------


def test_langchain_fills_in_the_reserved_arguments_itself() -> None:
    """So a caller's own fields of these names would never reach the tool."""
    got: list[Any] = []

    @tool
    def look(x: str, runtime: ToolRuntime, config: RunnableConfig) -> str:
        """Look."""
        got.append((runtime.tool_call_id, runtime.state["messages"][-1].id, bool(config)))
        return x

    agent = create_agent(Model(calls(("look", {"x": "a"})), "done"), tools=[look])
    agent.invoke({"messages": [("user", "q")]})
    assert [(call, bool(message), config) for call, message, config in got] == [("1", True, True)]
    assert {"runtime", "config", "run_manager"} <= arguments._RESERVED
    assert "run_manager" in import_module("langchain_core.tools.base").FILTERED_ARGS


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_what_is_in_postgresql_is_known_by_its_class() -> None:
    for module, name, kinds in zip(
        postgres._MODULES,
        postgres._CLASSES,
        ((PostgresSaver, AsyncPostgresSaver), (PostgresStore,)),
        strict=True,
    ):
        assert all(issubclass(kind, getattr(import_module(module), name)) for kind in kinds)
    assert "BasePostgresSaver" in {kind.__name__ for kind in PostgresSaver.__mro__}
    assert issubclass(PostgresSaver, BaseCheckpointSaver)


def test_a_pool_and_a_connection_say_where_their_database_is(postgres_uri: Any) -> None:
    with PostgresSaver.from_conn_string(postgres_uri()) as saver:
        by_connection = postgres._parameters(saver.conn)
    pool = ConnectionPool(postgres_uri(), kwargs={"autocommit": True}, open=False)
    assert postgres._parameters(pool) == {"conninfo": postgres_uri()}
    assert by_connection["dbname"] in postgres_uri()
