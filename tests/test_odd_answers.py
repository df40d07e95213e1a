"""An answer that is paid for comes out of every door, whatever is in it, and is told to have been changed."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import orjson
import pytest
from hypothesis import Phase, given, settings
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
from langchain_parallel.models import TaskRunInput, TaskRunResult, UnknownEvent
from langchain_parallel.research import by_evidence
from langchain_parallel.research.evaluation.prompt import session_text
from langchain_parallel.sessions import InteractionTree, SessionReport
from langchain_parallel.simulator import ManualClock, RunScript, Scenario, Simulator
from langchain_parallel.simulator.http_messages import Chunk, Head, Request, Response, Step
from langchain_parallel.text.progress import progress

from .cut import examples, exhaustive
from .middleware import harness as agents
from .research.harness import Session, async_client, blocking_client, invoke
from .tool.helpers import Account
from .tool.helpers import invoke as invoked

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


EDIT: ContextVar[Callable[[Any], Any] | None] = ContextVar("edit", default=None)


class Wire(Simulator):
    """Answers with JSON that no library writes: what `raw` made stands there as it was given.

    What it says of a run goes through `EDIT`.
    """

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        edit = EDIT.get() if request.path.startswith("/v1/tasks/runs/") else None
        return Response(self._edited(step, edit) for step in response.steps)

    def _edited(self, step: Step, edit: Callable[[Any], Any] | None) -> Step:
        if isinstance(step, Chunk) and edit is not None:
            head, data, text = step.data.decode().rpartition("data: ")
            step = Chunk(f"{head}{data}{json.dumps(edit(json.loads(text)))}\n\n".encode())
        if isinstance(step, Chunk) and b'"raw:' in step.data:
            return Chunk(
                re.sub(rb'"raw:([0-9a-f]*)\."', lambda m: bytes.fromhex(m[1].decode()), step.data)
            )
        if isinstance(step, Head):  # the length may be another
            headers = {k: v for k, v in step.headers.items() if k != "content-length"}
            return Head(step.status, headers)
        return step


def raw(data: str | bytes) -> str:
    return f"raw:{(data.encode() if isinstance(data, str) else data).hex()}."


def wire() -> Wire:
    return Wire(ManualClock())


def deep(levels: int) -> str:
    return '{"a": [' * (levels // 2) + "1" + "]}" * (levels // 2)


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
WRITTEN: dict[str, tuple[str | bytes, Any, str]] = {
    # what is written, what is read (of the depth: only that it comes out), what the warning says
    "900 levels": (deep(900), ..., payloads.LEVELS),
    "980 levels": (deep(980), ..., payloads.LEVELS),
    "1,200 levels": (deep(1_200), ..., payloads.LEVELS),
    "12,000 levels": (deep(12_000), ..., payloads.LEVELS),
    "100,000 levels": (deep(100_000), ..., payloads.LEVELS),
    "a name twice": ('{"a": 1, "a": 2}', {"a": 2}, payloads.REPEATED),
    "no UTF-8": (b'"a\xff"', f"a{MARK}", payloads.CHARACTERS),
    "a huge number": ("1e999999", "1e999999", payloads.NUMBERS),
    "10,000 digits": ("9" * 10_000, "9" * 10_000, payloads.NUMBERS),
    "NaN as written": ("[NaN, -Infinity]", ["NaN", "-Infinity"], payloads.NUMBERS),
    "minus zero": ("[-0, -0.0]", [0, 0.0], ""),
    "a line end in a text": ('"a\tb"', "a\tb", ""),
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
    **{
        name: ({"content": {"name": raw(text)}}, {"name": read}, said)
        for name, (text, read, said) in WRITTEN.items()
    },
}


def expected(output: Output, content: Any) -> Any:
    if content is ...:
        return payloads.storable({"output": output})[0]["output"]["content"]
    return PLAIN if content is None else content


# --- doors: each gives the content, and the warnings that it told ---------------------------------


def by_client(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    simulator = wire()
    simulator.scripts.add(RunScript(output=output, seconds=0))
    asked = TaskRunInput(input="q", processor="lite")

    async def awaited() -> TaskRunResult:
        async with async_client(simulator) as client:
            return await client.result((await client.create(asked)).run_id, timeout=5)

    if mode == "sync":
        client = blocking_client(simulator)
        result = client.result(client.create(asked).run_id, timeout=5)
    else:
        result = asyncio.run(awaited())
    assert TaskRunResult.model_validate_json(result.model_dump_json()) == result
    return result.output.content, " ".join(w.message for w in result.run.warnings or ())


def by_tool(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = Account(wire())
    account.script(output=output)
    tool: ParallelTaskTool = account.tool(processor="lite")
    call = {"type": "tool_call", "name": tool.name, "id": "1", "args": {"input": "q"}}
    message: ToolMessage = asyncio.run(invoked(tool, call, mode))
    assert message.status == "success", message.content
    JsonPlusSerializer().dumps_typed(message)
    return message.artifact["output"]["content"], str(message.content)


def by_graph(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    options = {"keep_excerpts": True, "evaluate": by_evidence(required=("name",))}
    session = Session(mode, wire(), checkpointer=checkpointer, options=options)
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
    assert bool(said) == ("⚠ Warning" in report.to_markdown("audit"))
    return turns[0]["content"], said


def by_agent(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = agents.Account(mode, simulator=wire())
    account.script(output=output)
    model = agents.Model(agents.calls(agents.start("q")), "done", "again")
    agent = account.agent(model, compiled={"checkpointer": checkpointer})
    account.invoke(agent, agents.SAID, agents.thread())
    state = account.invoke(agent, agents.more(), agents.thread())  # the agent goes on
    assert "completed" in agents.texts(state)[0]
    return agents.record(state, "r1")["content"], agents.texts(state)[0]


def by_background(output: Output, checkpointer: Any, mode: Any) -> tuple[Any, str]:
    account = agents.Account(mode, simulator=wire())
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
    session = Session(mode, wire(), checkpointer=checkpointer, options={"wait": "park"})
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
    if content != {"name": ...}:
        assert found == expected(output, content)
    else:
        text = found["name"]
        while not isinstance(text, str):
            [text] = text.values() if isinstance(text, dict) else text
        assert text.count("[") * 2 > int(name.split(maxsplit=1)[0].replace(",", "")) - 101
        assert text in deep(100_000)
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
def test_an_answer_of_megabytes(door: Any) -> None:
    words = 4_000_000 if door is by_client else 800_000
    output = {"content": {"name": "word " * words}}
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


def mutate(draw: st.DrawFn, whole: Any) -> None:
    """Replace, leave out, rename or repeat up to three members, anywhere in it."""
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([*paths(whole)] or [("x",)]))
        parent = whole
        for name in way:
            parent = parent[name]
        change = draw(st.sampled_from(["replace", "leave out", "repeat"]))
        if change == "replace":
            parent[last] = draw(ANYTHING)
        elif change == "leave out":
            parent.pop(last)
        elif isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
        else:  # so a member is renamed, if it is left out as well
            parent[draw(KEYS)] = copy.deepcopy(parent[last])


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real answer with changes in it, or something else in its place."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING.filter(lambda whole: whole is not None))
    text = {"type": "text", "content": "An answer."}
    output = copy.deepcopy({**WHOLE, **(text if draw(st.booleans()) else {})})
    mutate(draw, output)
    return output


@st.composite
def mutated_run(draw: st.DrawFn) -> tuple[Output, Output]:
    """Members of a run and of its progress that are others than documented."""
    run: Output = {
        "warnings": [{"type": "warning", "message": "late", "detail": None}],
        "error": {"ref_id": "r", "message": "m", "detail": {"a": 1}},
        "metadata": {"k": "v"},
        "processor": "lite",
        "is_active": False,
        "created_at": "2026-01-01T00:00:00Z",
    }
    event: Output = {
        "source_stats": {"num_sources_read": 1, "sources_read_sample": [URL]},
        "progress_meter": 5.5,
        "message": "m",
        "timestamp": "t",
    }
    mutate(draw, run)
    mutate(draw, event)
    return run, event


def comes_out(door: Any, mode: str, edit: Callable[[Any], Any]) -> tuple[Any, str]:
    token = EDIT.set(edit)
    try:
        found: tuple[Any, str] = door({"content": PLAIN}, InMemorySaver(), mode)
        return found
    finally:
        EDIT.reset(token)


UNEXPLAINED = [phase for phase in Phase if phase is not Phase.explain]  # which takes minutes


@pytest.mark.parametrize("door", DOORS)
@given(output=mutated(), mode=st.sampled_from(["sync", "async"]))
@settings(max_examples=examples(48), phases=UNEXPLAINED)
def test_a_mutated_answer_always_comes_out(door: Any, output: Any, mode: str) -> None:
    content, told = comes_out(
        door, mode, lambda body: {**body, "output": output} if body.get("output") else body
    )
    whole = payloads.storable({"output": payloads.parse(json.dumps(output))})[0]["output"]
    assert content == (whole.get("content") if isinstance(whole, dict) else whole)
    assert isinstance(output, dict) or "Read as the answer itself" in told


@pytest.mark.parametrize("door", DOORS)
@given(mutation=mutated_run(), mode=st.sampled_from(["sync", "async"]))
@settings(max_examples=examples(40), phases=UNEXPLAINED)
def test_whatever_is_said_of_the_run_its_answer_comes_out(
    door: Any, mutation: tuple[Output, Output], mode: str
) -> None:
    run, event = mutation

    def edit(body: Any) -> Any:
        said = body.get("run", body)
        if "run_id" in said:  # a run, a result or an event of a run
            changed = {**said, **run, **kept(said)}
            if said is body:  # asked for its status: by the metadata its thread is found
                return {**changed, "metadata": said["metadata"]}
            return {**body, "run": changed}
        return {**body, **event}

    assert comes_out(door, mode, edit)[0] == PLAIN


def kept(run: Output) -> Output:
    """What tells runs apart."""
    return {name: run[name] for name in ("run_id", "status", "interaction_id")}


# --- progress, warnings, MCP calls ---------------------------------------------------------------


RUN = {"run_id": "trun_1", "status": "completed"}
RUNS: dict[str, tuple[Any, str]] = {
    "warnings as text": ({"warnings": "late"}, "late"),
    "a warning as text": ({"warnings": ["late", None]}, "late"),
    "an interaction as object": ({"interaction_id": {"id": 1}}, "run.interaction_id"),
    "a time as list": ({"created_at": [1]}, "run.created_at"),
    "metadata as text": ({"metadata": "x"}, "run.metadata"),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_odd_run_has_its_answer(name: str) -> None:
    odd, said = RUNS[name]
    made = payloads.read(
        TaskRunResult, {"run": {**RUN, **odd}, "output": {"content": "x", "type": "text"}}
    )
    assert made.output.content == "x"
    assert any(said in warning.message for warning in made.run.warnings or ())


@pytest.mark.parametrize("odd", [{"run_id": [1]}, {"status": {}}, {"run_id": None}])
def test_what_tells_runs_apart_is_not_mended(odd: Any) -> None:
    with pytest.raises(ValidationError):
        payloads.read(TaskRunResult, {"run": {**RUN, **odd}, "output": {"content": "x"}})


def test_metadata_in_a_list_is_not_mended() -> None:
    """By it a run is found that was paid for."""
    event = event_from({"type": "task_run.state", "run": {**RUN, "metadata": "x"}})
    assert isinstance(event, UnknownEvent)


def test_bytes_that_are_no_utf8() -> None:
    body = b'{"run": {"run_id": "r", "status": "completed"}, "output": {"type": "text", "content": "a\xff"}}'
    made = payloads.read(TaskRunResult, payloads.parse(body))
    assert made.output.content == f"a{MARK}"
    assert made.run.warnings


@pytest.mark.parametrize("levels", [800, 950, 1_050, 100_000])
def test_a_stream_brings_an_answer_of_any_depth(levels: int) -> None:
    event = f'{{"type": "x.{levels}", "output": {deep(levels)}}}'
    feed = EventFeed(replays=True)
    [read] = feed.feed(f"data: {event}\n\n".encode())
    assert feed.complete
    json.dumps(read.model_dump())


@pytest.mark.parametrize("levels", [50, 150, 1_500])
@pytest.mark.parametrize("text", ['{"a": [}', '{"a": ['])
def test_depth_excuses_no_text_that_is_no_json(text: str, levels: int) -> None:
    with pytest.raises(json.JSONDecodeError):
        payloads.parse("[" * levels + text + "]" * levels)


@pytest.mark.parametrize("levels", [3, 101, 102, 900, 1_500])
def test_what_is_too_deep_is_kept_to_the_letter(levels: int) -> None:
    text = "[" * levels + r'"a \"] b", 1, {"b": "]"}' + "]" * levels
    kept, changes = payloads.storable(payloads.parse(text))
    for _ in range(min(levels, 100) - 1):
        [kept] = kept
    whole: Any = json.loads(text) if levels < 100 else None
    for _ in range(levels - 1 if whole else 0):
        [whole] = whole
    assert kept == (whole or [text[100:-100]])
    assert bool(changes[payloads.LEVELS]) is (levels >= 100)


def test_depth_costs_time_in_proportion() -> None:
    def seconds(levels: int) -> float:
        text = deep(levels)
        began = time.process_time()
        payloads.storable(payloads.parse(text))
        return time.process_time() - began

    seconds(20_000)
    assert min(seconds(200_000) for _ in range(3)) < 30 * min(seconds(20_000) for _ in range(5))


def test_two_names_that_differ_in_what_cannot_be_stored_stay_two() -> None:
    kept, _ = payloads.storable({f"a{HALF}": 1, "a\0": 2, "a": 3})
    assert sorted(kept.values()) == [1, 2, 3]


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
