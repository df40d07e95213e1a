"""A processor that the API refuses: the error names the nearest one, and a door may use that one, once."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import ParallelTaskTool, RequestOptions, create_research_graph, errors
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, ManualClock, Simulator

from .middleware.harness import SAID, Account, Model, calls, start
from .research.harness import Mode, blocking_client, client_of, invoke

MAY = RequestOptions(processor_may_fall_back=True)
LISTED = ("lite", "base", "core", "core2x", "pro", "ultra")


def account(*processors: str) -> Simulator:
    """An account that may use these processors."""
    return Simulator(ManualClock(), processors=processors or LISTED)


def graph_of(simulator: Simulator, mode: Mode = "sync", **options: Any) -> Any:
    made = {"request": MAY, "processor": "pro-fast", **options}
    client = client_of(mode, simulator)
    return create_research_graph(client=client, **made).compile(checkpointer=InMemorySaver())


def used(simulator: Simulator) -> list[str]:
    return [run["processor"] for run in simulator.runs()]


def config(thread: str = "t") -> Any:
    return {"configurable": {"thread_id": thread}}


@pytest.mark.parametrize("call", ["create", "submit"])
def test_the_error_names_the_nearest_listed_processor(call: str) -> None:
    simulator = account()
    client = blocking_client(simulator)
    request = TaskRunInput(input="Who?", processor="pro-fast")
    ledger = client.create_group().taskgroup_id
    with pytest.raises(errors.Forbidden) as caught:
        client.create(request) if call == "create" else client.submit(ledger, request)
    assert "Nearest of those that are listed: pro in place of pro-fast." in caught.value.hint
    assert (caught.value.billed, used(simulator)) == (False, [])


def test_a_name_that_the_api_does_not_know_is_answered_with_the_nearest_one() -> None:
    simulator = Simulator(ManualClock())
    client = blocking_client(simulator, allow_unknown_processor=True)
    with pytest.raises(errors.Unprocessable, match="listed: core2x in place of core9x"):
        client.create(TaskRunInput(input="Who?", processor="core9x"))
    assert used(simulator) == []


def test_a_refusal_of_something_else_names_no_processor() -> None:
    simulator = account()
    client = blocking_client(simulator)
    request = TaskRunInput(input="Who?", processor="pro", previous_interaction_id="intr_unknown")
    with pytest.raises(errors.Unprocessable) as caught:
        client.create(request)
    assert "Nearest" not in str(caught.value)


def test_without_leave_nothing_is_asked_in_its_place() -> None:
    simulator = account()
    graph = graph_of(simulator, request=RequestOptions())
    with pytest.raises(errors.Forbidden, match="pro in place of pro-fast"):
        graph.invoke({"question": "Who?"}, config())
    assert used(simulator) == []


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_graph_falls_back_once_and_its_turn_says_so(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = account()
    with caplog.at_level(logging.WARNING):
        out = invoke(mode, graph_of(simulator, mode), {"question": "Who?"}, config())
    [turn] = out["turns"]
    assert (turn["processor"], turn["status"], turn["cost_usd"]) == ("pro", "completed", 0.1)
    assert turn["warnings"] == [
        "The API refused processor pro-fast, so that pro was used in its place."
    ]
    assert used(simulator) == ["pro"]
    assert "Processor pro-fast is refused; pro is asked instead" in caplog.text


def test_it_falls_back_only_once() -> None:
    simulator = account("core2x")
    with pytest.raises(errors.Forbidden):
        graph_of(simulator).invoke({"question": "Who?"}, config())
    assert used(simulator) == []


@pytest.mark.parametrize("processor", ["lite", "core9x"])
def test_nothing_that_may_cost_more_takes_its_place(processor: str) -> None:
    simulator = account("core2x")
    unknown = RequestOptions(processor_may_fall_back=True, allow_unknown_processor=True)
    client = blocking_client(simulator, allow_unknown_processor=True)
    tool = ParallelTaskTool(client=client, processor=processor, request=unknown)
    assert "Nothing was started" in tool.invoke("Who?") or used(simulator) == []
    assert used(simulator) == []


def test_a_tool_falls_back_within_its_limits_and_tells_the_price() -> None:
    simulator = account()
    tool = ParallelTaskTool(
        client=blocking_client(simulator),
        processor="pro",
        request=MAY,
        limits=Limits(max_cost_usd=1),
    )
    simulator.processors = ("core2x",)
    call = {"type": "tool_call", "id": "c", "name": tool.name, "args": {"input": "Who?"}}
    assert tool.invoke(call).artifact["cost_usd"] == 0.05
    assert used(simulator) == ["core2x"]


def test_what_was_fallen_back_to_is_found_again_even_if_the_first_is_allowed_by_then() -> None:
    """A process that died before its checkpoint asks again: what it has paid for is what it gets."""
    simulator = account()
    graph = graph_of(simulator)
    before = graph.update_state(config(), {"question": "Who?"}, as_node="__start__")
    graph.invoke(None, config())
    simulator.processors = None
    out = graph.invoke(None, before)
    assert [turn["processor"] for turn in out["turns"]] == ["pro"]
    assert used(simulator) == ["pro"]


@pytest.mark.parametrize("kind", ["drop_after", "status_after"])
def test_an_outcome_that_is_unknown_is_no_refusal(kind: Any) -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(Fault(kind, method="POST", path="*/runs", status=500))
    out = graph_of(simulator).invoke({"question": "Who?"}, config())
    assert [turn["processor"] for turn in out["turns"]] == ["pro-fast"]
    assert used(simulator) == ["pro-fast"]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_agent_is_told_with_which_processor_its_research_was_done(how: Any) -> None:
    simulator = account()
    agents = Account(how, simulator=simulator)
    model = Model(calls(start("Who leads?")), "done")
    state = agents.invoke(agents.agent(model, processor="pro-fast", request=MAY), SAID)
    record = state["parallel_research"]["r1"]
    assert (record["processor"], record["cost_usd"], record["status"]) == ("pro", 0.1, "completed")
    assert "pro-fast, so that pro was used" in state["messages"][2].text
    assert used(simulator) == ["pro"]
