"""Parked: the agent ends in an interrupt, and reads its run again whatever it is resumed with."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import aresume, resume
from langchain_parallel.parked import asweep, sweep
from langchain_parallel.parked.interrupts import RESUME_VALUE

from .harness import (
    SAID,
    Account,
    How,
    Model,
    branch,
    calls,
    more,
    record,
    start,
    texts,
    thread,
)


def parked(account: Account, model: Model, saver: InMemorySaver) -> Any:
    return account.agent(model, wait="park", compiled={"checkpointer": saver})


def test_a_thread_that_is_woken_does_not_ask_for_the_status_first(how: How) -> None:
    def requests_to_resume(value: str) -> int:
        account = Account(how)
        agent = parked(account, Model(calls(start("Who leads?")), "done"), InMemorySaver())
        [interrupt] = account.invoke(agent, SAID, thread())["__interrupt__"]
        resume: Any = Command(resume={interrupt.id: value})
        assert account.invoke(agent, resume, thread())["__interrupt__"]  # too early
        account.pass_time()
        before = len(account.simulator.requests)
        assert account.invoke(agent, resume, thread())["messages"][-1].text == "done"
        assert account.billed == 1
        return len(account.simulator.requests) - before

    assert requests_to_resume(RESUME_VALUE) == requests_to_resume("of a person") - 1


def test_the_interrupt_says_what_is_waited_for(account: Account) -> None:
    model = Model(
        calls(
            start(
                "Who leads?",
            )
        ),
        "done",
    )
    agent = parked(account, model, InMemorySaver())
    state = account.invoke(agent, SAID, thread())
    (run,) = account.runs
    (interrupt,) = state["__interrupt__"]
    assert interrupt.value.pop("graph").startswith("research#")
    assert interrupt.value == {
        "kind": "parked",
        "runs": [
            {
                "run_id": run["run_id"],
                "interaction_id": run["interaction_id"],
                "handle": "r1",
                "question": "Who leads?",
                "processor": "lite",
                "expected_seconds": [10, 120],
                "status": "queued",
                "warnings": [],
            }
        ],
    }
    assert json.loads(json.dumps(interrupt.value)) == interrupt.value


@pytest.mark.parametrize("answer", [True, {"status": "completed", "content": "All is well."}])
def test_the_value_it_is_resumed_with_is_not_believed(account: Account, answer: Any) -> None:
    model = Model(calls(start("Who leads?")), "done")
    agent = parked(account, model, InMemorySaver())
    account.invoke(agent, SAID, thread())
    for _ in range(3):  # too early: it parks again, as often as it takes
        state = account.invoke(agent, Command(resume=answer), thread())
        assert len(state["__interrupt__"]) == 1
    account.pass_time()
    state = account.invoke(agent, Command(resume=answer), thread())
    assert "__interrupt__" not in state
    assert record(state, "r1")["status"] == "completed"
    assert "All is well" not in texts(state)[0]
    assert len(account.runs) == 1


def test_another_process_resumes_a_parked_thread(account: Account) -> None:
    saver = InMemorySaver()
    account.invoke(parked(account, Model(calls(start("Who leads?"))), saver), SAID, thread())
    account.pass_time()
    agent = parked(account, Model("done"), saver)
    state = account.invoke(agent, Command(resume=1), thread())
    assert record(state, "r1")["status"] == "completed"
    assert len(account.runs) == 1


def by_handle(agent: Any) -> dict[str, str]:
    """The interrupts that are pending."""
    pending = agent.get_state(thread()).interrupts
    return {handle: i.id for i in pending for handle in handles(i.value)}


def handles(parked: Any) -> list[str]:
    return [run["handle"] for run in parked["runs"]]


@pytest.mark.parametrize("order", [("r1", "r2", "r3"), ("r3", "r1", "r2")])
def test_parallel_calls_are_resumed_one_by_one_in_any_order(
    account: Account, order: tuple[str, ...]
) -> None:
    questions = {"r1": "One?", "r2": "Two?", "r3": "Three?"}
    for nth, handle in enumerate(order):
        account.script(contains=questions[handle], seconds=500 + nth * 1_000)
    model = Model(calls(*map(start, questions.values())), "done")
    agent = parked(account, model, InMemorySaver())
    state = account.invoke(agent, SAID, thread())
    for nth, handle in enumerate(order):
        waiting = by_handle(agent)
        assert set(waiting) == set(order[nth:])
        account.pass_time(1_000)
        state = account.invoke(agent, Command(resume={waiting[handle]: 1}), thread())
    assert [text.split()[0] for text in texts(state)] == ["r1", "r2", "r3"]
    assert sorted(account.asked) == sorted(questions.values())
    assert account.billed == 3


def test_a_branch_waits_for_all_its_runs(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(branch("r1", "Why?", "Where?")), "done")
    saver = InMemorySaver()
    agent = parked(account, model, saver)
    account.invoke(agent, SAID, thread())
    account.pass_time()
    account.script(contains="Where?", seconds=50_000)
    state = account.invoke(agent, Command(resume=1), thread())
    (interrupt,) = state["__interrupt__"]
    assert handles(interrupt.value) == ["r1.2", "r1.3"]
    account.pass_time()
    state = account.invoke(agent, Command(resume=1), thread())
    (interrupt,) = state["__interrupt__"]
    assert handles(interrupt.value) == ["r1.3"]
    account.pass_time(100_000)
    state = account.invoke(agent, Command(resume=1), thread())
    assert "r1.2 completed" in texts(state)[1]
    assert "r1.3 completed" in texts(state)[1]
    assert len(account.runs) == 3


def test_a_new_message_instead_of_a_resume_loses_nothing(account: Account) -> None:
    saver = InMemorySaver()
    model = Model(calls(start("Who leads?")), "done")
    account.invoke(parked(account, model, saver), SAID, thread())
    account.pass_time()
    again = Model("done")
    state = account.invoke(parked(account, again, saver), more("Forget it."), thread())
    assert record(state, "r1")["status"] == "completed"
    assert "Finished since: r1" in again.notes[0]
    assert len(account.runs) == 1


def test_without_a_checkpointer_nothing_can_be_parked_so_runs_continue_in_the_background(
    account: Account,
) -> None:
    model = Model(calls(start("Who leads?")), "done")
    state = account.invoke(account.agent(model, wait="park"), SAID)
    assert texts(state)[0].startswith("r1 is running")


async def test_resume_and_aresume_wake_a_parked_thread_once() -> None:
    account, saver = Account("sync"), InMemorySaver()
    agent = parked(account, Model(calls(start("Who leads?")), "done"), saver)
    state = account.invoke(agent, SAID, thread())
    (interrupt,) = state["__interrupt__"]
    account.pass_time()
    first = resume(agent, thread(), {interrupt.id: 1})
    second = await aresume(agent, thread(), {interrupt.id: 1})
    assert (first.resumed, second.resumed) == (True, False)
    assert first.state.values["parallel_research"]["r1"]["status"] == "completed"
    assert len(account.runs) == 1


def test_waking_one_of_parallel_calls_takes_up_all_that_have_ended(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    agent = parked(account, model, InMemorySaver())
    account.invoke(agent, SAID, thread())
    account.pass_time()
    state = account.invoke(agent, Command(resume={by_handle(agent)["r2"]: 1}), thread())
    assert [text.split()[:2] for text in texts(state)] == [["r1", "completed"], ["r2", "completed"]]


def test_a_sweep_finds_a_parked_agent_by_its_record_in_the_store(account: Account) -> None:
    model = Model(calls(start("Who leads?"), start("Who follows?")), "done")
    store = InMemoryStore()
    stored = {"checkpointer": InMemorySaver(), "store": store}
    agent = account.agent(model, wait="park", compiled=stored)
    account.invoke(agent, SAID, thread())
    items = store.search(("langchain_parallel", "parked"))
    records = {item.value["run_id"]: item.value for item in items}
    assert set(records) == {run["run_id"] for run in account.runs}
    assert {record["ledger_id"] for record in records.values()} == {account.runs[0]["taskgroup_id"]}
    account.pass_time()
    clients = account.clients()
    if account.how == "sync":
        swept = sweep(agent, clients["client"])
    else:
        swept = asyncio.run(asweep(agent, account.async_client()))
    assert swept.counts()["resumed"] == 1
    assert agent.get_state(thread()).values["messages"][-1].text == "done"
    assert store.search(("langchain_parallel", "parked")) == []
