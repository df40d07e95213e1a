"""Limits of the tool: over the runs of its ledger, with a person's approval beyond them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import START as BEGIN
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import ParallelClient
from langchain_parallel._locks.postgres import lock_number
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits, Quota
from langchain_parallel.simulator import ManualClock, progress_events

from .helpers import KEY, START, Account, How, agent, answers, ask, calls, invoke, thread

HERE = thread("a.thread")
ONE, TWO = {"input": "Who leads?"}, {"input": "Who follows?"}
APPROVE: dict[str, Any] = {"decisions": [{"type": "approve"}]}
REJECT: dict[str, Any] = {"decisions": [{"type": "reject"}]}


def kept() -> dict[str, Any]:
    return {"checkpointer": InMemorySaver(), "store": InMemoryStore()}


async def test_the_run_that_would_pass_the_limit_is_not_started(account: Account, how: How) -> None:
    tool = account.tool(processor="base", limits=Limits(max_cost_usd=0.015, on_exceed="stop"))
    assert (await ask(tool, how, **ONE)).status == "success"
    second = await ask(tool, how, **TWO)
    assert second.status == "error"
    assert "This would bring the session to $0.02; the limit is $0.015." in second.text
    assert "Nothing was started" in second.text
    assert account.billed == len(account.runs) == 1


async def test_parallel_calls_cannot_take_the_same_dollar(account: Account, how: How) -> None:
    tool = account.tool(processor="base", limits=Limits(max_runs=2, on_exceed="stop"))
    asked = calls(ONE, TWO, {"input": "And who else?"})
    state = await invoke(agent(tool, asked, "done", **kept()), START, how, HERE)
    assert sorted(answer.status for answer in answers(state)) == ["error", "success", "success"]
    assert len(account.runs) == 2


async def test_a_failed_run_no_longer_counts_against_the_limits(account: Account, how: How) -> None:
    account.script(outcome="failed")
    tool = account.tool(processor="base", limits=Limits(max_cost_usd=0.01, on_exceed="stop"))
    assert (await ask(tool, how, **ONE)).status == "error"
    assert (await ask(tool, how, **TWO)).status == "success"
    assert account.billed == 1


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_person_is_asked_and_decides(account: Account, how: How, decision: str) -> None:
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    graph = agent(tool, calls(ONE), "done", **kept())
    state = await invoke(graph, START, how, HERE)
    (interrupt,) = state["__interrupt__"]
    assert interrupt.value["kind"] == "spend"
    assert interrupt.value["cost_usd"] == 0.1
    assert account.runs == []
    answer: Any = Command(resume={"decisions": [{"type": decision}]})
    state = await invoke(graph, answer, how, HERE)
    assert account.billed == (1 if decision == "approve" else 0)
    (message,) = answers(state)
    assert ("A person declined it." in message.text) == (decision == "reject")


async def test_limits_that_a_tool_could_not_keep_are_refused(account: Account, how: How) -> None:
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    graph = agent(tool, calls(ONE), "done", **kept())
    await invoke(graph, START, how, HERE)
    given: Any = Command(resume={**APPROVE, "limits": {"max_cost_usd": 9.0}})
    state = await invoke(graph, given, how, HERE)
    (interrupt,) = state["__interrupt__"]
    assert "leave `limits` out" in interrupt.value["refused"][0]
    await invoke(graph, Command(resume=APPROVE), how, HERE)
    assert account.billed == 1


async def test_an_edited_run_is_the_one_that_is_sent_and_paid_once(
    account: Account, how: How
) -> None:
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    graph = agent(tool, calls(ONE), "done", **kept())
    await invoke(graph, START, how, HERE)
    edited = {"name": "research", "args": {"question": "Who leads now?", "processor": "lite"}}
    decisions = {"decisions": [{"type": "edit", "edited_action": edited}]}
    await invoke(graph, Command(resume=decisions), how, HERE)
    (sent,) = account.sent
    assert (sent["input"], sent["processor"]) == ("Who leads now?", "lite")
    assert account.billed == 1


async def test_an_approved_call_that_is_replayed_is_neither_asked_about_nor_paid_again(
    account: Account, how: How
) -> None:
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    graph = agent(tool, calls(ONE), "done", "done", **kept())
    await invoke(graph, START, how, HERE)
    await invoke(graph, Command(resume=APPROVE), how, HERE)
    before = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    state = await invoke(graph, None, how, before.config)
    assert "__interrupt__" not in state
    assert account.billed == len(account.runs) == 1


async def test_where_no_person_can_be_asked_the_call_is_refused(account: Account, how: How) -> None:
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    answer = await ask(tool, how, **ONE)
    assert answer.status == "error"
    assert "pro costs more than base. Asking a person needs a checkpointer." in answer.text
    assert account.runs == []


def test_a_limit_that_only_the_graph_has_is_refused(account: Account) -> None:
    with pytest.raises((InvalidRequest, ValueError), match="for the research graph"):
        account.tool(limits=Limits(max_runs_per_question=3))


# --- what the list does not say ------------------------------------------------------------------


async def test_a_run_that_the_list_does_not_show_yet_counts(account: Account, how: How) -> None:
    for _ in range(3):
        account.script(late_commit=1_000)
    tool = account.tool(processor="base", limits=Limits(max_runs=2, on_exceed="stop"))
    asked = calls(ONE, TWO, {"input": "And who else?"})
    await invoke(agent(tool, asked, "done", **kept()), START, how, HERE)
    assert len(account.runs) == 2


async def test_a_run_that_is_listed_without_its_processor_counts(
    account: Account, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = progress_events.state_event

    def bare(*args: Any, **options: Any) -> dict[str, Any]:
        event = whole(*args, **options)
        left_out = ("processor", "metadata")
        return {**event, "run": {k: v for k, v in event["run"].items() if k not in left_out}}

    monkeypatch.setattr("langchain_parallel.simulator.endpoints.state_event", bare)
    ledger, limits = account.new_ledger(), Limits(max_cost_usd=0.015, on_exceed="stop")
    for question in (ONE, TWO):  # a process each
        await ask(account.tool(processor="base", limits=limits, ledger_id=ledger), how, **question)
    assert len(account.runs) == 1


def free_when_awaited(other: psycopg.Connection[Any], number: int) -> None:
    """Free a lock once it was asked for in vain: more often than a call that has each lock at once asks."""
    query = """SELECT pid, query_start FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%'"""
    before = set(other.execute(query).fetchall())
    tries = set[Any]()
    while len(tries) < 6:
        tries |= set(other.execute(query).fetchall()) - before
    other.execute("SELECT pg_advisory_unlock(%s)", (number,))


