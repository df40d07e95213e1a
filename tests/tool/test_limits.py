"""Limits of the tool: over the runs of its ledger, with a person's approval beyond them."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.options import Limits

from .helpers import START, Account, How, agent, answers, ask, calls, invoke, thread

HERE = thread("a.thread")
ONE, TWO = {"input": "Who leads?"}, {"input": "Who follows?"}
APPROVE: dict[str, Any] = {"decisions": [{"type": "approve"}]}


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


async def test_a_failed_run_gives_its_money_back(account: Account, how: How) -> None:
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
    assert "pro costs more than base." in answer.text
    assert account.runs == []


def test_a_limit_that_only_the_graph_has_is_refused(account: Account) -> None:
    with pytest.raises((InvalidRequest, ValueError), match="for the research graph"):
        account.tool(limits=Limits(max_runs_per_question=3))
