"""Processes that research the same rows at the same moment, one of them killed: each row is paid for once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel.simulator import Fault, RunScript, Simulator, serve

from ..crash.lab import ROOT
from ..cut import exhaustive, is_exhaustive

ROWS, HANG = 30, 60.0
PROCESSES = 6 if is_exhaustive() else 3
OVERLAPPING = [(0, 20), (10, 30), (5, 25), (0, 30), (15, 30), (0, 15)]


class Racing:
    """Processes on one account and one file of claims."""

    def __init__(self, url: str, folder: Path) -> None:
        self._job = {"api": url, "claims": str(folder / "claims.sqlite"), "go": str(folder / "go")}
        self._go = folder / "go"

    def start(self, first: int, last: int) -> subprocess.Popen[str]:
        job = json.dumps({**self._job, "rows": [first, last]})
        command = [sys.executable, "-m", "tests.races.enriching", job]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        self._go.touch()


def answers(process: subprocess.Popen[str]) -> dict[int, str]:
    out, _ = process.communicate(timeout=HANG)
    assert process.returncode == 0
    return {int(row): run for row, run in json.loads(out.splitlines()[-1]).items()}


def assert_paid_once(simulator: Simulator, found: list[dict[int, str]]) -> None:
    texts = {run.run_id: run.text for run in simulator.all_runs()}
    assert Counter(texts.values()) == Counter(f"Who runs Company {nth}?" for nth in range(ROWS))
    for answer in found:
        assert all(texts[run] == f"Who runs Company {row}?" for row, run in answer.items())


@pytest.mark.larger
def test_the_same_rows_at_the_same_moment(tmp_path: Path) -> None:
    with serve(Simulator(latency_scale=0.001)) as server:
        server.simulator.scripts.add(RunScript(late_commit=0.3, times=None))
        racing = Racing(server.url, tmp_path)
        running = [racing.start(*OVERLAPPING[nth]) for nth in range(PROCESSES)]
        racing.go()
        assert_paid_once(server.simulator, [answers(one) for one in running])


@pytest.mark.parametrize("kind", [exhaustive("hang"), "slow_acceptance"])
def test_one_is_killed_while_its_paid_request_is_on_its_way(tmp_path: Path, kind: Any) -> None:
    """Its runs are started, or will be when it is dead; others have its rows, in other parts."""
    with serve(Simulator(latency_scale=0.001)) as server:
        script = RunScript(late_commit=0.2, times=None)
        server.simulator.scripts.add(script)
        fault = Fault(
            kind, method="POST", path="*/groups/*/runs", seconds=0.5 if kind != "hang" else 30.0
        )
        server.simulator.faults.add(fault)
        racing = Racing(server.url, tmp_path)
        racing.go()
        killed = racing.start(0, 20)
        until = time.monotonic() + HANG
        while not _has_sent(server.simulator) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=HANG)
        running = [racing.start(10, 30), racing.start(0, 15)]
        assert_paid_once(server.simulator, [answers(one) for one in running])


def _has_sent(simulator: Simulator) -> bool:
    return any(
        entry.method == "POST" and entry.path.endswith("/runs") for entry in simulator.requests
    )
