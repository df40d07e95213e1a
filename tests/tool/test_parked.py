"""The tool with `wait="park"`: no process waits, and each run is paid once and found again."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import tool as own_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.types import Command

from langchain_parallel import Limits, ParallelTaskTool, aresume, resume
from langchain_parallel.parked.interrupts import RESUME_VALUE

from .helpers import START, Account, How, agent, answers, calls, invoke, thread

HERE: Any = thread("a.thread")


def parking(account: Account, **options: Any) -> ParallelTaskTool:
    return account.tool(wait="park", processor="core", **options)


async def test_the_thread_waits_in_an_interrupt_until_the_run_has_ended(
    account: Account, how: How
) -> None:
    saver = InMemorySaver()
    says = calls({"input": "Who leads?"})
    state = await invoke(agent(parking(account), says, checkpointer=saver), START, how, HERE)
    (shown,) = state["__interrupt__"]
    (run,) = shown.value["runs"]
    assert shown.value["kind"] == "parked"
    assert run["run_id"] == account.runs[0]["run_id"]
    assert run["question"] == "Who leads?"
    graph = agent(parking(account), "done", checkpointer=saver)  # another process
    state = await invoke(graph, Command(resume="too early"), how, HERE)
    assert state["__interrupt__"]
    account.simulator.clock.sleep(3_600)
    state = await invoke(graph, Command(resume="now"), how, HERE)
    (answer,) = answers(state)
    assert answer.artifact["run_id"] == run["run_id"]
    assert len(account.wire.paid) == account.billed == 1


async def test_a_thread_that_is_woken_does_not_ask_for_the_status_first(how: How) -> None:
    async def requests_to_resume(value: str) -> int:
        account = Account()
        says = calls({"input": "Who leads?"})
        graph = agent(parking(account), says, "done", checkpointer=InMemorySaver())
        state = await invoke(graph, START, how, HERE)
        resume: Any = Command(resume={state["__interrupt__"][0].id: value})
        assert (await invoke(graph, resume, how, HERE))["__interrupt__"]  # too early
        account.simulator.clock.sleep(3_600)
        before = len(account.simulator.requests)
        assert answers(await invoke(graph, resume, how, HERE))[0].status == "success"
        assert account.billed == 1
        return len(account.simulator.requests) - before

    assert await requests_to_resume(RESUME_VALUE) == await requests_to_resume("of a person") - 1


async def test_calls_beside_each_other_park_together(account: Account, how: How) -> None:
    asked = [{"input": f"Who leads in {place}?"} for place in "AB"]
    graph = agent(parking(account), calls(*asked), "done", checkpointer=InMemorySaver())
    state = await invoke(graph, START, how, HERE)
    assert len(state["__interrupt__"]) == 2
    account.simulator.clock.sleep(3_600)
    ids = {one.id: "go on" for one in state["__interrupt__"]}
    state = await invoke(graph, Command(resume=ids), how, HERE)
    assert len(answers(state)) == account.billed == 2


async def test_an_approval_comes_before_the_wait(account: Account, how: How) -> None:
    tool = parking(account, limits=Limits(approve_above="lite"))
    says = calls({"input": "Who leads?"})
    graph = agent(tool, says, "done", checkpointer=InMemorySaver())
    state = await invoke(graph, START, how, HERE)
    assert not account.runs
    approve: Any = Command(resume={"decisions": [{"type": "approve"}]})
    state = await invoke(graph, approve, how, HERE)
    assert state["__interrupt__"][0].value["kind"] == "parked"
    state = await invoke(graph, Command(resume="too early"), how, HERE)
    assert state["__interrupt__"][0].value["kind"] == "parked"
    account.simulator.clock.sleep(3_600)
    state = await invoke(graph, Command(resume="now"), how, HERE)
    assert answers(state)[0].status == "success"
    assert account.billed == 1


@pytest.mark.parametrize("place", ["@tool", "@entrypoint"])
def test_it_parks_inside_ones_own_code(account: Account, place: str) -> None:
    tool = parking(account)

    @own_tool
    def look_up(question: str) -> str:
        """Look it up."""
        return str(tool.invoke({"input": question}))

    @entrypoint(checkpointer=InMemorySaver())
    def workflow(question: str) -> str:
        called: Any = look_up if place == "@tool" else tool
        return str(called.invoke({"question" if place == "@tool" else "input": question}))

    state: Any = workflow.invoke("Who leads?", HERE)
    assert state["__interrupt__"][0].value["kind"] == "parked"
    account.simulator.clock.sleep(3_600)
    assert account.runs[0]["run_id"] in str(workflow.invoke(Command(resume="now"), HERE))
    assert len(account.wire.paid) == account.billed == 1


async def test_where_nothing_can_be_resumed_it_blocks(account: Account, how: How) -> None:
    got = await invoke(parking(account), {"input": "Who leads?"}, how)
    assert account.runs[0]["run_id"] in got
    state = await invoke(agent(parking(account), calls({"input": "?"}), "done"), START, how)
    assert answers(state)[0].status == "success"


async def test_resume_goes_on_with_it(account: Account, how: How) -> None:
    graph = agent(parking(account), calls({"input": "?"}), "done", checkpointer=InMemorySaver())
    await invoke(graph, START, how, HERE)
    account.simulator.clock.sleep(3_600)
    waiting = graph.get_state(HERE).interrupts[0].id
    if how == "async":
        state, _ = await aresume(graph, HERE, {waiting: "look again"})
    else:
        state, _ = resume(graph, HERE, {waiting: "look again"})
    assert answers(state.values)[0].status == "success"
    assert account.billed == 1
