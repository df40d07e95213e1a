"""One thread, fifty callers in one process: one run is billed, one tail runs."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_parallel import aresume, errors, resume
from langchain_parallel.parked.resumption import Resumption
from langchain_parallel.simulator import Fault, ManualClock, Simulator

from ..research.harness import Mode, client_of
from .graphs import QUESTION, build

CALLERS = 50


class Thread:
    """The thread, and its result."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.simulator = Simulator(ManualClock())
        self.saver = InMemorySaver()
        self.config: Any = {"configurable": {"thread_id": "thread"}}
        self.tails: list[int] = []

    def graph(self, *, review: bool = False) -> Any:
        """As a new process builds it."""
        tail = lambda: self.tails.append(threading.get_ident())  # noqa: E731
        return build(
            client_of(self.mode, self.simulator), tail, review=review, checkpointer=self.saver
        )

    def resume(
        self, graph: Any, answers: dict[str, str] | None = None, timeout: float | None = None
    ) -> Resumption:
        if self.mode == "sync":
            return resume(graph, self.config, answers, timeout=timeout)
        return asyncio.run(aresume(graph, self.config, answers, timeout=timeout))

    def everybody(
        self, *graphs: Any, answers: dict[str, str] | None = None, begin_with: Any = None
    ) -> list[Resumption]:
        """Fifty callers at the same time, on these graphs in turn."""
        given: Any = {"answers": answers, "begin_with": begin_with}
        chosen = [graphs[number % len(graphs)] for number in range(CALLERS)]
        if self.mode == "async":

            async def all_of_them() -> list[Resumption]:
                return list(
                    await asyncio.gather(*(aresume(g, self.config, **given) for g in chosen))
                )

            return asyncio.run(all_of_them())
        together = threading.Barrier(CALLERS)

        def one(graph: Any) -> Resumption:
            together.wait()
            return resume(graph, self.config, **given)

        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(one, chosen))

    def crash(self) -> None:
        """The answer to the paid request is lost, and then nothing answers any more."""
        self.simulator.faults.add(
            Fault("drop_after", method="POST", path="*/runs"),
            Fault("drop_before", method="GET", path="*/runs", times=None),
        )
        with pytest.raises(errors.SubmissionUnknown):
            self.graph().invoke({"question": QUESTION}, self.config, durability="sync")
        self.simulator.faults.clear()

    def park(self) -> str:
        graph = self.graph(review=True)
        graph.invoke({"question": QUESTION}, self.config)
        [waiting] = graph.get_state(self.config).interrupts
        return str(waiting.id)

    def finished_once(self) -> bool:
        state = self.graph().get_state(self.config)
        assert state.values["tails"] == ["done"]
        assert (state.next, state.tasks) == ((), ())
        return len(self.tails) == 1 == len(self.simulator.runs())


@pytest.fixture(params=["sync", "async"])
def thread(request: pytest.FixtureRequest) -> Thread:
    return Thread(request.param)


@pytest.mark.parametrize("graphs", [1, 5])
def test_a_crashed_thread_is_finished_once_and_paid_once(thread: Thread, graphs: int) -> None:
    thread.crash()
    resumed = thread.everybody(*(thread.graph() for _ in range(graphs)))
    assert sum(one.resumed for one in resumed) == 1
    assert all(one.state.values["tails"] == ["done"] for one in resumed)
    assert thread.finished_once()


def test_a_thread_is_begun_once_and_paid_once(thread: Thread) -> None:
    graph = thread.graph()
    assert not thread.resume(graph).resumed  # a thread that nobody has begun is left alone
    assert thread.simulator.runs() == []
    for begun in (1, 0):
        resumed = thread.everybody(graph, begin_with={"question": QUESTION})
        assert sum(one.resumed for one in resumed) == begun
        assert thread.finished_once()


def test_a_crashed_thread_is_continued_and_not_begun_anew(thread: Thread) -> None:
    thread.crash()
    resumed = thread.everybody(thread.graph(), begin_with={"question": "Another question?"})
    assert sum(one.resumed for one in resumed) == 1
    assert thread.finished_once()


def test_a_parked_thread_is_answered_once(thread: Thread) -> None:
    waiting = thread.park()
    resumed = thread.everybody(thread.graph(review=True), answers={waiting: "good"})
    assert sum(one.resumed for one in resumed) == 1
    assert thread.finished_once()


def test_a_parked_thread_stays_parked_without_an_answer(thread: Thread) -> None:
    waiting = thread.park()
    for answers in (None, {}, {"another": "good"}):
        resumed = thread.resume(thread.graph(review=True), answers)
        assert not resumed.resumed
        assert [interrupt.id for interrupt in resumed.state.interrupts] == [waiting]
    assert thread.tails == []


def test_an_answer_to_an_interrupt_of_before_changes_nothing(thread: Thread) -> None:
    waiting = thread.park()
    graph = thread.graph(review=True)
    assert thread.resume(graph, {waiting: "good"}).resumed
    assert not thread.resume(graph, {waiting: "bad"}).resumed
    assert graph.get_state(thread.config).values["words"] == ["good"]
    assert thread.finished_once()


def test_a_node_that_a_race_left_unrun_is_run(thread: Thread) -> None:
    """What two bare resumes leave behind: nothing next, a task that is not done."""
    waiting = thread.park()
    graph = thread.graph(review=True)
    for _ in graph.stream(Command(resume={waiting: "good"}), thread.config, durability="sync"):
        break  # the review is done, and no caller continues
    assert thread.tails == []
    assert thread.resume(graph).resumed
    assert thread.finished_once()


def test_a_caller_waits_for_another_no_longer_than_its_timeout(thread: Thread) -> None:
    waiting = thread.park()
    entered, leave = threading.Event(), threading.Event()

    def tail() -> None:
        entered.set()
        leave.wait(10)
        thread.tails.append(0)

    slow = build(
        client_of(thread.mode, thread.simulator), tail, review=True, checkpointer=thread.saver
    )
    first = threading.Thread(target=resume, args=(slow, thread.config, {waiting: "good"}))
    first.start()
    assert entered.wait(10)
    try:
        with pytest.raises(errors.ThreadBusy, match="thread thread"):
            thread.resume(slow, timeout=0.05)
    finally:
        leave.set()
        first.join()
    assert thread.finished_once()


@pytest.mark.parametrize(
    ("configurable", "said"),
    [
        ({}, "names no thread"),
        ({"thread_id": None}, "names no thread"),
        ({"thread_id": ""}, "names no thread"),
        ({"thread_id": "t", "checkpoint_id": "c"}, "would be replayed"),
    ],
)
def test_what_cannot_be_resumed_is_refused_with_the_reason(
    thread: Thread, configurable: dict[str, str], said: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        resume(thread.graph(), {"configurable": configurable})
    with pytest.raises(errors.InvalidRequest, match="no checkpointer"):
        resume(
            build(client_of(thread.mode, thread.simulator), lambda: None, review=False),
            thread.config,
        )
