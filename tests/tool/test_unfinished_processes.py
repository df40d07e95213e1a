"""The same with real processes: one is killed or gives up, another is asked the same. SQLite, a socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel.simulator import RunningServer, RunScript

from ..cut import exhaustive

PROGRAM = """
import asyncio, json, sys
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langchain_parallel import ParallelClient, ParallelTaskTool
from langchain_parallel.client import RetryPolicy
from tests.tool.helpers import calls, model

url, database, how, timeout = sys.argv[1:5]
policy = RetryPolicy(initial_delay=0.05, settle_seconds=0.5)
client = ParallelClient("key", url, retry_policy=policy)
tool = ParallelTaskTool(client=client, processor="lite", timeout=float(timeout))
says = calls({"input": "Who leads?"}), "done"
config = {"configurable": {"thread_id": "t"}}
asked = {"messages": [("user", "Find out")]}

async def awaited():
    async with AsyncSqliteSaver.from_conn_string(database) as saver:
        return await create_agent(model(*says), [tool], checkpointer=saver).ainvoke(asked, config)

if how == "async":
    state = asyncio.run(awaited())
else:
    with SqliteSaver.from_conn_string(database) as saver:
        state = create_agent(model(*says), [tool], checkpointer=saver).invoke(asked, config)
answer = [m for m in state["messages"] if isinstance(m, ToolMessage)][-1]
print(json.dumps([answer.status, answer.text, (answer.artifact or {}).get("run_id")]))
"""


class Processes:
    def __init__(self, server: RunningServer, folder: Path, how: str) -> None:
        self.server, self.database, self.how = server, str(folder / "threads.sqlite"), how

    def start(self, timeout: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
        given = [self.server.url, self.database, self.how, str(timeout)]
        return subprocess.Popen([*command, *given], stdout=subprocess.PIPE, text=True)

    def answer(self, timeout: float) -> Any:
        with self.start(timeout) as process:
            out, _ = process.communicate(timeout=90)
        return json.loads(out)

    @property
    def runs(self) -> list[str]:
        return [run["run_id"] for run in self.server.simulator.runs()]


@pytest.fixture(params=["sync", exhaustive("async")])
def processes(
    request: pytest.FixtureRequest, simulator_server: RunningServer, tmp_path: Path
) -> Processes:
    pytest.importorskip("langgraph.checkpoint.sqlite")
    simulator = simulator_server.simulator
    simulator.latency_scale = 1.0
    simulator.scripts.add(RunScript(outcome="stay_queued"))
    return Processes(simulator_server, tmp_path, request.param)


@pytest.mark.exhaustive
def test_a_process_that_gave_up_is_continued_by_the_next(processes: Processes) -> None:
    status, text, _ = processes.answer(timeout=0.5)
    assert status == "error"
    (run_id,) = processes.runs
    assert run_id in text
    processes.server.simulator.settle(run_id)
    assert processes.answer(timeout=30)[::2] == ["success", run_id]
    assert len(processes.runs) == 1


def test_a_process_that_was_killed_while_it_waited_is_continued_by_the_next(
    processes: Processes,
) -> None:
    with processes.start(timeout=60) as process:
        while not processes.runs:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    (run_id,) = processes.runs
    processes.server.simulator.settle(run_id)
    assert processes.answer(timeout=30)[::2] == ["success", run_id]
    assert len(processes.runs) == 1
