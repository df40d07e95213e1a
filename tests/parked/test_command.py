"""The sweep as a command."""

from __future__ import annotations

import re
import uuid

import pytest

from langchain_parallel.cli import main
from langchain_parallel.simulator import Fault, RunningServer, RunScript

from . import graphs


@pytest.fixture
def thread_id(simulator_server: RunningServer, simulated_api: str) -> str:
    """A thread that is parked for a run that has ended."""
    thread_id = uuid.uuid4().hex
    simulator = simulator_server.simulator
    simulator.scripts.add(RunScript(seconds=600.0))
    graphs.SAVER.storage.clear()
    graphs.plain().invoke(
        {"question": "How large is it?"},
        {"configurable": {"thread_id": thread_id}},
        durability="sync",
    )
    simulator.settle(simulator.runs()[0]["run_id"])
    return thread_id


def finished(thread_id: str) -> bool:
    return not graphs.plain().get_state({"configurable": {"thread_id": thread_id}}).next


@pytest.mark.parametrize("name", ["compiled", "plain", "awaited", "opened", "aopened"])
def test_it_takes_a_graph_or_what_gives_one(
    thread_id: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--graph", f"{graphs.__name__}:{name}"]) == 0
    assert capsys.readouterr().out == "1 thread was parked: 1 resumed.\n"
    assert finished(thread_id)


def test_failures_are_printed_and_make_the_exit_code(
    thread_id: str, simulator_server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Fault("status_before", method="GET", status=403, times=None)
    simulator_server.simulator.faults.add(fault)
    assert main(["sweep", "--graph", f"{graphs.__name__}:plain", "--per-second", "100"]) == 1
    assert f"thread {thread_id}: Forbidden: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["no.such.module:x", "tests.parked.graphs:x", "json", ":x"])
@pytest.mark.usefixtures("simulated_api")
def test_what_names_no_graph_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--graph", name]) == 2
    assert "names no graph" in capsys.readouterr().err


@pytest.mark.usefixtures("simulated_api")
def test_what_is_no_graph_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--graph", f"{graphs.__name__}:nothing"]) == 2
    assert "int is not a compiled graph" in capsys.readouterr().err


def test_a_function_with_required_arguments_gives_no_graph(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sweep", "--graph", "json:dumps"]) == 2
    assert "must take no arguments" in capsys.readouterr().err


def test_it_says_which_graph_has_parked_a_thread_and_takes_it_over(
    thread_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = ["--graph", f"{graphs.__name__}:renamed"]
    assert main(["sweep", *graph]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 thread was parked: 1 left to another graph.\n")
    assert thread_id in said
    name = re.findall(r"parked by the graph '(research#\w+)'", said)[0]
    assert f'"take_over": "{name}"' in said
    assert not finished(thread_id)
    assert main(["sweep", *graph, "--take-over", name]) == 0
    assert finished(thread_id)
