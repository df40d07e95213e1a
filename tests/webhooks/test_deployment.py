"""docs/deployment/worker.py: two processes on a real PostgreSQL, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from langchain_parallel.simulator import (
    Fault,
    RealClock,
    RunningServer,
    RunScript,
    Simulator,
    serve,
)

from .deliveries import SECRET
from .serving import listening, until

FOLDER = Path(__file__).parents[2] / "docs" / "deployment"
THREADS = 16
TOKEN = "token-of-a-test-deployment"
SWEEP = "import sys; from langchain_parallel.cli.sweep import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def database(postgres_uri: Callable[[], str]) -> str:
    """A database of this test's own."""
    uri, name = postgres_uri(), f"deployment_{os.getpid()}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = uri.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


class Deployment:
    """The workers behind one address, and the API they talk to."""

    def __init__(self, server: RunningServer, database: str, sock: socket.socket, url: str) -> None:
        self.simulator, self.url, self._sock = server.simulator, url, sock
        self._environment = {
            **os.environ,
            "DATABASE_URI": database,
            "PUBLIC_URL": url,
            "PARALLEL_API_KEY": "simulated",
            "PARALLEL_BASE_URL": server.url,
            "PARALLEL_WEBHOOK_SECRET": f"an older one of it,{SECRET}",
            "RESEARCH_TOKEN": TOKEN,
            "PROCESSOR": "lite",
        }
        self.http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=30,
        )

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=FOLDER,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that listens on the address, beside others."""
        fd = str(self._sock.fileno())
        command = [
            "-m",
            "uvicorn",
            "worker:app",
            "--fd",
            fd,
            "--ws",
            "none",
            "--log-level",
            "error",
        ]
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=FOLDER,
            env=self._environment,
            pass_fds=[self._sock.fileno()],
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def is_up(self) -> bool:
        """Whether both workers have opened their connections, and one answers."""
        with psycopg.connect(self._environment["DATABASE_URI"]) as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            (open_now,) = connection.execute(count).fetchone() or (0,)
        both = 2 * 4 + 1  # a pool opens four, and here is one more
        return bool(open_now >= both and self.http.get("/health").is_success)

    def ask(self, question: str) -> str:
        while True:
            try:
                answer = self.http.post("/research", json={"question": question})
            except httpx.TransportError:  # the worker that had it was killed
                continue
            assert answer.status_code == 202
            return str(answer.json()["thread_id"])

    def look(self, thread_id: str) -> Any:
        while True:
            try:
                return self.http.get(f"/research/{thread_id}").json()
            except httpx.TransportError:
                continue

    def unanswered(self, threads: list[str]) -> list[str]:
        return [thread for thread in threads if self.look(thread)["answer"] is None]


@pytest.fixture
def deployment(database: str) -> Iterator[Deployment]:
    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript(seconds=1.0, times=None))
    sock, url = listening()
    with sock, serve(simulator) as server:
        made = Deployment(server, database, sock, url)
        with made.http:
            yield made


def refuses_strangers(deployment: Deployment) -> None:
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN, "Bearer ü"):
        headers = httpx.Headers({"authorization": given}, "utf-8")
        asked = deployment.http.post("/research", json={"question": "q"}, headers=headers)
        read = deployment.http.get("/research/x", headers=headers)
        assert (asked.status_code, read.status_code) == (401, 401)
    assert deployment.simulator.runs() == []


def test_none_is_lost_and_none_is_paid_twice_though_a_worker_is_killed(
    deployment: Deployment,
) -> None:
    deployment.simulator.faults.add(
        Fault("webhook_duplicate", times=4),
        Fault("webhook_forge", times=4, skip=1),
        Fault("webhook_lose", times=3, skip=2),
    )
    deployment.run("worker.py")
    with deployment.worker() as doomed, deployment.worker():
        until(deployment.is_up, 60)
        refuses_strangers(deployment)
        threads = [deployment.ask(f"What of no. {n}?") for n in range(THREADS // 2)]
        doomed.send_signal(signal.SIGKILL)
        threads += [deployment.ask(f"What of no. {n}?") for n in range(THREADS // 2, THREADS)]
        settled(deployment, threads)
        assert len(deployment.unanswered(threads)) >= 3  # those whose deliveries were lost
        found = deployment.run("-c", SWEEP, "--graph", "worker:research", "--stranded-after", "0")
        assert not re.search("failed|left to the next sweep", found)
        (resumed,) = re.findall(r"(\d+) resumed\b(?! before)", found)
        assert int(resumed) >= 3  # the API delivers again what the killed worker had not taken
        until(lambda: not deployment.unanswered(threads))
    asked = [run["metadata"]["thread_id"] for run in deployment.simulator.runs()]
    assert sorted(asked) == sorted(set(asked))
    assert set(threads) <= set(asked)
    bill = deployment.simulator.billing
    assert len(bill.billed_runs()) == len(asked)


def settled(deployment: Deployment, threads: list[str]) -> None:
    """Until as many are answered as there will be without a sweep."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 1.2:
        now = len(deployment.unanswered(threads))
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.2)
