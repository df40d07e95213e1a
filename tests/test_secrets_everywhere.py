"""Secrets are given wherever they can be, everything is run and broken, and nothing shows one (R7)."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx
import psycopg
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, dumps
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.version import VERSION
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel, SecretStr, ValidationError

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelExtractTool,
    ParallelSearchRetriever,
    ParallelSearchTool,
    ParallelTaskTool,
    aresume,
    batch,
    create_research_graph,
    errors,
    official,
    resume,
    retrievers,
    tools,
)
from langchain_parallel._core import wire
from langchain_parallel.chat_models import ChatParallel
from langchain_parallel.models import McpServer, TaskRunInput, TaskSpec
from langchain_parallel.options import RequestOptions
from langchain_parallel.research import ResearchState
from langchain_parallel.simulator import Fault, RunningServer, RunScript, Simulator, serve

from .crash.storage import aopened, opened
from .secrets_kit import (
    BASIC,
    COOKIE,
    ECHO,
    GATE,
    GATE_COOKIE,
    GATE_LOGIN,
    GATE_PASSWORD,
    HEADER,
    HEADERS_ECHO,
    HOOK,
    KEY,
    LOGIN,
    ODD,
    PASSWORD,
    PATH,
    QUERY,
    SERVERS,
    SIGNATURE,
    TOKEN,
    URL,
    URL_TOKEN,
    USER,
    WEBHOOK,
    Account,
    How,
    Watch,
    leaks,
    shown,
)

QUESTION = "Who leads the market?"
STREAMS = ["values", "updates", "custom", "messages", "debug", "checkpoints", "tasks"]
Face: TypeAlias = Callable[..., tuple[Any, Any]]


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    way: How = request.param
    return way


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    caplog.set_level(logging.DEBUG)
    made = Watch(caplog, capsys)
    with warnings.catch_warnings(record=True) as made.warned:
        warnings.simplefilter("always")
        yield made


@pytest.mark.parametrize(
    "piece", [KEY[5:15], KEY[-10:], BASIC, quote(ODD), {"a": [TOKEN.encode()]}]
)
def test_a_secret_that_shows_is_found(piece: Any) -> None:
    assert leaks([f"before {piece} after"])
    assert not leaks(["before and after"])


# --- the faces of the package: a runnable, and what it is asked ------------------------------------


class Asking(BaseChatModel):
    """A model that calls the tool once, and then is done. It keeps no count: runs may overlap."""

    @property
    def _llm_type(self) -> str:
        return "asking"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        said = AIMessage("done" if isinstance(messages[-1], ToolMessage) else "")
        if not said.content:
            said.tool_calls = [CALL]
        return ChatResult(generations=[ChatGeneration(message=said)])


CALL: Any = {"name": "parallel_task", "args": {"input": QUESTION}, "id": "1", "type": "tool_call"}
USUAL: dict[str, Any] = {
    "processor": "lite",
    "request": RequestOptions(mcp_servers=SERVERS),
    "timeout": 900.0,
}


def tool(account: Account, **options: Any) -> tuple[Any, Any]:
    own = {name: value for name, value in options.items() if name not in ("checkpointer", "store")}
    return ParallelTaskTool(**USUAL, client=account.client(), **own), CALL


def official_tool(account: Account, **_: Any) -> tuple[Any, Any]:
    return official.ParallelTaskRunTool(**USUAL, client=account.client()), CALL


def agent(account: Account, **kept: Any) -> tuple[Any, Any]:
    made = ParallelTaskTool(**USUAL, client=account.client())
    return create_agent(Asking(), tools=[made], **kept), {"messages": [("user", QUESTION)]}


def graph(account: Account, **kept: Any) -> tuple[Any, Any]:
    made = create_research_graph(**USUAL, keep_excerpts=True, client=account.client())
    return made.compile(**kept), {"question": QUESTION}


def parent(account: Account, **kept: Any) -> tuple[Any, Any]:
    outer: Any = StateGraph(ResearchState)
    outer.add_node("brief", lambda state: {"question": state["question"].strip()})
    outer.add_node("research", graph(account)[0])
    outer.add_edge(START, "brief")
    outer.add_edge("brief", "research")
    outer.add_edge("research", END)
    return outer.compile(**kept), {"question": f"{QUESTION} "}


FACES = [tool, official_tool, agent, graph, parent]


async def everyway(runnable: Any, given: Any, how: How, watch: Watch) -> None:
    """Run it in every way there is, each on a LangGraph thread of its own."""
    one, two, three, four, five = (watch.config(f"thread {i}") for i in range(5))
    is_graph = not isinstance(runnable, ParallelTaskTool)
    modes: Any = {"stream_mode": STREAMS, "subgraphs": True} if is_graph else {}
    if how == "sync":
        await watch.run(lambda: runnable.invoke(given, one))
        await watch.run(lambda: runnable.batch([given, given], [two, three]))
        await watch.run(lambda: runnable.stream(given, four, **modes))
    else:
        await watch.run(lambda: runnable.ainvoke(given, one))
        await watch.run(lambda: runnable.abatch([given, given], [two, three]))
        await watch.run(lambda: runnable.astream(given, four, **modes))
        await watch.run(lambda: runnable.astream_events(given, five, version="v2"))
    if is_graph:
        again = resume if how == "sync" else aresume
        await watch.run(lambda: again(runnable, one))
        await _look_into(runnable, one, how, watch)


async def _look_into(graph: Any, config: Any, how: How, watch: Watch) -> None:
    if how == "sync":
        watch.see(graph.get_state(config, subgraphs=True), *graph.get_state_history(config))
    else:
        watch.see(await graph.aget_state(config, subgraphs=True))
        watch.see(*[state async for state in graph.aget_state_history(config)])


# --- what becomes of a run ------------------------------------------------------------------------


def script(outcome: Any, **how: Any) -> Callable[[Account], None]:
    return lambda account: account.simulator.scripts.add(RunScript(outcome, times=None, **how))


def fault(kind: Any, **where: Any) -> Callable[[Account], None]:
    return lambda account: account.simulator.faults.add(Fault(kind, times=None, **where))


PAID = {"method": "POST", "path": "*/runs"}
CHAT = {"method": "POST", "path": "*/chat/completions"}


def broken(account: Account) -> None:
    fault("status_before", path="*/events", status=500)(account)
    fault("malformed_json", path="*/result")(account)


OUTCOMES: dict[str, tuple[Callable[[Account], None], type[errors.ParallelError] | None]] = {
    # what happens, and what the graph raises
    "completed": (lambda account: None, None),
    "failed": (script("failed"), None),
    "action required": (script("action_required"), errors.ActionRequired),
    "still running": (script("stay_queued"), errors.StillRunning),
    "refused": (fault("status_before", status=422, **PAID), errors.Unprocessable),
    "lost": (fault("drop_before", **PAID), errors.SubmissionUnknown),
    "broken": (broken, errors.MalformedResponse),
}


@pytest.mark.grid
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("face", FACES)
async def test_nothing_that_is_written_down_shows_a_secret(
    account: Account, face: Face, outcome: str, how: How, watch: Watch
) -> None:
    happens, raised = OUTCOMES[outcome]
    happens(account)
    account.wire.says["[simulated fault] status"] = ECHO
    saver, store = InMemorySaver(), InMemoryStore()
    await everyway(*face(account, checkpointer=saver, store=store), how, watch)
    stored = stored_in(saver, store)
    assert watch.found() == []
    assert leaks([stored]) == []
    assert_sent(account)
    # And there was something to send, and to write down.
    assert account.wire.asked
    assert QUESTION in " ".join(watch.heard.texts)
    assert QUESTION in " ".join(watch.langsmith.texts)
    assert watch.logged
    assert (face in (tool, official_tool)) or QUESTION in stored
    expected = raised if face in (graph, parent) else None
    if face is official_tool and outcome != "completed":
        expected = official.CallFailed
    assert {type(error) for error in watch.raised} == ({expected} if expected else set())


@pytest.mark.grid
@pytest.mark.parametrize("outcome", ["completed", "failed", "refused", "broken"])
async def test_nothing_that_the_mcp_server_writes_or_says_shows_a_secret(
    account: Account, outcome: str, watch: Watch, tmp_path: Path
) -> None:
    pytest.importorskip("mcp", reason="the package of the extra `mcp`")
    from mcp.client.client import Client

    from langchain_parallel.mcp_server.storage import open_desk
    from langchain_parallel.mcp_server.tools_for_clients import create_mcp_server

    OUTCOMES[outcome][0](account)
    account.wire.says["[simulated fault] status"] = KEY
    path = tmp_path / "mcp.sqlite"
    client = account.clients()["async"]
    async with open_desk(path, client=client, wait_seconds=900.0) as desk:
        server = create_mcp_server(desk, ["lite"])
        async with Client(server) as caller:
            for _ in range(2):
                given = {"question": QUESTION}
                await watch.run(lambda: caller.call_tool("research", given))  # noqa: B023 -- at once
        stored = _files(tmp_path)
    assert watch.found() == []
    assert leaks([stored]) == []
    assert QUESTION in stored
    assert account.wire.asked


def _files(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


@pytest.mark.grid
@pytest.mark.parametrize("outcome", [*OUTCOMES, "unauthorized"])
async def test_nothing_that_a_table_writes_or_says_shows_a_secret(
    account: Account, outcome: str, how: How, watch: Watch, tmp_path: Path
) -> None:
    happens = fault("status_before", status=401, **PAID)
    happens = OUTCOMES[outcome][0] if outcome in OUTCOMES else happens
    happens(account)
    account.wire.says["[simulated fault] status"] = ECHO
    rows = [{"question": QUESTION}, {"question": f"{QUESTION} And why?"}]
    heard: list[Any] = []
    given: dict[str, Any] = {
        "client": account.client(),
        "request": RequestOptions(mcp_servers=SERVERS),
        "timeout": 900.0,
        "on_progress": heard.append,
    }
    research = batch.research_table if how == "sync" else batch.aresearch_table
    stream = batch.stream_table if how == "sync" else batch.astream_table
    table = await watch.attempt(lambda: research(rows, **given))
    await watch.run(lambda: stream(rows, in_order=False, **given))
    if table is not None:
        watch.see(table, table.plan, *table, *(row.to_json() for row in table), table.to_records())
        watch.see(*(row.error for row in table.errors))
        for ending in ("csv", "jsonl"):
            table.write(tmp_path / f"a.{ending}")
        assert QUESTION in _files(tmp_path)
    watch.see(*heard)
    assert leaks([_files(tmp_path)]) == []
    assert watch.found() == []
    assert_sent(account)
    assert account.wire.asked


@pytest.mark.parametrize(
    "wrong",
    [{"timeout": -1.0}, {"colour": "red"}, {"processor": "none"}, {"chunk_size": 0}, {}],
    ids=str,
)
async def test_no_frame_of_a_table_shows_the_key_that_it_was_given(
    how: How, wrong: dict[str, Any], watch: Watch
) -> None:
    research = batch.research_table if how == "sync" else batch.aresearch_table
    stream = batch.stream_table if how == "sync" else batch.astream_table
    given: dict[str, Any] = {"api_key": KEY, "base_url": f"https://{USER}:{PASSWORD}@a.invalid"}
    for call in (research, stream):
        await watch.attempt(lambda: call([{"name": "A"}], "Who is {no}?", **given, **wrong))  # noqa: B023
    assert len(watch.raised) == 2
    assert watch.found() == []


USERS_KEY: dict[str, Any] = {
    "configurable": {"__parallel_api_key": SecretStr(KEY)},
    "authentication": {"langgraph_auth_user": {"identity": "anna", "parallel_api_key": KEY}},
    "text": {"__parallel_api_key": KEY},
}


@pytest.mark.grid
@pytest.mark.parametrize(
    ("place", "outcome"),
    # LangGraph's own frames have the config: after an error, local variables show a key that is text.
    [*((place, "completed") for place in USERS_KEY), ("configurable", "refused")],
)
async def test_a_users_own_key_is_sent_and_written_down_nowhere(
    account: Account, place: str, outcome: str, how: How, watch: Watch
) -> None:
    if outcome == "refused":
        status(422, **PAID)(account)
        account.wire.says["[simulated fault] status"] = KEY
    clock = account.simulator.clock
    client = ParallelClient("key-of-the-deployment", transport=account.wire, clock=clock)
    saver, store = InMemorySaver(), InMemoryStore()
    made = create_research_graph(client=client).compile(checkpointer=saver, store=store)
    config = watch.config("thread")
    config["configurable"] |= USERS_KEY[place]
    run: Any = made.stream if how == "sync" else made.astream
    given: Any = {"question": QUESTION}
    # `debug` and `checkpoints` show the caller the config that the caller gave.
    modes: Any = [mode for mode in STREAMS if mode not in ("debug", "checkpoints")]
    await watch.run(lambda: run(given, config, stream_mode=modes, subgraphs=True))
    thread: Any = {"configurable": {"thread_id": config["configurable"]["thread_id"]}}
    await _look_into(made, thread, how, watch)
    assert watch.found() == []
    assert leaks([stored_in(saver, store)]) == []
    assert {request.headers["x-api-key"] for request in account.wire.sent} == {KEY}
    assert QUESTION in " ".join(watch.langsmith.texts)


@pytest.mark.grid
@pytest.mark.parametrize("place", ["authentication", "text"])
async def test_no_frame_of_ours_holds_a_users_key_as_text(
    account: Account, place: str, how: How
) -> None:
    fault("status_before", status=422, **PAID)(account)
    made = create_research_graph(client=account.client()).compile()
    config: Any = {"configurable": USERS_KEY[place]}

    async def ask() -> Any:
        given: Any = {"question": QUESTION}
        return made.invoke(given, config) if how == "sync" else await made.ainvoke(given, config)

    with pytest.raises(errors.Unprocessable) as refused:
        await ask()
    frames = [frame for frame, _ in traceback.walk_tb(refused.value.__traceback__)]
    ours = [f for f in frames if f.f_globals["__name__"].startswith("langchain_parallel.")]
    assert ours
    assert leaks(repr(dict(frame.f_locals)) for frame in ours) == []


def stored_in(saver: InMemorySaver, store: InMemoryStore) -> str:
    return f"{saver.blobs} {saver.writes} {[*saver.list(None)]} {store.search(())}"


@pytest.mark.grid
@pytest.mark.parametrize("outcome", ["completed", "refused"])
@pytest.mark.parametrize("face", [agent, parent])
async def test_no_secret_is_on_the_disk(
    account: Account, face: Face, outcome: str, *, how: How, watch: Watch, tmp_path: Path
) -> None:
    OUTCOMES[outcome][0](account)
    async with keeping(str(tmp_path), how) as kept:
        await everyway(*face(account, **kept), how, watch)
    assert QUESTION in on_disk(tmp_path)
    assert leaks([on_disk(tmp_path)]) == []
    assert watch.found() == []


@pytest.mark.grid
@pytest.mark.parametrize("face", [agent, parent])
async def test_no_secret_is_in_the_database(
    account: Account, face: Face, how: How, watch: Watch, postgres_uri: Callable[[], str]
) -> None:
    uri = postgres_uri()
    async with keeping(uri, how) as kept:
        await everyway(*face(account, **kept), how, watch)
    rows = rows_of(uri)
    assert all(word in rows for word in (QUESTION, "trun_", "tgrp_", watch.name))
    assert leaks([rows]) == []
    assert watch.found() == []


def rows_of(uri: str) -> str:
    """Every row of a database."""
    with psycopg.connect(uri) as connection:
        listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        tables = [name for (name,) in connection.execute(listed).fetchall()]
        return str([connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables])


def on_disk(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir())


@asynccontextmanager
async def keeping(place: str, how: How) -> AsyncIterator[dict[str, Any]]:
    """A checkpointer and a store on a disk, for how the graph is run."""
    if how == "async":
        async with aopened(place, store=True) as kept:
            yield kept
    else:
        with opened(place, store=True) as kept:
            yield kept


def assert_sent(account: Account) -> None:
    """The secrets did leave, for where they belong, and for nowhere else."""
    assert account.wire.misplaced() == []
    assert account.hosts == {"api.parallel.ai"}
    assert all(request.headers["x-api-key"] == KEY for request in account.wire.sent)
    for asked in account.wire.asked:
        assert [server["url"] for server in asked["mcp_servers"]] == [s.url for s in SERVERS]
        assert asked["mcp_servers"][0]["headers"]["Authorization"] == f"Bearer {TOKEN}"


# --- what a server repeats ------------------------------------------------------------------------


def both(*happenings: Callable[[Account], None]) -> Callable[[Account], None]:
    def happen(account: Account) -> None:
        for happening in happenings:
            happening(account)

    return happen


def saying(text: str, other: str = ECHO) -> Callable[[Account], None]:
    return lambda account: account.wire.says.update({text: other})


def status(status: int, **where: Any) -> Callable[[Account], None]:
    return both(saying("[simulated fault] status"), fault("status_before", status=status, **where))


def instead(method: str, path: str, status: int, **answer: Any) -> Callable[[Account], None]:
    return lambda account: account.wire.instead.append(
        (method, path, lambda: httpx.Response(status, **answer))
    )


NO_EVENTS = fault("status_before", path="*/events", status=404)
COUNTS = {"task_run_status_counts": {ECHO: "not a number"}}
LEDGER = {"method": "POST", "path": "*/groups"}
LIST = {"method": "GET", "path": "*/groups/*/runs"}
SSE = {"content-type": "text/event-stream"}
ERROR_EVENT = f'data: {{"type": "error", "error": {{"message": "{ECHO}"}}}}\n\n'
SAID_OF_A_RUN: dict[str, Callable[[Account], None]] = {
    "its error": script("failed", message=ECHO),
    "a warning on its answer": script("completed", warnings=(ECHO,)),
    "a warning on its failure": script("failed", warnings=(ECHO,)),
    "a warning for a person": script("action_required", warnings=(ECHO,)),
    "its progress": saying("[simulated] Reading the sources found"),
    "an error event": both(
        saying("[simulated fault] stream error"), fault("sse_error", path="*/events")
    ),
    "the error of an MCP call": saying(
        '"[simulated] No call was made to crm."', f'null, "error": "{ECHO}"'
    ),
    "a refusal of its result": both(NO_EVENTS, status(403, path="*/result")),
    "a refusal of its status": both(
        NO_EVENTS, script("failed"), status(403, method="GET", path="*/runs/trun_*[0-9a-f]")
    ),
}
SAID_BEFORE: dict[str, Callable[[Account], None]] = {
    "a refusal of the run": status(422, **PAID),
    "a refusal of the ledger": status(403, **LEDGER),
    "a refusal of the ledger's list": status(500, **LIST),
    "an error event in the ledger's list": instead(
        **LIST, status=200, headers=SSE, text=ERROR_EVENT
    ),
    "an error event after a lost answer": both(
        saying("[simulated fault] stream error"),
        fault("sse_error", skip=1, **LIST),
        fault("drop_after", **PAID),
    ),
    "a page": instead(**PAID, status=502, text=f"<p>{ECHO}"),
    "a page in place of the ledger": instead(**LEDGER, status=200, text=f"<p>{ECHO}"),
    "a ledger of another shape": instead(
        **LEDGER,
        status=200,
        json={"taskgroup_id": "tgrp_1", "status": COUNTS},
    ),
    "a redirect": instead(
        **PAID, status=307, headers={"location": f"https://else.example/{KEY}"}, text=ECHO
    ),
    "a kind of answer": instead(**LIST, status=200, headers={"content-type": f"text/{KEY}"}),
}


async def heard_of(account: Account, face: Face, how: How, watch: Watch) -> list[str]:
    """Where secrets stand after one run."""
    saver, store = InMemorySaver(), InMemoryStore()
    runnable, given = face(account, checkpointer=saver, store=store)
    run = runnable.stream if how == "sync" else runnable.astream
    config = watch.config("thread")
    await watch.run(lambda: run(given, config, stream_mode=STREAMS, subgraphs=True))
    assert_sent(account)
    return [*watch.found(), *leaks([stored_in(saver, store)])]


@pytest.mark.grid
@pytest.mark.parametrize("place", [*SAID_OF_A_RUN, *SAID_BEFORE])
@pytest.mark.parametrize("face", [agent, parent])
async def test_a_server_that_repeats_its_secrets_gets_them_nowhere(
    account: Account, face: Face, place: str, how: How, watch: Watch
) -> None:
    {**SAID_OF_A_RUN, **SAID_BEFORE}[place](account)
    assert await heard_of(account, face, how, watch) == []


@pytest.mark.grid
@pytest.mark.parametrize(
    "place",
    [
        saying('"summary": "', f'"summary": "{HEADERS_ECHO}'),
        saying("[simulated] Source 1", HEADERS_ECHO),
        saying('"[simulated] No call was made to crm."', f'"{HEADERS_ECHO}"'),
        saying('"arguments": "{', f'"arguments": "{HEADERS_ECHO}{{'),
    ],
    ids=["content", "title of a source", "content of an MCP call", "arguments of an MCP call"],
)
@pytest.mark.parametrize("face", [agent, parent])
async def test_an_answer_that_repeats_headers_gets_them_nowhere(
    account: Account, face: Face, place: Callable[[Account], None], how: How, watch: Watch
) -> None:
    place(account)
    assert await heard_of(account, face, how, watch) == []


@pytest.mark.parametrize("place", [*SAID_OF_A_RUN, *SAID_BEFORE])
async def test_no_exception_of_the_tool_shows_a_secret(
    account: Account, place: str, watch: Watch
) -> None:
    {**SAID_OF_A_RUN, **SAID_BEFORE}[place](account)
    made, call = tool(account, handle_tool_error=False)
    await watch.attempt(lambda: made.invoke(call))
    assert leaks(text for error in watch.raised for text in shown(error)) == []


PIECES = {
    "key": KEY,
    "header": HEADER,
    "header with its scheme": f"Bearer {TOKEN}",
    "header without its scheme": TOKEN,
    "cookie with its name": f"session={COOKIE}; lang=de",
    "cookie without its name": COOKIE,
    "login as sent": BASIC,
    "login as read": f"me:{LOGIN}",
    "URL": URL,
    "URL without its scheme": URL.removeprefix("https://"),
    "URL without its login": URL.replace(f"{USER}:{PASSWORD}@", ""),
    "who logs in": f"{USER}:{PASSWORD}",
    "user": USER,
    "password": PASSWORD,
    "token for a user": URL_TOKEN,
    "path": PATH,
    "query": QUERY,
    "query as sent": quote(ODD, safe=""),
    "query as read": ODD,
    "webhook": f"{HOOK}?sig={SIGNATURE}",
    "webhook's path": HOOK,
    "webhook's query": SIGNATURE,
}


@pytest.mark.parametrize("piece", PIECES)
def test_a_secret_is_known_in_every_form_a_server_may_repeat(account: Account, piece: str) -> None:
    said = {"error": {"message": f"Denied: {PIECES[piece]}.", "ref_id": "1"}}
    instead(**PAID, status=403, json=said)(account)
    with pytest.raises(errors.Forbidden, match="Denied") as raised:
        account.client().create(REQUEST)
    assert leaks(shown(raised.value)) == []


@pytest.mark.parametrize("body", ["page", "message"])
@pytest.mark.parametrize("kept", [12, 20])
def test_a_secret_is_not_cut_in_two(account: Account, body: str, kept: int) -> None:
    limit = 200 if body == "page" else 1000
    text = f"{'x' * (limit - kept - 1)} {HEADER}"
    said: Any = {"text": text} if body == "page" else {"json": {"error": {"message": text}}}
    instead(**PAID, status=403, **said)(account)
    with pytest.raises(errors.Forbidden) as raised:
        account.client().create(REQUEST)
    assert leaks(shown(raised.value)) == []


@pytest.mark.parametrize(
    "piece",
    [GATE, GATE_PASSWORD, GATE_LOGIN, GATE_COOKIE],
    ids=["header", "password", "login", "cookie"],
)
def test_what_a_callers_own_httpx_client_sends_is_not_repeated_either(
    account: Account, piece: str
) -> None:
    instead(**PAID, status=403, json={"error": {"message": f"Denied: {piece}"}})(account)
    with pytest.raises(errors.Forbidden) as raised:
        account.client().create(REQUEST)
    assert leaks(shown(raised.value)) == []


# --- the client -----------------------------------------------------------------------------------

# A field of this name gets a warning.
WARNED = TaskSpec(output_schema={"type": "object", "properties": {"sources": {}}})
REQUEST = TaskRunInput(input=QUESTION, processor="lite", mcp_servers=SERVERS, webhook=WEBHOOK)


class Ours(BaseModel):
    missing: str


def parsed(result: Any) -> Any:
    return result.parse(Ours) if result else None


def never(account: Account) -> None: ...


ERRORS: dict[type[errors.ParallelError], Callable[[Account], None]] = {
    errors.InvalidRequest: never,
    errors.OutputMismatch: never,
    errors.AuthenticationFailed: status(401, **PAID),
    errors.CreditExhausted: status(402, **PAID),
    errors.Forbidden: status(403, **PAID),
    errors.NotFound: status(404, **PAID),
    errors.LedgerNotFound: status(404, **PAID),
    errors.RequestTimedOut: status(408, **PAID),
    errors.Unprocessable: status(422, **PAID),
    errors.RateLimited: status(429, **PAID),
    errors.ServerFault: status(500, **PAID),
    errors.UnexpectedStatus: status(418, **PAID),
    errors.ResponseLost: fault("drop_before", **PAID),
    errors.MalformedResponse: instead(
        **PAID, status=200, json={"run_ids": ["1"], "status": COUNTS}
    ),
    errors.ChatAnswerLost: status(500, **CHAT),
    errors.SubmissionUnknown: fault("drop_before", **PAID),
    errors.StillRunning: script("stay_queued"),
    errors.RunError: script("completed", unknown_status="dreaming"),
    errors.RunFailed: script("failed"),
    errors.RunCancelled: script("cancelled"),
    errors.ActionRequired: script("action_required"),
}


def every_error(kind: type[errors.ParallelError]) -> set[type[errors.ParallelError]]:
    return {kind}.union(*map(every_error, kind.__subclasses__()))


def test_every_kind_of_error_is_provoked() -> None:
    no_call_raises = {
        errors.ParallelError,
        errors.ApiError,
        errors.StorageFailed,  # of a graph, and its text names no request
        errors.CheckpointNotWritten,
        errors.LimitExceeded,
        errors.QuotaExceeded,
        errors.MissingKey,
        errors.ResponseTooLarge,  # its text names no more than a path
        errors.ThreadBusy,
        errors.WebhookRejected,
        official.CallFailed,
        official.NoKey,
    }
    assert every_error(errors.ParallelError) == set(ERRORS) | no_call_raises


@pytest.mark.grid
@pytest.mark.parametrize("kind", ERRORS)
async def test_no_error_of_a_client_shows_a_secret(
    account: Account, kind: type[errors.ParallelError], how: How, watch: Watch
) -> None:
    ERRORS[kind](account)
    client = account.clients()[how]
    await every_call(client, watch)
    assert kind in {type(error) for error in watch.raised}
    assert watch.found() == []
    assert watch.logged
    assert watch.warned
    assert_sent(account)


async def every_call(client: Any, watch: Watch) -> None:
    """Call every method of a client, and ignore errors."""
    group = await watch.attempt(lambda: client.create_group({"team": "a test"}))
    gid, wait = group.taskgroup_id, {"timeout": 100.0}
    wrong = REQUEST.model_copy(update={"processor": "none"})
    await watch.run(lambda: client.create(wrong))
    made = [await watch.attempt(lambda: client.create(REQUEST))]
    warned = REQUEST.model_copy(update={"task_spec": WARNED})
    made.append(await watch.attempt(lambda: client.submit(gid, warned)))
    await watch.run(lambda: client.find(gid, REQUEST))
    await watch.run(lambda: client.add_runs(gid, [REQUEST, REQUEST]))
    run_id = next((one.run_id for one in made[:1] if one), "trun_1")
    result = await watch.attempt(lambda: client.wait(run_id, on_event=watch.see, **wait))
    await watch.attempt(lambda: parsed(result))
    shows = [*made, result, client]
    shows.append(await watch.attempt(lambda: client.result(run_id, **wait)))
    shows.append(await watch.attempt(lambda: client.retrieve(run_id)))
    shows.append(await watch.attempt(lambda: client.retrieve_input(run_id)))
    shows.append(await watch.attempt(lambda: client.retrieve_group(gid)))
    every = {"include_input": True, "include_output": True}
    shows.append(await watch.attempt(lambda: client.list_runs(gid, **every)))
    shows.append(await watch.attempt(lambda: client.group_events(gid, timeout=1.0)))
    turn = {"extra_body": {"token": HEADER}}
    fetch = {"fetch_policy": turn}
    shows.append(await watch.attempt(lambda: client.search("q", advanced_settings=fetch)))
    url = "https://a.example"
    shows.append(await watch.attempt(lambda: client.extract(url, advanced_settings=fetch)))
    shows.append(await watch.attempt(lambda: client.chat(QUESTION, **turn)))
    shows.append(await watch.attempt(lambda: client.chat_stream(QUESTION, **turn)))
    # What the server keeps of a request can be dumped, as it was asked for, but not printed.
    watch.see(*map(repr, shows), *map(str, shows))


@pytest.mark.grid
@pytest.mark.parametrize("outcome", ["failed", "cancelled", "action_required"])
async def test_a_run_that_repeats_the_key_gets_it_into_no_error_of_a_client(
    account: Account, outcome: Any, how: How, watch: Watch
) -> None:
    script(outcome, message=f"Bad key {KEY}", warnings=(f"Bad key {KEY}",))(account)
    client = account.clients()[how]
    run = await watch.attempt(lambda: client.create(REQUEST))
    await watch.attempt(lambda: client.wait(run.run_id))
    assert len(watch.raised) == 1
    assert watch.found() == []


# --- the objects ----------------------------------------------------------------------------------


def test_nothing_made_of_a_tool_shows_a_secret(account: Account) -> None:
    made, _ = tool(account, api_key=KEY)
    for one in (made, copy.copy(made), copy.deepcopy(made), made.model_copy()):
        assert leaks(shown(one)) == []
        assert leaks([dumps(one), dumps(one, pretty=True), dumpd(one), repr(vars(one))]) == []
    others = [made.with_config(tags=["a"]), made.bind(), made.with_retry(), made | str]
    others += [made.with_fallbacks([made]), made.with_listeners(), made.map(), [made], {"a": made}]
    assert leaks(text for other in others for text in (*shown(other), dumps(other))) == []
    assert leaks(shown(made.get_graph())) == []
    assert leaks([made.get_graph().draw_mermaid(), convert_to_openai_tool(made)]) == []
    assert leaks([made.get_input_jsonschema(), made.tool_call_schema.model_json_schema()]) == []
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(made)


CORE = tuple(int(part) for part in VERSION.split(".")[:2])
"""The version of langchain-core."""


async def test_nothing_made_of_a_chat_model_shows_a_secret(account: Account, watch: Watch) -> None:
    extra = {"token": HEADER}
    made = ChatParallel(api_key=KEY, extra_body=extra)
    for one in (made, copy.copy(made), copy.deepcopy(made), made.model_copy(), made | str):
        assert leaks([*shown(one), dumps(one), dumpd(one)]) == []
    assert leaks([vars(made), made.asdict(), made.with_structured_output(Ours), made.bind()]) == []
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(made)
    model, heard = ChatParallel(client=account.client(), extra_body=extra), watch.config("thread")
    saying("[simulated]", f"{KEY} {HEADER}")(account)
    calls: list[dict[str, Any]] = [{}]
    if CORE >= (1, 6):  # before, LangChain itself shows callbacks each option of a call
        calls.append({"extra_body": extra})
    for given in calls:
        asked = (
            partial(model.invoke, "q", heard, **given),
            partial(model.ainvoke, "q", heard, **given),
        )
        for ask in (*asked, partial(model.stream, "q", heard, **given)):
            watch.see(await watch.attempt(ask))
    fault("status_after", **CHAT, status=500)(account)
    await watch.attempt(lambda: model.invoke("q", heard))
    assert [type(error) for error in watch.raised] == [errors.ChatAnswerLost]
    assert watch.found() == []
    assert watch.langsmith.texts
    assert_sent(account)


def test_nothing_made_of_a_graph_shows_a_secret(account: Account) -> None:
    compiled, _ = graph(account)
    outer, _ = parent(account)
    for one in (compiled, compiled.builder, outer, outer.builder, *compiled.nodes.values()):
        assert leaks([*shown(one), dumps(one), dumpd(one)]) == []
    for one in (compiled, outer):
        drawn = one.get_graph(xray=True)
        assert leaks([drawn.draw_mermaid(), drawn.to_json(with_schemas=True), drawn]) == []
        assert leaks([one.config, one.with_config(tags=["a"]), one.get_context_jsonschema()]) == []


def test_nothing_made_of_a_client_shows_a_secret(account: Account, how: How) -> None:
    client = account.clients()[how]
    for one in (client, copy.copy(client), copy.deepcopy(client), client._settings):
        assert leaks([repr(one), str(one), f"{one}", repr(vars(one)), dumps(one)]) == []
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


OPTIONS = RequestOptions(mcp_servers=SERVERS, webhook=WEBHOOK)
every_kind = pytest.mark.parametrize(
    "request_", [REQUEST, OPTIONS, *SERVERS, WEBHOOK], ids=lambda r: type(r).__name__
)


@every_kind
def test_a_request_is_printed_without_its_secrets(request_: BaseModel) -> None:
    for one in (request_, copy.copy(request_), copy.deepcopy(request_), request_.model_copy()):
        assert leaks([repr(one), str(one), f"{one}", [one], vars(one), dict(one), dumps(one)]) == []
    assert leaks([wire.create(REQUEST), wire.add_runs("tgrp_1", [REQUEST])]) == []


@every_kind
def test_a_request_is_dumped_without_its_secrets(request_: BaseModel, watch: Watch) -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"mode": "json"},
        {"serialize_as_any": True},
        {"round_trip": True},
    ]
    for how in ways:
        dumped = request_.model_dump(**how)
        # What a dump holds is plain, so that nothing behind it can ask it for the secret.
        assert leaks([dumped, json.dumps(dumped)]) == []
    assert (
        leaks([request_.model_dump_json(), request_.model_dump_json(serialize_as_any=True)]) == []
    )
    assert leaks([JsonPlusSerializer().dumps_typed(request_)]) == []  # as LangGraph keeps a state
    traced: RunnableLambda[BaseModel, str] = RunnableLambda(lambda given: "done")
    traced.invoke(request_, watch.config("thread"))
    assert "done" in str(watch.langsmith.texts)
    assert leaks(watch.langsmith.texts) == []


@every_kind
def test_a_pickle_holds_the_secrets(request_: BaseModel) -> None:
    """On purpose: a request can be handed to another process, which sends it (`SECURITY.md`)."""
    twin = pickle.loads(pickle.dumps(request_))
    assert twin == request_
    assert leaks([repr(twin), vars(twin)]) == []


def test_a_pickled_request_is_sent_as_it_was() -> None:
    assert wire.create(pickle.loads(pickle.dumps(REQUEST))).body == wire.create(REQUEST).body


DUMPED: list[dict[str, Any]] = [
    {"mcp_servers": [SERVERS[0].model_dump()]},
    {"mcp_servers": [{**SERVERS[0].model_dump(), "url": "https://crm.example/sse"}]},
    {"mcp_servers": [McpServer(**{**SERVERS[0].model_dump(), "headers": None})]},
    {"webhook": WEBHOOK.model_dump()},
]


@pytest.mark.parametrize("dumped", DUMPED, ids=["server", "headers", "address", "webhook"])
def test_what_was_made_of_a_dump_is_not_sent(account: Account, dumped: dict[str, Any]) -> None:
    """A run without its secrets would be paid for and find nothing."""
    request = TaskRunInput(input=QUESTION, processor="lite", **dumped)
    with pytest.raises(errors.InvalidRequest, match=r"was dumped, .* Nothing was sent"):
        account.client().create(request)
    with pytest.raises(ValueError, match="was dumped"):
        ParallelTaskTool(request=RequestOptions(**dumped), client=account.client())
    assert account.wire.sent == []


# --- given wrongly --------------------------------------------------------------------------------


def _name_of(value: Any) -> str:
    return str(next(iter(value)) if isinstance(value, dict) else value.__name__)


WRONG: list[dict[str, Any]] = [
    {"base_url": f"https://{USER}:{PASSWORD}@api.example"},
    {"base_url": f"https://{URL_TOKEN}@api.example"},
    {"base_url": f"{USER}:{PASSWORD}@api.example"},
    {"base_url": f"https://api.example?token={QUERY}"},
    {"base_url": f"https://{USER}:{PASSWORD}@[api.example"},
    {"api_key": f"{KEY}ä"},
    {"api_key": f"{KEY}\n{KEY}"},
]
WRONG_REQUESTS: list[dict[str, Any]] = [
    {"mcp_servers": [{"url": URL, "name": "crm", "headers": {"Authorization": [TOKEN]}}]},
    {"mcp_servers": [{"url": URL, "name": 5, "header": {"Authorization": TOKEN}}]},
    {"mcp_servers": [McpServer(url=f"mcp:{USER}:{PASSWORD}@{PATH}", name="crm")]},
    {"mcp_servers": [McpServer(url=f"https://[{PASSWORD}", name="crm")]},
    {"mcp_servers": [*SERVERS] * 6},
    {"mcp_servers": URL},
]


OURS = (tools.ParallelSearchTool, tools.ParallelExtractTool, retrievers.ParallelSearchRetriever)
GIVEN_WRONGLY = [
    *((make, wrong) for make in (ParallelClient, AsyncParallelClient) for wrong in WRONG),
    *(
        (make, wrong)
        for make in (ParallelTaskTool, create_research_graph)
        for wrong in (*WRONG, {"processor": "coer"}, *WRONG_REQUESTS)
    ),
    *(
        (make, wrong)
        for make in (official.ParallelTaskGroup, official.ParallelTaskRunTool)
        for wrong in (*WRONG, {"processor": "coer"})
    ),
    *(
        (make, wrong)
        for make in (ParallelSearchTool, ParallelExtractTool, ParallelSearchRetriever, *OURS)
        for wrong in WRONG
    ),
    *((official.ParallelDeepResearch, wrong) for wrong in (*WRONG, *WRONG_REQUESTS[2:])),
]


@pytest.mark.parametrize(("make", "wrong"), GIVEN_WRONGLY, ids=_name_of)
def test_what_is_given_wrongly_is_not_repeated(make: Any, wrong: dict[str, Any]) -> None:
    def made() -> Any:
        options = {**wrong, "strict": True}
        is_shaped = wrong in WRONG_REQUESTS and make is not official.ParallelDeepResearch
        shaped = {"request": RequestOptions(**options)} if is_shaped else wrong
        return make(**{"api_key": KEY, **shaped})

    with pytest.raises((errors.InvalidRequest, ValidationError)) as raised:
        made()
    assert leaks(shown(raised.value)) == []


def test_a_login_in_an_address_that_is_not_used_is_not_shown(account: Account) -> None:
    login = f"https://{USER}:{PASSWORD}@api.example"
    made: object
    try:
        made = tool(account, base_url=login)[0]
    except ValidationError as refused:
        made = refused
    assert leaks(shown(made)) == []


@pytest.mark.parametrize("make", [ParallelClient, ParallelTaskTool, create_research_graph])
def test_a_login_in_the_environment_is_not_repeated(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", KEY)
    monkeypatch.setenv("PARALLEL_BASE_URL", f"https://{USER}:{PASSWORD}@api.example")
    with pytest.raises((errors.InvalidRequest, ValidationError)) as raised:
        make()
    assert leaks(shown(raised.value)) == []


# --- on a real connection -------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """A server that knows this one key, and takes a thousandth of the usual time."""
    with serve(Simulator(latency_scale=0.001, api_keys={KEY})) as running:
        yield running


@pytest.mark.grid
@pytest.mark.parametrize("given", ["as text", "as a secret", "in the environment"])
@pytest.mark.parametrize("refused", [False, True], ids=["done", "refused"])
@pytest.mark.parametrize("make", ["tool", "graph"])
async def test_no_log_of_a_connection_shows_a_secret(
    server: RunningServer,
    make: str,
    given: str,
    refused: bool,
    *,
    how: How,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys: dict[str, Any] = {"as text": KEY, "as a secret": SecretStr(KEY)}
    if given in keys:
        monkeypatch.setenv("PARALLEL_BASE_URL", server.url)
        options = {**USUAL, "api_key": keys[given]}
    else:
        monkeypatch.setenv("PARALLEL_API_KEY", KEY)
        options = {**USUAL, "base_url": server.url}
    if refused:
        server.simulator.faults.add(Fault("status_before", "POST", "*/runs", None, status=403))
    runnable: Any = ParallelTaskTool(**options)
    if make == "graph":
        runnable = create_research_graph(**options).compile()
    run = runnable.invoke if how == "sync" else runnable.ainvoke
    asked: Any = CALL if make == "tool" else {"question": QUESTION}
    await watch.run(lambda: run(asked, watch.config("thread")))
    assert watch.found() == []
    assert leaks(shown(runnable)) == []
    assert {entry.status for entry in server.simulator.requests} >= {403 if refused else 200}
    assert any("send_request_headers" in text for text in watch.logged)


@pytest.mark.parametrize("hooked", [False, True], ids=["plain", "with a hook that raises"])
async def test_no_redirect_takes_a_secret_to_another_host(
    account: Account, how: How, watch: Watch, hooked: bool
) -> None:
    instead("POST", "*", 307, headers={"location": "https://else.example/"}, text=ECHO)(account)
    gate: dict[str, Any] = {"transport": account.wire, "follow_redirects": True}
    client: Any
    if how == "sync":
        hooks: Any = {"response": [httpx.Response.raise_for_status]} if hooked else {}
        client = ParallelClient(KEY, http_client=httpx.Client(**gate, event_hooks=hooks))
    else:
        hooks = {"response": [raise_for_status]} if hooked else {}
        client = AsyncParallelClient(KEY, http_client=httpx.AsyncClient(**gate, event_hooks=hooks))
    await watch.run(lambda: client.create(REQUEST))
    assert [type(error) for error in watch.raised] == [errors.UnexpectedStatus]
    assert watch.found() == []
    assert_sent(account)


async def raise_for_status(answer: httpx.Response) -> None:
    answer.raise_for_status()


def test_no_log_of_the_simulator_shows_a_secret(account: Account) -> None:
    ParallelClient(KEY, transport=account.wire).create(REQUEST)
    assert leaks(map(repr, account.simulator.requests)) == []
