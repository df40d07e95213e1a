"""A client without a key, and a model that follows a script."""

from __future__ import annotations

import asyncio

import pytest
from langchain.agents import create_agent

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.simulator import ManualClock, Simulator
from langchain_parallel.testing import ScriptedModel, call, calls, simulated_client


def test_every_kind_of_call_is_answered_by_one_client() -> None:
    client = simulated_client()
    tool = ParallelTaskTool(client=client, processor="ultra8x")
    assert "[simulated]" in tool.research("Who leads?").text
    graph = create_research_graph(client=client).compile()
    state = asyncio.run(graph.ainvoke({"question": "Who leads?"}))
    assert state["turns"][-1]["status"] == "completed"


def test_the_questions_of_the_pages_have_readable_answers_that_build_on_each_other() -> None:
    tool = ParallelTaskTool(client=simulated_client())
    first = tool.research("Which cities run driverless taxis today?")
    more = tool.research("Which are in Asia?", previous_interaction_id=first.interaction_id)
    assert first.content == {"answer": "[simulated] City A, City B and City C. City D is testing."}
    assert more.content["answer"].endswith(f"Found before: {first.content['answer']}")
    assert "nothing found earlier" in tool.research("Which are in Asia?").text


def test_an_account_of_ones_own_has_the_bill() -> None:
    simulator = Simulator(ManualClock())
    ParallelTaskTool(client=simulated_client(simulator), processor="lite").research("Who leads?")
    assert [line.usd for line in simulator.billing.billed_runs()] == [0.005]


def test_a_script_is_said_in_order_and_says_when_it_is_at_its_end() -> None:
    tool = ParallelTaskTool(client=simulated_client())
    question = {"input": "Who leads?"}
    model = ScriptedModel(
        call("parallel_task", **question), calls(("parallel_task", question)), "They do [1]."
    )
    agent = create_agent(model, tools=[tool])
    said = agent.invoke({"messages": [("user", "Who leads?")]})["messages"]
    assert [message.type for message in said] == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert said[-1].text == "They do [1]."
    with pytest.raises(IndexError, match="once more"):
        agent.invoke({"messages": [("user", "And then?")]})


def test_a_mark_stands_for_the_one_that_was_read() -> None:
    said = ScriptedModel("They do [1], and [2].").invoke("Sources: [1@c65c64] one")
    assert said.text == "They do [1@c65c64], and [2]."
