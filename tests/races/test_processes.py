"""One thread, several processes on PostgreSQL, several callers in each: one run is billed, one tail runs."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel import ParallelClient
from langchain_parallel.simulator import RunningServer, RunScript

from ..crash.lab import ROOT
from ..crash.storage import opened
from ..cut import exhaustive, is_exhaustive
from .graphs import QUESTION, build
from .stampede import SETTLING, Job, client_of

pytestmark = pytest.mark.larger
LATE = SETTLING / 3
PROCESSES, EACH = (8, 6) if is_exhaustive() else (4, 4)


class Killed(BaseException):
    """The end of a process, as far as its graph can tell."""


class Dying(httpx.HTTPTransport):
    """A process that is killed before or after it has sent the paid request."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self._sent = sent

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        paid = request.method == "POST" and request.url.path.endswith("/runs")
        if paid and not self._sent:
            raise Killed
        response = super().handle_request(request)
        if paid:
            raise Killed
        return response


class Thread:
    """The thread, and its result."""

    def __init__(self, server: RunningServer, uri: str, folder: Path) -> None:
        self._server, self._uri = server, uri
        self.thread_id = f"race-{uuid.uuid4().hex}"
        self.config: Any = {"configurable": {"thread_id": self.thread_id}}
        self.question = f"{QUESTION} ({self.thread_id})"
        self.tails, self.dies = folder / "tails", folder / "dies"
        self.tails.touch()

    def crash(self, *, sent: bool = True) -> None:
        """Ask, and die when the run has just been paid for, or not yet; the list shows it only later."""
        script = RunScript(late_commit=LATE, contains=self.thread_id, times=None)
        self._server.simulator.scripts.add(script)
        client = ParallelClient("key-of-a-test", self._server.url, transport=Dying(sent=sent))
        with opened(self._uri, store=False) as storage:
            graph = build(client, self._tail, review=False, **storage)
            with pytest.raises(Killed):
                graph.invoke({"question": self.question}, self.config, durability="sync")

    def park(self) -> str:
        """Ask, up to the person; the interrupt's id."""
        with opened(self._uri, store=False) as storage:
            graph = build(client_of(self._server.url), self._tail, review=True, **storage)
            graph.invoke({"question": self.question}, self.config, durability="sync")
            [waiting] = graph.get_state(self.config).interrupts
            return str(waiting.id)

    def stampede(self, mode: str, *, how: str = "resume", **more: Any) -> list[dict[str, Any]]:
        job = Job(
            api=self._server.url,
            place=self._uri,
            thread_id=self.thread_id,
            mode=mode,
            how=how,
            answers=more.get("answers"),
            review="answers" in more,
            tails=str(self.tails),
            dies=str(self.dies) if self.dies.exists() else None,
            processes=PROCESSES,
            each=EACH,
        )
        command = [sys.executable, "-m", "tests.races.stampede", json.dumps(job)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    @property
    def runs(self) -> int:
        runs = self._server.simulator.runs()
        return sum(run["metadata"].get("thread_id") == self.thread_id for run in runs)

    def finished_once(self) -> bool:
        with opened(self._uri, store=False) as storage:
            graph = build(client_of(self._server.url), self._tail, review=False, **storage)
            state = graph.get_state(self.config)
        assert state.values["tails"] == ["done"]
        assert (state.next, state.tasks) == ((), ())
        return len(self.tails.read_text().splitlines()) == 1

    def _tail(self) -> None:
        raise AssertionError("the thread was to stop before")


@pytest.fixture
def thread(server: RunningServer, postgres_uri: Callable[[], str], tmp_path: Path) -> Thread:
    return Thread(server, postgres_uri(), tmp_path)


@pytest.mark.parametrize("mode", ["sync", exhaustive("async")])
def test_a_crashed_thread_is_finished_once_and_paid_once(thread: Thread, mode: str) -> None:
    thread.crash()
    reports = thread.stampede(mode)
    assert [report.get("error") for report in reports] == [None] * PROCESSES
    seen = [entry for report in reports for entry in report["seen"]]
    assert len(seen) == PROCESSES * EACH
    assert all(tails == 1 for tails, _ in seen)
    assert sum(resumed for _, resumed in seen) == 1
    assert thread.finished_once()
    assert thread.runs == 1


@pytest.mark.parametrize("mode", [exhaustive("sync"), "async"])
def test_a_parked_thread_is_answered_once(thread: Thread, mode: str) -> None:
    waiting = thread.park()
    reports = thread.stampede(mode, answers={waiting: "good"})
    assert [report.get("error") for report in reports] == [None] * PROCESSES
    seen = [entry for report in reports for entry in report["seen"]]
    assert sum(resumed for _, resumed in seen) == 1
    assert thread.finished_once()
    assert thread.runs == 1


def test_a_process_that_dies_while_resuming_leaves_the_thread_to_the_next(thread: Thread) -> None:
    thread.crash()
    thread.dies.touch()
    reports = thread.stampede("sync")
    assert sum("killed" in report for report in reports) == 1
    assert not any("error" in report for report in reports)
    assert thread.finished_once()
    assert thread.runs == 1


@pytest.mark.parametrize(("mode", "sent"), [exhaustive("sync", False), ("async", True)])
def test_callers_that_do_not_take_turns_still_pay_once(
    thread: Thread, mode: str, sent: bool
) -> None:
    """LangGraph's own `invoke(None)` from everywhere: the tail may run often, the research once."""
    thread.crash(sent=sent)
    thread.stampede(mode, how="bare")
    assert thread.runs == 1
