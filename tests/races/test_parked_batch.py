"""A parked batch on PostgreSQL that webhooks and sweeps of several processes wake at the same moment: one of
them resumes it, each row is paid for once, and nothing of it runs twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from langchain_parallel.simulator import RunningServer, Simulator, serve

from ..crash.lab import ROOT
from ..crash.storage import opened
from ..cut import exhaustive
from .waking import Job, build, client_of

pytestmark = pytest.mark.larger
PROCESSES, EACH, ROWS = 4, 3, 6


def _stampede(job: Job) -> list[str]:
    command = [sys.executable, "-m", "tests.races.waking", json.dumps(job)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report.get("error") for report in reports] == [None] * PROCESSES
    return [outcome for report in reports for outcome in report["seen"]]


def _settle(server: RunningServer) -> None:
    for run in server.simulator.all_runs():
        if run.is_active_at(server.simulator.clock.monotonic()):
            server.simulator.settle(run.run_id)


@pytest.mark.parametrize(
    ("mode", "store"),
    [("sync", False), ("async", True), exhaustive("sync", True), exhaustive("async", False)],
)
def test_a_parked_batch_is_woken_once_by_processes_at_once(
    postgres_uri: Callable[[], str], mode: str, store: bool
) -> None:
    place = postgres_uri()
    config: Any = {"configurable": {"thread_id": f"batch-{uuid.uuid4().hex}"}}
    companies = [{"company": f"Company {nth}"} for nth in range(ROWS)]
    # Ids that no other test's threads have: the database may still have records of those.
    simulator = Simulator(latency_scale=1e6, seed=uuid.uuid4().int)
    with serve(simulator) as server, opened(place, store=store) as storage:
        if storage.get("store") is not None:
            storage["store"].setup()
        storage["checkpointer"].setup()
        graph = build(client_of(server.url), **storage)
        graph.invoke({"companies": companies}, config, durability="sync")
        [waiting] = graph.get_state(config).interrupts
        assert waiting.value["batch"]["active"] == 2
        _settle(server)  # all groups at once: a first wake-up finds nothing left to wait for
        before = len([*graph.get_state_history(config)])
        runs = [run.run_id for run in server.simulator.all_runs()]
        seen = _stampede(
            Job(
                api=server.url,
                place=place,
                store=store,
                mode=mode,
                run_ids=runs * EACH,
                processes=PROCESSES,
                each=EACH,
            )
        )
        assert len(seen) == PROCESSES * EACH
        assert seen.count("resumed") == 1, seen
        assert set(seen) <= {"resumed", "not_parked", "swept", "in_progress"}, seen
        state = graph.get_state(config)
        assert len(state.values["profiles"]) == ROWS
        assert all(one["answer"] for one in state.values["profiles"])
        assert (state.next, state.interrupts) == ((), ())
        assert len([*graph.get_state_history(config)]) == before + 1  # one step more
        asked = Counter(run.text for run in server.simulator.all_runs())
        assert asked == {f"Who runs Company {nth}?": 1 for nth in range(ROWS)}
