"""An API that is down, or does not know a run yet: through every door it costs time and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.simulator import Fault, RunScript

from ..middleware.harness import Model, record, start
from ..middleware.harness import calls as middleware_calls
from ..outage import Outage
from ..research.harness import Mode, invoke
from ..tool.helpers import KEY, START, Account, agent, answers, calls, thread
from .users import MODES

QUESTION = "Who leads?"
UNKNOWN = Fault("status_before", path="*/runs/trun*", status=404, times=None), 3.0
DOWN = Fault("status_before", status=503, times=None)
OUTAGES = {
    "404 for 3 s": UNKNOWN,
    "503 for 40 s": (DOWN, 40.0),
    "503 for 200 s": (DOWN, 200.0),
    "unreachable for 200 s": (Fault("refuse", times=None), 200.0),
    "silent for 200 s": (Fault("hang", seconds=9e9, times=None), 200.0),
    "429 for 200 s": (Fault("rate_limit", seconds=130, times=None), 200.0),
}


def client_in(account: Account, mode: Mode, outage: tuple[Fault, float]) -> Any:
    make = ParallelClient if mode == "sync" else AsyncParallelClient
    transport = Outage(account.simulator, *outage)
    return make(KEY, transport=transport, clock=account.simulator.clock)


def ask_tool(account: Account, mode: Mode, client: Any) -> str:
    graph = agent(ParallelTaskTool(client=client), calls({"input": QUESTION}), "done")
    (answer,) = answers(invoke(mode, graph, START, None))
    assert answer.status == "success", answer.text
    return str(answer.artifact["run_id"])


def ask_middleware(account: Account, mode: Mode, client: Any) -> str:
    with_research = ParallelResearchMiddleware(processor="lite", client=client)
    model = Model(middleware_calls(start(QUESTION)), "done")
    state = invoke(mode, create_agent(model, middleware=[with_research]), START, None)
    found = record(state, "r1")
    assert found["status"] == "completed", found
    return str(found["run_id"])


def ask_graph(account: Account, mode: Mode, client: Any) -> str:
    graph = create_research_graph(processor="lite", client=client).compile()
    (turn,) = invoke(mode, graph, {"question": QUESTION}, None)["turns"]
    return str(turn["run_id"])


def ask_parking_graph(account: Account, mode: Mode, client: Any) -> str:
    options: dict[str, Any] = {"processor": "lite", "wait": "park", "client": client}
    graph = create_research_graph(**options).compile(checkpointer=InMemorySaver())
    invoke(mode, graph, {"question": QUESTION}, thread("t"))
    clock: Any = account.simulator.clock
    clock.advance(600)
    (turn,) = invoke(mode, graph, Command(resume=True), thread("t"))["turns"]
    return str(turn["run_id"])


DOORS = {"tool": ask_tool, "middleware": ask_middleware, "graph": ask_graph}


@pytest.mark.grid
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_after_a_run_was_accepted_costs_time_alone(
    mode: Mode, door: str, outage: str
) -> None:
    account = Account()
    account.script(seconds=5.0)
    client = client_in(account, mode, OUTAGES[outage])
    run_id = DOORS[door](account, mode, client)
    assert [run["run_id"] for run in account.runs] == [run_id]
    assert account.billed == 1
    assert account.simulator.monotonic < OUTAGES[outage][1] + 150


@pytest.mark.parametrize("mode", MODES)
def test_a_graph_parks_with_a_run_that_the_api_does_not_know_yet(mode: Mode) -> None:
    account = Account()
    account.simulator.scripts.add(RunScript(seconds=300.0))
    assert ask_parking_graph(account, mode, client_in(account, mode, UNKNOWN))
    assert account.billed == 1
