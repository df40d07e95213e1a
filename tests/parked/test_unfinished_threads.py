"""Threads that a process has left, or is still working on, while they are woken and swept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import create_research_graph
from langchain_parallel._core.calls import adrive, drive
from langchain_parallel.errors import StorageFailed
from langchain_parallel.parked import GraphThreads, Outcome, ThreadStatus
from langchain_parallel.parked.resumption import thread_lock
from langchain_parallel.parked.threads import BUSY_SECONDS
from langchain_parallel.research import ResearchState

from ..middleware.harness import SAID, Account, How, Model, calls, start, thread
from ..research.harness import Session, blocking_client, invoke
from ..webhooks.serving import until
from .helpers import records, swept, woken


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> How:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> InMemoryStore | None:
    return InMemoryStore() if request.param else None


class Failing(InMemorySaver):
    """Fails to write one checkpoint, after a number of others."""

    after: int | None = None

    def put(self, *given: Any) -> Any:
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                self.after = None
                raise ConnectionError("the database went away for a moment")
        return super().put(*given)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("parent", [False, True], ids=["alone", "in a parent"])
def test_a_thread_whose_next_checkpoint_was_not_written_is_found(
    how: How, store: InMemoryStore | None, *, parent: bool, after: int
) -> None:
    saver = Failing()
    session = Session(how, options={"wait": "park"}, store=store, checkpointer=saver)
    graph = session.graph()
    if parent:
        client = blocking_client(session.simulator)
        inner = create_research_graph(wait="park", client=client).compile()
        outer: Any = StateGraph(ResearchState)
        outer.add_node("research", inner)
        outer.add_node("then", lambda state: {"answer": "done"})
        outer.add_edge(START, "research")
        outer.add_edge("research", "then")
        outer.add_edge("then", END)
        graph = outer.compile(checkpointer=saver, store=store)
    invoke(how, graph, {"question": "How large is it?"}, session.config)
    session.simulator.clock.sleep(3_600.0)
    saver.after = after
    with pytest.raises((ConnectionError, StorageFailed)):
        woken(session, graph, session.runs[0]["run_id"])
    assert graph.get_state(session.config).tasks
    swept(session, graph, stranded_after=0.0)
    state = graph.get_state(session.config)
    assert not state.tasks
    assert state.values["turns"][0]["status"] == "completed"
    assert records(store) == []
    assert len(session.runs) == 1


class Sibling:
    """An agent that parks one tool call beside another, which is slow."""

    def __init__(self, how: How, store: InMemoryStore | None) -> None:
        self.account, self.config = Account(how), thread()
        self.began: list[str] = []
        self.release, self.fails = threading.Event(), False
        self.saver, self.store = InMemorySaver(), store

        @tool
        def slow(question: str) -> str:
            """Take long."""
            self.began.append(question)
            assert self.release.wait(20)
            if self.fails:
                self.fails = False
                raise LookupError("a fault of the tool's own")
            return "slow"

        self.graph = create_agent(
            Model(calls(start("Who?"), ("slow", {"question": "What?"})), "done"),
            tools=[slow],
            middleware=[self.account.middleware(wait="park")],
            checkpointer=self.saver,
            store=store,
        )

    @property
    def mode(self) -> How:
        return self.account.how

    @property
    def simulator(self) -> Any:
        return self.account.simulator

    @property
    def run_id(self) -> str:
        return str(self.account.runs[0]["run_id"])

    @contextmanager
    def working(self, **options: Any) -> Iterator[None]:
        """Within this, a process runs the slow tool, and the other call is parked for an ended run."""
        errors: list[BaseException] = []

        def work() -> None:
            try:
                self.account.invoke(self.graph, SAID, self.config, **options)
            except LookupError as error:
                errors.append(error)

        process = threading.Thread(target=work)
        process.start()
        try:
            until(lambda: self.began and self._parks(**options))
            self.account.pass_time()
            yield
        finally:
            self.release.set()
            process.join(20)

    def _parks(self, durability: str = "sync") -> bool:
        """Whether the other call is parked, or, where nothing is written before the end, about to be."""
        seen = records(self.store) if durability == "exit" else self._state().interrupts
        return bool(seen)

    def _state(self) -> Any:
        return self.graph.get_state(self.config)

    def finished(self) -> bool:
        return not self._state().tasks


def test_a_task_that_a_process_is_running_is_not_run_twice(
    how: How, store: InMemoryStore | None
) -> None:
    beside = Sibling(how, store)
    with beside.working():
        assert woken(beside, beside.graph, beside.run_id).outcome is Outcome.IN_PROGRESS
        assert swept(beside, beside.graph).resumed == []
    assert beside.began == ["What?"]
    assert woken(beside, beside.graph, beside.run_id).outcome is Outcome.RESUMED
    assert beside.finished()
    assert beside.began == ["What?"]


def test_a_task_beside_it_that_failed_keeps_no_thread_waiting(
    how: How, store: InMemoryStore | None
) -> None:
    beside = Sibling(how, store)
    beside.fails = True
    with beside.working():
        pass
    assert woken(beside, beside.graph, beside.run_id).outcome is Outcome.RESUMED
    assert beside.finished()
    assert len(beside.account.runs) == 1


def test_a_task_beside_it_that_a_process_died_at_is_run_after_a_while(
    how: How, store: InMemoryStore | None
) -> None:
    beside = Sibling(how, store)
    with beside.working():
        # From outside, a dead process looks like a slow one.
        beside.release.set()
        assert swept(beside, beside.graph, stranded_after=0.0).resumed == ["thread"]
    assert beside.finished()


@pytest.mark.parametrize("by", ["webhook", "sweep"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "old"])
def test_a_thread_that_writes_only_at_its_end_keeps_its_record(
    how: How, by: str, *, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = InMemoryStore(), time.time
    beside = Sibling(how, store)
    if before:
        beside.account.invoke(
            create_agent(Model("hello"), checkpointer=beside.saver), SAID, thread()
        )
    with beside.working(durability="exit"):
        monkeypatch.setattr(time, "time", lambda: now() + 7_200.0)  # the slow tool takes so long
        if by == "webhook":
            woken(beside, beside.graph, beside.run_id)
        else:
            swept(beside, beside.graph)
        assert len(records(store)) == 1
    assert swept(beside, beside.graph).resumed == ["thread"]
    assert beside.finished()


class Down(InMemoryStore):
    """Cannot record what is parked for a while."""

    down = True

    def put(self, *given: Any, **more: Any) -> None:
        if self.down and "parked" in given[0]:
            raise ConnectionError("killed here")
        super().put(*given, **more)

    async def aput(self, *given: Any, **more: Any) -> None:
        self.put(*given, **more)


def test_a_run_that_was_paid_but_not_recorded_is_left_to_the_sweep_by_its_webhook(how: How) -> None:
    store = Down()
    session = Session(how, options={"wait": "park"}, store=store)
    with pytest.raises(StorageFailed, match="ConnectionError"):
        session.ask("How large is it?")
    store.down = False
    session.simulator.clock.sleep(3_600.0)
    graph = session.graph()
    assert woken(session, graph, session.runs[0]["run_id"]).outcome is Outcome.IN_PROGRESS
    assert swept(session, graph).resumed == []
    assert swept(session, graph, stranded_after=0.0).resumed == ["thread"]
    assert session.state()["turns"][0]["status"] == "completed"
    assert len(session.runs) == 1


def test_a_caller_that_waited_for_its_turn_resumes_nothing_but_its_interrupts(how: How) -> None:
    judged: list[str] = []

    def evaluate(state: Any, turn: Any) -> None:
        judged.append(turn["run_id"])
        raise LookupError("cut off here")

    session = Session(how, options={"wait": "park", "evaluate": evaluate})
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    graph, began = session.graph(), threading.Event()

    def choose(status: ThreadStatus) -> list[str]:
        began.set()
        return list(status.waiting)  # once they are answered: only what was cut off

    step = GraphThreads(graph).resume_if("thread", choose)
    lock = drive(thread_lock(graph, session.config, None))
    with ThreadPoolExecutor(1) as pool:
        second = (
            pool.submit(drive, step) if how == "sync" else pool.submit(asyncio.run, adrive(step))
        )
        try:
            assert began.wait(20)
            with pytest.raises(LookupError):  # the first caller is cut off at the evaluator
                invoke(how, graph, Command(resume=1), session.config)
        finally:
            lock.release()
        before, after = second.result()
    assert (before.unfinished, after) == (True, None)
    assert len(judged) == 1


def test_a_thread_that_another_caller_is_resuming_was_not_left(how: How) -> None:
    def evaluate(state: Any, turn: Any) -> None:
        raise LookupError("cut off here")

    session = Session(how, options={"wait": "park", "evaluate": evaluate}, store=InMemoryStore())
    session.ask("How large is it?")
    session.simulator.clock.sleep(3_600.0)
    graph = session.graph()
    with pytest.raises(LookupError):
        woken(session, graph, session.runs[0]["run_id"])
    lock, began = drive(thread_lock(graph, session.config, None)), time.monotonic()
    try:
        assert swept(session, graph, stranded_after=0.0).in_progress == ["thread"]
    finally:
        lock.release()
    assert time.monotonic() - began < BUSY_SECONDS / 10
