"""Databases in trouble: SQLite that is locked, read-only or full; PostgreSQL that takes the locks away.

The trouble begins before the paid request, or while the server works on it, and ends before the resume.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel._core.calls import drive
from langchain_parallel._locks import shared
from langchain_parallel._locks.postgres import AdvisoryLocks, advisory_locks
from langchain_parallel._locks.shared import _acquire_advisory
from langchain_parallel.errors import StorageFailed, ThreadBusy
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

from .test_storage import DOORS, THREAD

# --- SQLite --------------------------------------------------------------------------------------


@contextmanager
def locked(database: Path, own: sqlite3.Connection) -> Iterator[None]:
    other = sqlite3.connect(database, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@contextmanager
def read_only(database: Path, own: sqlite3.Connection) -> Iterator[None]:
    own.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        own.execute("PRAGMA query_only = OFF")


@contextmanager
def full(database: Path, own: sqlite3.Connection) -> Iterator[None]:
    [[pages]] = own.execute("PRAGMA page_count")
    own.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        own.execute("PRAGMA max_page_count = 1000000")


class Moment(SimulatorTransport):
    """Calls `now` when a paid request is on its way to the server, once."""

    now: Callable[[], object] | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.now is not None and request.method == "POST" and request.url.path.endswith("/runs"):
            now, self.now = self.now, None
            now()
        return super().handle_request(request)


TROUBLES = [
    (locked, "before"),
    (locked, "after"),
    (read_only, "before"),
    (read_only, "after"),
    (full, "after"),  # before, there is still room in the pages that it has
]


@pytest.mark.parametrize(("trouble", "moment"), TROUBLES)
@pytest.mark.parametrize("door", ["research", "tool", "middleware"])
def test_sqlite_in_trouble_costs_no_answer_and_no_second_run(
    door: str, trouble: Any, moment: str, tmp_path: Path
) -> None:
    database = tmp_path / "checkpoints.sqlite"
    own = sqlite3.connect(database, check_same_thread=False, timeout=0.05)
    saver = SqliteSaver(own)
    saver.setup()
    simulator = Simulator(ManualClock())
    transport = Moment(simulator)
    client = ParallelClient("key", transport=transport, clock=simulator.clock)
    make, wait = DOORS[door]
    build, question = make(client, wait)
    graph = build(checkpointer=saver, store=InMemoryStore())
    with ExitStack() as stack:

        def begin() -> None:
            stack.enter_context(trouble(database, own))

        if moment == "before":
            begin()
        else:
            transport.now = begin
        with pytest.raises((sqlite3.OperationalError, StorageFailed)):
            graph.invoke(question, THREAD, durability="sync")
        assert len(simulator.runs()) == (0 if moment == "before" else 1)
    began = graph.get_state(THREAD).created_at is not None
    state = graph.invoke(None if began else question, THREAD, durability="sync")
    [run] = simulator.runs()
    assert run["run_id"] in str(state)
    own.close()


# --- PostgreSQL ----------------------------------------------------------------------------------


def backend(saver: PostgresSaver) -> AdvisoryLocks:
    locks = advisory_locks(saver)
    assert locks is not None
    return locks


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_a_connection_with_locks_that_breaks_is_opened_anew(
    moment: str, postgres_uri: Callable[[], str]
) -> None:
    simulator = Simulator(ManualClock())
    transport = Moment(simulator)
    client = ParallelClient("key", transport=transport, clock=simulator.clock)
    with PostgresSaver.from_conn_string(postgres_uri()) as saver:
        saver.setup()
        graph = create_research_graph(client=client, processor="lite").compile(checkpointer=saver)
        first: Any = {"configurable": {"thread_id": f"broken {moment} first"}}
        graph.invoke({"question": "Who leads?"}, first, durability="sync")
        locks = backend(saver)

        def end_it() -> None:
            pid = locks._connection.info.backend_pid
            saver.conn.execute("SELECT pg_terminate_backend(%s)", (pid,))  # type: ignore[union-attr]

        if moment == "before":
            end_it()
        else:
            transport.now = end_it
        second: Any = {"configurable": {"thread_id": f"broken {moment} second"}}
        state = graph.invoke({"question": "By how much?"}, second, durability="sync")
        assert state["answer"]
        assert len(simulator.runs()) == 2
        for thread in (first, second):
            saver.delete_thread(thread["configurable"]["thread_id"])


def test_a_database_with_locks_that_is_gone_is_an_error_of_ours() -> None:
    locks = AdvisoryLocks({"conninfo": "host=127.0.0.1 port=9 user=me password=s3cret dbname=x"})
    with pytest.raises(StorageFailed, match="Nothing was sent: see to PostgreSQL") as caught:
        drive(_acquire_advisory(locks, "a lock", math.inf))
    assert caught.value.billed is None  # this step sent nothing; an earlier one may have
    assert "OperationalError" in caught.value.message
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("door", ["research", "tool"])
def test_a_process_that_keeps_its_lock_is_not_awaited_for_ever(
    door: str, postgres_uri: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was suspended, or hangs. What the lock protects is not sent beside it, nor after it."""
    monkeypatch.setattr(shared, "OTHERS_SECONDS", 0.2)
    account = Simulator(ManualClock())
    with ExitStack() as stack:
        saver = stack.enter_context(PostgresSaver.from_conn_string(postgres_uri()))
        saver.setup()
        other = AdvisoryLocks({"conninfo": postgres_uri()})  # the other process's
        assert other.try_lock("opens its connection").result()
        stack.callback(other._connection.close)
        client = ParallelClient("key", transport=SimulatorTransport(account), clock=account.clock)
        kept: list[str] = []
        ask = AdvisoryLocks.try_lock

        def keep_first(locks: AdvisoryLocks, name: str) -> Any:
            if not kept and name.startswith("submit "):
                kept.append(name)
                assert ask(other, name).result()
            return ask(locks, name)

        monkeypatch.setattr(AdvisoryLocks, "try_lock", keep_first)
        build, question = DOORS[door][0](client, DOORS[door][1])
        graph = build(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": f"{door} beside one that hangs"}}
        with pytest.raises(ThreadBusy, match=r"in PostgreSQL .*sent nothing.*pg_locks"):
            graph.invoke(question, config)
        assert not account.runs()
        assert graph.get_state(config).next  # it can be resumed
        other.unlock(kept[0]).result()
        graph.invoke(None, config)
        assert len(account.runs()) == 1