async def test_after_another_process_had_the_lock_its_run_is_waited_for(
    account: Account, how: How, postgres_uri: Callable[[], str]
) -> None:
    account.script(late_commit=10)
    client, ledger, uri = account.tool().client, account.new_ledger(), postgres_uri()
    assert isinstance(client, ParallelClient)
    client.submit(ledger, TaskRunInput(input="Who was first?", processor="base"), position="0")
    limits = Limits(max_runs=1, on_exceed="stop")
    tool = account.tool(processor="base", limits=limits, ledger_id=ledger)
    async with AsyncExitStack() as opened:
        other = opened.enter_context(psycopg.connect(uri, autocommit=True))
        number = lock_number(f"limits {ledger}")
        other.execute("SELECT pg_advisory_lock(%s)", (number,))
        freed = asyncio.to_thread(free_when_awaited, other, number)
        if how == "sync":
            saver: Any = opened.enter_context(PostgresSaver.from_conn_string(uri))
        else:
            made = AsyncPostgresSaver.from_conn_string(uri)
            saver = await opened.enter_async_context(made)
        graph = agent(tool, calls(ONE), "done", checkpointer=saver)
        place = thread(ledger)
        asked = (
            graph.ainvoke(START, place)
            if how == "async"
            else asyncio.to_thread(graph.invoke, START, place)
        )
        state, _ = await asyncio.gather(asked, freed)
    assert "the limit is 1" in answers(state)[0].text
    assert len(account.runs) == 1


# --- sessions without a thread -------------------------------------------------------------------


