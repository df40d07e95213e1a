"""A call that may have been sent is found even if it was edited later, and is never paid again."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, human_in_the_loop
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel.models import SourcePolicy
from langchain_parallel.options import RequestOptions

from .harness import (
    SAID,
    Account,
    Model,
    calls,
    follow_up,
    more,
    record,
    start,
    texts,
    thread,
)
from .test_surroundings import own_graph

ORDERS = pytest.mark.parametrize("person_first", [True, False])


EDITS_STAND_APART = hasattr(human_in_the_loop, "_EDITED_TOOL_CALLS_KEY")
"""Whether langchain leaves the model's message as it was; before, an edit changed it, and what is planned."""


def edit(name: str, **args: Any) -> Command[Any]:
    edited = {"type": "edit", "edited_action": {"name": name, "args": args}}
    return Command(resume={"decisions": [edited]})


def agent_with_person(
    account: Account, model: Model, saver: Any, person_first: bool = True, **options: Any
) -> Any:
    names = ("start_research", "follow_up", "branch")
    person: Any = HumanInTheLoopMiddleware(interrupt_on=dict.fromkeys(names, True))
    ours = account.middleware(**options)
    both = [person, ours] if person_first else [ours, person]
    return create_agent(model, middleware=both, checkpointer=saver)


def woken(account: Account, agent: Any) -> dict[str, Any]:
    """The thread resumed until nothing of it is parked."""
    state = account.invoke(agent, Command(resume=1), thread())
    for _ in range(3):
        if "__interrupt__" not in state:
            break
        account.pass_time()
        state = account.invoke(agent, Command(resume=1), thread())
    return state


# --- under another key ------------------------------------------------------------------------------


@ORDERS
def test_an_edited_call_that_was_parked_and_left_is_found(
    account: Account, person_first: bool
) -> None:
    model = Model(calls(start("Who leads?")), "ok", "bye")
    agent = agent_with_person(
        account, model, InMemorySaver(), person_first, wait="park", processor="pro"
    )
    account.invoke(agent, SAID, thread())
    account.invoke(agent, edit("start_research", question="Who leads in Europe?"), thread())
    account.invoke(agent, more("Never mind"), thread())
    account.pass_time()
    state = account.invoke(agent, more(), thread())
    found = record(state, "r1")
    assert (found["status"], found["question"]) == ("completed", "Who leads in Europe?")
    if EDITS_STAND_APART or person_first:
        assert found["edited"]
    assert found["cost_usd"] == 0.1
    assert account.billed == 1


def test_all_runs_of_an_edited_branch_are_found(account: Account) -> None:
    """A person added a question, whose record only the tool had."""
    saver = InMemorySaver()
    model = Model(calls(start("Who leads?")), "ok")
    agent = agent_with_person(account, model, saver)
    account.invoke(agent, SAID, thread())
    account.invoke(agent, edit("start_research", question="Who leads?"), thread())
    model.says(calls(("branch", {"handle": "r1", "questions": ["Why?"]})), "ok", "bye")
    agent = agent_with_person(account, model, saver, wait="park")
    account.invoke(agent, more(), thread())
    account.invoke(agent, edit("branch", handle="r1", questions=["Why?", "Where?"]), thread())
    account.invoke(agent, more("Never mind"), thread())
    account.pass_time()
    state = account.invoke(agent, more(), thread())
    known = {r["run_id"] for r in state["parallel_research"].values()}
    assert {run["run_id"] for run in account.runs} == known
    assert len(known) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"output_schema": "One sentence."}),
        (
            {},
            {"request": RequestOptions(source_policy=SourcePolicy(exclude_domains=("x.example",)))},
        ),
        ({}, {"request": RequestOptions(memory_scope_key="m")}),
        (
            {"model_may_choose": ("lite", "base")},
            {"processor": "base", "model_may_choose": ("lite", "base")},
        ),
    ],
)
def test_a_middleware_with_other_options_adopts_the_parked_run(
    account: Account, before: dict[str, Any], after: dict[str, Any]
) -> None:
    kept = {"checkpointer": InMemorySaver(), "name": "one agent"}
    model = Model(calls(start("Who leads?")))
    account.invoke(account.agent(model, wait="park", compiled=kept, **before), SAID, thread())
    account.pass_time()
    agent = account.agent(Model("done"), wait="park", compiled=kept, **after)
    state = woken(account, agent)
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]
    assert record(state, "r1")["processor"] == "lite"
    assert account.billed == len(account.runs) == 1


