"""Two users and an operator on one LangGraph server, closed by `docs/deployment/auth.py`.

For every test of what one user may learn of another, change or use: put such tests into `test_two_users.py`,
beside the others, because the server takes seconds to start, and is started once for that file. `Office` has
a client for each user; `ask` parks a thread of one of them, and `Asked` has all ids that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langgraph_sdk import get_sync_client

from langchain_parallel.simulator import RunningServer, RunScript, Simulator, serve

from .running import ROOT, SECRET, running, until

TOKENS = {name: f"token-of-a-test-{name}" for name in ("ann", "bob", "olga")}
"""`olga` is the operator."""
SLOW = RunScript(seconds=600.0)
"""A run that ends when the test says so."""


@dataclass(frozen=True)
class Asked:
    """A question that a user has asked, and every id that belongs to it."""

    thread_id: str
    run_id: str
    interaction_id: str
    ledger_id: str
    interrupt_id: str

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.thread_id, self.run_id, self.interaction_id, self.ledger_id)


@dataclass
class Office:
    """The server, and a client of each user."""

    url: str
    api: RunningServer
    ann: Any
    bob: Any
    olga: Any
    nobody: Any
    """Without a token."""

    def ask(self, user: Any, question: str = "Who leads?", graph: str = "research") -> Asked:
        """A thread of a user, parked for a run that ends when `end` says so, and no webhook before."""
        self.api.simulator.scripts.add(SLOW)
        thread_id = user.threads.create()["thread_id"]
        out = user.runs.wait(thread_id, graph, input={"question": question})
        (interrupt,) = out["__interrupt__"]
        assert interrupt["value"]["kind"] == "parked"
        (parked,) = interrupt["value"]["runs"]
        (run,) = (r for r in self.api.simulator.runs() if r["run_id"] == parked["run_id"])
        return Asked(
            thread_id=thread_id,
            run_id=run["run_id"],
            interaction_id=run["interaction_id"],
            ledger_id=run["taskgroup_id"],
            interrupt_id=interrupt["id"],
        )

    def end(self, asked: Asked) -> None:
        """End its run: the API sends its webhook, unless a fault says otherwise."""
        self.api.simulator.settle(asked.run_id)

    def finished(self, user: Any, asked: Asked) -> dict[str, Any]:
        """The values of its thread, once there is nothing left to do in it."""

        def values() -> Any:
            state = user.threads.get_state(asked.thread_id)
            return None if state["next"] else state["values"]

        found: dict[str, Any] = until(values, "it finishes")
        return found


@contextmanager
def opened_office(folder: Path) -> Iterator[Office]:
    """A server with `auth.py`, and authentication of our own routes turned on, too."""
    users = " ".join(f"{name}={token}" for name, token in TOKENS.items())
    auth = {"path": f"{ROOT}/docs/deployment/auth.py:auth", "disable_studio_auth": True}
    with (
        serve(Simulator(latency_scale=0.02, webhook_secrets=(SECRET,))) as api,
        running(
            api,
            folder,
            environment={"RESEARCH_USERS": users, "RESEARCH_OPERATORS": "olga"},
            auth=auth,
            http={"enable_custom_route_auth": True},
        ) as url,
    ):
        clients = {
            name: get_sync_client(url=url, headers={"authorization": f"Bearer {token}"})
            for name, token in TOKENS.items()
        }
        nobody = get_sync_client(url=url)
        yield Office(url, api, **clients, nobody=nobody)
        for client in (*clients.values(), nobody):
            client.http.client.close()
