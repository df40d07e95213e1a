"""Two processes spend under one quota at the same instant: it is never passed, and on PostgreSQL used up."""

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

from langchain_parallel.simulator import RunningServer

from ..crash.lab import ROOT
from ..crash.storage import opened

pytestmark = pytest.mark.larger
RUNS = 5


@pytest.mark.grid
@pytest.mark.parametrize("where", ["sqlite store", "postgres"])
def test_the_quota_is_never_passed(
    server: RunningServer, request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    postgres: Callable[[], str] = request.getfixturevalue("postgres_uri")
    whose = f"spender-{uuid.uuid4().hex}"
    job: Any = {"api": server.url, "whose": whose, "folder": str(tmp_path), "most": RUNS * 0.005}
    job |= {
        "place": postgres() if "postgres" in where else str(tmp_path),
        "store": "store" in where,
    }
    with opened(job["place"], store=job["store"]):
        pass  # the tables are made once
    command = [sys.executable, "-m", "tests.races.spending", json.dumps(job)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-*"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.wait(60) for process in processes] == [0, 0]
    runs = [run["metadata"]["thread_id"] for run in server.simulator.runs()]
    started = sum(thread_id.startswith(whose) for thread_id in runs)
    assert started <= RUNS
    assert started == RUNS or "postgres" not in where
