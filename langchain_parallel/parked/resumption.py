"""`resume`, `aresume`: go on with a LangGraph thread, once however many ask.

LangGraph itself locks nothing: of two concurrent resumes one may leave the last node unrun, and a second
delivery of the same answer runs the rest of the graph again. Here whoever comes first goes on; the others
wait, then find that nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.types import Command, StateSnapshot

from .._core.calls import Call, Calls, adrive, drive
from .._locks.shared import SharedLock, shared_lock
from ..errors import InvalidRequest, ThreadBusy

AnyGraph = Pregel[Any, Any, Any, Any]
"""A compiled graph."""


class Resumption(NamedTuple):
    """How a thread stands after a call of `resume`."""

    state: StateSnapshot
    """Its latest state: `.values`, `.next`, `.interrupts`."""
    went_on: bool
    """Whether this call went on with it; False where there was nothing (left) to do."""


def resume(
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None = None,
    *,
    timeout: float | None = None,
    durability: Literal["sync", "async", "exit"] = "sync",
    context: Any = None,
) -> Resumption:
    """Go on with a thread that a lost process left, or that waits for answers: exactly once.

    Call it as often as you like, from as many places: callers on one thread take turns, and a caller whose
    answers have been given already, or who finds the thread finished, changes nothing. They take turns
    within this process; with a PostgreSQL checkpointer among all processes, through an advisory lock
    that a process which dies gives up. A LangGraph server queues the runs of a thread by itself.

    Args:
        graph: A compiled graph with a checkpointer.
        config: Names the thread: `{"configurable": {"thread_id": …}}`. Callbacks and the like are passed on.
        answers: By interrupt id (`state.interrupts`), what to answer. Ids that are not pending (any more)
            are left out. None: go on with what was cut off; interrupts stay open.
        timeout: Seconds to wait for somebody else who is going on with it; None: as long as it takes.
        durability: When LangGraph writes its checkpoints.
        context: The graph's run-time context, which no checkpoint keeps.

    Raises:
        InvalidRequest: The graph has no checkpointer, or the config names no thread, or a checkpoint (which
            would replay, not resume).
        ThreadBusy: Somebody else was still at it when `timeout` had passed.
    """
    return drive(_resume(graph, config, answers, timeout, durability, context))


async def aresume(
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None = None,
    *,
    timeout: float | None = None,
    durability: Literal["sync", "async", "exit"] = "sync",
    context: Any = None,
) -> Resumption:
    """Go on with a thread that a lost process left, or that waits for answers: exactly once.

    Call it as often as you like, from as many places: callers on one thread take turns, and a caller whose
    answers have been given already, or who finds the thread finished, changes nothing. They take turns
    within this process; with a PostgreSQL checkpointer among all processes, through an advisory lock
    that a process which dies gives up. A LangGraph server queues the runs of a thread by itself.

    Args:
        graph: A compiled graph with a checkpointer.
        config: Names the thread: `{"configurable": {"thread_id": …}}`. Callbacks and the like are passed on.
        answers: By interrupt id (`state.interrupts`), what to answer. Ids that are not pending (any more)
            are left out. None: go on with what was cut off; interrupts stay open.
        timeout: Seconds to wait for somebody else who is going on with it; None: as long as it takes.
        durability: When LangGraph writes its checkpoints.
        context: The graph's run-time context, which no checkpoint keeps.

    Raises:
        InvalidRequest: The graph has no checkpointer, or the config names no thread, or a checkpoint (which
            would replay, not resume).
        ThreadBusy: Somebody else was still at it when `timeout` had passed.
    """
    return await adrive(_resume(graph, config, answers, timeout, durability, context))


def _resume(  # noqa: PLR0917 -- as `resume` is called
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None,
    timeout: float | None,
    durability: Literal["sync", "async", "exit"],
    context: Any,
) -> Calls[Resumption]:
    lock = yield from thread_lock(graph, config, timeout)
    try:
        before = yield from state_of(graph, config)
        given = _due(before, answers)
        if given is _NOTHING:
            return Resumption(before, went_on=False)
        yield from invoke(graph, given, config, durability, context)
        return Resumption((yield from state_of(graph, config)), went_on=True)
    finally:
        lock.release()


def thread_lock(
    graph: AnyGraph, config: RunnableConfig, timeout: float | None
) -> Calls[SharedLock]:
    """The lock of whoever goes on with a thread. Release it.

    Raises:
        ThreadBusy: Somebody else has it.
    """
    thread_id = _checked(graph, config)
    name = f"thread {thread_id} {config['configurable'].get('checkpoint_ns', '')}"
    lock = yield from shared_lock(name, graph.checkpointer, seconds=timeout)
    if lock is None:
        raise ThreadBusy(
            f"Somebody else was still going on with thread {thread_id} after {timeout:,.0f} s.",
            hint="It needs nothing more from you; ask again for its state.",
            billed=None,
        )
    return lock


def invoke(
    graph: AnyGraph,
    given: Any,
    config: RunnableConfig,
    durability: Literal["sync", "async", "exit"] = "sync",
    context: Any = None,
) -> Calls[Any]:
    """What the graph returns."""
    returned = yield Call(
        lambda: graph.invoke(given, config, durability=durability, context=context),
        lambda: graph.ainvoke(given, config, durability=durability, context=context),
    )
    return returned


_NOTHING = object()


def _due(state: StateSnapshot, answers: Mapping[str, Any] | None) -> Any:
    """What to invoke the graph with; `_NOTHING` where it should not be."""
    pending = {interrupt.id for interrupt in state.interrupts}
    due = {id: answer for id, answer in (answers or {}).items() if id in pending}
    if due:
        return Command(resume=due)
    return None if is_cut_off(state) else _NOTHING


def is_cut_off(state: StateSnapshot) -> bool:
    """Whether something is to be done that waits for nobody: a node cut off, or left unrun by a race; or a
    step whose nodes are all done, of which no checkpoint was written.
    """
    undone = [task for task in state.tasks if task.result is None]
    waiting = [task for task in undone if task.interrupts]
    return len(undone) > len(waiting) or (bool(state.tasks) and not waiting)


def state_of(graph: AnyGraph, config: RunnableConfig) -> Calls[StateSnapshot]:
    """A thread's latest state."""
    state = yield Call(lambda: graph.get_state(config), lambda: graph.aget_state(config))
    return cast(StateSnapshot, state)


def _checked(graph: AnyGraph, config: RunnableConfig) -> str:
    if not isinstance(getattr(graph, "checkpointer", None), BaseCheckpointSaver):
        raise InvalidRequest(
            ["The graph has no checkpointer, so it has no threads; compile it with one."]
        )
    place = config.get("configurable", {})
    if not place.get("thread_id"):
        raise InvalidRequest(
            ["The config names no thread; give {'configurable': {'thread_id': …}}."]
        )
    if place.get("checkpoint_id"):
        raise InvalidRequest(
            ["The config names a checkpoint, which would be replayed; resume by thread_id alone."]
        )
    return str(place["thread_id"])
