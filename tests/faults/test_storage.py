"""A store or a checkpointer that raises once, at any of its calls: a plain resume goes on, and pays once.

What passes through our own code is an error of ours, which says what to do, and names the run if one had
been started. What LangGraph's own code reads and writes raises what it raises; the resume must be right all
the same.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import EmptyInputError
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

import langchain_parallel
from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.errors import ParallelError, StorageFailed
from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.simulator import ManualClock, Simulator

from ..cut import exhaustive
from ..middleware.harness import Model, start
from ..middleware.harness import calls as research_calls
from ..research.harness import Mode, client_of
from ..tool.helpers import calls as tool_calls

OURS = str(Path(langchain_parallel.__file__).parent)
QUESTION, OTHER = "Who leads?", "Who follows?"


class Trouble(OSError):
    """What the disk, or the database, says."""


class Failing:
    """Raises once, at the `at`-th of the calls that it counts."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.at_call = ""

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    def count(self, call: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.at_call = call
            raise Trouble(28, "No space left on device")


class Saver(InMemorySaver):
    """A checkpointer of which one kind of call may fail; its asynchronous methods call these."""

    def __init__(self, failing: Failing, kind: str) -> None:
        super().__init__()
        self._failing, self._kind = failing, kind

    def _count(self, call: str) -> None:
        if call == self._kind:
            self._failing.count(call)

    def get_tuple(self, *args: Any, **kwargs: Any) -> Any:
        self._count("get_tuple")
        return super().get_tuple(*args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._count("put")
        return super().put(*args, **kwargs)

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        self._count("put_writes")
        super().put_writes(*args, **kwargs)


class Store(InMemoryStore):
    def __init__(self, failing: Failing, kind: str) -> None:
        super().__init__()
        self._failing, self._is_it = failing, kind == "store"

    def batch(self, ops: Any) -> Any:
        if self._is_it:
            self._failing.count("store")
        return super().batch(ops)

    async def abatch(self, ops: Any) -> Any:
        if self._is_it:
            self._failing.count("store")
        return await super().abatch(ops)


def research(client: Any, wait: Any) -> tuple[Any, Any]:
    graph = create_research_graph(client=client, processor="lite", wait=wait)
    return graph.compile, {"question": QUESTION}


def _agent(model: Model, **options: Any) -> tuple[Callable[..., Any], Any]:
    def build(**kept: Any) -> Any:
        return create_agent(model, **options, **kept)

    return build, {"messages": [("user", QUESTION)]}


def tool(client: Any, wait: Any) -> tuple[Any, Any]:
    called = tool_calls({"input": QUESTION})
    return _agent(
        _until_answered(called), tools=[ParallelTaskTool(client=client, processor="lite")]
    )


def two_tools(client: Any, wait: Any) -> tuple[Any, Any]:
    called = tool_calls({"input": QUESTION}, {"input": OTHER})
    return _agent(
        _until_answered(called), tools=[ParallelTaskTool(client=client, processor="lite")]
    )


def two_in_middleware(client: Any, wait: Any) -> tuple[Any, Any]:
    middle: Any = [ParallelResearchMiddleware(client=client, processor="lite", wait=wait)]
    called = research_calls(start(QUESTION), start(OTHER))
    return _agent(_until_answered(called), middleware=middle)


def middleware(client: Any, wait: Any) -> tuple[Any, Any]:
    middle: Any = [ParallelResearchMiddleware(client=client, processor="lite", wait=wait)]
    return _agent(_until_answered(research_calls(start(QUESTION))), middleware=middle)


def _until_answered(call: AIMessage) -> Model:
    """A model that calls the tool until it has been answered: it is asked again after some failures."""

    def say(messages: list[Any]) -> AIMessage:
        return AIMessage("done") if isinstance(messages[-1], ToolMessage) else call

    return Model(*[say] * 20)


DOORS = {
    "research": (research, "block"),
    "research, parked": (research, "park"),
    "tool": (tool, "block"),
    "two tools": (two_tools, "block"),
    "two in the middleware": (two_in_middleware, "block"),
    "middleware": (middleware, "block"),
    "middleware, parked": (middleware, "park"),
}
KINDS = ("get_tuple", "put", "put_writes", "store")
THREAD: Any = {"configurable": {"thread_id": "t"}}


def pairs(**case: Any) -> list[object]:
    """Each door and each kind, blocking and awaited."""
    return [(case["mode"], case["door"]), (case["mode"], case["kind"])]


def foreign_through_us(error: BaseException) -> bool:
    """Whether an error that is not ours was raised in a call of ours, and went on through our code."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [frame.filename.startswith(OURS) for frame in frames]
    return any(names) and not isinstance(error, ParallelError)


@pytest.mark.grid(shows=pairs)
@pytest.mark.parametrize(
    ("durability", "kind"),
    [
        *(("sync", kind) for kind in KINDS),
        # Not `put`: a paying step would wait ten seconds for each (tests/research/test_written_down.py).
        *(exhaustive("async", kind) for kind in KINDS if kind != "put"),
    ],
)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_plain_resume_goes_on_and_pays_once(
    mode: Mode, durability: str, door: str, kind: str
) -> None:
    for at in range(1, 200):
        failing = Failing(at)
        play(mode, durability, door, kind, failing)
        if not failing.is_over:
            assert at > 1 or kind == "store", "it was never called"
            return
    raise AssertionError("it has no end")


def play(mode: Mode, durability: str, door: str, kind: str, failing: Failing) -> None:
    """Ask, resume until it is answered, and see what was paid."""
    simulator = Simulator(ManualClock())
    make, wait = DOORS[door]
    build, question = make(client_of(mode, simulator), wait)
    graph = build(checkpointer=Saver(failing, kind), store=Store(failing, kind))
    where = f"{kind} {failing.left}"
    given, state = question, None
    for _ in range(6):
        try:
            state = invoke(mode, graph, given, durability)
        except Exception as error:  # noqa: BLE001 -- any is told apart below
            given = None
            if isinstance(error, EmptyInputError):
                given = question  # nothing of it was written, so it is asked again
            else:
                check(error, simulator, where, is_alone=not door.startswith("two"))
            continue
        if "__interrupt__" not in state:
            break
        for run in simulator.runs():
            simulator.settle(run["run_id"])
        given = Command(resume={one.id: "look" for one in state["__interrupt__"]})
    assert state is not None, where
    assert "__interrupt__" not in state, where
    runs = simulator.runs()
    assert len(runs) == 1 + door.startswith("two"), f"{where}: {len(runs)} runs"
    for run in runs:
        assert run["status"] == "completed", where
        assert run["run_id"] in str(state), where


def invoke(mode: Mode, graph: Any, given: Any, durability: str) -> Any:
    if mode == "sync":
        return graph.invoke(given, THREAD, durability=durability)
    return asyncio.run(graph.ainvoke(given, THREAD, durability=durability))


def check(error: Exception, simulator: Simulator, where: str, *, is_alone: bool) -> None:
    """What the error has to say. `is_alone`: a run that was started is that of the call that failed."""
    assert not foreign_through_us(error), f"{where}: {error!r} went through our code"
    if isinstance(error, StorageFailed):
        assert "Trouble" in str(error), where
        assert error.hint, where
        assert isinstance(error.__cause__, Trouble), where
        assert error.billed is None, where
        runs, sent_nothing = (
            simulator.runs(),
            re.search("sent nothing|Nothing was sent", error.hint),
        )
        if runs and is_alone and not sent_nothing:
            assert error.run_id == runs[0]["run_id"], f"{where}: {error}"
    else:
        assert isinstance(error, Trouble), f"{where}: {error!r}"
