"""Runs a cell: without a kill, and killed at a point and continued by a new process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from langchain_parallel.simulator import Listing, RunningServer

from ..conditions import PLAIN, Condition
from .cells import Cell
from .child import Job
from .workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
UNKNOWN = ("SubmissionUnknown", "GaveUp")
"""How a process ends that cannot find out what was started: graph and tool, and a model that is told."""
_ID = re.compile(r"(?:trun|intr|tgrp)_\w+")


@dataclass(frozen=True)
class Report:
    """The result of one process."""

    signal: int | None = None
    killed_at: str | None = None
    how: str | None = None
    """`invoked`, `resumed`, or `finished` where nothing was left to do."""
    state: Any = None
    seconds: float = 0.0
    passed: list[str] = field(default_factory=list)
    error: str | None = None
    error_type: str | None = None


class Zygote:
    """The process that forks the children; see `zygote.py`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._is_ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=90)
        self._process.stdout.close()

    def wait_until_ready(self) -> None:
        """Wait for its imports, which take seconds."""
        assert self._process.stdout is not None
        if not self._is_ready:
            assert self._process.stdout.readline() == "ready\n"
            self._is_ready = True

    def run(self, job: Job) -> Report:
        """Run a job in a process of its own."""
        self.wait_until_ready()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Report(**json.loads(self._process.stdout.readline()))


@dataclass(frozen=True)
class Outcome:
    """The result of one thread."""

    reports: list[Report]
    """Process by process."""
    paid: list[str]
    """What each run was asked, oldest first: all that were started, whether they ended or not."""
    ledgers: int
    """In how many ledgers they are."""
    state: str
    """The last process's final state, with every id replaced by its number in the order of appearance."""
    lost: int
    """Runs that were started and that the final state does not know."""
    quick: int
    """Quick questions that the account has accepted, and bills."""

    @property
    def last(self) -> Report:
        return self.reports[-1]

    @property
    def paid_twice(self) -> int:
        """Runs beyond the first for a question."""
        return sum(count - 1 for count in Counter(self.paid).values())

    @property
    def told(self) -> bool:
        """Whether a process ended because it could not find out, and another one went on."""
        return len(self.reports) - 1 > len(self.kills)

    def wrong(self, uncrashed: Outcome, cell: Cell, condition: Condition) -> bool:
        """Whether anything differs from the same thread without a kill that should not."""
        if self.paid_twice or self.last.error is not None:
            return True
        if not condition.is_ordered:
            return False
        # A model that is told so goes on in another way.
        differs = self.state != uncrashed.state and not (self.told and cell.has_model)
        return self.lost > 0 or self.last.state is None or differs

    @property
    def kills(self) -> list[str]:
        return [report.killed_at for report in self.reports if report.killed_at]


