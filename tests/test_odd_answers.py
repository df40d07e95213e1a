"""An answer that is paid for comes out of every door, whatever is in it, and is told to have been changed."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from langchain_parallel import ParallelTaskTool
from langchain_parallel._core import payloads
from langchain_parallel._core.event_feed import EventFeed, event_from
from langchain_parallel.models import TaskRunInput, TaskRunResult
from langchain_parallel.research import by_evidence
from langchain_parallel.research.evaluation.prompt import session_text
from langchain_parallel.sessions import InteractionTree, SessionReport
from langchain_parallel.simulator import ManualClock, RunScript, Scenario, Simulator
from langchain_parallel.text.progress import progress

from .cut import examples, exhaustive
from .middleware import harness as agents
from .research.harness import Session, blocking_client, invoke
from .tool.helpers import Account

HALF = "\ud83d"
MARK = "\N{REPLACEMENT CHARACTER}"
URL = "https://example.com/a"
PLAIN: dict[str, Any] = {"name": "Ada"}


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = {"a": value}
    return value


def basis(**entry: Any) -> dict[str, Any]:
    """An answer with one piece of evidence, odd in `entry`."""
    usual = {"field": "name", "reasoning": "why", "confidence": "high"}
    citations = [{"url": URL, "title": "T", "excerpts": ["e"]}]
    return {"content": PLAIN, "basis": [{**usual, "citations": citations, **entry}]}


def cited(**citation: Any) -> dict[str, Any]:
    return basis(citations=[{"url": URL, **citation}])


def called(**call: Any) -> dict[str, Any]:
    usual = {"tool_call_id": "1", "server_name": "files", "tool_name": "read", "arguments": "{}"}
    return {"content": PLAIN, "mcp_tool_calls": [{**usual, **call}]}


Output = dict[str, Any]

UNSTORABLE: dict[str, tuple[Output, Any, str]] = {
    # the output, the content that comes out of it (None: PLAIN), what the warning says
    "half a character": (
        {"content": {"name": f"a{HALF}"}},
        {"name": f"a{MARK}"},
        payloads.CHARACTERS,
    ),
    "in a key": ({"content": {f"a{HALF}": 1}}, {f"a{MARK}": 1}, payloads.CHARACTERS),
    "in a title": (cited(title=HALF), None, "output.basis.0.citations.0.title"),
    "in an excerpt": (cited(excerpts=[HALF]), None, "output.basis.0.citations.0.excerpts.0"),
    "in reasoning": (basis(reasoning=HALF), None, "output.basis.0.reasoning"),
    "in an address": (basis(citations=[{"url": URL + HALF}]), None, "citations.0.url"),
    "NUL": ({"content": {"name": "a\0b"}}, {"name": f"a{MARK}b"}, payloads.CHARACTERS),
    "NUL in a key": ({"content": {"a\0": 1}}, {f"a{MARK}": 1}, payloads.CHARACTERS),
    "NUL in a text": ({"type": "text", "content": "a\0b"}, f"a{MARK}b", payloads.CHARACTERS),
    "a big number": ({"content": {"n": 2**63}}, {"n": str(2**63)}, payloads.NUMBERS),
    "a small number": ({"content": {"n": [-(2**70)]}}, {"n": [str(-(2**70))]}, payloads.NUMBERS),
    "NaN": ({"content": {"n": math.nan}}, {"n": "NaN"}, payloads.NUMBERS),
    "infinity": ({"content": {"n": -math.inf}}, {"n": "-Infinity"}, payloads.NUMBERS),
    "300 levels": ({"content": nested(300)}, ..., payloads.LEVELS),
}
UNREADABLE: dict[str, tuple[Output, str]] = {
    "a null excerpt": (cited(excerpts=[None, "e"]), "citations.0.excerpts.0"),
    "excerpts as text": (cited(excerpts="e"), "citations.0.excerpts"),
    "a title as object": (cited(title={"en": "T"}), "citations.0.title"),
    "confidence as object": (basis(confidence={"level": "low"}), "output.basis.0.confidence"),
    "citations as object": (basis(citations={"url": URL}), "output.basis.0.citations"),
    "basis as object": ({"content": PLAIN, "basis": {"name": 1}}, "output.basis"),
    "an entry as number": ({"content": PLAIN, "basis": [7, {"field": "name"}]}, "output.basis.0"),
    "arguments as object": (called(arguments={"q": 1}), "output.mcp_tool_calls.0.arguments"),
    "an error as object": (called(error={"code": 5}), "output.mcp_tool_calls.0.error"),
    "calls as text": ({"content": PLAIN, "mcp_tool_calls": "none"}, "output.mcp_tool_calls"),
    "a type as list": ({"type": ["json"], "content": PLAIN}, "output.type"),
}
HARMLESS: dict[str, Output] = {
    "a bare address": basis(citations=[URL]),
    "unknown members": {**basis(x={"y": [None]}), "z": 1},
    "odd keys": {"content": {"": 1, "a.b": 2, "a b": {"": [{"": 3}]}, "0": [1], "class": None}},
}
ODD: dict[str, tuple[Output, Any, str]] = {
    **UNSTORABLE,
    **{name: (output, None, said) for name, (output, said) in UNREADABLE.items()},
    **{name: (output, output["content"], "") for name, output in HARMLESS.items()},
}


def expected(output: Output, content: Any) -> Any:
    if content is ...:
        return payloads.storable({"output": output})[0]["output"]["content"]
    return PLAIN if content is None else content


# --- doors: each gives the content, and the warnings that it told ---------------------------------


def by_client(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(output=output, seconds=0))
    client = blocking_client(simulator)
    run = client.create(TaskRunInput(input="q", processor="lite"))
    result = client.result(run.run_id, timeout=5)
    assert TaskRunResult.model_validate_json(result.model_dump_json()) == result
    return result.output.content, " ".join(w.message for w in result.run.warnings or ())


def by_tool(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = Account()
    account.script(output=output)
    tool: ParallelTaskTool = account.tool(processor="lite")
    call = {"type": "tool_call", "name": tool.name, "id": "1", "args": {"input": "q"}}
    message: ToolMessage = tool.invoke(call)
    assert message.status == "success", message.content
    JsonPlusSerializer().dumps_typed(message)
    return message.artifact["output"]["content"], str(message.content)


def by_graph(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    options = {"keep_excerpts": True, "evaluate": by_evidence(required=("name",))}
    session = Session(mode, checkpointer=checkpointer, options=options)
    session.simulator.scripts.add(RunScript(output=output))
    session.ask("q")
    session.ask("And then?")  # the thread goes on
    turns = session.state()["turns"]
    assert [turn["status"] for turn in turns] == ["completed", "completed"]
    orjson.dumps(turns)  # as a LangGraph server shows them
    if isinstance(checkpointer, PostgresSaver):  # as a store keeps them
        connection: Any = checkpointer.conn
        connection.execute("SELECT %s::jsonb", [Jsonb(turns)])
    report = SessionReport.of(turns)
    json.loads(report.to_json())
    tree = InteractionTree.of(turns)
    for text in (tree.text(), tree.mermaid(), tree.html(), session_text({"turns": turns}, 5_000)):
        text.encode()
    said = " ".join(turns[0]["warnings"])
    assert bool(said) == ("⚠ Warning" in report.to_markdown())
    return turns[0]["content"], said


def by_agent(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = agents.Account(mode)
    account.script(output=output)
    model = agents.Model(agents.calls(agents.start("q")), "done", "again")
    agent = account.agent(model, compiled={"checkpointer": checkpointer})
    account.invoke(agent, agents.SAID, agents.thread())
    state = account.invoke(agent, agents.more(), agents.thread())  # the agent goes on
    assert "completed" in agents.texts(state)[0]
    return agents.record(state, "r1")["content"], agents.texts(state)[0]


def by_background(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = agents.Account(mode)
    account.script(output=output, seconds=60)
    model = agents.Model(agents.calls(agents.start("q")), "done", agents.calls(agents.check("r1")))
    agent = account.agent(model, wait="background", compiled={"checkpointer": checkpointer})
    account.invoke(agent, agents.SAID, agents.thread())
    account.pass_time()
    state = account.invoke(agent, agents.more(), agents.thread())
    state = account.invoke(agent, agents.more(), agents.thread())
    assert "completed" in agents.texts(state)[-1]
    return agents.record(state, "r1")["content"], agents.texts(state)[-1]


def by_parking(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    session = Session(mode, checkpointer=checkpointer, options={"wait": "park"})
    session.simulator.scripts.add(RunScript(output=output, seconds=60))
    assert "__interrupt__" in session.ask("q")
    cast(ManualClock, session.simulator.clock).advance(100)
    done = invoke(mode, session.graph(), Command(resume=True), session.config)
    return done["answer"], " ".join(done["turns"][0]["warnings"])


Door = Callable[[Output, Any, Any], tuple[Any, str]]
DOORS: list[Door] = [by_client, by_tool, by_graph, by_agent, by_background, by_parking]


@contextmanager
def saver(name: str, postgres_uri: Callable[[], str]) -> Iterator[Any]:
    if name == "memory":
        yield InMemorySaver()
    elif name == "sqlite":
        with SqliteSaver.from_conn_string(":memory:") as sqlite:
            yield sqlite
    else:
        with PostgresSaver.from_conn_string(postgres_uri()) as postgres:
            postgres.delete_thread("thread")
            yield postgres


def check(door: Any, name: str, checkpointer: Any, mode: Any = "sync") -> None:
    output, content, said = ODD[name]
    found, told = door(copy.deepcopy(output), checkpointer, mode)
    assert found == expected(output, content)
    assert said in told


@pytest.mark.grid
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_odd_answer_comes_out_of_every_door(mode: str, door: Any, name: str) -> None:
    check(door, name, InMemorySaver(), mode)


@pytest.mark.grid
@pytest.mark.parametrize("name", UNSTORABLE)
@pytest.mark.parametrize("door", [by_graph, by_agent, by_background, by_parking])
@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_an_odd_answer_is_stored_in_a_database(
    where: str, door: Any, name: str, postgres_uri: Callable[[], str]
) -> None:
    with saver(where, postgres_uri) as checkpointer:
        check(door, name, checkpointer)


@pytest.mark.parametrize("door", [by_client, *map(exhaustive, DOORS[1:])])
def test_an_answer_of_20_megabytes(door: Any) -> None:
    output = {"content": {"name": "word " * 4_000_000}}
    content, _ = door(output, InMemorySaver(), "sync")
    assert content == output["content"]


# --- anything --------------------------------------------------------------------------------------

WHOLE: Output = {
    **basis(),
    **called(error="down", content="x"),
    "output_schema": {"type": "object"},
    "type": "json",
}
KEYS = st.sampled_from(["field", "citations", "url", "title", "content", "type", HALF]) | st.text(
    max_size=4
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.just(HALF + "\0")
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield (*path, name)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, name))


@st.composite
def mutated(draw: st.DrawFn) -> Output:
    """A real answer with up to three members, anywhere in it, replaced or left out."""
    text = {"type": "text", "content": "An answer."}
    output = copy.deepcopy({**WHOLE, **(text if draw(st.booleans()) else {})})
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(paths(output))))
        parent: Any = output
        for name in way:
            parent = parent[name]
        parent[last] = draw(ANYTHING)
    return output


@pytest.mark.parametrize("door", DOORS)
@given(output=mutated())
@settings(max_examples=examples(80))
def test_a_mutated_answer_always_comes_out(door: Any, output: Output) -> None:
    content, _ = door(output, InMemorySaver(), "sync")
    assert content == payloads.storable({"output": parsed(output)})[0]["output"]["content"]


def parsed(output: Output) -> Any:
    """The output as it is read from the wire."""
    return payloads.parse(json.dumps(output))


# --- progress, warnings, MCP calls ---------------------------------------------------------------


RUN = {"run_id": "trun_1", "status": "completed"}
RUNS: dict[str, tuple[Any, str]] = {
    "warnings as text": ({"warnings": "late"}, "late"),
    "a warning as text": ({"warnings": ["late", None]}, "late"),
    "an interaction as object": ({"interaction_id": {"id": 1}}, "run.interaction_id"),
    "a time as list": ({"created_at": [1]}, "run.created_at"),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_odd_run_has_its_answer(name: str) -> None:
    odd, said = RUNS[name]
    made = payloads.read(
        TaskRunResult, {"run": {**RUN, **odd}, "output": {"content": "x", "type": "text"}}
    )
    assert made.output.content == "x"
    assert any(said in warning.message for warning in made.run.warnings or ())


@pytest.mark.parametrize(
    "odd", [{"run_id": [1]}, {"status": {}}, {"metadata": "x"}, {"run_id": None}]
)
def test_what_tells_runs_apart_is_not_mended(odd: Any) -> None:
    with pytest.raises(ValidationError):
        payloads.read(TaskRunResult, {"run": {**RUN, **odd}, "output": {"content": "x"}})


def test_bytes_that_are_no_utf8() -> None:
    body = b'{"run": {"run_id": "r", "status": "completed"}, "output": {"type": "text", "content": "a\xff"}}'
    made = payloads.read(TaskRunResult, payloads.parse(body))
    assert made.output.content == f"a{MARK}"
    assert made.run.warnings


@pytest.mark.parametrize("levels", [800, 950, 100_000])
def test_a_stream_survives_any_depth(levels: int) -> None:
    """An answer that Python itself cannot read counts as unreadable."""
    content = '{"a":' * levels + "1" + "}" * levels
    event = f'{{"type": "x.{levels}", "output": {content}}}'
    feed = EventFeed(replays=True)
    assert len(feed.feed(f"data: {event}\n\n".encode())) == feed.complete


def test_numbers_of_any_length() -> None:
    text = f"[{'9' * 5000}, 1e400, {2**63 - 1}, {-(2**63)}, 1.5, true]"
    kept, changes = payloads.storable(payloads.parse(text))
    assert kept == ["9" * 5000, "1e400", 2**63 - 1, -(2**63), 1.5, True]
    assert changes == {payloads.NUMBERS: ["0", "1"]}


def test_a_person_or_caller_may_give_odd_values() -> None:
    kept, _ = payloads.storable({1: 2**64, "a": [math.nan], "b": HALF})
    assert kept == {1: str(2**64), "a": ["NaN"], "b": MARK}


@pytest.mark.parametrize(
    "odd", [{"progress_meter": math.inf}, {"source_stats": {"num_sources_read": 2**70}}]
)
def test_odd_numbers_in_progress(odd: Any) -> None:
    event = event_from({"type": "task_run.progress_stats", **odd})
    assert event is not None
    json.dumps(progress(event, "r", None), allow_nan=False)
    JsonPlusSerializer().dumps_typed(progress(event, "r", None))


def test_half_a_character_in_a_progress_message() -> None:
    turn = {"match": "q", "progress": [{"type": "plan", "message": f"a{HALF}\0"}]}
    session = Session("sync", Simulator(ManualClock(), scenario=Scenario.parse({"turns": [turn]})))
    chunks = list(session.graph().stream({"question": "q"}, session.config, stream_mode="custom"))
    assert f"a{MARK}{MARK}" in [chunk.get("message") for chunk in chunks]
    json.dumps(chunks, ensure_ascii=False).encode()
