"""A call that is cancelled, interrupted, or no longer listened to: the thread takes the next message, and
everything that was paid for is in a turn.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import aresume, resume
from langchain_parallel.options import Limits

from ..cut import is_exhaustive
from .harness import Session, script

STEP = 1 if is_exhaustive() else 7
FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


class Interrupted(BaseException):
    """As KeyboardInterrupt, which would end the tests."""


def forking(mode: Any) -> Session:
    options = {"evaluate": script(FORK), "limits": Limits(max_runs_per_question=3)}
    return Session(mode, options=options)


def check_next(session: Session, how: str) -> None:
    """The next question is answered, or the thread is resumed; nothing is lost, and nothing paid twice."""
    session.options["evaluate"] = script()
    if how == "resume":
        graph = session.graph()
        if session.mode == "sync":
            resume(graph, session.config)
        else:
            asyncio.run(aresume(graph, session.config))
    turns = session.ask("Next?")["turns"]
    assert turns[-1]["question"] == "Next?"
    assert turns[-1]["status"] == "completed"
    assert {run["run_id"] for run in session.runs} == {turn["run_id"] for turn in turns}
    asked = [turn["question"] for turn in turns]
    assert len(asked) == len(set(asked)) == len(session.runs)


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("how", ["ask", "resume"])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_cancelled_at_any_await(durability: Any, how: str) -> None:
    cut = 0
    for steps in range(1, 2_000, 7 if is_exhaustive() else 47):
        session = forking("async")

        async def cancelled(session: Session = session, steps: int = steps) -> bool:
            graph = session.graph()
            asked = graph.ainvoke({"question": "One?"}, session.config, durability=durability)
            task = asyncio.ensure_future(asked)
            for _ in range(steps):
                await asyncio.sleep(0)
            return task.cancel() and not (await asyncio.wait([task]))[1]

        if not asyncio.run(cancelled()):
            break
        cut += 1
        check_next(session, how)
    assert cut > 1


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("how", ["ask", "resume"])
def test_interrupted_at_any_request(how: str) -> None:
    for nth in range(0, 1_000, STEP):
        session = forking("sync")
        handle, left = session.simulator.handle, [nth]

        def cut(request: Any, handle: Any = handle, left: list[int] = left) -> Any:
            response = handle(request)
            left[0] -= 1
            if left[0] == -1:
                raise Interrupted
            return response

        session.simulator.handle = cut  # type: ignore[method-assign]
        with suppress(Interrupted):
            session.ask("One?")
            assert nth > 10
            break
        check_next(session, how)


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("how", ["ask", "resume"])
def test_a_stream_that_is_left_at_any_chunk(mode: Any, how: str) -> None:
    for nth in range(1, 1_000, STEP):
        session = forking(mode)
        given: Any = ({"question": "One?"}, session.config)
        options: Any = {"stream_mode": ["updates", "custom"], "durability": "sync"}
        seen = 0
        if mode == "sync":
            stream = session.graph().stream(*given, **options)
            for _ in stream:
                seen += 1
                if seen == nth:
                    break
            stream.close()
        else:

            async def leave(nth: int = nth, stream: Any = None) -> int:
                seen = 0
                async for _ in stream:
                    seen += 1
                    if seen == nth:
                        break
                await stream.aclose()
                return seen

            seen = asyncio.run(leave(stream=session.graph().astream(*given, **options)))
        if seen < nth:
            assert nth > 5
            break
        check_next(session, how)


class Stopped(Exception):
    """The process stops between two nodes."""


class Stopping(InMemorySaver):
    """A checkpointer behind which the process stops, once."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self._left = left

    def put(self, *given: Any) -> Any:
        stored = super().put(*given)
        if given[0]["configurable"]["checkpoint_ns"]:  # a record, written within a node
            return stored
        self._left -= 1
        if self._left == 0:
            raise Stopped
        return stored


@pytest.mark.larger
@pytest.mark.grid
@pytest.mark.parametrize("how", ["ask", "resume"])
def test_stopped_between_any_two_nodes(mode: Any, how: str) -> None:
    """As a process that ends after a checkpoint was written, before the next node has begun."""
    for nth in range(1, 1_000, STEP):
        session = forking(mode)
        session.checkpointer = Stopping(nth)
        with suppress(Stopped):
            session.ask("One?")
            assert nth > 5
            break
        check_next(session, how)
