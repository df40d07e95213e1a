"""A batch is researched by one process at a time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel._locks.machine import free_machine_lock, try_machine_lock
from langchain_parallel.batch.table_flow import BatchProgress
from langchain_parallel.batch.table_job import TableJob
from langchain_parallel.simulator import Fault, RunningServer, RunScript

from .tables import QUESTION, Office, companies

_TABLE = """
import json, sys
from langchain_parallel import research_table
from langchain_parallel.errors import ParallelError
url, batch_id, number = sys.argv[1:]
rows = [{"company": f"Company {nth}"} for nth in range(int(number))]
def begin(batch):
    print(json.dumps(["begun", batch]), flush=True)
try:
    table = research_table(
        rows, "Who runs {company}?", processor="lite", api_key="key-of-two", base_url=url,
        batch_id=batch_id or None, on_begin=begin, chunk_size=4, max_in_flight=4,
    )
except ParallelError as error:
    print(json.dumps(["refused", str(error)]), flush=True)
else:
    print(json.dumps(["answered", [row.error is None for row in table]]), flush=True)
"""


class Process:
    """A process that researches a table."""

    def __init__(self, url: str, batch_id: str = "", number: int = 12) -> None:
        command = [sys.executable, "-W", "ignore", "-c", _TABLE, url, batch_id, str(number)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def says(self) -> list[Any]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, "it has ended"
        said: list[Any] = json.loads(line)
        return said

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        self.popen.communicate(timeout=60)


def test_of_two_processes_one_researches_and_the_other_is_refused(
    simulator_server: RunningServer,
) -> None:
    """And where the first is killed, the second goes on: what is locked by the dead is free."""
    sim = simulator_server.simulator
    sim.scripts.add(RunScript(seconds=15.0, times=4))
    sim.scripts.add(RunScript(seconds=0.05, times=None))
    first = Process(simulator_server.url)
    kind, batch_id = first.says()
    assert kind == "begun"
    second = Process(simulator_server.url, batch_id)
    said = second.says()
    assert said[0] == "refused"
    assert "already" in said[1]
    second.end()
    assert first.popen.poll() is None
    first.kill()
    asked_before = len([*sim.all_runs()])
    third = Process(simulator_server.url, batch_id, number=asked_before)  # nothing is left to send
    assert third.says()[0] == "begun"
    assert third.says() == ["answered", [True] * asked_before]
    third.end()
    assert set(Counter(run.text for run in sim.all_runs()).values()) == {1}


def test_a_lock_of_the_machine_is_free_again(tmp_path: Path) -> None:
    assert try_machine_lock("batch one")
    code = (
        "import sys; from langchain_parallel._locks.machine import try_machine_lock;"
        "print([try_machine_lock(name) for name in sys.argv[1:]])"
    )

    def others(*names: str) -> str:
        command = [sys.executable, "-c", code, *names]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert others("batch one", "batch two") == "[False, True]"
    free_machine_lock("batch one")
    assert others("batch one", "batch two") == "[True, True]"


def test_where_no_file_can_be_made_a_table_is_researched_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = (
        "import os; os.environ['PARALLEL_LOCK_DIR'] = r'{}';"
        "from langchain_parallel._locks.machine import try_machine_lock; print(try_machine_lock('one'))"
    ).format(tmp_path / "file")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert "No lock file can be made" in done.stderr


def test_a_process_on_another_machine_is_noticed_after_one_chunk(office: Office) -> None:
    elsewhere: list[str] = []

    def note(progress: BatchProgress) -> None:
        """Another machine researches all rows while this one is at the second chunk."""
        if progress.answered == 4 and not elsewhere:
            elsewhere.append(progress.batch_id)
            _research_elsewhere(office, companies(), progress.batch_id)

    table = office.stream(companies(), chunk_size=4, max_in_flight=4, on_progress=note)
    found = [*table]
    assert [row.error is None for row in found] == [True] * 8 + [False] * 4
    assert {type(row.error) for row in found[8:]} == {errors.ParallelError}
    assert all("Another process" in str(row.error) for row in found[8:])
    assert Counter(office.asked.values()) == {1: 8, 2: 4}
    assert [row.duplicates != () for row in found] == [False] * 4 + [True] * 4 + [False] * 4


def _research_elsewhere(office: Office, rows: Any, batch_id: str) -> None:
    blocking = Office("sync")
    blocking.clock, blocking.sim = office.clock, office.sim
    job = TableJob.of(rows, QUESTION, {"client": blocking.client(), "chunk_size": 4})
    flow = replace(job.flow(lambda _: None), batch_id=batch_id)  # under no lock of this machine
    assert [*job.sync._iterate(flow.steps())]


@pytest.mark.parametrize("kind", ["drop_after", "status_after", "truncated_body", "wrong_shape"])
def test_runs_of_ones_own_are_no_other_process(office: Office, kind: Any) -> None:
    """Also those whose acceptance was lost, and that show up late."""
    office.sim.faults.add(Fault(kind, method="POST", path="*/runs", times=2, status=500, body="{}"))
    office.sim.scripts.add(RunScript(late_commit=20.0, times=3))
    table = office.research(companies(), chunk_size=4, max_in_flight=4)
    assert not table.errors
    assert office.paid_once()
