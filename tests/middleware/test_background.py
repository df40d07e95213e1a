"""In the background: the tool returns at once, and the next turn of the model announces what has finished."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel.middleware import find_citations
from langchain_parallel.middleware.research_runs import POLLED

from .harness import (
    SAID,
    Account,
    Model,
    Says,
    branch,
    calls,
    check,
    follow_up,
    more,
    read,
    record,
    start,
    texts,
    thread,
)


def later(account: Account, say: AIMessage | str) -> Says:
    """A turn of the model so long that every run has ended by its end."""

    def speak(messages: list[BaseMessage]) -> AIMessage:
        account.pass_time()
        return AIMessage(say) if isinstance(say, str) else say

    return speak


def test_the_tool_returns_at_once_with_handle_price_and_time(account: Account) -> None:
    model = Model(calls(start("Who leads?")), "meanwhile")
    state = account.invoke(account.agent(model, wait="background"), SAID)
    (said,) = texts(state)
    assert said.startswith(
        "r1 is running (lite, $0.005 once it has an answer; usually 10 s to 2 min"
    )
    assert "check_research(handle='r1')" in said
    assert record(state, "r1")["status"] == "running"
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]


def test_finished_runs_are_announced_to_the_model_once(account: Account) -> None:
    model = Model(
        calls(start("Who leads?")),
        later(account, calls(check())),
        calls(("list_research", {})),
        "done",
    )
    state = account.invoke(account.agent(model, wait="background"), SAID)
    first, running, finished, after = model.notes
    assert first == ""
    assert "Still running: r1 (running)" in running
    assert "Finished since: r1 (completed) “Who leads?”. Read with read_research." in finished
    assert after == ""
    assert record(state, "r1")["content"]
    assert account.billed == 1


def test_it_is_announced_once_even_if_the_model_asks_a_follow_up_at_once(account: Account) -> None:
    model = Model(
        calls(start("Who leads?")),
        later(account, calls(check())),
        calls(start("Who follows?")),
        "done",
    )
    account.invoke(account.agent(model, wait="background"), SAID)
    assert "Finished since: r1" in model.notes[2]
    assert "r1" not in model.notes[3]


def test_the_note_is_for_that_call_only_and_keeps_the_agents_own_prompt(account: Account) -> None:
    model = Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, wait="background", compiled={"system_prompt": "Be brief."})
    state = account.invoke(agent, SAID)
    assert model.notes[0] == "Be brief."
    assert model.notes[1].startswith("Be brief.\n\nResearch status:\nStill running: r1")
    assert not any("Research status" in message.text for message in state["messages"])


def test_nothing_is_lost_when_the_agent_ends_before_the_run(account: Account) -> None:
    saver, model = InMemorySaver(), Model(calls(start("Who leads?")), "I will come back to it.")
    compiled = {"checkpointer": saver}
    account.invoke(account.agent(model, wait="background", compiled=compiled), SAID, thread())
    account.pass_time()
    again = Model(calls(read("r1")), "done")  # another process, later
    agent = account.agent(again, wait="background", compiled=compiled)
    state = account.invoke(agent, more(), thread())
    assert "Finished since: r1" in again.notes[0]
    assert texts(state)[-1].startswith("r1 completed")
    assert account.billed == 1


def test_a_check_of_one_brings_its_answer_or_says_that_it_runs(account: Account) -> None:
    model = Model(
        calls(start("Who leads?")),
        calls(check("r1")),
        later(account, calls(check("r1"))),
        "done",
    )
    state = account.invoke(account.agent(model, wait="background"), SAID)
    _, running, finished = texts(state)
    assert running.startswith("r1 is running")
    assert finished.startswith("r1 completed")
    assert model.notes[3] == ""  # it has read it: that is no news


def test_a_run_that_failed_in_the_background_is_announced_and_costs_nothing(
    account: Account,
) -> None:
    account.script(outcome="failed", message="<b>no luck</b>")
    model = Model(calls(start("Who leads?")), later(account, calls(check())), "done")
    state = account.invoke(account.agent(model, wait="background"), SAID)
    assert "Without an answer: r1 (failed) “Who leads?”. check_research says why." in model.notes[2]
    assert "no luck" not in model.notes[2]
    assert record(state, "r1")["status"] == "failed"
    assert "Spent so far: $0.00" in texts(state)[1]


def test_nothing_builds_on_a_run_that_has_no_answer_yet(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(follow_up("r1", "Why?")), "done")
    state = account.invoke(account.agent(model, wait="background"), SAID)
    assert "r1 has no answer yet (running)" in texts(state)[1]
    assert list(state["parallel_research"]) == ["r1"]
    assert len(account.runs) == 1


def test_branches_run_at_the_same_time(account: Account) -> None:
    model = Model(
        calls(start("Who leads?")),
        later(account, "ready?"),
    )
    saver = InMemorySaver()
    agent = account.agent(model, wait="background", compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    model.says(calls(branch("r1", "Why?", "Where?")), later(account, calls(check())), "done")
    state = account.invoke(agent, more(), thread())
    assert {h: r["status"] for h, r in state["parallel_research"].items()} == {
        "r1": "completed",
        "r1.2": "completed",
        "r1.3": "completed",
    }


def _status_requests(account: Account) -> int:
    log = account.simulator.requests
    return sum(entry.method == "GET" and entry.path.count("/") == 4 for entry in log)


def test_asking_after_very_many_runs_takes_few_requests_a_turn(account: Account) -> None:
    account.script(outcome="stay_queued", times=None)
    many = [start(f"Question {n}") for n in range(POLLED + 5)]
    model = Model(calls(*many), calls(("list_research", {})), "done")
    saver = InMemorySaver()
    agent = account.agent(model, wait="background", compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    before = _status_requests(account)
    model.says("nothing new")
    account.invoke(agent, more(), thread())
    assert 0 < _status_requests(account) - before <= POLLED


def test_a_status_that_cannot_be_read_is_read_at_the_next_turn(account: Account) -> None:
    model = Model(calls(start("Who leads?")), later(account, calls(check())), "done")
    account.fault("status_before", method="GET", path="/v1/tasks/runs/*", status=403, times=2)
    state = account.invoke(account.agent(model, wait="background"), SAID)
    assert record(state, "r1")["status"] == "completed"


@pytest.mark.parametrize("order", [(None, "r2"), ("r2", None), ("r1", "r2")])
def test_the_numbers_that_the_model_has_read_stay_when_it_checks_twice_at_once(
    account: Account, order: tuple[str | None, ...]
) -> None:
    """Both have the same sources, and who takes up both at once gives them the same numbers."""
    model = Model(calls(start("Who leads?"), start("Who leads?")), "meanwhile")
    agent = account.agent(model, wait="background", compiled={"checkpointer": InMemorySaver()})
    account.invoke(agent, SAID, thread())
    model.says(later(account, calls(*map(check, order))), "done")
    state = account.invoke(agent, more(), thread())
    read = [mark for text in texts(state)[2:] for mark in re.findall(r"\[\d+\]", text)]
    assert "[101]" in read
    assert find_citations(" ".join(read), state).unknown == []


# --- the same question once more ------------------------------------------------------------------


def test_a_question_that_is_not_finished_is_not_paid_for_again(account: Account) -> None:
    again = calls(start("Who leads?"))
    model = Model(again, again, later(account, again), again, calls(read("r1")), again, "done")
    state = account.invoke(account.agent(model, wait="background"), SAID)
    said = texts(state)
    assert said[1].startswith(
        "r1 asks the same and is not finished: check_research(handle='r1') shows it. Nothing was"
    )
    assert said[3].startswith("r1 has the answer: read_research(handle='r1') shows it. Nothing was")
    # It has been read, so to ask it once more is a question of its own.
    assert said[5].startswith("r2 is running")
    assert account.asked == ["Who leads?", "Who leads?"]


@pytest.mark.parametrize("other", [start("Who leads now?"), start("Who leads?", processor="base")])
def test_another_question_or_processor_is_a_run_of_its_own(account: Account, other: Any) -> None:
    model = Model(calls(start("Who leads?")), calls(other), "done")
    options: dict[str, Any] = {"wait": "background", "model_may_choose": ("lite", "base")}
    account.invoke(account.agent(model, **options), SAID)
    assert len(account.runs) == 2


def test_a_run_that_was_not_waited_for_to_its_end_is_not_paid_for_again(account: Account) -> None:
    """The API is down for longer than the tool waits, and the model tries again in a new message."""
    account.script(seconds=100.0)
    kept: dict[str, Any] = {"checkpointer": InMemorySaver()}
    again = calls(start("Who leads?"))
    model = Model(again, again, "sorry")
    account.invoke(account.agent(model, timeout=50.0, compiled=kept), SAID, thread())
    account.pass_time()
    model = Model(again, calls(check("r1")), "done")
    state = account.invoke(account.agent(model, compiled=kept), more(), thread())
    assert record(state, "r1")["status"] == "completed"
    assert texts(state)[-1].startswith("r1 completed")
    assert account.billed == len(account.runs) == 1
