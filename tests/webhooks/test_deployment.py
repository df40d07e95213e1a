"""docs/deployment/worker.py: the commands of its Compose file, on a real PostgreSQL; one worker is killed."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml  # type: ignore[import-untyped]  # langchain-core brings it, without its types
from langgraph.checkpoint.memory import InMemorySaver
from starlette.requests import Request

from langchain_parallel import create_research_graph
from langchain_parallel.simulator import (
    Fault,
    RealClock,
    RunningServer,
    RunScript,
    Simulator,
    serve,
)
from langchain_parallel.testing import simulated_client

from .deliveries import SECRET, delivery
from .serving import listening, until

FOLDER = Path(__file__).parents[2] / "docs" / "deployment"
THREADS = 16
TOKEN = "token-of-a-test-deployment"
SERVICES = yaml.safe_load((FOLDER / "compose.worker.yaml").read_text())["services"]


@pytest.fixture
def database(postgres_uri: Callable[[], str]) -> str:
    """A database of this test's own."""
    uri, name = postgres_uri(), f"deployment_{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, query = uri.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


class Deployment:
    """The workers behind one address, and the API they talk to."""

    def __init__(
        self, server: RunningServer, database: str, sock: socket.socket, url: str, **more: str
    ) -> None:
        self.server, self.simulator = server, server.simulator
        self.url, self._sock = url, sock
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "DATABASE_URI": database,
            "PUBLIC_URL": f"{url}/",  # as people write it, too
            "PARALLEL_API_KEY": "simulated",
            "PARALLEL_BASE_URL": server.url,
            "PARALLEL_WEBHOOK_SECRET": f"an older one of it,{SECRET}",
            "RESEARCH_TOKEN": TOKEN,
            "PROCESSOR": "lite",
            **more,
        }
        self.http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=30,
        )

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=FOLDER,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def set_up(self) -> None:
        self.run(*SERVICES["tables"]["command"])

    def sweep(self) -> str:
        """What the service `sweep` does every five minutes."""
        shell, option, line = SERVICES["sweep"]["command"]
        once = re.fullmatch(r"while sleep 300; do (.+); done", line)
        assert once
        return self.run(shell, option, f"{once[1]} --stranded-after 0")

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that listens on the address, beside others."""
        *command, host, anywhere, port, number = SERVICES["worker"]["command"]
        assert (host, anywhere, port, number) == ("--host", "0.0.0.0", "--port", "8000")
        more = ["--fd", str(self._sock.fileno()), "--ws", "none", "--log-level", "error"]
        process = subprocess.Popen(
            command + more, cwd=FOLDER, env=self._environment, pass_fds=[self._sock.fileno()]
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def is_healthy(self) -> bool:
        """What the health check of the service `worker` finds."""
        kind, *command = SERVICES["worker"]["healthcheck"]["test"]
        assert kind == "CMD"
        self.run(*(part.replace("http://localhost:8000", self.url) for part in command))
        return True

    def has_opened(self, workers: int) -> bool:
        """Whether so many workers have opened their connections to the database."""
        with psycopg.connect(self._environment["DATABASE_URI"]) as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            (open_now,) = connection.execute(count).fetchone() or (0,)
        return bool(open_now >= 4 * workers + 1)  # a pool opens four, and here is one more

    def put(self, id: str, question: Any, **more: Any) -> httpx.Response:
        return self.http.put(f"/research/{id}", json={"question": question}, **more)

    def ask(self, id: str, question: str = "Who makes cargo bikes?") -> str:
        """As a client that has chosen an id does it: the same again, until it is answered."""
        while True:
            try:
                answer = self.put(id, question)
            except httpx.TransportError:  # the worker that had it was killed
                continue
            if answer.status_code < 500:
                assert answer.is_success, answer.text
                return str(answer.json()["id"])

    def look(self, id: str) -> Any:
        while True:
            try:
                return self.http.get(f"/research/{id}").json()
            except httpx.TransportError:
                continue

    def unanswered(self, ids: list[str]) -> list[str]:
        return [id for id in ids if self.look(id)["answer"] is None]

    def threads(self) -> list[str]:
        """Whose every run is."""
        return [run["metadata"]["thread_id"] for run in self.simulator.runs()]


@pytest.fixture
def deployment(database: str) -> Iterator[Deployment]:
    simulator = Simulator(RealClock())
    failing = RunScript("failed", contains="rides", message="No page.", seconds=0.2, times=None)
    simulator.scripts.add(failing, RunScript(seconds=1.0, times=None))
    sock, url = listening()
    with sock, serve(simulator) as server:
        made = Deployment(server, database, sock, url)
        with made.http:
            yield made


def refuses_strangers(deployment: Deployment) -> None:
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN, "Bearer ü"):
        headers = httpx.Headers({"authorization": given}, "utf-8")
        asked = deployment.put("x", "Who?", headers=headers)
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
        # The killed worker's last question has left, and is accepted after the kill.
        Fault("slow_acceptance", method="POST", path="*/runs", contains="no. 7?", seconds=1.0),
    )
    deployment.set_up()
    with deployment.worker() as doomed, ThreadPoolExecutor(1) as pool:
        until(lambda: deployment.has_opened(1), 60)
        refuses_strangers(deployment)
        ids = [deployment.ask(f"q{n}", f"What of no. {n}?") for n in range(7)]
        in_flight = pool.submit(deployment.ask, "q7", "What of no. 7?")
        with deployment.worker():
            until(lambda: deployment.has_opened(2), 60)
            doomed.send_signal(signal.SIGKILL)
            ids += [in_flight.result(60)]
            ids += [deployment.ask(f"q{n}", f"What of no. {n}?") for n in range(8, THREADS)]
            settled(deployment, ids)
            assert len(deployment.unanswered(ids)) >= 3  # those whose deliveries were lost
            found = deployment.sweep()
            assert not re.search("failed|left to the next sweep", found)
            (resumed,) = re.findall(r"(\d+) resumed\b(?! before)", found)
            assert int(resumed) >= 3  # the API delivers again what the killed worker had not taken
            until(lambda: not deployment.unanswered(ids))
    assert sorted(deployment.threads()) == sorted(f"worker/q{n}" for n in range(THREADS))
    assert len(deployment.simulator.billing.billed_runs()) == THREADS


BAD: list[tuple[str, dict[str, Any], int]] = [
    ("x", {"content": b"{"}, 400),
    ("x", {"content": b"[" * 90_000}, 400),
    ("x", {"content": b'{"question": "half a character: \\ud800"}'}, 400),
    ("x", {"content": b"x" * 100_001}, 413),
    ("x", {"json": ["question"]}, 400),
    ("x", {"json": {"question": " "}}, 400),
    ("x", {"json": {"question": ["Who?"]}}, 400),
    ("x", {"json": {"question": "NUL: \0"}}, 400),
    ("x", {"json": {"question": "?" * 15_001}}, 400),
    ("x", {"json": {"question": "Who?", "processor": "ultra8x"}}, 400),
    ("%C3%BC", {"json": {"question": "Who?"}}, 400),
    ("x" * 101, {"json": {"question": "Who?"}}, 400),
]


def test_a_clients_retry_finds_its_thread(deployment: Deployment) -> None:
    deployment.set_up()
    with deployment.worker():
        until(lambda: deployment.has_opened(1), 60)
        assert deployment.is_healthy()
        for id, body, status in BAD:
            refused = deployment.http.put(f"/research/{id}", **body)
            assert (refused.status_code, "error" in refused.json()) == (status, True), refused.text
        assert deployment.http.get("/research/x").status_code == 404
        assert deployment.simulator.runs() == []

        with ThreadPoolExecutor(6) as pool:  # at the same instant, too
            assert set(pool.map(deployment.ask, ["once"] * 6)) == {"once"}
        assert deployment.put("once", "Who sells them?").status_code == 409
        until(lambda: not deployment.unanswered(["once"]))
        again = deployment.put("once", "Who makes cargo bikes?")
        assert (again.status_code, again.json()) == (200, deployment.look("once"))
        assert deployment.threads() == ["worker/once"]
        assert "[1]" in again.json()["text"]

        deployment.ask("none", "Who rides them?")
        until(lambda: deployment.http.get("/research/none").status_code == 200)
        without = deployment.look("none")
        assert without["answer"] is None
        assert "No page" in without["text"]

        for kind in ("payment_required", "status_before"):
            fault = Fault(kind, method="POST", path="*/runs", status=403)
            deployment.simulator.faults.add(fault)
            failed = deployment.put(kind, "Who buys them?")
            assert (failed.status_code, failed.json()["id"]) == (503, kind)
            assert failed.headers["retry-after"]
            deployment.ask(kind, "Who buys them?")
        assert len(deployment.threads()) == 4


class Dying(InMemorySaver):
    """As of a worker that is killed once the question is written down, and nothing else."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if metadata["step"] >= 0:
            raise KeyboardInterrupt
        return super().put(config, checkpoint, metadata, new_versions)


