"""In an agent, too, the operator's limits are a ceiling, and only who may approves more."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel.options import Limits, Quota

from .harness import SAID, Account, Model, calls, more, record, start, texts, thread

YES: Any = {"decisions": [{"type": "approve"}]}
NINE: Any = {"limits": {"max_cost_usd": 9.0}}


def called_by(user: str) -> Any:
    """The config of a call that comes through a LangGraph server."""
    config = thread()
    config["configurable"] |= {"langgraph_auth_user_id": user, "langgraph_request_id": "r"}
    return config


def agent_of(account: Account, model: Model, **limits: Any) -> Any:
    how: Any = {"limits": Limits(**limits), "compiled": {"checkpointer": InMemorySaver()}}
    return account.agent(model, **how)


def test_an_edited_state_raises_no_limit(account: Account) -> None:
    model = Model(calls(start("One?")), "done", calls(start("Two?")), "done")
    agent = agent_of(account, model, max_runs=1, on_exceed="stop")
    account.invoke(agent, SAID, thread())
    for seal in ({}, {"seal": "0" * 32}):
        agent.update_state(thread(), {"parallel_research_limits": {"max_runs": 9, **seal}})
    state = account.invoke(agent, more(), thread())
    assert "the limit is 1" in texts(state)[-1]
    assert len(account.runs) == 1


def test_behind_a_server_a_yes_raises_no_limit(account: Account) -> None:
    model = Model(calls(start("One?")), calls(start("Two?")), "done")
    agent = agent_of(account, model, max_runs=1)
    state = account.invoke(agent, SAID, called_by("anna"))
    assert "Nobody may raise it here" in texts(state)[-1]
    assert len(account.runs) == 1


def test_only_an_approver_raises_it(account: Account) -> None:
    model = Model(calls(start("One?")), calls(start("Two?")), calls(start("Three?")), "done")
    agent = agent_of(account, model, max_runs=1, approvers=["boss"])
    account.invoke(agent, SAID, called_by("anna"))
    state = account.invoke(agent, Command(resume={**YES, **NINE}), called_by("anna"))
    assert "You may not approve this" in state["__interrupt__"][0].value["refused"][0]
    assert len(account.runs) == 1
    yes = {**YES, "limits": {"max_runs": 3}}
    state = account.invoke(agent, Command(resume=yes), called_by("boss"))
    assert "__interrupt__" not in state
    assert len(account.runs) == 3


@pytest.mark.parametrize("forged", [{}, {"cleared": "0" * 32, "approved": "0" * 32}])
def test_a_run_that_somebody_wrote_into_the_state_is_reviewed(
    account: Account, forged: Any
) -> None:
    model = Model(calls(start("One?")), "done")
    agent = agent_of(account, model, approve_above="pro")
    agent.interrupt_before_nodes = ["tools"]
    state = account.invoke(agent, SAID, thread())
    dear: Any = {**record(state, "r1"), "processor": "ultra8x", **forged}
    if not forged:
        del dear["cleared"]
    agent.update_state(thread(), {"parallel_research": {"r1": dear}})
    agent.interrupt_before_nodes = []
    account.invoke(agent, None, thread())
    assert [run["processor"] for run in account.runs] == ["lite"]  # as the model had asked


def test_an_approved_run_is_sent_as_approved(account: Account) -> None:
    model = Model(calls(start("One?")), "done")
    agent = agent_of(account, model, max_cost_usd=0.001)
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, Command(resume=YES), thread())
    ended = record(state, "r1")
    assert ended["status"] == "completed"
    assert not {"cleared", "approved"} & set(ended)
    assert account.billed == 1


@pytest.mark.parametrize("edit", [{"cost_usd": 0.0}, {"status": "refused", "cost_usd": 0.0}])
def test_behind_a_server_a_record_counts_at_least_what_the_ledger_says(
    account: Account, edit: Any
) -> None:
    model = Model(calls(start("One?")), "done", calls(start("Two?")), "done")
    agent = agent_of(account, model, max_cost_usd=0.007, on_exceed="stop")
    state = account.invoke(agent, SAID, called_by("anna"))
    cheaper: Any = {**record(state, "r1"), **edit}
    agent.update_state(called_by("anna"), {"parallel_research": {"r1": cheaper}})
    state = account.invoke(agent, more(), called_by("anna"))
    assert "This would bring the session to $0.01; the limit is $0.007." in texts(state)[-1]
    assert len(account.runs) == 1


# --- quotas --------------------------------------------------------------------------------------


def test_a_quota_is_over_all_threads_of_a_user(account: Account) -> None:
    quotas = [Quota(max_cost_usd=0.01)]
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    agent = agent_of(account, model, quotas=quotas, on_exceed="stop")
    state = account.invoke(agent, SAID, called_by("anna"))
    assert "so $0.015 more has to wait" in texts(state)[2]  # beside the two before it
    assert len(account.runs) == 2
    model.says(calls(start("Four?")), "done")
    other = called_by("anna")
    other["configurable"]["thread_id"] = "other"
    state = account.invoke(agent, SAID, other)
    assert "$0.01 is used" in texts(state)[0]
    model.says(calls(start("Five?")), "done")
    boris = called_by("boris")
    boris["configurable"]["thread_id"] = "boris"
    assert record(account.invoke(agent, SAID, boris), "r1")["status"] == "completed"


def test_an_approver_lets_a_run_pass_a_quota_which_its_asker_pays(account: Account) -> None:
    quotas = [Quota(max_cost_usd=0.005)]
    model = Model(calls(start("One?")), calls(start("Two?")), "done")
    agent = agent_of(account, model, quotas=quotas, approvers=["boss"])
    state = account.invoke(agent, SAID, called_by("anna"))
    assert state["__interrupt__"][0].value["quotas"][0]["used_usd"] == 0.005
    state = account.invoke(agent, Command(resume=YES), called_by("anna"))
    assert "You may not approve this" in state["__interrupt__"][0].value["refused"][0]
    state = account.invoke(agent, Command(resume=YES), called_by("boss"))
    assert account.billed == 2
    model.says(calls(start("Three?")), "done")
    state = account.invoke(agent, more(), called_by("anna"))
    assert state["__interrupt__"][0].value["quotas"][0]["used_usd"] == 0.01


def test_runs_in_the_background_are_reserved_until_they_have_ended(account: Account) -> None:
    model = Model(calls(start("One?")), "done")
    limits = Limits(quotas=[Quota(max_cost_usd=0.005)], on_exceed="stop")
    how: Any = {"limits": limits, "wait": "background"}
    agent = account.agent(model, compiled={"checkpointer": InMemorySaver()}, **how)
    account.script(outcome="failed", contains="One?")
    account.invoke(agent, SAID, called_by("anna"))
    model.says(calls(start("Two?")), "done")
    state = account.invoke(agent, more(), called_by("anna"))
    assert "$0.00 is used and $0.005 is reserved" in texts(state)[-1]
    account.pass_time()
    model.says(calls(start("Three?")), "done")  # the failed one costs nothing, as was polled
    state = account.invoke(agent, more(), called_by("anna"))
    assert account.asked == ["One?", "Three?"]
