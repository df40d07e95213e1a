"""The research graph as a sub-agent: of a deep agent, and of a supervisor."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.types import Command

from langchain_parallel.options import Limits

from ..cut import exhaustive
from ..middleware.harness import Account, How, thread
from . import examples
from .test_examples import program

NAME = "compiled_subagent"


@pytest.fixture(params=["async", exhaustive("sync")])
def account(request: pytest.FixtureRequest) -> Account:
    how: How = request.param
    return Account(how)


@pytest.fixture(scope="module")
def example(scripted: ModuleType) -> ModuleType:
    examples.needs_deepagents()
    return examples.load(NAME)


def ask(account: Account, agent: Any, *questions: str) -> Any:
    states = [
        account.invoke(agent, {"messages": [("user", question)]}, thread())
        for question in questions
    ]
    return states[-1]


def test_a_deep_agent_gets_the_cited_answer_of_its_compiled_sub_agent(
    account: Account, example: ModuleType, scripted: ModuleType
) -> None:
    agent = example.build(scripted.models(example.SCRIPT), **account.clients())
    state = ask(account, agent, *example.QUESTIONS)
    told = [m.text for m in state["messages"] if isinstance(m, ToolMessage)]
    assert len(told) == 2
    assert all("Sources:\n\n- [1] " in text and "](" not in text for text in told)
    assert "How large is the market?" in told[0]
    assert "How large is it in Europe?" in told[1]
    assert account.billed == 2


def test_a_supervisor_hands_over_and_the_session_goes_on(
    account: Account, example: ModuleType, scripted: ModuleType
) -> None:
    team = example.build_team(scripted.models(example.SCRIPT), **account.clients())
    state = ask(account, team, *example.QUESTIONS)
    first, second = state["turns"]
    assert second["parent_interaction_id"] == first["interaction_id"]
    cited = [m for m in state["messages"] if m.response_metadata.get("run_ids")]
    assert [m.response_metadata["run_ids"] for m in cited] == [
        [first["run_id"]],
        [second["run_id"]],
    ]
    assert all(isinstance(m, AIMessage) for m in cited)
    calls = {c["id"] for m in state["messages"] for c in getattr(m, "tool_calls", ())}
    assert calls == {m.tool_call_id for m in state["messages"] if isinstance(m, ToolMessage)}
    assert account.billed == 2


def test_a_person_is_asked_through_a_deep_agent_before_its_sub_agent_spends(
    account: Account, example: ModuleType, scripted: ModuleType
) -> None:
    dear: Any = {"processor": "ultra", "limits": Limits(approve_above="pro")}
    models = scripted.models(example.SCRIPT)
    agent = example.build(models, **account.clients(), **dear)
    state = ask(account, agent, example.QUESTIONS[0])
    assert state["__interrupt__"][0].value["kind"] == "spend"
    assert account.runs == []
    yes: Any = Command(resume={"decisions": [{"type": "approve"}]})
    state = account.invoke(agent, yes, thread())
    (told,) = [m.text for m in state["messages"] if isinstance(m, ToolMessage)]
    assert "Sources:" in told
    assert account.billed == 1


def test_a_sub_agent_that_parks_is_woken_and_answers(
    account: Account, example: ModuleType, scripted: ModuleType
) -> None:
    models = scripted.models(example.SCRIPT)
    team = example.build_team(models, **account.clients(), wait="park")
    state = ask(account, team, example.QUESTIONS[0])
    assert state["__interrupt__"][0].value["kind"] == "parked"
    account.pass_time()
    state = account.invoke(team, Command(resume="look"), thread())
    assert [type(m) for m in state["messages"][-3:]] == [HumanMessage, AIMessage, AIMessage]
    assert account.billed == 1


@pytest.mark.exhaustive
def test_the_example_runs_as_a_program(example: ModuleType) -> None:
    done = program(NAME)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"> {example.QUESTIONS[0]}") == 2
