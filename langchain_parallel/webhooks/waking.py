"""`wake`, `awake`: a run has ended, so the thread that is parked for it goes on.

Rule: whoever says so is believed in nothing but the run's id. The run is read from the API, and only a
thread of this graph that is parked for this very run is resumed; then it looks for itself once more.
Waking is idempotent: late, early, twice and beside a sweep, a thread goes on once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import AsyncExitStack, ExitStack
from enum import Enum
from typing import NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from .._calls import Call, Calls, arun, run
from .._parked_index import forget, note_of
from ..client import AsyncParallelClient, ParallelClient
from ..errors import NotFound, ThreadBusy
from ..models import TaskRun
from ..resuming import AnyGraph
from .aside import alone
from .threads import Standing, Threads, threads_of

_LOG = logging.getLogger("langchain_parallel")


class Outcome(str, Enum):
    """What came of waking a thread."""

    RESUMED = "resumed"
    """The thread went on."""
    NOT_PARKED = "not_parked"
    """It does not wait for this run, or no longer: it has gone on already."""
    ACTION_REQUIRED = "action_required"
    """The run waits for a person, so the thread stays parked. The API tells again when it has ended."""
    STILL_ACTIVE = "still_active"
    """The run has not ended, so the thread stays parked."""
    UNDER_WAY = "under_way"
    """The thread is not parked (yet), but somebody is at it."""
    UNKNOWN_RUN = "unknown_run"
    """This account has no such run."""
    UNKNOWN_THREAD = "unknown_thread"
    """The run belongs to no thread that can be found here."""


SETTLED = frozenset({Outcome.RESUMED, Outcome.NOT_PARKED, Outcome.ACTION_REQUIRED})
"""After any other outcome a second try a little later may find more."""


class Woken(NamedTuple):
    """What came of waking the thread of a run."""

    outcome: Outcome
    run_id: str
    thread_id: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be done; False: a little later there may be."""
        return self.outcome in SETTLED


def wake(
    graph: AnyGraph | Threads,
    run_id: str,
    client: ParallelClient | None = None,
    *,
    config: RunnableConfig | None = None,
) -> Woken:
    """Let the thread that is parked for a run go on, if the run has ended. As often as you like.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        run_id: The run, such as `receive` tells it.
        client: Reads the run; made from the environment unless given.
        config: Passed on to the graph: callbacks, other `configurable` values.

    Raises:
        ParallelError: The API could not be asked; `worth_retrying` tells whether to try again.
        Exception: Whatever the graph raises when it goes on.
    """
    with ExitStack() as stack:
        made = client or stack.enter_context(ParallelClient())
        return run(alone(lambda: _wake(threads_of(graph, config), run_id, made)))


async def awake(
    graph: AnyGraph | Threads,
    run_id: str,
    client: AsyncParallelClient | None = None,
    *,
    config: RunnableConfig | None = None,
) -> Woken:
    """Let the thread that is parked for a run go on, if the run has ended. As often as you like.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        run_id: The run, such as `receive` tells it.
        client: Reads the run; made from the environment unless given.
        config: Passed on to the graph: callbacks, other `configurable` values.

    Raises:
        ParallelError: The API could not be asked; `worth_retrying` tells whether to try again.
        Exception: Whatever the graph raises when it goes on.
    """
    async with AsyncExitStack() as stack:
        made = client
        if made is None:
            made = await stack.enter_async_context(AsyncParallelClient())
        return await arun(alone(lambda: _wake(threads_of(graph, config), run_id, made)))


def go_on(
    threads: Threads, thread_id: str, ended: Collection[str], stranded_after: float | None = None
) -> Calls[Outcome]:
    """Let a thread go on that is parked for one of these runs, which have ended.

    Args:
        threads: Where it is.
        thread_id: The thread.
        ended: The runs.
        stranded_after: After so many seconds without a checkpoint, a thread that is parked for nothing
            but has something to do was left by a process that died, and goes on, too. None: never.
    """
    before = yield from threads.standing(thread_id)
    if not before.known:
        return Outcome.UNKNOWN_THREAD
    knocks = [id for id, runs in before.waiting.items() if runs & set(ended)]
    stranded = stranded_after is not None and before.idle_seconds >= stranded_after
    if not knocks and before.under_way and not stranded:
        return Outcome.UNDER_WAY
    if not knocks and not before.under_way:
        yield from forget(threads.store, ended, seen=False)
        return Outcome.NOT_PARKED
    try:
        after, went_on = yield from threads.go_on(thread_id, knocks)
    except ThreadBusy:
        return Outcome.UNDER_WAY
    if _waits_for(after, ended):
        return Outcome.STILL_ACTIVE  # the API told the thread otherwise than us
    if not after.under_way:
        yield from forget(threads.store, ended, seen=went_on)
    return Outcome.RESUMED if went_on else Outcome.NOT_PARKED


def _waits_for(standing: Standing, runs: Collection[str]) -> bool:
    return any(waiting & set(runs) for waiting in standing.waiting.values())


def _wake(
    threads: Threads, run_id: str, client: ParallelClient | AsyncParallelClient
) -> Calls[Woken]:
    try:
        found = yield from retrieve(client, run_id)
    except NotFound:
        return Woken(Outcome.UNKNOWN_RUN, run_id)
    thread_id = yield from _thread_of(threads, found)
    if found.active:
        return Woken(Outcome.STILL_ACTIVE, run_id, thread_id)
    if found.status == "action_required":
        _LOG.warning("Run %s waits for a person; its thread stays parked.", run_id)
        return Woken(Outcome.ACTION_REQUIRED, run_id, thread_id)
    if thread_id is None:
        return Woken(Outcome.UNKNOWN_THREAD, run_id)
    return Woken((yield from go_on(threads, thread_id, [run_id])), run_id, thread_id)


def _thread_of(threads: Threads, run: TaskRun) -> Calls[str | None]:
    """The thread as the store has it noted, or else as the run's metadata name it; None if it is another
    graph's.
    """
    note = None if threads.store is None else (yield from note_of(threads.store, run.run_id))
    if note is not None:
        return note.thread_id if threads.mine(note.node) else None
    thread_id = (run.metadata or {}).get("thread_id")
    return thread_id if isinstance(thread_id, str) and thread_id else None


def retrieve(client: ParallelClient | AsyncParallelClient, run_id: str) -> Calls[TaskRun]:
    """A run as it stands, by whichever client fits the driver."""
    found = yield Call(lambda: client.retrieve(run_id), lambda: client.retrieve(run_id))  # type: ignore[arg-type, return-value]  # the caller chose it
    return cast(TaskRun, found)
