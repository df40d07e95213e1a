"""Spans and metrics, as OpenTelemetry's in-memory exporters have them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from opentelemetry.trace import StatusCode

from langchain_parallel import ParallelTaskTool, _telemetry, create_research_graph
from langchain_parallel.errors import ParallelError
from langchain_parallel.models import TaskRunInput
from langchain_parallel.observability.instruments import _Instruments
from langchain_parallel.parked import sweep
from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator
from langchain_parallel.testing import simulated_client

from ..webhooks.test_endpoint import PATH, Hooked
from .conftest import Otel, attributes

QUESTION = "Who bought the company in confidence?"


def test_a_run_is_counted_priced_timed_and_traced(otel: Otel) -> None:
    client = simulated_client(Simulator(ManualClock()))
    tool = ParallelTaskTool(client=client, processor="core")
    with otel.tracers.get_tracer("test").start_as_current_span("agent"):
        tool.invoke({"input": QUESTION})
    [run, agent] = otel.spans.get_finished_spans()
    assert run.name == "invoke_agent core"
    assert run.parent is not None
    assert run.parent.span_id == agent.context.span_id
    told = dict(run.attributes or {})
    assert told["gen_ai.provider.name"] == "parallel"
    assert told["gen_ai.request.model"] == "core"
    assert str(told["gen_ai.response.id"]).startswith("trun_")
    assert told["langchain_parallel.cost_usd"] == 0.025
    assert run.end_time is not None
    assert run.start_time is not None
    assert run.end_time > run.start_time
    assert QUESTION not in run.to_json()
    for outcome in ("started", "completed"):
        counted = otel.points("langchain_parallel.runs")
        assert counted[attributes(outcome=outcome, gen_ai__request__model="core")] == 1
    cost = attributes(gen_ai__request__model="core", adopted="false")
    assert otel.points("langchain_parallel.cost") == {cost: 0.025}
    [seconds] = otel.points("gen_ai.client.operation.duration").values()
    assert seconds == pytest.approx((run.end_time - run.start_time) / 1e9, abs=0.01)


def test_an_adopted_run_is_no_new_one_and_its_cost_is_apart(otel: Otel) -> None:
    simulator = Simulator(ManualClock())
    request = TaskRunInput(input=QUESTION, processor="core")
    ledger = simulated_client(simulator).create_group().taskgroup_id
    simulated_client(simulator).submit(ledger, request)
    _telemetry.LISTENING.told.clear()  # another process
    client = simulated_client(simulator)
    client.wait(client.submit(ledger, request).run.run_id)
    counted = otel.points("langchain_parallel.runs")
    assert counted[attributes(outcome="started", gen_ai__request__model="core")] == 1
    assert counted[attributes(outcome="adopted", gen_ai__request__model="core")] == 1
    cost = attributes(gen_ai__request__model="core", adopted="true")
    assert otel.points("langchain_parallel.cost") == {cost: 0.025}


def test_what_goes_wrong_is_counted(otel: Otel) -> None:
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript("failed"))
    client = simulated_client(simulator)
    with pytest.raises(ParallelError):
        client.wait(client.create(TaskRunInput(input=QUESTION, processor="core")).run_id)
    simulator.faults.add(Fault("drop_after", path="/v1/tasks/runs"))
    with pytest.raises(ParallelError):
        client.create(TaskRunInput(input=QUESTION, processor="core"))
    [span] = otel.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    counted = otel.points("langchain_parallel.runs")
    assert counted[attributes(outcome="failed", error__type="RunFailed")] == 1
    assert counted[attributes(outcome="doubtful", error__type="ResponseLost")] == 1
    failed = otel.points("langchain_parallel.requests.failed")
    assert failed[attributes(reason="lost", starts_runs="true")] == 1
    assert otel.points("langchain_parallel.cost") == {}


def test_parked_threads_and_their_age(otel: Otel) -> None:
    simulator = Simulator(ManualClock())
    client = simulated_client(simulator)
    graph = create_research_graph(client=client, processor="lite", wait="park").compile(
        checkpointer=InMemorySaver(), store=InMemoryStore()
    )
    thread: Any = {"configurable": {"thread_id": "bikes"}}
    graph.invoke({"question": QUESTION}, thread, durability="sync")
    sweep(graph)
    assert otel.points("langchain_parallel.threads.parked") == {frozenset(): 1}
    assert otel.points("langchain_parallel.threads.waiting") == {frozenset(): 1}
    simulator.clock.sleep(3_600)
    sweep(graph)
    assert otel.points("langchain_parallel.threads.swept")[attributes(outcome="resumed")] == 1
    assert len(otel.points("langchain_parallel.threads.wait")) == 1
    [span] = otel.spans.get_finished_spans()
    assert dict(span.attributes or {})["gen_ai.conversation.id"] == "bikes"


def test_webhooks_by_outcome(otel: Otel) -> None:
    async def main() -> None:
        async with Hooked().http() as http:
            await http.post(PATH, content=b"{}")

    asyncio.run(main())
    counted = otel.points("langchain_parallel.webhooks")
    assert counted == {attributes(outcome="malformed"): 1}


def test_after_its_end_nothing_is_measured(otel: Otel) -> None:
    otel.end()
    ParallelTaskTool(client=simulated_client()).invoke({"input": QUESTION})
    assert not otel.spans.get_finished_spans()


def test_opentelemetry_is_loaded_by_instrument_alone() -> None:
    code = (
        "import sys, langchain_parallel.observability as o, langchain_parallel._telemetry;"
        "from langchain_parallel import ParallelClient;"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules);"
        "o.instrument(); assert 'opentelemetry.metrics' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Meter:
    """Notes which instruments are made, by the names that Prometheus has for them."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, create: str) -> Any:
        def note(name: str, unit: str, description: str) -> None:
            seconds = "_seconds" if unit == "s" else ""
            kind = {"create_counter": "_total", "create_histogram": "_bucket"}.get(create, "")
            self.names.add(name.replace(".", "_") + seconds + kind)

        return note


def test_the_dashboard_asks_for_what_is_measured() -> None:
    meter = Meter()
    _Instruments(meter, None)
    dashboard = Path(__file__).parents[2] / "docs" / "observability" / "grafana.json"
    asked = set(re.findall(r"(?:langchain_parallel_|gen_ai_client_)\w+", dashboard.read_text()))
    assert asked
    assert asked <= meter.names