def test_in_a_fork_another_question_is_put_to_the_same_call(account: Account) -> None:
    agent = agent_with_person(
        account, Model(calls(start("Who leads?")), "done", "done"), InMemorySaver()
    )
    account.invoke(agent, SAID, thread())
    fork = agent.get_state(thread()).config
    account.invoke(agent, edit("start_research", question="In Europe?"), thread())
    account.invoke(agent, None, agent.update_state(fork, None, as_node="__copy__"))
    state = account.invoke(agent, edit("start_research", question="In Asia?"), thread())
    assert record(state, "r1")["question"] == "In Asia?"
    assert account.asked == ["In Europe?", "In Asia?"]


def test_what_cannot_be_looked_for_is_not_called_never_sent(account: Account) -> None:
    agent = agent_with_person(
        account, Model(calls(start("Who leads?")), "ok", "bye"), InMemorySaver(), wait="park"
    )
    account.invoke(agent, SAID, thread())
    account.invoke(agent, edit("start_research", question="In Europe?"), thread())
    account.fault("status_before", method="GET", path="*/groups/*/runs", status=403, times=9)
    state = account.invoke(agent, more(), thread())
    assert record(state, "r1")["status"] == "planned"


# --- a ledger of this process alone ------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["absent", "failed"])
def test_without_a_store_the_tools_record_the_ledger_before_they_send(
    account: Account, hook: str
) -> None:
    kept = {"checkpointer": InMemorySaver()}
    if hook == "failed":
        account.fault("status_before", method="POST", path="*/groups", status=403)
    made = own_graph if hook == "absent" else Account.agent
    model = Model(calls(start("Who leads?")))
    account.invoke(made(account, model, compiled=kept, wait="park"), SAID, thread())
    account.pass_time()
    state = woken(account, made(account, Model("done"), compiled=kept, wait="park"))
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == len(account.runs) == 1


def test_a_call_that_was_invalid_until_it_was_edited_is_paid_once(account: Account) -> None:
    saver = InMemorySaver()
    agent = agent_with_person(account, Model(calls(follow_up("r9", "x"))), saver, wait="park")
    account.invoke(agent, SAID, thread())
    account.invoke(agent, edit("start_research", question="Who leads?"), thread())
    account.pass_time()
    state = woken(account, agent_with_person(account, Model("done"), saver, wait="park"))
    assert [r["status"] for r in state["parallel_research"].values()] == ["completed"]
    assert account.billed == len(account.runs) == 1


# --- calls without an id of their own ----------------------------------------------------------------


def same_id(tool_call_id: str | None, *questions: str) -> AIMessage:
    made: Any = [
        {"name": "start_research", "args": {"question": q}, "id": tool_call_id, "type": "tool_call"}
        for q in questions
    ]
    return AIMessage("", tool_calls=made)


@pytest.mark.parametrize("tool_call_id", ["1", ""])
def test_of_two_calls_with_one_id_the_first_is_sent(account: Account, tool_call_id: str) -> None:
    model = Model(same_id(tool_call_id, "One?", "Two?"), "done")
    state = account.invoke(account.agent(model), SAID)
    assert account.asked == ["One?"]
    assert list(state["parallel_research"]) == ["r1"]
    assert "Nothing was started" in texts(state)[1]


def test_the_same_call_twice_with_one_id_is_paid_once(account: Account) -> None:
    state = account.invoke(account.agent(Model(same_id("1", "One?", "One?"), "done")), SAID)
    assert account.billed == len(account.runs) == 1
    assert len(texts(state)) == 2


def test_a_call_without_an_id_costs_nothing(account: Account) -> None:
    """LangGraph takes no tool's answer to it."""
    with pytest.raises(ValueError, match="matching ToolMessage"):
        account.invoke(account.agent(Model(same_id(None, "One?"), "done")), SAID)
    assert account.runs == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_run_that_cannot_be_seen_is_not_parked_for_ever(account: Account, status: int) -> None:
    kept = {"checkpointer": InMemorySaver()}
    agent = account.agent(Model(calls(start("Who leads?")), "done"), wait="park", compiled=kept)
    account.invoke(agent, SAID, thread())
    account.fault("status_before", method="GET", path="*/tasks/runs/*", status=status, times=99)
    state = account.invoke(agent, Command(resume=1), thread())
    assert "__interrupt__" not in state
    assert record(state, "r1")["status"] == "running"
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]
