"""Whose eyes research had: another user's answer is not taken, and a rotated token pays for nothing again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from pydantic import ValidationError

from langchain_parallel import (
    AsyncParallelClient,
    InteractionTree,
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    SessionReport,
    create_research_graph,
)
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.middleware.own_records import own_records
from langchain_parallel.models import McpServer, TaskRunInput
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

How = Literal["sync", "async"]
QUESTION = "What did our customers complain about?"
HERE: Any = {"configurable": {"thread_id": "t"}}


class Killed(BaseException):
    """Stands for the end of a process: nothing of ours catches it."""


class Wire(SimulatorTransport):
    """Keeps the token of every run that is paid for; may end its process once it has been paid for."""

    def __init__(self, account: Account, *, is_killed: bool) -> None:
        super().__init__(account.simulator)
        self.account, self.is_killed = account, is_killed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self._note(request)
        return answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        self._note(request)
        return answer

    def _note(self, request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/runs"):
            [asked] = json.loads(request.content)["inputs"]
            for server in asked.get("mcp_servers", ()):
                self.account.tokens.append(server["headers"]["authorization"])
            assert "alice" not in request.content.decode() + str(request.headers)
            if self.is_killed:
                raise Killed


class Account:
    """One account with Parallel, and a store that all graphs share; each has a checkpointer of its own."""

    def __init__(self, how: How) -> None:
        self.how = how
        self.simulator = Simulator(ManualClock())
        self.store = InMemoryStore()
        self.tokens: list[str] = []
        self.ledger = self.client().create_group().taskgroup_id

    def client(self, *, is_killed: bool = False) -> ParallelClient:
        wire = Wire(self, is_killed=is_killed)
        return ParallelClient("key-aaaabbbb", transport=wire, clock=self.simulator.clock)


def options(token: str, identity: str | None = None) -> RequestOptions:
    crm = McpServer(url="https://crm.example/sse", name="crm", headers={"authorization": token})
    return RequestOptions(mcp_servers=[crm], identity=identity)


class Model(BaseChatModel):
    """Asks for the research once, in a message of one id, as a replayed one has."""

    tool: str
    args: dict[str, str]
    message: str = "m1"

    @property
    def _llm_type(self) -> str:
        return "asking"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        is_done = isinstance(messages[-1], ToolMessage)
        call: Any = {"name": self.tool, "args": self.args, "id": "1", "type": "tool_call"}
        said = AIMessage("", id=self.message, tool_calls=[call])
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage("done") if is_done else said)]
        )


# --- the doors: each asks, or goes on after a kill, and returns the run whose answer it has ---------

Door: TypeAlias = Callable[..., Any]


async def _invoke(runnable: Any, given: Any, how: How) -> Any:
    return runnable.invoke(given, HERE) if how == "sync" else await runnable.ainvoke(given, HERE)


async def client(
    account: Account, asked: RequestOptions, saver: Any, *, is_killed: bool = False, given: Any = ""
) -> str:
    request = TaskRunInput(input=QUESTION, processor="lite", mcp_servers=asked.mcp_servers)
    how: dict[str, Any] = {"position": "1", "identity": asked.identity}
    if account.how == "sync":
        one = account.client(is_killed=is_killed)
        made = one.submit(account.ledger, request, **how)
        assert one.find(account.ledger, request, **how) is not None
        assert one.find(account.ledger, request, position="1", identity="carol") is None
        return made.run.run_id
    wire = Wire(account, is_killed=is_killed)
    async with AsyncParallelClient("k", transport=wire, clock=account.simulator.clock) as other:
        made = await other.submit(account.ledger, request, **how)
        assert await other.find(account.ledger, request, **how) is not None
        return made.run.run_id


async def tool(
    account: Account,
    asked: RequestOptions,
    saver: Any,
    *,
    is_killed: bool = False,
    given: Any = "",
    **follow_up: str,
) -> str:
    one = ParallelTaskTool(
        processor="lite", request=asked, client=account.client(is_killed=is_killed)
    )
    model = Model(
        tool="parallel_task", args={"input": QUESTION, **follow_up}, message=f"m{len(follow_up)}"
    )
    graph = create_agent(model, tools=[one], checkpointer=saver, store=account.store)
    start = {"messages": [("user", QUESTION)]} if given == "" else given
    state = await _invoke(graph, start, account.how)
    [answer] = [m for m in state["messages"] if isinstance(m, ToolMessage)]
    return str(answer.artifact["run_id"] if answer.artifact else answer.content)


async def middleware(
    account: Account,
    asked: RequestOptions,
    saver: Any,
    *,
    is_killed: bool = False,
    given: Any = "",
    message: str = "m1",
) -> str:
    one = ParallelResearchMiddleware(
        processor="lite", request=asked, client=account.client(is_killed=is_killed)
    )
    model = Model(tool="start_research", args={"question": QUESTION}, message=message)
    graph: Any = create_agent(model, middleware=[one], checkpointer=saver, store=account.store)
    start = {"messages": [("user", QUESTION)]} if given == "" else given
    state = await _invoke(graph, start, account.how)
    return str(state["parallel_research"]["r1"]["run_id"])


async def graph(
    account: Account, asked: RequestOptions, saver: Any, *, is_killed: bool = False, given: Any = ""
) -> str:
    one = create_research_graph(
        processor="lite", request=asked, client=account.client(is_killed=is_killed)
    ).compile(checkpointer=saver, store=account.store)
    start = {"question": QUESTION} if given == "" else given
    state = await _invoke(one, start, account.how)
    [turn] = [t for t in state["turns"] if t["status"] == "completed"]
    return str(turn["run_id"])


DOORS = [client, tool, middleware, graph]


@pytest.fixture(params=["sync", "async"])
def account(request: pytest.FixtureRequest) -> Account:
    return Account(request.param)


@pytest.mark.parametrize("door", DOORS)
async def test_two_users_at_one_position_have_a_run_each(account: Account, door: Door) -> None:
    mine = await door(account, options("Bearer one"), InMemorySaver())
    yours = await door(account, options("Bearer two"), InMemorySaver())
    assert mine != yours
    assert account.tokens == ["Bearer one", "Bearer two"]
    # Asked again, each has its own.
    assert await door(account, options("Bearer one"), InMemorySaver()) == mine
    assert await door(account, options("Bearer two"), InMemorySaver()) == yours
    assert account.tokens == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("door", DOORS)
async def test_a_rotated_token_of_one_identity_pays_for_nothing_again(
    account: Account, door: Door
) -> None:
    first = await door(account, options("Bearer one", "alice"), InMemorySaver())
    assert await door(account, options("Bearer two", "alice"), InMemorySaver()) == first
    assert account.tokens == ["Bearer one"]
    assert await door(account, options("Bearer two", "bob"), InMemorySaver()) != first


@pytest.mark.parametrize("door", DOORS)
async def test_a_rotated_token_of_one_identity_finds_the_run_of_a_killed_process(
    account: Account, door: Door
) -> None:
    saver = InMemorySaver()
    with pytest.raises(Killed):
        await door(account, options("Bearer one", "alice"), saver, is_killed=True)
    await door(account, options("Bearer two", "alice"), saver, given=None)
    assert account.tokens == ["Bearer one"]
    assert len(account.simulator.runs()) == 1


@pytest.mark.parametrize("door", [tool, graph])
async def test_without_an_identity_a_rotated_token_asks_with_other_eyes(
    account: Account, door: Door
) -> None:
    saver = InMemorySaver()
    with pytest.raises(Killed):
        await door(account, options("Bearer one"), saver, is_killed=True)
    await door(account, options("Bearer two"), saver, given=None)
    assert account.tokens == ["Bearer one", "Bearer two"]


async def test_an_agent_finds_its_run_by_the_call_although_the_token_was_rotated(
    account: Account,
) -> None:
    saver = InMemorySaver()
    with pytest.raises(Killed):
        await middleware(account, options("Bearer one"), saver, is_killed=True)
    await middleware(account, options("Bearer two"), saver, given=None)
    assert account.tokens == ["Bearer one"]


async def test_a_copied_tool_has_the_identity_of_its_own_options() -> None:
    account = Account("sync")
    one = ParallelTaskTool(processor="lite", request=options("Bearer one"), client=account.client())
    run = one.model_copy(update={"request": options("Bearer one", "alice")})._door_now()
    assert run.options.identity == "alice"


@pytest.mark.parametrize("identity", ["", " ", "a" * 513, "a\ud800", 5])
def test_an_identity_that_is_none_is_refused_before_anything_is_sent(identity: Any) -> None:
    account = Account("sync")
    with pytest.raises(ValidationError, match="identity"):
        RequestOptions(identity=identity)
    request = TaskRunInput(input=QUESTION, processor="lite")
    for method in (account.client().submit, account.client().find):
        with pytest.raises(ValueError, match="identity"):
            method(account.ledger, request, identity=identity)
    assert account.simulator.runs() == []


def test_an_identity_is_not_shown() -> None:
    assert "alice" not in repr(options("Bearer one", "alice"))


# --- one ledger, two users --------------------------------------------------------------------------


@pytest.mark.parametrize("identity", [None, "bob"])
async def test_a_session_counts_anothers_run_in_its_ledger_and_does_not_read_it(
    account: Account, identity: str | None
) -> None:
    theirs = await graph(account, options("Bearer one", identity and "alice"), InMemorySaver())
    saver = InMemorySaver()
    mine = await graph(account, options("Bearer two", identity), saver)
    one = create_research_graph(client=account.client()).compile(checkpointer=saver)
    turns = one.get_state(HERE).values["turns"]
    assert [(t["run_id"], t["status"]) for t in turns] == [
        (theirs, "withheld"),
        (mine, "completed"),
    ]
    assert turns[0]["question"] == "(a question of another user)"
    assert turns[0]["interaction_id"] is turns[0]["parent_interaction_id"] is None
    assert turns[0]["cost_usd"] == turns[1]["cost_usd"] > 0
    tree = InteractionTree.of(one.get_state(HERE).values).text()
    assert "another user" in tree
    assert "withheld" in SessionReport.of(one.get_state(HERE).values).to_markdown("audit")


async def test_an_agent_counts_anothers_run_and_does_not_poll_it(account: Account) -> None:
    given = {"messages": [("user", QUESTION)], "parallel_ledger_id": account.ledger}
    theirs = await middleware(account, options("Bearer one"), InMemorySaver(), given=given)
    saver = InMemorySaver()
    mine = await middleware(account, options("Bearer two"), saver, given=given, message="m2")
    other_one = ParallelResearchMiddleware(client=account.client())
    kept: Any = create_agent(Model(tool="", args={}), middleware=[other_one], checkpointer=saver)
    records = kept.get_state(HERE).values["parallel_research"]
    [other] = [record for record in records.values() if record["run_id"] != mine]
    assert (other["run_id"], other["status"], other["content"]) == (theirs, "withheld", None)
    assert other["question"] == "(a question of another user)"
    assert QUESTION not in str(other)
    # It has no seal: behind a server, one that its user edits is no key to it.
    server: Any = {"configurable": {"langgraph_auth_user_id": "bob"}}
    assert own_records(other_one._agent, {"r0": other}, server)["r0"]["status"] == "withheld"
    edited: Any = {**other, "status": "running"}
    assert own_records(other_one._agent, {"r0": edited}, server)["r0"]["status"] == "unproven"


async def test_a_model_builds_on_no_answer_of_another_user(account: Account) -> None:
    """Also where the other user's thread has the same name, and the store is one."""
    run_id = await tool(account, options("Bearer one", "alice"), InMemorySaver())
    [run] = account.simulator.runs()
    assert run["run_id"] == run_id
    on: Any = {"previous_interaction_id": run["interaction_id"]}
    refused = await tool(account, options("Bearer two", "bob"), InMemorySaver(), **on)
    assert "comes from no answer of this conversation" in refused
    built = await tool(account, options("Bearer two", "alice"), InMemorySaver(), **on)
    assert built != run_id
    assert account.tokens == ["Bearer one", "Bearer two"]


async def test_a_run_without_credentials_is_everybodys_in_the_ledger(account: Account) -> None:
    first = account.client()
    public = TaskRunInput(input="Who leads?", processor="lite")
    run_id = first.submit(account.ledger, public).run.run_id
    given = {"question": QUESTION, "ledger_id": account.ledger}
    saver = InMemorySaver()
    await graph(account, options("Bearer one"), saver, given=given)
    one = create_research_graph(client=first).compile(checkpointer=saver)
    turns = one.get_state(HERE).values["turns"]
    assert (turns[0]["run_id"], turns[0]["question"]) == (run_id, "Who leads?")


def test_the_metadata_of_the_ledger_is_its_own() -> None:
    account = Account("sync")
    for name in ("ledger_key", "ledger_identity"):
        request = TaskRunInput(input=QUESTION, processor="lite", metadata={name: "mine"})
        with pytest.raises(InvalidRequest, match=f"{name}.*ledger's own"):
            account.client().submit(account.ledger, request)
    assert account.simulator.runs() == []
