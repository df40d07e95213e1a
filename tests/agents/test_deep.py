"""Deep agents: what the lead has of its sub-agents' research; waiting, approval, summaries."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel.middleware import ResearchAgentState, find_citations
from langchain_parallel.options import Limits

from ..middleware.harness import (
    SAID,
    Account,
    Model,
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
from .examples import needs_deepagents


@pytest.fixture(autouse=True)
def deepagents() -> Any:
    return needs_deepagents()


def task(description: str) -> tuple[str, dict[str, Any]]:
    return "task", {"subagent_type": "researcher", "description": description}


def marks(text: str) -> list[str]:
    """The first mark of each finding in a text."""
    return re.findall(r"cite as (\[[^\]]+\])", text)


class Asks(Model):
    """A sub-agent's model: researches what it is asked, and cites the first source. As often as you like."""

    def _generate(self, messages: Any, *args: Any, **options: Any) -> Any:
        last = messages[-1]
        found = " ".join(["I found it", *marks(last.text)])
        self.says(calls(start(last.text)) if isinstance(last, HumanMessage) else found)
        return super()._generate(messages, *args, **options)


def sums_up(messages: list[BaseMessage]) -> AIMessage:
    """The answer of a lead that cites everything its sub-agents reported."""
    told = [m.text for m in messages if isinstance(m, ToolMessage)]
    reports = [text for text in told if text.startswith("I found it")]
    return AIMessage(" ".join([*reports, *(mark for text in told for mark in marks(text))]))


def led(
    account: Account,
    lead: Model,
    *middleware: Any,
    researcher: Model | None = None,
    **options: Any,
) -> Any:
    """A lead with a researcher; without middleware of its own it has a place for the records at least."""
    from deepagents import DeepAgentState, create_deep_agent

    schema: Any = type("State", (ResearchAgentState, DeepAgentState), {})
    sub_agent: Any = {
        "name": "researcher",
        "description": "Researches.",
        "system_prompt": "Research.",
        "model": researcher or Asks(),
        "tools": [],
        "middleware": [account.middleware(**options)],
    }
    return create_deep_agent(
        lead,
        middleware=middleware,
        subagents=[sub_agent],
        state_schema=schema,
        checkpointer=InMemorySaver(),
    )


def test_a_sub_agent_that_is_asked_twice_has_two_sessions(account: Account) -> None:
    agent = led(account, Model(calls(task("Europe?"), task("Japan?")), "done"))
    state = account.invoke(agent, SAID, thread())
    assert sorted(r["question"] for r in state["parallel_research"].values()) == [
        "Europe?",
        "Japan?",
    ]
    assert len({run["taskgroup_id"] for run in account.runs}) == account.billed == 2


@pytest.mark.parametrize("beside", [True, False])
def test_what_a_sub_agent_cites_is_not_anothers_source(account: Account, beside: bool) -> None:
    """Asked at the same time, or one after the other: the lead's answer leads back to both."""
    both = [task("Europe?"), task("Japan?")]
    says = [calls(*both)] if beside else [calls(one) for one in both]
    state = account.invoke(led(account, Model(*says, sums_up)), SAID, thread())
    found, unknown = find_citations(state["messages"][-1].text, state)
    questions = [record(state, source["handle"])["question"] for source in found.values()]
    assert sorted(questions) == ["Europe?", "Japan?"]
    assert unknown == []


def session_of(record: Any) -> str:
    """The session that a handle names: `r1` of `r1.2`, `r1@c65c64` of `r1.2@c65c64`."""
    return re.sub(r"\.\d+", "", record["handle"])


@pytest.mark.parametrize("leads_own", [True, False])
def test_a_sub_agents_follow_up_stays_in_its_own_session(account: Account, leads_own: bool) -> None:
    """Under whatever handle the lead has it, its parent there is the run that it built on."""
    lead = Model(*([calls(start("World?"))] if leads_own else []), calls(task("Japan?")), "done")
    researcher = Model(calls(start("Japan?")), calls(follow_up("r1", "Why?")), "found it")
    agent = led(account, lead, account.middleware(), researcher=researcher)
    research = account.invoke(agent, SAID, thread())["parallel_research"]
    (follower,) = (r for r in research.values() if r["question"] == "Why?")
    followed = research[follower["parent_handle"]]
    assert followed["question"] == "Japan?"
    assert followed["interaction_id"] == follower["parent_interaction_id"]
    session = [r for r in research.values() if session_of(r) == session_of(follower)]
    assert {r["ledger_id"] for r in session} == {follower["ledger_id"]}