async def test_calls_that_were_refused_do_not_begin_a_new_ledger(
    account: Account, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_parallel._graph.session_ledger.RUNS_PER_LEDGER", 2)
    tool = account.tool(processor="lite", limits=Limits(max_runs=1, on_exceed="stop"))
    for nth in range(5):
        await ask(tool, how, input=f"Who is number {nth}?")
    assert len(account.runs) == 1


async def test_without_a_thread_the_limit_holds_for_all_calls_of_the_tool(
    account: Account, how: How
) -> None:
    tool = account.tool(processor="lite", limits=Limits(max_runs=1, on_exceed="stop"))
    await invoke(agent(tool, calls(ONE), calls(TWO), "done"), START, how)
    await ask(tool, how, input="And who else?")
    assert len(account.runs) == 1


async def test_copies_of_a_tool_have_one_limit(account: Account, how: How) -> None:
    tool = account.tool(processor="lite", limits=Limits(max_runs=1, on_exceed="stop"))
    for one in (tool, copy.copy(tool), copy.deepcopy(tool)):
        await ask(one, how, input=f"Who is {id(one)}?")
    assert len(account.runs) == 1


# --- what a person says is said about one call -----------------------------------------------------


async def test_a_rejected_call_stays_unsent_even_if_the_limits_would_allow_it_now(
    account: Account, how: How
) -> None:
    account.script(seconds=100, outcome="failed")
    client, ledger, clock = account.tool().client, account.new_ledger(), account.simulator.clock
    assert isinstance(client, ParallelClient)
    assert isinstance(clock, ManualClock)
    client.submit(ledger, TaskRunInput(input="Who was first?", processor="base"), position="0")
    limits = Limits(max_cost_usd=0.01)
    tool = account.tool(processor="base", limits=limits, ledger_id=ledger)
    graph = agent(tool, calls(ONE), "done", **kept())
    state = await invoke(graph, START, how, HERE)
    assert "This would bring the session to $0.02" in state["__interrupt__"][0].value["reasons"][0]
    clock.advance(200)
    state = await invoke(graph, Command(resume=REJECT), how, HERE)
    assert "A person declined it." in answers(state)[0].text
    assert len(account.runs) == 1


@pytest.mark.parametrize("first", ["approve", "reject"])
async def test_an_answer_to_one_call_of_a_node_is_none_to_the_next(
    account: Account, how: How, first: str
) -> None:
    tool = account.tool(processor="base", limits=Limits(approve_above="lite"))

    def node(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        for question in (ONE, TWO):
            tool.invoke(question, config)
        return {}

    async def anode(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        for question in (ONE, TWO):
            await tool.ainvoke(question, config)
        return {}

    made = StateGraph(MessagesState).add_node("ask", node if how == "sync" else anode)
    graph = made.add_edge(BEGIN, "ask").compile(**kept())
    await invoke(graph, START, how, HERE)
    state = await invoke(graph, Command(resume={"decisions": [{"type": first}]}), how, HERE)
    assert "__interrupt__" not in state
    assert [sent["input"] for sent in account.sent] == ["Who leads?"] * (first == "approve")


async def test_an_answer_to_one_of_parallel_calls_in_a_step_is_none_to_the_other(
    account: Account, how: How
) -> None:
    tool = account.tool(processor="base", limits=Limits(approve_above="lite"))
    asked = calls(ONE, TWO)
    made = StateGraph(MessagesState).add_node("model", lambda _: {"messages": [asked]})
    made.add_node("tools", ToolNode([tool])).add_edge(BEGIN, "model").add_edge("model", "tools")
    graph = made.compile(**kept())
    state = await invoke(graph, START, how, HERE)
    (shown,) = state["__interrupt__"]
    state = await invoke(graph, Command(resume=APPROVE), how, HERE)
    question = shown.value["action_requests"][0]["args"]["question"]
    assert [sent["input"] for sent in account.sent] == [question]
    (refused,) = [answer for answer in answers(state) if answer.status == "error"]
    assert "make this one again, alone" in refused.text


async def test_an_edited_call_that_is_replayed_is_neither_asked_about_nor_paid_again(
    account: Account, how: How
) -> None:
    limits = Limits(max_runs=1, on_exceed="stop", approve_above="base")
    tool = account.tool(processor="pro", limits=limits)
    graph = agent(tool, calls(ONE), "done", "done", **kept())
    await invoke(graph, START, how, HERE)
    edited = {"name": "research", "args": {"question": "Who leads now?", "processor": "lite"}}
    decisions = {"decisions": [{"type": "edit", "edited_action": edited}]}
    first = await invoke(graph, Command(resume=decisions), how, HERE)
    before = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    state = await invoke(graph, None, how, before.config)
    assert "__interrupt__" not in state
    assert answers(state)[0].artifact == answers(first)[0].artifact
    assert account.billed == len(account.runs) == 1


# --- construction --------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"max_runs": True}, {"max_runs": "5"}, {"max_usd": 1}])
def test_limits_are_taken_as_limits_alone(account: Account, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limits"):
        account.tool(limits=given)


def test_a_key_that_is_not_the_clients_is_refused(account: Account) -> None:
    account.tool(api_key=KEY)
    with pytest.raises(ValueError, match="api_key is given beside a client"):
        account.tool(api_key="another-key")


# --- who may approve -----------------------------------------------------------------------------


def called_by(user: str) -> Any:
    """The config of a call that comes through a LangGraph server."""
    given = {"thread_id": "here", "langgraph_auth_user_id": user, "langgraph_request_id": "r"}
    return {"configurable": given}


async def test_behind_a_server_a_yes_raises_no_limit(account: Account, how: How) -> None:
    tool = account.tool(processor="base", limits=Limits(max_runs=0))
    graph = agent(tool, calls(ONE), "done", **kept())
    state = await invoke(graph, START, how, called_by("anna"))
    assert "Nobody may raise it here" in answers(state)[0].text
    assert account.runs == []


async def test_only_an_approver_approves(account: Account, how: How) -> None:
    tool = account.tool(processor="base", limits=Limits(max_runs=0, approvers=["boss"]))
    graph = agent(tool, calls(ONE), "done", "done", **kept())
    await invoke(graph, START, how, called_by("anna"))
    state = await invoke(graph, Command(resume=APPROVE), how, called_by("anna"))
    assert "You may not approve this" in state["__interrupt__"][0].value["refused"][0]
    assert account.runs == []
    state = await invoke(graph, Command(resume=APPROVE), how, called_by("boss"))
    assert account.billed == 1
    before = next(s for s in graph.get_state_history(called_by("anna")) if s.next == ("tools",))
    await invoke(
        graph,
        None,
        how,
        {"configurable": {**called_by("anna")["configurable"], **before.config["configurable"]}},
    )
    assert account.billed == len(account.runs) == 1


# --- quotas --------------------------------------------------------------------------------------


async def test_a_quota_is_over_all_threads_of_a_user(account: Account, how: How) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.01)], on_exceed="stop")
    tool = account.tool(processor="base", limits=limits)
    graph = agent(tool, calls(ONE), "done", calls(ONE), "done", calls(ONE), "done", **kept())
    await invoke(graph, START, how, called_by("anna"))
    anna, boris = called_by("anna"), called_by("boris")
    anna["configurable"]["thread_id"], boris["configurable"]["thread_id"] = "other", "his"
    state = await invoke(graph, START, how, anna)
    assert "$0.01 is used" in answers(state)[0].text
    await invoke(graph, START, how, boris)
    assert account.billed == 2


async def test_without_a_thread_a_quota_holds_for_all_calls_of_the_tool(
    account: Account, how: How
) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.01, per="all")], on_exceed="stop")
    tool = account.tool(processor="base", limits=limits)
    await ask(copy.copy(tool), how, **ONE)
    answer = await ask(copy.copy(tool), how, **TWO)
    assert "has to wait until" in answer.text
    assert account.billed == 1


async def test_of_parallel_calls_none_passes_a_quota(account: Account, how: How) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.021, per="all")], on_exceed="stop")
    tool = account.tool(processor="base", limits=limits)
    graph = agent(tool, calls(*({"input": f"Number {n}?"} for n in range(5))), "done", **kept())
    state = await invoke(graph, START, how, HERE)
    assert account.billed == len(account.runs) == 2
    assert sum(answer.status == "error" for answer in answers(state)) == 3


async def test_past_a_quota_of_a_tool_a_person_is_asked(account: Account, how: How) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.0, per="all")])
    tool = account.tool(processor="base", limits=limits)
    graph = agent(tool, calls(ONE), "done", **kept())
    state = await invoke(graph, START, how, HERE)
    assert state["__interrupt__"][0].value["quotas"][0]["max_cost_usd"] == 0.0
    await invoke(graph, Command(resume=APPROVE), how, HERE)
    assert account.billed == 1
