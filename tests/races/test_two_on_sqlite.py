"""Two processes of one machine that resume one thread on SQLite at the same moment: its question is paid for
once, whichever door asks it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from langchain_parallel.simulator import RunScript, Simulator, serve

from ..crash.lab import ROOT
from .resuming import DOORS, plant, start

HANG = 60.0


@pytest.mark.parametrize("door", DOORS)
def test_two_processes_resume_one_thread(tmp_path: Path, door: str) -> None:
    with serve(Simulator(latency_scale=0.001)) as server:
        server.simulator.scripts.add(RunScript(seconds=0.2, times=None))
        database, go = tmp_path / "threads.sqlite", tmp_path / "go"
        start(plant(door, server.url, database, dies=True))
        job = json.dumps(
            {"door": door, "api": server.url, "database": str(database), "go": str(go)}
        )
        command = [sys.executable, "-W", "ignore", "-m", "tests.races.resuming", job]
        both = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for one in both:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        go.touch()
        ends = {json.loads(one.communicate(timeout=HANG)[0]) for one in both}
        assert ends <= {"answered", "busy"}
        assert "answered" in ends
        asked = Counter(run.text for run in server.simulator.all_runs())
        assert asked == {"Who runs Airbus?": 1}