def test_the_lead_can_read_and_follow_up_what_a_sub_agent_found(account: Account) -> None:
    lead = Model(calls(task("Europe?")), calls(read("r1")), calls(follow_up("r1", "Why?")), sums_up)
    state = account.invoke(led(account, lead, account.middleware()), SAID, thread())
    assert "Europe?" in texts(state)[1]
    assert record(state, "r1.2")["parent_interaction_id"] == record(state, "r1")["interaction_id"]
    found, unknown = find_citations(state["messages"][-1].text, state)
    assert [source["handle"] for source in found.values()] == ["r1", "r1.2"]
    assert unknown == []
    assert account.asked == ["Europe?", "Why?"]
    assert account.billed == 2


def test_the_lead_gets_what_a_sub_agent_left_running(account: Account) -> None:
    """The sub-agent has ended; the agent that got its records polls its runs."""
    lead = Model(calls(task("Europe?")), "I look into it.", calls(check("r1")), sums_up)
    agent = led(account, lead, account.middleware(wait="background"), wait="background")
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r1")["status"] == "running"
    account.pass_time()
    state = account.invoke(agent, more(), thread())
    assert "Finished since: r1" in lead.notes[2]
    assert record(state, "r1")["status"] == "completed"
    (source,) = find_citations(state["messages"][-1].text, state).sources.values()
    assert source["handle"] == "r1"
    assert account.billed == 1


def test_the_lead_finds_what_a_sub_agent_does_not_know_of(account: Account) -> None:
    """The sub-agent's paid request got no answer; in the lead's state its run has another handle."""
    lead = Model(calls(start("World?")), calls(task("Japan?")), "I look into it.", sums_up)
    agent = led(account, lead, account.middleware(wait="background"), wait="background")
    account.fault("drop_after", method="POST", path="*/runs", contains="Japan?")
    account.fault("status_before", method="GET", path="*/groups/*/runs*", times=None)
    state = account.invoke(agent, SAID, thread())
    (name,) = (handle for handle in state["parallel_research"] if "@" in handle)
    assert record(state, name)["status"] == "unknown"
    account.simulator.faults.clear()
    account.pass_time()
    lead._says[:] = [calls(check(name)), sums_up]
    state = account.invoke(agent, more(), thread())
    assert record(state, name)["status"] == "completed"
    (source,) = find_citations(state["messages"][-1].text, state).sources.values()
    assert source["handle"] == name
    assert account.billed == len(account.runs) == 2


def test_sub_agents_that_are_parked_are_woken_in_any_order(account: Account) -> None:
    agent = led(account, Model(calls(task("Europe?"), task("Japan?")), "done"), wait="park")
    state = account.invoke(agent, SAID, thread())
    waiting = {
        run["question"]: one.id for one in state["__interrupt__"] for run in one.value["runs"]
    }
    assert sorted(waiting) == ["Europe?", "Japan?"]
    account.pass_time()
    for question in ("Japan?", "Europe?"):
        state = account.invoke(agent, Command(resume={waiting[question]: 1}), thread())
    assert all(text.startswith("I found it [") for text in texts(state))
    assert {r["status"] for r in state["parallel_research"].values()} == {"completed"}
    assert account.billed == len(account.runs) == 2


def test_a_person_is_asked_before_a_sub_agent_spends(account: Account) -> None:
    dear: Any = {"processor": "ultra", "limits": Limits(approve_above="pro")}
    agent = led(account, Model(calls(task("Europe?")), "done"), **dear)
    state = account.invoke(agent, SAID, thread())
    assert state["__interrupt__"][0].value["kind"] == "spend"
    assert account.runs == []
    yes = {"decisions": [{"type": "approve"}]}
    state = account.invoke(agent, Command(resume=yes), thread())
    assert texts(state)[0].startswith("I found it [")
    assert account.billed == 1


def test_handles_survive_the_summaries_of_a_deep_agent(account: Account) -> None:
    """It leaves the messages in the state, and shows the model a summary in their place."""
    from deepagents import create_deep_agent
    from deepagents.backends import StateBackend
    from deepagents.middleware.summarization import SummarizationMiddleware

    summary: Any = SummarizationMiddleware(
        Model("They talked."), backend=StateBackend(), trigger=("messages", 5), keep=("messages", 1)
    )
    model = Model(
        calls(start("Who leads?")), "Some [1].", calls(follow_up("r1", "Why?")), "[1] [101]"
    )
    agent = create_deep_agent(
        model, middleware=[summary, account.middleware()], checkpointer=InMemorySaver()
    )
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, more(), thread())
    shown = [seen.text for seen in model._seen[2]]
    assert any("They talked." in text for text in shown)
    assert not any("untrusted" in text for text in shown)
    assert "Earlier research" in model.notes[2]
    assert "r1 (completed)" in model.notes[2]
    assert texts(state)[1].startswith("r1.2 completed")
    assert find_citations(state["messages"][-1].text, state).unknown == []
    assert account.billed == 2
