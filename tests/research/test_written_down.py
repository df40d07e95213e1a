"""What a paid request's key is made from can be read back before the request leaves (R4)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel._graph import runtime
from langchain_parallel._graph.store import NAMESPACE
from langchain_parallel.errors import CheckpointNotWritten, LedgerNotFound, StillRunning
from langchain_parallel.simulator import RunScript, SimulatorTransport

from .harness import Mode, Session, blocking_client, invoke


class Slow(InMemorySaver):
    """Takes its time to write, as a database under load does."""

    seconds = 0.1

    def put(self, config: Any, *args: Any, **kwargs: Any) -> Any:
        time.sleep(self._pause(config))
        return super().put(config, *args, **kwargs)

    async def aput(self, config: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(self._pause(config))
        return super().put(config, *args, **kwargs)

    def _pause(self, config: Any) -> float:
        """For a graph's checkpoints: while a record is written, one of those would get done, too."""
        is_record = config["configurable"].get("checkpoint_ns", "").startswith(NAMESPACE)
        return 0.0 if is_record else self.seconds


@pytest.mark.parametrize("durability", ["async", "sync", None])
def test_the_planned_turn_is_on_disk_before_the_paid_request_leaves(
    mode: Mode, durability: str | None
) -> None:
    session = Session(mode, checkpointer=Slow())
    seen: list[bool] = []
    account = session.simulator
    handle = account.handle

    def watching(request: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/runs"):
            written = list(session.checkpointer.list(session.config))
            seen.append(any(t.checkpoint["channel_values"].get("ledger_id") for t in written))
        return handle(request)

    account.handle = watching  # type: ignore[method-assign]  # the server's side is watched, not ours
    how: dict[str, Any] = {"durability": durability} if durability else {}
    graph = session.graph()
    if mode == "sync":
        graph.invoke({"question": "Map the landscape"}, session.config, **how)
    else:
        asyncio.run(graph.ainvoke({"question": "Map the landscape"}, session.config, **how))
    assert seen == [True]


def test_nothing_is_sent_while_the_checkpoint_is_not_written(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_WRITE_SECONDS", 0.1)
    session = Session(mode, checkpointer=Slow())
    session.checkpointer.seconds = 0.5

    def ask(given: Any) -> Any:  # LangGraph's default durability: written in the background
        graph = session.graph()
        if mode == "sync":
            return graph.invoke(given, session.config)
        return asyncio.run(graph.ainvoke(given, session.config))

    with pytest.raises(CheckpointNotWritten, match="Nothing was sent") as caught:
        ask({"question": "Map the landscape"})
    assert caught.value.billed is False
    assert session.runs == []
    session.checkpointer.seconds = 0
    assert ask(None)["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


class Killed(BaseException):
    """Stands for SIGKILL where time must stand still; `tests/crash` kills for real."""


class Killing(SimulatorTransport):
    """Lets the paid request be processed, and loses the response."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if request.method == "POST" and request.url.path.endswith("/runs"):
            raise Killed
        return response


def test_a_plan_of_another_process_is_settled_before_anything_is_sent() -> None:
    """The killed process may have sent it a moment ago, and the list may not show it yet."""
    session = Session("sync")
    session.simulator.scripts.add(RunScript(late_commit=5.0))
    killed = ParallelClient(
        "key-of-a-test", transport=Killing(session.simulator), clock=session.simulator.clock
    )
    graph = create_research_graph(client=killed).compile(session.checkpointer)
    with pytest.raises(Killed):
        graph.invoke({"question": "Map the landscape"}, session.config, durability="sync")
    assert session.ask()["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_a_missing_ledger_is_reported_and_another_is_used_only_when_given(
    session: Session,
) -> None:
    session.ask("Map the landscape")
    session.graph().update_state(session.config, {"ledger_id": "tgrp_of_another_account"})
    with pytest.raises(LedgerNotFound, match="There is no ledger"):
        session.ask("What about the risks?")
    fresh = blocking_client(session.simulator).create_group().taskgroup_id
    out = session.ask("What about the risks?", ledger_id=fresh)
    assert out["turns"][-1]["status"] == "completed"
    assert out["ledger_id"] == fresh


def test_looking_up_stays_cheap_however_long_the_session(mode: Mode) -> None:
    session = Session(mode, store=InMemoryStore(), options={"processor": "lite"})
    graph = session.graph()

    def turn(number: int) -> tuple[int, int]:
        before = len(session.simulator.requests)
        invoke(mode, graph, {"question": f"Question {number}?"}, session.config)
        asked = session.simulator.requests[before:]
        listed = [e for e in asked if e.method == "GET" and e.path.endswith("/runs")]
        return len(asked), sum(e.query.get("last_event_id") is None for e in listed)

    costs = [turn(number) for number in range(12)]
    assert {requests for requests, _ in costs[1:]} == {costs[1][0]}
    assert sum(whole for _, whole in costs[2:]) == 0


def test_a_run_id_that_leads_nowhere_is_looked_up_in_the_ledger(session: Session) -> None:
    session.options["timeout"] = 1.0
    session.simulator.scripts.add(RunScript(seconds=60))
    with pytest.raises(StillRunning):
        session.ask("Map the landscape")
    pending = session.state()["pending"]
    wrong = {**pending, "run_id": f"trun_{0:032}", "interaction_id": None}
    session.graph().update_state(session.config, {"pending": wrong}, as_node="submit")
    session.options["timeout"] = 600.0
    turn = session.ask()["turns"][0]
    assert (turn["status"], turn["run_id"]) == ("completed", pending["run_id"])
    assert len(session.runs) == 1


def test_a_request_in_doubt_is_looked_for_also_after_the_accounts_key_was_replaced() -> None:
    """Behind a server, where no seal of the new key says whose the intent is."""
    session = Session("sync", store=InMemoryStore())
    server = {"langgraph_auth_user_id": "anna", "langgraph_request_id": "r"}
    config: Any = {"configurable": {"thread_id": "thread", **server}}
    account, clock = session.simulator, session.simulator.clock
    session.options["client"] = ParallelClient(
        "key-of-a-test", transport=Killing(account), clock=clock
    )
    with pytest.raises(Killed):
        session.ask("How large is it?", config=config)
    session.options["client"] = ParallelClient(
        "another-key-of-the-account", transport=SimulatorTransport(account), clock=clock
    )
    out = session.ask(None, config=config)
    assert [turn["status"] for turn in out["turns"]] == ["completed"]
    assert len(session.runs) == 1
