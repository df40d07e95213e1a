"""In `create_agent`: three lines, and what the messages hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage

from langchain_parallel import ParallelTaskTool
from langchain_parallel.processors import price_usd
from langchain_parallel.simulator import RunningServer

from .helpers import START, Account, How, agent, answers, calls, invoke, model, run_ids


def test_three_lines_are_enough(
    simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", "simulated")
    monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url)
    says = model(calls({"input": "Who leads in robotaxis?"}), "done")

    tool = ParallelTaskTool(processor="core")
    researcher: Any = create_agent(says, tools=[tool])
    state = researcher.invoke({"messages": [("user", "Find out")]})

    (answer,) = answers(state)
    assert answer.status == "success"
    assert "Who leads in robotaxis?" in answer.text
    tool._door.clients.sync.close()


async def test_content_is_for_the_model_and_the_artifact_is_the_whole_result(
    account: Account, how: How
) -> None:
    tool = account.tool(output_schema="One paragraph.")
    state = await invoke(agent(tool, calls({"input": "Who leads?"}), "done"), START, how)
    (answer,) = answers(state)
    (run,), artifact = account.runs, answer.artifact

    assert answer.name == "parallel_task"
    assert answer.tool_call_id == "1"
    assert artifact["output"]["content"] in answer.text
    for source in artifact["output"]["basis"][0]["citations"]:
        assert source["url"] in answer.text
        assert all(excerpt not in answer.text for excerpt in source["excerpts"])
    assert artifact["run_id"] == artifact["run"]["run_id"] == run["run_id"]
    assert artifact["interaction_id"] == run["interaction_id"]
    assert artifact["run_id"] in answer.text
    assert artifact["interaction_id"] in answer.text
    assert artifact["cost_usd"] == price_usd("core") == 0.025
    assert json.loads(json.dumps(artifact)) == artifact
    assert isinstance(state["messages"][-1], AIMessage)


async def test_a_long_answer_is_capped_in_the_content_and_whole_in_the_artifact(
    account: Account, how: How
) -> None:
    tool = account.tool(max_chars=1_000)
    state = await invoke(agent(tool, calls({"input": "Who leads?"}), "done"), START, how)
    (answer,) = answers(state)
    assert len(answer.text) <= 1_000
    assert "[cut here]" in answer.text
    assert answer.artifact["run_id"] in answer.text
    assert len(answer.artifact["output"]["basis"]) > 3


async def test_identical_calls_in_one_message_share_a_run_and_different_ones_do_not(
    account: Account, how: How
) -> None:
    same, other = {"input": "Who leads?"}, {"input": "Who follows?"}
    state = await invoke(agent(account.tool(), calls(same, other, same), "done"), START, how)
    one, two, three = run_ids(answers(state))
    assert one == three != two
    assert len(account.runs) == len(account.wire.paid) == account.billed == 2


async def test_the_same_question_in_a_later_message_is_a_new_run(
    account: Account, how: How
) -> None:
    """Even where the model numbers its calls anew, so that both have the same call id."""
    asked = {"input": "What happened today?"}
    state = await invoke(agent(account.tool(), calls(asked), calls(asked), "done"), START, how)
    first, second = answers(state)
    assert first.tool_call_id == second.tool_call_id
    assert first.artifact["run_id"] != second.artifact["run_id"]
    assert account.billed == 2


async def test_a_follow_up_in_a_later_message_builds_on_the_first_answer(
    account: Account, how: How
) -> None:
    tool = account.tool(output_schema="One paragraph.")
    first = await invoke(agent(tool, calls({"input": "Who leads?"}), "done"), START, how)
    before = answers(first)[0].artifact
    again = {"input": "By how much?", "previous_interaction_id": before["interaction_id"]}
    more = {"messages": [*first["messages"], ("user", "By how much?")]}
    state = await invoke(agent(tool, calls(again), "done"), more, how)
    found = before["output"]["content"].splitlines()[0]
    assert found in answers(state)[1].artifact["output"]["content"]


async def test_runs_carry_the_thread_they_were_asked_in(account: Account, how: How) -> None:
    """So that a webhook or a person finds the way from a run to its thread."""
    config = {"configurable": {"thread_id": "t" * 600}}
    says = calls({"input": "Who leads?"}), "done"
    await invoke(agent(account.tool(), *says), START, how, config)
    assert account.sent[0]["metadata"]["thread_id"] == "t" * 512