def test_a_question_that_is_only_written_down_is_shown_as_one_that_goes_on() -> None:
    show = runpy.run_path(str(FOLDER / "worker.py"))["show"]
    graph = create_research_graph(client=simulated_client(), wait="park").compile(Dying())
    thread: Any = {"configurable": {"thread_id": "x"}}
    with pytest.raises(KeyboardInterrupt):
        graph.invoke({"question": "Who?"}, thread, durability="sync")
    request = Request({"type": "http", "path_params": {"id": "x"}})
    shown = show(request, graph.get_state(thread))
    assert (shown.status_code, json.loads(shown.body)["answer"]) == (202, None)


@pytest.mark.exhaustive  # six processes; tests/parked/test_other_graphs.py has the property in one
def test_two_deployments_in_one_database_never_wake_each_others_threads(
    deployment: Deployment, database: str
) -> None:
    """Though their callers choose the same id, and one has the other's address for its webhooks."""
    sock, url = listening()
    more = {"RESEARCH_NAME": "vendors", "PUBLIC_URL": deployment.url}
    server = deployment.server
    with sock:
        vendors = Deployment(server, database, sock, url, **more)
        deployment.set_up()
        with vendors.http, deployment.worker(), vendors.worker():
            until(lambda: deployment.has_opened(2), 60)
            vendors.ask("same", "Who sells them?")
            deployment.ask("same", "Who makes them?")
            until(lambda: not deployment.unanswered(["same"]))
            (theirs,) = (
                run["run_id"]
                for run in deployment.simulator.runs()
                if run["metadata"]["thread_id"] == "vendors/same"
            )
            body, headers = delivery(theirs)  # once more, after the simulator's
            until(lambda: not deployment.simulator.has_pending_webhooks)
            hook = deployment.http.post("/parallel/webhook", content=body, headers=headers)
            assert hook.status_code == 202
            until(lambda: deployment.http.get("/health").json()["open"] == 0)
            assert "another graph" in deployment.sweep()
            (waits,) = vendors.look("same")["waits_for"]
            assert (waits["graph"], waits["kind"]) == ("vendors", "parked")
            assert "1 resumed" in vendors.sweep()
            assert not vendors.unanswered(["same"])
    assert sorted(deployment.threads()) == ["vendors/same", "worker/same"]


def settled(deployment: Deployment, ids: list[str]) -> None:
    """Until as many are answered as there will be without a sweep."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 1.2:
        now = len(deployment.unanswered(ids))
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.2)
