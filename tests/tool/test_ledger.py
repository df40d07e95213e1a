"""Paid for once: where a call's runs are kept, and when two calls are the same call."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from langchain.agents import AgentState
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, StateGraph
from langgraph.graph import START as BEGIN
from langgraph.prebuilt import ToolNode
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel

from langchain_parallel import AsyncParallelClient, ParallelTaskTool
from langchain_parallel._graph.session_ledger import RUNS_PER_LEDGER
from langchain_parallel.simulator import Fault, ManualClock, Simulator, SimulatorTransport

from .helpers import START, Account, How, agent, answers, ask, calls, invoke, run_ids, thread

QUESTION = {"input": "Who leads?"}
HERE = thread("a.thread")


def impatient(account: Account, **options: Any) -> ParallelTaskTool:
    """Its process is lost while it waits."""
    return account.tool(timeout=1, handle_tool_error=False, **options)


async def lose(account: Account, tool: ParallelTaskTool, how: How, **options: Any) -> None:
    with pytest.raises(ToolException, match="still"):
        await invoke(agent(tool, calls(QUESTION), "done", **options), START, how, HERE)
    assert len(account.runs) == 1


async def test_a_new_process_finds_the_lost_run_through_the_store(
    account: Account, how: How
) -> None:
    kept: dict[str, Any] = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    await lose(account, impatient(account), how, **kept)
    state = await invoke(agent(account.tool(), "done", **kept), None, how, HERE)
    assert run_ids(answers(state)) == [account.runs[0]["run_id"]]
    assert len(account.wire.paid) == account.billed == 1


async def test_a_new_process_finds_the_lost_run_through_the_configured_ledger(
    account: Account, how: How
) -> None:
    ledger, kept = account.new_ledger(), {"checkpointer": InMemorySaver()}
    await lose(account, impatient(account, ledger_id=ledger), how, **kept)
    state = await invoke(agent(account.tool(ledger_id=ledger), "done", **kept), None, how, HERE)
    assert run_ids(answers(state)) == [account.runs[0]["run_id"]]
    assert account.runs[0]["taskgroup_id"] == ledger
    assert account.billed == 1


class WithLedger(AgentState[Any]):
    ledger_id: str


async def test_a_new_process_finds_the_lost_run_through_the_state(
    account: Account, how: How
) -> None:
    ledger = account.new_ledger()
    kept: dict[str, Any] = {"checkpointer": InMemorySaver(), "state_schema": WithLedger}
    started = {**START, "ledger_id": ledger}
    lost = agent(impatient(account), calls(QUESTION), "done", **kept)
    with pytest.raises(ToolException, match="still"):
        await invoke(lost, started, how, HERE)
    await invoke(agent(account.tool(), "done", **kept), None, how, HERE)
    assert [run["taskgroup_id"] for run in account.runs] == [ledger]
    assert account.billed == 1


async def test_without_state_or_store_the_tool_itself_still_finds_the_run(
    account: Account, how: How
) -> None:
    tool, kept = impatient(account), {"checkpointer": InMemorySaver()}
    await lose(account, tool, how, **kept)
    tool.timeout = None
    await invoke(agent(tool, "done", **kept), None, how, HERE)
    assert account.billed == len(account.runs) == 1


async def test_a_replayed_checkpoint_finds_the_run_that_was_paid_for(
    account: Account, how: How
) -> None:
    kept: dict[str, Any] = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    graph = agent(account.tool(), calls(QUESTION), "done", "done again", **kept)
    first = await invoke(graph, START, how, HERE)
    before_tools = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    replayed = await invoke(graph, None, how, before_tools.config)
    assert run_ids(answers(replayed)) == run_ids(answers(first))
    assert account.billed == 1


async def test_two_threads_never_share_an_answer(account: Account, how: How) -> None:
    """Same tool, same store, same question; and messages without ids that could tell them apart."""
    tool, kept = account.tool(), {"store": InMemoryStore()}
    for name in ("one", "two"):
        await invoke(agent(tool, calls(QUESTION), "done", **kept), START, how, thread(name))
    bare = StateGraph(list)  # type: ignore[type-var]  # LangGraph takes it, its types do not
    bare.add_node("tools", ToolNode([tool]))
    graph = bare.add_edge(BEGIN, "tools").compile()
    for name in ("three", "four"):
        await invoke(graph, [calls(QUESTION)], how, thread(name))
    assert account.billed == len({run["taskgroup_id"] for run in account.runs}) == 4


class Pydantic(BaseModel):
    messages: list[Any]
    ledger_id: str


async def test_a_hand_made_tool_node_shares_identical_calls(account: Account, how: How) -> None:
    """Also over a state that is an object and messages that have no id."""
    ledger = account.new_ledger()
    made = StateGraph(Pydantic).add_node("tools", ToolNode([account.tool()]))
    graph = made.add_edge(BEGIN, "tools").compile()
    asked = {"messages": [calls(QUESTION, QUESTION, {"input": "Else?"})], "ledger_id": ledger}
    one, two, three = run_ids(answers(await invoke(graph, asked, how)))
    assert one == two != three
    assert {run["taskgroup_id"] for run in account.runs} == {ledger}
    assert account.billed == 2


# --- the tool called by a node of one's own ------------------------------------------------------


class Notes(BaseModel):
    found: list[str] = []


def research_node(tool: ParallelTaskTool, how: How, *, crashes: int = 0, rounds: int = 1) -> Any:
    left = [crashes]

    def noted(state: Notes, content: str) -> dict[str, Any]:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("the process died")
        return {"found": [*state.found, content.splitlines()[-1]]}

    async def anode(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return noted(state, await tool.ainvoke(QUESTION, config))

    def node(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return noted(state, tool.invoke(QUESTION, config))

    graph = StateGraph(Notes).add_node("ask", anode if how == "async" else node)
    graph.add_conditional_edges("ask", lambda s: END if len(s.found) == rounds else "ask")
    return graph.add_edge(BEGIN, "ask").compile(checkpointer=InMemorySaver(), store=InMemoryStore())


async def test_a_node_that_died_after_its_call_finds_the_run_again(
    account: Account, how: How
) -> None:
    graph = research_node(account.tool(), how, crashes=1)
    with pytest.raises(RuntimeError):
        await invoke(graph, {"found": []}, how, HERE)
    state = await invoke(graph, None, how, HERE)
    assert state["found"] == [f"run_id: {account.runs[0]['run_id']}"]
    assert account.billed == len(account.runs) == 1


async def test_a_node_run_again_asks_again(account: Account, how: How) -> None:
    graph = research_node(account.tool(), how, rounds=2)
    state = await invoke(graph, {"found": []}, how, HERE)
    assert len(set(state["found"])) == account.billed == 2


# --- outside LangGraph ---------------------------------------------------------------------------


async def test_outside_a_graph_every_call_is_a_run_of_its_own(account: Account, how: How) -> None:
    tool = account.tool()
    made = [await ask(tool, how, **QUESTION) for _ in range(3)]
    assert len(set(run_ids(made))) == account.billed == 3


def looks(account: Account) -> int:
    return sum(e.method == "GET" and e.path.endswith("/runs") for e in account.simulator.requests)


async def test_outside_langgraph_a_tool_has_one_ledger_and_looks_up_only_uncertain_runs(
    account: Account, how: How
) -> None:
    """Every call is a new one there, so no earlier call can have asked it."""
    tool = account.tool()
    for _ in range(3):
        await ask(tool, how, **QUESTION)
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
    assert account.billed == 3
    assert looks(account) == 0


async def test_outside_langgraph_a_ledger_never_grows_large(account: Account, how: How) -> None:
    tool = account.tool()
    for _ in range(RUNS_PER_LEDGER + 1):
        await ask(tool, how, **QUESTION)
    sizes = Counter(run["taskgroup_id"] for run in account.runs)
    assert len(sizes) == 2
    assert max(sizes.values()) <= RUNS_PER_LEDGER


async def test_calls_at_once_make_their_ledgers_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here none is made before all three are asked for."""
    monkeypatch.setattr("langchain_parallel._graph.session_ledger.RUNS_PER_LEDGER", 4)
    simulator = Simulator(ManualClock())
    are_all_asked_for, asked = asyncio.Event(), list[str]()

    class Held(SimulatorTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if (request.method, request.url.path) == ("POST", "/v1/tasks/groups"):
                asked.append(request.url.path)
                if len(asked) == 3:
                    are_all_asked_for.set()
                await are_all_asked_for.wait()
            return await super().handle_async_request(request)

    client = AsyncParallelClient("key", transport=Held(simulator), clock=simulator.clock)
    tool = ParallelTaskTool(processor="lite", client=client)
    at_once = asyncio.gather(*(tool.ainvoke({"input": f"Question {n}"}) for n in range(12)))
    await asyncio.wait_for(at_once, 60)
    sizes = Counter(run["taskgroup_id"] for run in simulator.runs())
    assert sorted(sizes.values()) == [4, 4, 4]


async def test_without_a_thread_each_agent_run_has_a_ledger_of_its_own(
    account: Account, how: How
) -> None:
    tool = account.tool()
    for _ in range(3):
        await invoke(agent(tool, calls(QUESTION), "done"), START, how)
    assert len({run["taskgroup_id"] for run in account.runs}) == 3


async def test_a_thread_keeps_one_ledger(account: Account, how: How) -> None:
    tool = account.tool()
    for _ in range(2):
        await invoke(agent(tool, calls(QUESTION), "done"), START, how, HERE)
    assert account.billed == 2
    assert len({run["taskgroup_id"] for run in account.runs}) == 1


async def test_a_lost_answer_is_looked_for_not_paid_again(account: Account, how: How) -> None:
    account.simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    answer = await ask(account.tool(), how, **QUESTION)
    assert answer.status == "success"
    assert len(account.wire.paid) == account.billed == 1


async def test_a_ledger_that_does_not_exist_is_reported_and_nothing_is_billed(
    account: Account, how: How
) -> None:
    answer = await ask(account.tool(ledger_id="tgrp_gone"), how, **QUESTION)
    assert answer.status == "error"
    assert "There is no ledger (task group) tgrp_gone" in answer.text
    assert account.runs == []


@pytest.mark.parametrize("shape", ["list", "object"])
async def test_a_message_handed_in_again_is_the_same_call(
    account: Account, shape: str, how: How
) -> None:
    """As after a crash in a graph without a checkpointer, whatever its state looks like."""
    ledger = account.new_ledger()
    message = calls(QUESTION).model_copy(update={"id": "the message"})
    state: Any = {"messages": [message], "ledger_id": ledger}
    schema: Any = Pydantic
    if shape == "list":
        state, schema = [message], list
    for _ in range(2):
        nodes = StateGraph(schema).add_node("tools", ToolNode([account.tool(ledger_id=ledger)]))
        await invoke(nodes.add_edge(BEGIN, "tools").compile(), state, how)
    assert account.billed == len(account.runs) == 1


async def test_a_message_is_distinguished_from_an_earlier_one_with_the_same_call_id(
    account: Account, how: How
) -> None:
    """In one state, both messages in view."""
    made = StateGraph(Pydantic).add_node("tools", ToolNode([account.tool()]))
    graph = made.add_edge(BEGIN, "tools").compile()
    ledger = account.new_ledger()
    earlier = calls(QUESTION).model_copy(update={"id": "earlier"})
    later = calls(QUESTION).model_copy(update={"id": "later"})
    for messages in ([earlier], [earlier, AIMessage("so"), later]):
        await invoke(graph, {"messages": messages, "ledger_id": ledger}, how)
    assert account.billed == 2