class Lab:
    """A simulator behind a socket, a zygote, and places to keep checkpoints."""

    def __init__(
        self,
        server: RunningServer,
        zygote: Zygote,
        postgres: Callable[[], str],
        condition: Condition = PLAIN,
    ) -> None:
        """`server` is one for `conditions.account(condition)`."""
        self._server, self._zygote, self._postgres = server, zygote, postgres
        self.condition = condition
        self._uncrashed: dict[Cell, Outcome] = {}

    def under(self, condition: Condition, server: RunningServer) -> Lab:
        """The same with another server."""
        return Lab(server, self._zygote, self._postgres, condition)

    def uncrashed(self, cell: Cell) -> Outcome:
        """The result of the cell without a kill; run once."""
        if cell not in self._uncrashed:
            outcome = self.run(cell)
            assert outcome.last.error is None, outcome.last.error
            asked = WORKLOADS[cell.workload].questions
            assert len(set(outcome.paid)) == len(outcome.paid) == asked, outcome.paid
            self._uncrashed[cell] = outcome
        return self._uncrashed[cell]

    def run(self, cell: Cell, *kill_at: str | int) -> Outcome:
        """One thread: a process killed at each of `kill_at` in turn, and a last one that ends it.

        Where the ledger's list cannot answer, and the last one says so, another one comes when it can.
        """
        thread_id = f"crash-{uuid.uuid4().hex}"
        folder = tempfile.mkdtemp(prefix="crash-") if cell.backend == "sqlite" else None
        reports: list[Report] = []
        try:
            place = folder or self._postgres()
            for point in (*kill_at, None):
                job = self._job(cell, place, thread_id, point, later=bool(reports))
                reports.append(self._zygote.run(job))
                if not reports[-1].killed_at:
                    break  # it never came by that point, so there is nothing to go on with
                assert reports[-1].signal == signal.SIGKILL
            if reports[-1].error_type in UNKNOWN and not self.condition.answers:
                with self._answering():
                    job = self._job(cell, place, thread_id, None, later=True)
                    reports.append(self._zygote.run(job))
        finally:
            if folder:
                shutil.rmtree(folder)
        return self._outcome(cell, thread_id, reports)

    def suspend(self, cell: Cell, stop_at: str, *, elsewhere: bool = False) -> Outcome:
        """One thread on SQLite: a process is suspended at a point, another one resumes the thread and ends
        it, or gives up, and then the first one goes on. The other one may be on a machine `elsewhere`.
        """
        thread_id = f"crash-{uuid.uuid4().hex}"
        with (
            tempfile.TemporaryDirectory(prefix="crash-") as place,
            ThreadPoolExecutor(1) as pool,
            Zygote() as zygote,
        ):
            zygote.wait_until_ready()
            job = self._job(cell, place, thread_id, None, later=False)
            job["stop_at"] = stop_at
            first = pool.submit(self._zygote.run, job)
            stopped = Path(place) / "stopped"
            while not (stopped.exists() and stopped.read_text()) and not first.done():
                time.sleep(0.01)
            assert not first.done(), first.result()
            since = time.monotonic()
            try:
                job = self._job(cell, place, thread_id, None, later=True)
                job["locks"] = place if elsewhere else None
                second = zygote.run(job)
                # As long as it takes for what allowed the first one to send to be out of date.
                time.sleep(max(0.0, 0.5 - (time.monotonic() - since)))
            finally:
                os.kill(int(stopped.read_text()), signal.SIGCONT)
            return self._outcome(cell, thread_id, [second, first.result()])

    @contextmanager
    def _answering(self) -> Iterator[None]:
        simulator = self._server.simulator
        simulator.listing, before = Listing(), simulator.listing
        try:
            yield
        finally:
            simulator.listing = before

    def _job(
        self, cell: Cell, place: str, thread_id: str, kill_at: str | int | None, *, later: bool
    ) -> Job:
        return Job(
            workload=cell.workload,
            mode=cell.mode,
            durability=cell.durability,
            store=cell.store,
            place=place,
            api=self._server.url,
            thread_id=thread_id,
            kill_at=kill_at,
            stop_at=None,
            locks=None,
            clock_shift=self.condition.clock_shift if later else 0.0,
            called_by=dict(self.condition.called_by),
        )

    def _outcome(self, cell: Cell, thread_id: str, reports: list[Report]) -> Outcome:
        simulator = self._server.simulator
        while simulator.has_late_requests:
            time.sleep(0.01)
        ours = [run for run in simulator.runs() if run["metadata"].get("thread_id") == thread_id]
        here = {run["interaction_id"] for run in ours}
        chats = [chat.request["previous_interaction_id"] for chat in simulator.chats()]
        state = reports[-1].state
        final = json.dumps(state)
        compared = json.dumps(state and WORKLOADS[cell.workload].compared(state))
        return Outcome(
            reports=reports,
            paid=[simulator.find_run(run["run_id"]).text for run in ours],
            ledgers=len({run["taskgroup_id"] for run in ours}),
            state=_without_ids(compared),
            lost=sum(run["run_id"] not in final for run in ours),
            quick=sum(parent in here for parent in chats),
        )


def _without_ids(state: str) -> str:
    """Every id replaced by its number in the order of appearance; without ledger keys, which hold ids,
    hashed, and without what depends on when a run got there.
    """
    numbers: dict[str, str] = {}
    state = re.sub(r'"(key|seal)": "[^"]*"', r'"\1": "…"', state)  # made from ids
    state = re.sub(r'"(started|ended)_at": "[^"]*"', r'"\1_at": "…"', state)
    return _ID.sub(lambda id: numbers.setdefault(id[0], f"id {len(numbers) + 1}"), state)
