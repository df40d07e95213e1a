"""Whatever runs again finds what was paid for, and a run of unknown outcome is not forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel.middleware.agent_state import merge_research

from .harness import (
    SAID,
    Account,
    Model,
    Says,
    calls,
    check,
    follow_up,
    more,
    record,
    start,
    texts,
    thread,
)
from .test_surroundings import own_graph


def before_turn(agent: Any, nth: int) -> Any:
    """The checkpoint before the nth model message of the thread (from 0)."""
    history = reversed(list(agent.get_state_history(thread())))
    at = [snapshot for snapshot in history if "model" in snapshot.next]
    return at[nth].config


def test_a_model_turn_that_is_replayed_finds_its_runs(account: Account) -> None:
    """The model speaks anew, with new message ids."""
    says: list[Says] = [
        calls(start("Who leads?"), start("Who follows?")),
        calls(follow_up("r1", "Why?")),
        "done",
    ]
    model = Model(*says)
    agent = account.agent(
        model, compiled={"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    )
    first = account.invoke(agent, SAID, thread())
    model.says(*says)
    again = account.invoke(agent, None, before_turn(agent, 0))
    assert len(account.runs) == account.billed == 3
    assert {h: r["run_id"] for h, r in again["parallel_research"].items()} == {
        h: r["run_id"] for h, r in first["parallel_research"].items()
    }


def test_without_a_store_it_does_from_the_first_ledger_on(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(follow_up("r1", "Why?")), "done")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()})
    account.invoke(agent, SAID, thread())
    model.says(calls(follow_up("r1", "Why?")), "done")
    account.invoke(agent, None, before_turn(agent, 1))
    assert len(account.runs) == 2


def test_a_new_process_that_replays_finds_them_too(account: Account) -> None:
    kept = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    agent = account.agent(Model(calls(start("Who leads?")), "done"), compiled=kept)
    account.invoke(agent, SAID, thread())
    again = account.agent(Model(calls(start("Who leads?")), "done"), compiled=kept)
    account.invoke(again, None, before_turn(again, 0))
    assert len(account.runs) == 1


def later_by(days: float, store: InMemoryStore) -> None:
    """Let time pass since the store was written to."""
    for item in store.search(("langchain_parallel", "records")):
        record = item.value["record"]
        if "at" in record:
            older = {**record, "at": record["at"] - days * 86_400}
            store.put(item.namespace, item.key, {**item.value, "record": older})


@pytest.mark.parametrize(("days", "runs"), [(0.5, 1), (2, 2)])
def test_a_deleted_thread_gets_no_answer_of_days_ago(
    account: Account, days: float, runs: int
) -> None:
    """Within a day it might be one of which a kill under `durability="exit"` has left nothing."""
    saver, store = InMemorySaver(), InMemoryStore()
    compiled = {"checkpointer": saver, "store": store}
    for _ in range(2):
        agent = account.agent(Model(calls(start("What is new?")), "done"), compiled=compiled)
        account.invoke(agent, SAID, thread())
        saver.delete_thread("thread")
        later_by(days, store)
    assert len(account.runs) == runs


def test_a_replay_finds_its_runs_whenever_it_comes(account: Account) -> None:
    store = InMemoryStore()
    model = Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver(), "store": store})
    account.invoke(agent, SAID, thread())
    place = before_turn(agent, 0)
    model.says(calls(start("Who leads?")), "done")
    later_by(-30, store)  # was last used long after the thread had come here
    account.invoke(agent, None, place)
    assert len(account.runs) == 1


def test_a_parked_call_that_was_abandoned_is_found_after_days(account: Account) -> None:
    """The thread has had an input before, so it is no new one under an old id."""
    store = InMemoryStore()
    agent = own_graph(account, Model(calls(start("A?")), calls(start("A?")), "done"), wait="park")
    agent.checkpointer, agent.store = InMemorySaver(), store
    account.invoke(agent, SAID, thread())
    later_by(2, store)
    state = account.invoke(agent, more(), thread())
    assert state["__interrupt__"][0].value["kind"] == "parked"
    assert account.asked == ["A?"]


def test_two_sub_agents_in_one_task_keep_their_runs_apart(account: Account) -> None:
    inner = account.middleware()
    found: list[dict[str, Any]] = []

    def ask(task: str) -> dict[str, Any]:
        model = Model(calls(start(f"{task}?")), "done")
        agent = create_agent(model, middleware=[inner])
        return account.invoke(agent, {"messages": [("user", task)]})

    @tool
    def helper(task: str) -> str:
        """Two researchers."""
        found.extend(map(ask, ("One", "Two")))
        return "done"

    model = Model(calls(("helper", {"task": "x"})), "done")
    kept: dict[str, Any] = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    lead: Any = create_agent(model, tools=[helper], **kept)
    lead.invoke(SAID, thread(), durability="sync")
    first, second = (state["parallel_research"]["r1"] for state in found)
    assert first["ledger_id"] != second["ledger_id"]
    numbers = [{c["number"] for c in r["citations"]} for r in (first, second)]
    assert numbers[0].isdisjoint(numbers[1])


def test_two_branches_that_plan_at_the_same_time_keep_both_records() -> None:
    one: Any = {"handle": "r1", "ledger_id": "tgrp_1", "run_id": "trun_a00001", "call": "m/1"}
    one |= {"status": "completed", "parent_handle": None}
    other: Any = {**one, "run_id": "trun_b00002", "call": "n/1"}
    assert [r["run_id"] for r in merge_research({"r1": one}, {"r1": other}).values()] == [
        "trun_a00001",
        "trun_b00002",
    ]


def test_two_agents_of_different_names_that_share_a_thread_id_share_no_run(
    account: Account,
) -> None:
    store = InMemoryStore()
    for name in ("analyst", "critic"):
        compiled = {"checkpointer": InMemorySaver(), "store": store, "name": name}
        agent = account.agent(Model(calls(start("Who leads?")), "done"), compiled=compiled)
        account.invoke(agent, SAID, thread())
    assert len(account.runs) == 2


def test_another_question_at_the_same_place_is_another_run(account: Account) -> None:
    kept = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    model = Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, compiled=kept)
    account.invoke(agent, SAID, thread())
    model.says(calls(start("Who loses?")), "done")
    state = account.invoke(agent, None, before_turn(agent, 0))
    assert record(state, "r1")["question"] == "Who loses?"
    assert len(account.runs) == 2


def test_the_same_question_later_in_the_thread_is_another_run(account: Account) -> None:
    model = Model(calls(start("What is new?")), calls(start("What is new?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert record(state, "r1")["run_id"] != record(state, "r2")["run_id"]
    assert account.billed == 2


def test_the_same_call_twice_in_one_message_is_two_questions_of_the_model(
    account: Account,
) -> None:
    """Each has a handle of its own; what it says is that the model wants two."""
    model = Model(calls(start("What is new?"), start("What is new?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert list(state["parallel_research"]) == ["r1", "r2"]


def test_threads_do_not_share_runs(account: Account) -> None:
    kept = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    for name in ("one", "two"):
        agent = account.agent(Model(calls(start("Who leads?")), "done"), compiled=kept)
        account.invoke(agent, SAID, thread(name))
    assert account.billed == 2
    assert len({run["taskgroup_id"] for run in account.runs}) == 2


def test_an_agent_without_a_checkpointer_asks_anew_each_time(account: Account) -> None:
    """Nothing of it outlives its invocation, so nothing there can have been asked before."""
    model = Model(calls(start("What is new?")), "done", calls(start("What is new?")), "done")
    agent = account.agent(model, compiled={"store": InMemoryStore()})
    for _ in range(2):
        account.invoke(agent, SAID, thread())
    assert account.billed == 2


# --- lost answers ---------------------------------------------------------------------------------


def test_a_lost_answer_to_the_paid_request_is_looked_for_not_paid_again(account: Account) -> None:
    account.fault("drop_after", method="POST", path="*/runs")
    model = Model(calls(start("Who leads?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert record(state, "r1")["status"] == "completed"
    assert len(account.runs) == 1


def test_an_uncertain_run_is_reported_as_such_and_found_later(account: Account) -> None:
    """The server takes the request, its answer is lost, and then it cannot be asked for a long time."""
    account.fault("drop_after", method="POST", path="*/runs")
    account.fault("status_before", method="GET", path="*/groups/*/runs*", times=None)
    model = Model(calls(start("Who leads?")), "I will see.")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r1")["status"] == "unknown"
    assert "it may be billed" in texts(state)[0]
    assert "Do not ask it again" in texts(state)[0]
    account.simulator.faults.clear()
    account.pass_time()
    model.says(calls(check("r1")), "done")
    state = account.invoke(agent, more(), thread())
    assert record(state, "r1")["status"] == "completed"
    assert texts(state)[1].startswith("r1 completed")
    assert len(account.runs) == 1


def test_an_uncertain_run_that_was_never_started_costs_nothing(account: Account) -> None:
    account.fault("drop_before", method="POST", path="*/runs", times=None)
    account.fault("status_before", method="GET", path="*/groups/*/runs*", times=None)
    model = Model(calls(start("Who leads?")), "I will see.")
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r1")["status"] == "unknown"
    account.simulator.faults.clear()
    model.says("Not yet.")
    state = account.invoke(agent, more(), thread())
    assert record(state, "r1")["status"] == "unknown"  # one look proves nothing
    model.says(calls(check("r1")), "done")
    state = account.invoke(agent, more(), thread())
    assert record(state, "r1")["status"] == "refused"
    assert record(state, "r1")["cost_usd"] == 0
    assert account.runs == []


@pytest.mark.parametrize("status", [401, 402, 403, 422])
def test_what_the_api_refuses_is_reported_as_text_and_stops_no_sibling(
    account: Account, status: int
) -> None:
    account.fault("status_before", method="POST", path="*/runs", contains="One?", status=status)
    model = Model(calls(start("One?"), start("Two?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert record(state, "r1")["status"] == "refused"
    assert record(state, "r2")["status"] == "completed"
    assert texts(state)[0].startswith("r1 has no answer: ")
    assert isinstance(state["messages"][-1], AIMessage)


@pytest.mark.parametrize("status", [401, 403])
def test_without_a_ledger_nothing_is_sent_and_the_model_gets_the_reason(
    account: Account, status: int
) -> None:
    account.fault("status_before", method="POST", path="*/groups", status=status, times=None)
    model = Model(calls(start("One?"), start("Two?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert [r["status"] for r in state["parallel_research"].values()] == ["refused", "refused"]
    assert all("has no answer: " in text for text in texts(state))
    assert account.runs == []


def test_a_ledger_that_the_hook_cannot_make_is_made_by_the_tools(
    account: Account,
) -> None:
    account.fault("status_before", method="POST", path="*/groups", status=403)
    model = Model(calls(start("One?"), start("Two?")), calls(follow_up("r1", "Three?")), "done")
    account.invoke(account.agent(model), SAID)
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
    assert account.billed == 3


def test_a_run_longer_than_the_timeout_continues_in_the_background(account: Account) -> None:
    account.script(seconds=5_000)
    model = Model(calls(start("Who leads?")), "I will see.")
    agent = account.agent(model, timeout=60, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, SAID, thread())
    assert texts(state)[0].startswith("r1 is running")
    account.pass_time()
    model.says("done")
    state = account.invoke(agent, more(), thread())
    assert "Finished since: r1" in model.notes[-1]
    assert record(state, "r1")["status"] == "completed"
    assert len(account.runs) == 1
