"""A worker is killed with a delivery in its hands, which the API will not send again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.models import Webhook
from langchain_parallel.options import RequestOptions
from langchain_parallel.parked import sweep
from langchain_parallel.simulator import RealClock, RunScript, Simulator, serve

from ..client.both import QUICK
from ..crash.lab import ROOT
from ..crash.storage import opened
from .serving import listening, until
from .worker import Job

CONFIG: Any = {"configurable": {"thread_id": "thread"}}


@pytest.mark.grid
@pytest.mark.parametrize("store", [False, True], ids=["listing", "store"])
@pytest.mark.parametrize("dies", ["acknowledged", "going on"])
def test_the_sweep_collects_what_a_killed_worker_had_taken(
    tmp_path: Path, dies: Any, store: bool
) -> None:
    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript(seconds=0.2))
    sock, url = listening()
    with sock, serve(simulator) as server, opened(str(tmp_path), store=store) as storage:
        client = ParallelClient("k", server.url, retry_policy=QUICK)
        webhook = Webhook(url=f"{url}/parallel/webhook")
        graph: Any = create_research_graph(
            processor="lite",
            wait="park",
            request=RequestOptions(webhook=webhook),
            name="one",  # graph, which judges otherwise where it dies
            client=client,
        ).compile(**storage)
        graph.invoke({"question": "How large is it?"}, CONFIG, durability="sync")
        job = Job(api=server.url, place=str(tmp_path), store=store, fd=sock.fileno(), dies=dies)
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.webhooks.worker", json.dumps(job)],
            cwd=ROOT,
            pass_fds=[sock.fileno()],
        )
        assert worker.wait(60) == -signal.SIGKILL
        until(lambda: not simulator.has_pending_webhooks)
        assert graph.get_state(CONFIG).next
        swept = sweep(graph, client, stranded_after=0.0)
        assert swept.resumed == ["thread"]
        assert graph.get_state(CONFIG).next == ()
        assert graph.get_state(CONFIG).values["turns"][0]["status"] == "completed"
        assert len(simulator.runs()) == 1
