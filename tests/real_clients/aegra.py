"""Aegra, a server with the REST API of LangGraph's, on a PostgreSQL of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client

from langchain_parallel.simulator import RunningServer, RunScript

from .. import postgres
from ..ports import reserved_port
from .environments import NotAvailable, python_environment, version_of
from .outcome import Outcome

_CHECKOUT = Path(__file__).parents[2]
# It asks for Python 3.12, and runs with 3.11.
_NEEDED = ("--ignore-requires-python", "aegra-api>=0.11")
_SECONDS = 60.0


def check(server: RunningServer) -> list[Outcome]:
    """Each program on one Aegra server; then it is killed while a run is waited for, and started again."""
    python = python_environment("aegra", str(_CHECKOUT), *_NEEDED)
    failed = list[str]()
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder) / "pg") as uri:
        with _running(python, Path(folder), uri, server) as (programs, process):
            failed += programs.run(*programs.ALL)
            thread = programs.leave_waiting(process)
        with _running(python, Path(folder), uri, server) as (programs, _):
            failed += programs.run(partial(Programs.go_on, thread=thread))
    name = f"aegra-api {version_of(python, 'aegra-api')}"
    return [Outcome(name, len(Programs.ALL) + 1 - len(failed), failed)]


@contextmanager
def _running(
    python: Path, folder: Path, uri: str, api: RunningServer
) -> Iterator[tuple[Programs, subprocess.Popen[bytes]]]:
    """A server, and what is asked of it."""
    graphs = Path(__file__).parent / "aegra_graphs.py"
    named = {name: f"{graphs}:{name}" for name in ("research", "web_research")}
    (folder / "aegra.json").write_text(json.dumps({"graphs": named}))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PARALLEL_"))}
    with reserved_port() as port, (folder / "log").open("wb") as log:
        variables = {
            **kept,
            "DATABASE_URL": uri,
            "REDIS_BROKER_ENABLED": "false",
            "PARALLEL_API_KEY": "simulated",
            "PARALLEL_BASE_URL": api.url,
            "PARALLEL_RESEARCH_PROCESSOR": "lite",
            "PARALLEL_RESEARCH_APPROVE_ABOVE": "pro",
        }
        command: list[str | Path] = [
            python,
            "-m",
            "uvicorn",
            "aegra_api.main:app",
            "--port",
            str(port),
        ]
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            if not _comes_up(url):
                raise NotAvailable((folder / "log").read_text(errors="replace")[-500:])
            programs = Programs(url, api)
            yield programs, process
            programs.client.http.client.close()
        finally:
            process.terminate()
            process.wait(20)


def _comes_up(url: str) -> bool:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            return httpx.get(f"{url}/health").is_success
        except httpx.HTTPError:
            time.sleep(0.2)
    return False


class Programs:
    """The calls of `tests/server` that this server has, too."""

    def __init__(self, url: str, api: RunningServer) -> None:
        self.url, self.api = url, api
        self.client: Any = get_sync_client(url=url)
        context = {"wait": "block", "limits": {"max_runs": 5}}
        how: dict[str, Any] = {"context": context, "if_exists": "do_nothing"}
        made = self.client.assistants.create("research", name="patient", **how)
        self.patient = made["assistant_id"]

    def run(self, *programs: Callable[[Programs], None]) -> Iterator[str]:
        """What failed."""
        for program in programs:
            try:
                program(self)
            except Exception as error:  # noqa: BLE001 -- told
                yield f"{program}: {type(error).__name__}: {error}"[:500]

    @property
    def _runs(self) -> int:
        return len(self.api.simulator.runs())

    def _thread(self) -> str:
        return str(self.client.threads.create()["thread_id"])

    def _ask(self, thread: str, question: str, **more: Any) -> Any:
        return self.client.runs.wait(thread, self.patient, input={"question": question}, **more)

    def chat(self) -> None:
        """As agent-chat-ui sends it: the second message follows up, and one that comes again is free."""
        before, thread = self._runs, self._thread()
        message: dict[str, Any] = {}
        for text in ("Who makes cargo bikes?", "And in Europe?"):
            content = [{"type": "text", "text": text}]
            message = {"id": str(uuid.uuid4()), "type": "human", "content": content}
            self._stream(thread, message)
        self._stream(thread, message)
        values = self.client.threads.get_state(thread)["values"]
        assert [m["type"] for m in values["messages"]] == ["human", "ai"] * 2
        assert "Sources:" in values["messages"][-1]["content"]
        first, second = values["turns"]
        assert second["parent_interaction_id"] == first["interaction_id"]
        assert self._runs == before + 2, "paid more than once"

    def _stream(self, thread: str, message: dict[str, Any]) -> None:
        body: dict[str, Any] = {"assistant_id": self.patient, "input": {"messages": [message]}}
        body |= {"stream_mode": ["values"], "stream_subgraphs": True}
        said = httpx.post(f"{self.url}/threads/{thread}/runs/stream", json=body, timeout=60).text
        assert "event: values" in said, said[-300:]
        assert "event: error" not in said, said[-300:]

    def approved(self) -> None:
        """A person is seen to be asked, and approves."""
        before, thread = self._runs, self._thread()
        given = {"question": "How large is it?", "processor": "ultra"}
        self.client.runs.wait(thread, self.patient, input=given)
        assert self._runs == before
        assert self.client.threads.get(thread)["status"] == "interrupted"
        (interrupt,) = self.client.threads.get_state(thread)["tasks"][0]["interrupts"]
        assert interrupt["value"]["reasons"] == ["ultra costs more than pro."]
        yes = {interrupt["id"]: {"decisions": [{"type": "approve"}]}}
        out = self.client.runs.wait(thread, self.patient, command={"resume": yes})
        assert [turn["status"] for turn in out["turns"]] == ["completed"]
        assert self._runs == before + 1

    def parked(self) -> None:
        """A parked thread goes on by a run that resumes it."""
        thread = self._thread()
        self.client.runs.wait(thread, "research", input={"question": "Who leads?"})
        self.api.simulator.settle(self.api.simulator.runs()[-1]["run_id"])
        out = self.client.runs.wait(thread, "research", command={"resume": "look"})
        assert [turn["status"] for turn in out["turns"]] == ["completed"]

    def forked(self) -> None:
        """From the end of the first question: the fork is a branch, and a replay of it is free."""
        thread = self._thread()
        first = self._ask(thread, "Who makes cargo bikes?")
        self._ask(thread, "And in Europe?")
        history = self.client.threads.get_history(thread, limit=100)
        at = next(
            h["checkpoint"] for h in history if not h["next"] and len(h["values"]["turns"]) == 1
        )
        before = self._runs
        for _ in range(2):
            out = self._ask(thread, "And in Asia?", checkpoint=at)
            assert out["turns"][-1]["question"] == "And in Asia?"
            assert out["turns"][-1]["parent_interaction_id"] == first["interaction_id"]
        assert self._runs == before + 1

    def foreign(self) -> None:
        """An interaction of another thread is refused, and nothing is sent."""
        other = self._ask(self._thread(), "Who makes cargo bikes?")["interaction_id"]
        before, thread = self._runs, self._thread()
        given = {"question": "Why?", "interaction_id": other}
        out = self.client.runs.wait(thread, self.patient, input=given, raise_error=False)
        assert "is not known to be this thread" in str(out), out
        assert self._runs == before

    def key(self) -> None:
        """A user's key is in no checkpoint."""
        thread = self._thread()
        config = {"configurable": {"__parallel_api_key": "key-of-anna-1234"}}
        out = self._ask(thread, "Who?", config=config)
        kept = f"{self.client.threads.get_history(thread, limit=100)} {self.client.threads.get(thread)}"
        assert out["interaction_id"] in kept
        assert "key-of-anna" not in kept

    def remote(self) -> None:
        """`RemoteGraph`."""
        graph = RemoteGraph(self.patient, sync_client=self.client)
        config: Any = {"configurable": {"thread_id": self._thread()}}
        out = graph.invoke({"messages": [("user", "Who makes cargo bikes?")]}, config)
        assert "Sources:" in out["messages"][-1]["content"]

    def web(self) -> None:
        """The graph for callers without a thread."""
        out = self.client.runs.wait(self._thread(), "web_research", input={"question": "Who?"})
        assert "continue_from=" in out["answer"]

    def leave_waiting(self, process: subprocess.Popen[bytes]) -> str:
        """Kill the server while it waits for a run that is paid for; the thread."""
        self.api.simulator.scripts.add(RunScript(seconds=600.0))
        before, thread = self._runs, self._thread()
        self.client.runs.create(thread, self.patient, input={"question": "Who leads?"})
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            state = self.client.threads.get_state(thread)
            if state["next"] == ["wait"]:
                break
            time.sleep(0.1)
        process.kill()
        process.wait()
        self.api.simulator.settle(self.api.simulator.runs()[-1]["run_id"])
        assert self._runs == before + 1
        return thread

    def go_on(self, thread: str) -> None:
        """A run without an input goes on with the thread."""
        before = self._runs
        out = self.client.runs.wait(thread, self.patient, input={})
        assert [turn["status"] for turn in out["turns"]] == ["completed"]
        assert self._runs == before, "paid again"

    ALL = (chat, approved, parked, forked, foreign, key, remote, web)
