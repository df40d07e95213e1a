"""What LangChain's callbacks and LangGraph's streams tell of a table."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from langchain_parallel import aresearch_table, research_table
from langchain_parallel.batch import ROW_EVENT
from langchain_parallel.simulator import RunScript

from .tables import QUESTION, Office, companies
from .test_node import THREAD, Plant


class Tracer(BaseTracer):
    """Keeps the outermost runs, and the custom events."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []
        self.rows: list[dict[str, Any]] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        if name == ROW_EVENT:
            self.rows.append(data)


def test_a_table_is_a_run_with_one_for_each_row(office: Office) -> None:
    tracer = Tracer()
    office.sim.scripts.add(RunScript(outcome="failed"))
    table = office.research(companies(3), processor="lite", config={"callbacks": [tracer]})
    [root] = tracer.roots
    assert (root.name, root.inputs) == ("research_table", {"processor": "lite", "rows": 3})
    assert root.outputs == {"batch_id": table.batch_id}
    assert root.error is None
    told = [(row.number, row.run_id, row.interaction_id, row.cost_usd) for row in table]
    names = ("number", "run_id", "interaction_id", "cost_usd")
    assert [tuple(one[name] for name in names) for one in tracer.rows] == told
    assert [one["error"] for one in tracer.rows].count("RunFailed") == 1
    assert [child.name for child in root.child_runs] == ["parallel_run"] * 3
    costs = [child.metadata["usage_metadata"]["total_cost"] for child in root.child_runs]
    assert sorted(costs) == [0.0, 0.005, 0.005]


def test_no_cell_and_no_key_is_told(office: Office) -> None:
    tracer = Tracer()
    table = office.research(companies(2), config={"callbacks": [tracer]})
    told = repr([tracer.rows, [run.model_dump() for run in tracer.roots]])
    assert "key-of-an-office" not in told
    assert not any(str(row["summary"])[:40] in told for row in table)


def test_a_table_that_fails_is_a_run_with_an_error(office: Office) -> None:
    tracer = Tracer()
    rows = office.stream(companies(3), config={"callbacks": [tracer]}, on_progress=_fail)
    with pytest.raises(ValueError, match="no more"):
        list(rows)
    [root] = tracer.roots
    assert "no more" in str(root.error)


def _fail(progress: Any) -> None:
    raise ValueError("no more")


def test_the_events_of_a_runnable_around_it_have_the_rows(office: Office) -> None:
    """`astream_events` of a function that researches a table, and gives it the config."""

    async def enrich(rows: list[Any], config: Any) -> int:
        table = await aresearch_table(rows, QUESTION, client=office.client(), config=config)
        return len(table)

    def blocking(rows: list[Any]) -> int:  # finds the config by itself
        return len(research_table(rows, QUESTION, client=office.client()))

    async def events() -> list[Any]:
        step: Any = RunnableLambda(blocking if office.mode == "sync" else enrich)
        return [one async for one in step.astream_events(companies(2), version="v2")]

    seen = asyncio.run(events())
    assert sum(one["event"] == "on_custom_event" for one in seen) == 2
    assert {"research_table", "parallel_run"} <= {one["name"] for one in seen}


def test_a_graph_streams_a_message_for_each_row(office: Office) -> None:
    plant = Plant(office)
    given: Any = {"companies": companies(2)}

    async def astream() -> list[Any]:
        return [one async for one in plant.graph.astream(given, THREAD, stream_mode="custom")]

    if office.mode == "sync":
        told: list[Any] = [*plant.graph.stream(given, THREAD, stream_mode="custom")]
    else:
        told = asyncio.run(astream())
    assert [(one["type"], one["number"]) for one in told] == [("row", 0), ("row", 1)]
