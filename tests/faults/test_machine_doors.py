"""A machine that is set up wrong, as every door shows it: what to do, nothing started, and then it works.

What the client itself makes of each kind of trouble is in tests/client/test_machines.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import AsyncParallelClient, ParallelClient, create_research_graph
from langchain_parallel.client import RetryPolicy
from langchain_parallel.errors import ResponseLost
from langchain_parallel.parked import sweep
from langchain_parallel.simulator import RunningServer, RunScript

from ..research.harness import Mode
from .test_storage import DOORS, THREAD, invoke

ADVICE = "Check the files that SSL_CERT_FILE and SSL_CERT_DIR name."
QUICK = RetryPolicy(initial_delay=0.01, max_delay=0.02)


@pytest.mark.grid
@pytest.mark.parametrize("door", ["research", "tool", "middleware"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_every_door_says_what_to_do_and_goes_on(
    mode: Mode, door: str, simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = ParallelClient if mode == "sync" else AsyncParallelClient
    client = kind("key", simulator_server.url, retry_policy=QUICK)
    make, wait = DOORS[door]
    build, question = make(client, wait)
    graph = build(checkpointer=InMemorySaver(), store=InMemoryStore())
    with monkeypatch.context() as broken:
        broken.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
        try:
            told = str(invoke(mode, graph, question, "sync"))
        except ResponseLost as error:
            told = str(error)
            question = None  # it is resumed; a model that was told is asked again
    assert ADVICE in told
    assert simulator_server.simulator.runs() == []
    assert "done" in str(state := invoke(mode, graph, question, "sync")) or state["answer"]
    assert len(simulator_server.simulator.runs()) == 1


def test_a_sweep_leaves_the_threads_to_the_next_one(
    simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = simulator_server.simulator
    simulator.scripts.add(RunScript(seconds=600.0))

    def graph() -> Any:
        client = ParallelClient("key", simulator_server.url, retry_policy=QUICK)
        made = create_research_graph(client=client, processor="lite", wait="park")
        return made.compile(checkpointer=saver)

    saver = InMemorySaver()
    graph().invoke({"question": "Who leads?"}, THREAD)
    simulator.settle(simulator.runs()[0]["run_id"])
    with monkeypatch.context() as broken:
        broken.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
        failed = sweep(graph()).failed
        assert ADVICE in str(failed["t"])
        assert isinstance(failed["t"], ResponseLost)
    assert sweep(graph()).resumed == ["t"]
    assert len(simulator.runs()) == 1
