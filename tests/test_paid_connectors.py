"""Data connectors that are billed on top: a cost is a lower bound, and limits take the price as unknown."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel import Limits, ParallelTaskTool, RequestOptions, create_research_graph
from langchain_parallel.models import DataSources, TaskAdvancedSettings
from langchain_parallel.simulator import ManualClock, RunScript, Simulator

from .middleware.harness import SAID, Account, Model, calls, start
from .research.harness import blocking_client

PAID = RequestOptions(
    advanced_settings=TaskAdvancedSettings(
        data_sources=DataSources(free=["pubmed"], pay_per_use=["carbonarc"])
    )
)
UNKNOWN = "Calls of carbonarc are billed on top, at a price that is not known"
BOUND = "cost_usd is a lower bound: 2 calls of carbonarc, billed on top at its provider's price."


def calling(*servers: str, error: str | None = None) -> RunScript:
    """A run that calls these."""
    call = {"tool_call_id": "1", "tool_name": "query", "arguments": "{}"}
    used = [{**call, "server_name": name, "content": "x", "error": error} for name in servers]
    return RunScript(output={"content": "An answer.", "mcp_tool_calls": used})


def account(script: RunScript | None = None) -> Simulator:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(script or calling("pubmed", "carbonarc", "carbonarc"))
    return simulator


def graph_of(simulator: Simulator, **options: Any) -> Any:
    graph = create_research_graph(client=blocking_client(simulator), request=PAID, **options)
    return graph.compile(checkpointer=InMemorySaver())


CONFIG: Any = {"configurable": {"thread_id": "t"}}


def test_a_cost_is_a_lower_bound_and_says_so() -> None:
    turn = graph_of(account()).invoke({"question": "Who?"}, CONFIG)["turns"][0]
    assert turn["cost_usd"] == 0.025
    assert BOUND in turn["warnings"]
    call = {"type": "tool_call", "id": "c", "name": "parallel_task", "args": {"input": "Who?"}}
    artifact = (
        ParallelTaskTool(client=blocking_client(account()), request=PAID).invoke(call).artifact
    )
    assert (artifact["cost_usd"], artifact["cost_is_lower_bound"]) == (0.025, True)


@pytest.mark.parametrize(
    "script",
    [calling("pubmed"), calling("carbonarc", error="no such table")],
    ids=["free", "failed"],
)
def test_without_a_successful_paid_call_the_cost_is_the_cost(script: RunScript) -> None:
    turn = graph_of(account(script)).invoke({"question": "Who?"}, CONFIG)["turns"][0]
    assert "lower bound" not in str(turn["warnings"])
    tool = ParallelTaskTool(client=blocking_client(account(script)), request=PAID)
    call = {"type": "tool_call", "id": "c", "name": tool.name, "args": {"input": "Who?"}}
    assert tool.invoke(call).artifact["cost_is_lower_bound"] is False


def test_of_a_failed_run_it_says_that_calls_may_be_billed() -> None:
    simulator = account(RunScript(outcome="failed"))
    turn = graph_of(simulator).invoke({"question": "Who?"}, CONFIG)["turns"][0]
    assert "Calls of carbonarc may be billed, though the run is not." in turn["warnings"]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(max_cost_usd=5), f"{UNKNOWN}, and there is a limit in USD."),
        (
            Limits(approve_above="ultra"),
            f"{UNKNOWN}, and what costs more than ultra needs an approval.",
        ),
    ],
    ids=["limit", "approval"],
)
def test_limits_in_usd_ask_a_person_first(limits: Limits, why: str) -> None:
    simulator = account()
    graph = graph_of(simulator, limits=limits)
    graph.invoke({"question": "Who?"}, CONFIG)
    (interrupt,) = graph.get_state(CONFIG).interrupts
    assert interrupt.value["reasons"] == [why]
    assert simulator.runs() == []
    out = graph.invoke(Command(resume={"decisions": [{"type": "approve"}]}), CONFIG)
    assert (out["turns"][0]["status"], len(simulator.runs())) == ("completed", 1)


def test_a_door_that_stops_at_its_limits_starts_nothing() -> None:
    stops = Limits(max_cost_usd=5, on_exceed="stop")
    for door in ("graph", "tool", "agent"):
        simulator = account()
        if door == "graph":
            out = graph_of(simulator, limits=stops).invoke({"question": "Who?"}, CONFIG)
            assert UNKNOWN in out["verdict"]["reason"]
        elif door == "tool":
            tool = ParallelTaskTool(client=blocking_client(simulator), request=PAID, limits=stops)
            assert UNKNOWN in tool.invoke("Who?")
        else:
            agents = Account(simulator=simulator)
            model = Model(calls(start("Who?")), "done")
            state = agents.invoke(agents.agent(model, request=PAID, limits=stops), SAID)
            assert UNKNOWN in state["messages"][2].text
        assert simulator.runs() == []


def test_limits_of_runs_and_seconds_hold_as_ever() -> None:
    graph = graph_of(account(), limits=Limits(max_runs=1, max_seconds=1_000))
    assert graph.invoke({"question": "Who?"}, CONFIG)["turns"][0]["status"] == "completed"
