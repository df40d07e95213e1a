"""Two processes ask two questions on one thread at the same instant: both are paid once, and told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.simulator import RunningServer

from ..crash.lab import ROOT
from ..crash.storage import opened

pytestmark = pytest.mark.larger
ASKED = ("Who sells it?", "Who buys it?")


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_both_are_paid_once_and_told(
    server: RunningServer, request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    postgres: Callable[[], str] = request.getfixturevalue("postgres_uri")
    place = postgres() if where == "postgres" else str(tmp_path)
    thread_id = f"two-{uuid.uuid4().hex}"
    config: Any = {"configurable": {"thread_id": thread_id}}

    def ask(question: str) -> Any:
        client = ParallelClient("key-of-a-test", server.url)
        with opened(place, store=False) as storage:
            graph: Any = create_research_graph(processor="lite", client=client).compile(**storage)
            return graph.invoke({"question": question}, config, durability="sync")

    ask("How large is it?")
    processes = []
    for question in ASKED:
        job = {"api": server.url, "place": place, "thread_id": thread_id}
        given = json.dumps({**job, "question": question, "folder": str(tmp_path)})
        command = [sys.executable, "-m", "tests.races.asking", given]
        processes.append(subprocess.Popen(command, cwd=ROOT))
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-*"))) < len(ASKED):
        assert time.monotonic() < until
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.wait(60) for process in processes] == [0, 0]
    turns = ask("And then?")["turns"]
    assert {turn["question"] for turn in turns} == {"How large is it?", *ASKED, "And then?"}
    runs = [run for run in server.simulator.runs() if run["metadata"].get("thread_id") == thread_id]
    assert len(runs) == 4
    assert {run["run_id"] for run in runs} == {turn["run_id"] for turn in turns}
