"""Each door tells the same of a run, each event once; a run that is found again is adopted, not submitted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import (
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskTool,
    _telemetry,
    create_research_graph,
)
from langchain_parallel.batch import research_table
from langchain_parallel.errors import ParallelError
from langchain_parallel.models import TaskRunInput
from langchain_parallel.parked import resume_parked, sweep
from langchain_parallel.research.evaluation import by_person
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunScript,
    Simulator,
)
from langchain_parallel.testing import ScriptedModel, call, simulated_client

from .conftest import Told

THREAD: Any = {"configurable": {"thread_id": "bikes"}}
QUESTION = "Who makes cargo bikes in Europe?"


def by_client(client: ParallelClient) -> None:
    ledger = client.create_group().taskgroup_id
    request = TaskRunInput(input=QUESTION, processor="lite")
    for _ in range(2):  # the second finds the first
        client.wait(client.submit(ledger, request).run.run_id)


def by_client_in_bulk(client: ParallelClient) -> None:
    ledger = client.create_group().taskgroup_id
    [submission] = client.submit_many(ledger, [TaskRunInput(input=QUESTION, processor="lite")])
    assert not isinstance(submission, ParallelError)
    client.result(submission.run.run_id)


def without_ledger(client: ParallelClient) -> None:
    client.wait(client.create(TaskRunInput(input=QUESTION, processor="lite")).run_id)


def by_tool(client: ParallelClient) -> None:
    ParallelTaskTool(client=client, processor="lite").invoke({"input": QUESTION})


def by_tool_in_batches(client: ParallelClient) -> None:
    ParallelTaskTool(client=client, processor="lite").batch([{"input": QUESTION}])


def by_graph(client: ParallelClient) -> None:
    graph = create_research_graph(client=client, processor="lite").compile(
        checkpointer=InMemorySaver()
    )
    graph.invoke({"question": QUESTION}, THREAD)


def by_graph_awaited(client: ParallelClient) -> None:
    graph = create_research_graph(client=client, processor="lite").compile(
        checkpointer=InMemorySaver()
    )
    asyncio.run(graph.ainvoke({"question": QUESTION}, THREAD))


def by_middleware(client: ParallelClient) -> None:
    model = ScriptedModel(call("start_research", question=QUESTION), "Some firms.", "Some firms.")
    research = ParallelResearchMiddleware(client=client, processor="lite")
    agent = create_agent(model, middleware=[research], checkpointer=InMemorySaver())
    agent.invoke({"messages": [("user", "Find out.")]}, THREAD)


def by_table(client: ParallelClient) -> None:
    rows = [{"what": "cargo bikes"}]
    research_table(rows, "Who makes {what}?", client=client, processor="lite")


DOORS = [
    by_client,
    by_client_in_bulk,
    without_ledger,
    by_tool,
    by_tool_in_batches,
    by_graph,
    by_graph_awaited,
    by_middleware,
    by_table,
]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_tells_of_a_run_when_it_starts_and_when_it_ends_once_each(
    door: Callable[[ParallelClient], None], told: Told
) -> None:
    simulator = Simulator(ManualClock())
    door(simulated_client(simulator))
    [run] = simulator.runs()
    assert [event.name for event in told] == ["submitted", "completed"]
    first, last = (event.fields for event in told)
    assert first["run_id"] == last["run_id"] == run["run_id"]
    assert first["processor"] == last["processor"] == "lite"
    assert first["price_usd"] == last["cost_usd"] == 0.005
    assert last["seconds"] > 0
    on_thread = door in (by_graph, by_graph_awaited, by_middleware)
    assert first.get("thread_id") == last.get("thread_id") == ("bikes" if on_thread else None)


def a_new_process() -> None:
    _telemetry.LISTENING.told.clear()


@pytest.mark.parametrize("is_table", [False, True])
def test_a_run_of_a_process_that_was_killed_is_adopted_and_its_cost_is_marked(
    is_table: bool, told: Told
) -> None:
    simulator = Simulator(ManualClock())
    request = TaskRunInput(input=QUESTION, processor="lite")
    ledger = simulated_client(simulator).create_group().taskgroup_id

    def start() -> None:
        client = simulated_client(simulator)
        if is_table:
            research_table([{"what": "a"}], "Who makes {what}?", client=client, batch_id=batch)
        else:
            client.wait(client.submit(ledger, request).run.run_id)

    batch = None
    if is_table:
        client = simulated_client(simulator)
        batch = research_table([{"what": "a"}], "Who makes {what}?", client=client).batch_id
    else:
        simulated_client(simulator).submit(ledger, request)
    told.clear()
    a_new_process()
    start()
    assert [event.name for event in told] == ["adopted", "completed"]
    assert told[-1].fields["is_adopted"] is True
    assert len(simulator.runs()) == 1


def test_a_failed_run_is_told_of_without_a_price(told: Told) -> None:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript("failed"))
    client = simulated_client(simulator)
    with pytest.raises(ParallelError):
        without_ledger(client)
    assert [event.name for event in told] == ["submitted", "failed"]
    assert told[-1].fields["error"] == "RunFailed"
    assert "cost_usd" not in told[-1].fields


def test_a_lost_answer_is_a_doubt(told: Told) -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(Fault("drop_after", path="/v1/tasks/runs"))
    with pytest.raises(ParallelError):
        without_ledger(simulated_client(simulator))
    assert [event.name for event in told] == ["request_failed", "doubtful"]


def test_a_thread_is_parked_and_woken_once_each(told: Told) -> None:
    simulator = Simulator(ManualClock())
    client = simulated_client(simulator)
    graph = create_research_graph(client=client, processor="lite", wait="park").compile(
        checkpointer=InMemorySaver(), store=InMemoryStore()
    )
    graph.invoke({"question": QUESTION}, THREAD, durability="sync")
    [run] = simulator.runs()
    sweep(graph)  # too early
    simulator.clock.sleep(3_600)
    resume_parked(graph, run["run_id"])
    names = [event.name for event in told]
    assert names == ["submitted", "parked", "swept", "completed", "woken"]
    parked, swept, woken = told[1].fields, told[2].fields, told[4].fields
    assert parked["thread_id"] == woken["thread_id"] == "bikes"
    assert parked["run_ids"] == woken["run_ids"] == [run["run_id"]]
    assert swept["threads"] == swept["still_active"] == 1
    assert swept["oldest_seconds"] >= 0
    assert woken["seconds"] >= 0


def test_a_person_is_asked_once(told: Told) -> None:
    graph = create_research_graph(
        client=simulated_client(), processor="lite", evaluate=by_person()
    ).compile(checkpointer=InMemorySaver())
    for _ in range(2):  # the second only looks at the open question
        graph.invoke({"question": QUESTION} if not told else None, THREAD)
    assert [event.name for event in told] == ["submitted", "completed", "asked"]
    assert told[-1].fields == {"thread_id": "bikes", "kind": "review"}
