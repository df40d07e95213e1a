"""`langgraph dev` in a process of its own, as `langgraph.json` configures it, on the simulator's server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from langchain_parallel.simulator import RunningServer

from ..ports import reserved_port

ROOT = Path(__file__).parents[2]
SECRET = "whsec_c2VjcmV0LW9mLWEtdGVzdC1zZXJ2ZXI="
SECONDS = 60.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {SECONDS:.0f} s: {what}")


def end(api: RunningServer) -> str:
    """End the last run, once its thread is parked; its id."""
    run_id: str = api.simulator.runs()[-1]["run_id"]
    api.simulator.settle(run_id)
    return run_id


@contextmanager
def running(
    api: RunningServer,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    **config: Any,
) -> Iterator[str]:
    """A server's address. `config` is added to `langgraph.json`, `environment` to the process's."""
    given = json.loads((ROOT / "langgraph.json").read_text())
    given["dependencies"] = ["."]  # the package is installed already
    given["graphs"]["own"] = f"{ROOT}/tests/server/own_graph.py:graph"
    given["http"] |= config.pop("http", {})
    (folder / "langgraph.json").write_text(json.dumps({**given, **config}))
    with reserved_port() as port, (folder / "server.log").open("wb") as out:
        here = f"http://127.0.0.1:{port}"
        variables = {
            **os.environ,
            "PARALLEL_API_KEY": "key-of-a-test",
            "PARALLEL_BASE_URL": api.url,
            "PARALLEL_RESEARCH_PROCESSOR": "lite",
            "PARALLEL_RESEARCH_APPROVE_ABOVE": "pro",
            "PARALLEL_RESEARCH_WEBHOOK_URL": f"{here}/parallel/webhook",
            "PARALLEL_RESEARCH_WEBHOOK_SECRETS": f"an-older-one-of-it, {SECRET}",
            "PARALLEL_RESEARCH_SWEEP_STRANDED_AFTER": "0",
            "CRON_SCHEDULER_SLEEP_TIME": "1",
            "LANGSMITH_TRACING": "false",
            "LANGGRAPH_NO_VERSION_CHECK": "1",
            **(environment or {}),
        }
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=variables,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: _up(here), f"the server is up, see {out.name}")
            yield here
        finally:
            process.terminate()
            process.wait(20)


def _up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ok").status_code == 200
    except httpx.HTTPError:
        return False
