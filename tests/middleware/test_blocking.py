"""A model asks and follows up: it sees handles, and the state holds the ids."""

from __future__ import annotations

import json

from langgraph.checkpoint.memory import InMemorySaver

from ..fences import inside
from .harness import (
    SAID,
    Account,
    Model,
    answers,
    branch,
    calls,
    follow_up,
    listing,
    more,
    record,
    start,
    texts,
    thread,
)


def test_a_question_and_a_follow_up_that_builds_on_it(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(follow_up("r1", "By how much?")), "done")
    state = account.invoke(account.agent(model), SAID)
    first, second = record(state, "r1"), record(state, "r1.2")
    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert second["parent_handle"] == "r1"
    assert second["parent_interaction_id"] == first["interaction_id"]
    sent = [account.simulator.find_run(r["run_id"]).request for r in (first, second)]
    assert [request.get("previous_interaction_id") for request in sent] == [
        None,
        first["interaction_id"],
    ]
    assert model.notes == ["", "", ""]  # it has read the answers: they are no news
    assert account.asked == ["Who leads?", "By how much?"]
    one, two = texts(state)
    assert one.startswith("r1 completed (lite, cost $0.005, so far $0.005).")
    assert two.startswith("r1.2 completed (lite, cost $0.005, so far $0.01).")
    assert account.billed == 2


def test_the_model_sees_no_id_and_programs_do(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(listing()), "done")
    state = account.invoke(account.agent(model), SAID)
    (run,) = account.runs
    for text in texts(state):
        assert run["run_id"] not in text
        assert run["interaction_id"] not in text
    answer = answers(state)[0]
    (told,) = answer.artifact["research"]
    assert told == {
        "handle": "r1",
        "status": "completed",
        "run_id": run["run_id"],
        "interaction_id": run["interaction_id"],
        "processor": "lite",
        "cost_usd": 0.005,
    }


def test_findings_are_fenced_and_the_state_is_plain_json(account: Account) -> None:
    model = Model(calls(start("Who leads?")), "done")
    state = account.invoke(account.agent(model), SAID)
    (found,) = inside(texts(state)[0])
    assert "Who leads?" in found
    assert json.loads(json.dumps(state["parallel_research"])) == state["parallel_research"]


def test_parallel_calls_of_one_message_get_a_handle_each(account: Account) -> None:
    model = Model(calls(start("Who leads?"), start("Who follows?"), start("Who is new?")), "done")
    state = account.invoke(account.agent(model), SAID)
    assert {h: r["question"] for h, r in state["parallel_research"].items()} == {
        "r1": "Who leads?",
        "r2": "Who follows?",
        "r3": "Who is new?",
    }
    assert [message.artifact["research"][0]["handle"] for message in answers(state)] == [
        "r1",
        "r2",
        "r3",
    ]
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
    assert account.billed == 3


def test_a_branch_asks_several_questions_from_one_finding(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(branch("r1", "Why?", "Since when?")), "done")
    state = account.invoke(account.agent(model), SAID)
    head = record(state, "r1")["interaction_id"]
    for handle in ("r1.2", "r1.3"):
        assert record(state, handle)["parent_interaction_id"] == head
        assert record(state, handle)["round"] == 1
        assert f"{handle} completed" in texts(state)[1]
    assert account.billed == 3


def test_a_thread_keeps_its_handles(account: Account) -> None:
    saver, model = InMemorySaver(), Model(calls(start("Who leads?")), "done")
    account.invoke(account.agent(model, compiled={"checkpointer": saver}), SAID, thread())
    again = Model(calls(follow_up("r1", "Why?")), "done")  # a new process
    agent = account.agent(again, compiled={"checkpointer": saver})
    state = account.invoke(agent, more(), thread())
    assert list(state["parallel_research"]) == ["r1", "r1.2"]
    assert {run["metadata"]["thread_id"] for run in account.runs} == {"thread"}
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
