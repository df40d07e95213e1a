"""`resume`, `aresume`: continue a LangGraph thread exactly once, no matter how many callers ask.

LangGraph locks nothing: of two concurrent resumes one may leave the last node unrun, and a second delivery
of the same answer runs the rest of the graph again. Here the first caller continues the thread; the others
wait for its lock and then find that nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.types import Command, StateSnapshot

from .._core.calls import Call, Calls, adrive, drive
from .._graph.runtime import check_thread_id, with_seen
from .._locks.shared import SharedLock, await_shared_lock
from ..errors import InvalidRequest, ThreadBusy

AnyGraph: TypeAlias = "Pregel[Any, Any, Any, Any]"  # quoted: pyright loses the type otherwise
"""A compiled graph."""
Durability: TypeAlias = Literal["sync", "async", "exit"]


class Resumption(NamedTuple):
    """A thread after a call of `resume`."""

    state: StateSnapshot
    """Its latest state: `.values`, `.next`, `.interrupts`."""
    resumed: bool
    """Whether this call continued the thread; False if there was nothing (left) to do."""


def resume(
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None = None,
    *,
    timeout: float | None = None,
    durability: Durability = "sync",
    context: Any = None,
    begin_with: Any = None,
) -> Resumption:
    """Continue a thread that was cut off or that waits for answers, exactly once.

    Any number of callers may call it: they take turns on a thread, and a caller whose answers have already
    been given, or whose thread has finished, changes nothing. Callers take turns within this process; with a
    PostgreSQL checkpointer also across processes, through an advisory lock that a dying process releases. A
    LangGraph server queues the runs of a thread by itself.

    Args:
        graph: A compiled graph with a checkpointer.
        config: Names the thread: `{"configurable": {"thread_id": …}}`. The rest, such as callbacks, is
            passed on to the graph.
        answers: By interrupt id (`state.interrupts`), the answer. Ids that are not pending (any more) are
            ignored. None: continue what was cut off; interrupts stay open.
        timeout: Seconds to wait while another caller is continuing the thread; None: no limit.
        durability: When LangGraph writes its checkpoints.
        context: The graph's run-time context, which no checkpoint keeps.
        begin_with: The input of a thread that has no checkpoint yet. It begins the thread once; later calls
            ignore it. Unless it is given, such a thread is left alone.

    Raises:
        InvalidRequest: The graph has no checkpointer, or the config names no thread, or it names a
            checkpoint (which would replay, not resume); or an answer is not given by its interrupt's id.
        ThreadBusy: Another caller was still continuing the thread after `timeout`.
    """
    return drive(_resume(graph, config, answers, timeout, durability, context, begin_with))


async def aresume(
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None = None,
    *,
    timeout: float | None = None,
    durability: Durability = "sync",
    context: Any = None,
    begin_with: Any = None,
) -> Resumption:
    """As `resume`; awaited."""
    return await adrive(_resume(graph, config, answers, timeout, durability, context, begin_with))


def _resume(  # noqa: PLR0917 -- as `resume` is called
    graph: AnyGraph,
    config: RunnableConfig,
    answers: Mapping[str, Any] | None,
    timeout: float | None,
    durability: Durability,
    context: Any,
    begin_with: Any,
) -> Calls[Resumption]:
    check_answers(answers)

    def choose(state: StateSnapshot) -> Any:
        if begin_with is not None and state.created_at is None:
            return begin_with
        pending = {interrupt.id for interrupt in state.interrupts}
        due = {id: answer for id, answer in (answers or {}).items() if id in pending}
        if due:
            return Command(resume=due)
        return None if is_cut_off(state) else NOTHING

    before, output = yield from resume_with(graph, config, choose, timeout, durability, context)
    if output is NOTHING:
        return Resumption(before, resumed=False)
    return Resumption((yield from state_of(graph, config)), resumed=True)


def check_answers(answers: object) -> None:
    """Refuse an answer that is not given by the id of its interrupt: it would be ignored without a word.

    Raises:
        InvalidRequest: It is one.
    """
    if answers is None:
        return
    if not isinstance(answers, Mapping) or "decisions" in answers or "type" in answers:
        raise InvalidRequest(
            ["An answer is given without its interrupt; give {interrupt.id: answer}."],
            hint="The open interrupts are in `graph.get_state(config).interrupts`.",
        )


NOTHING = object()
"""Instead of an input: do not invoke the graph. (None is an input: it continues what was cut off.)"""


def resume_with(  # noqa: PLR0917 -- as `resume` is called
    graph: AnyGraph,
    config: RunnableConfig,
    choose: Callable[[StateSnapshot], Any],
    timeout: float | None,
    durability: Durability,
    context: Any,
) -> Calls[tuple[StateSnapshot, Any]]:
    """Under the thread's lock, read its state and invoke the graph with what `choose` makes of it.

    Returns the state before, and the graph's output: `NOTHING` if `choose` returned that, and the graph was
    not invoked.
    """
    lock = yield from thread_lock(graph, config, timeout)
    try:
        before = yield from state_of(graph, config)
        given = choose(before)
        if given is NOTHING:
            return before, NOTHING
        config = with_seen(config, before)
        output = yield Call(
            lambda: graph.invoke(given, config, durability=durability, context=context),
            lambda: graph.ainvoke(given, config, durability=durability, context=context),
        )
        return before, output
    finally:
        lock.release()


def thread_lock(
    graph: AnyGraph, config: RunnableConfig, timeout: float | None
) -> Calls[SharedLock]:
    """Take the lock of a thread, which every caller holds who continues it. Release it.

    Raises:
        InvalidRequest: As for `resume`.
        ThreadBusy: Another caller held the lock for `timeout` seconds.
    """
    if not isinstance(getattr(graph, "checkpointer", None), BaseCheckpointSaver):
        raise InvalidRequest(
            ["The graph has no checkpointer, so it has no threads; compile it with one."]
        )
    given = config.get("configurable", {})
    thread_id = given.get("thread_id")
    if thread_id is None or thread_id == "":
        raise InvalidRequest(
            ["The config names no thread; give {'configurable': {'thread_id': …}}."]
        )
    check_thread_id(thread_id, graph.checkpointer)
    if given.get("checkpoint_id"):
        raise InvalidRequest(
            ["The config names a checkpoint, which would be replayed; resume by thread_id alone."]
        )
    name = f"thread {thread_id} {given.get('checkpoint_ns', '')}"
    lock = yield from await_shared_lock(name, graph.checkpointer, seconds=timeout)
    if lock is None:
        raise ThreadBusy(
            f"Another caller was still continuing thread {thread_id} after {timeout:,.0f} s.",
            hint="Nothing more is needed from you; read the thread's state again later.",
            billed=None,
        )
    return lock


def state_of(graph: AnyGraph, config: RunnableConfig) -> Calls[StateSnapshot]:
    """A thread's latest state."""
    state = yield Call(lambda: graph.get_state(config), lambda: graph.aget_state(config))
    return cast(StateSnapshot, state)


def is_cut_off(state: StateSnapshot) -> bool:
    """Whether a thread has work to do that waits for no answer.

    A node was cut off, or left unrun by a race; or all nodes of a step have ended, but the checkpoint that
    should follow was never written.
    """
    undone = [task for task in state.tasks if task.result is None]
    waiting = [task for task in undone if task.interrupts]
    return len(undone) > len(waiting) or (bool(state.tasks) and not waiting)
