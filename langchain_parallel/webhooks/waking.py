"""`wake`, `awake`: a run has ended, so the thread that is parked for it goes on.

Rule: whoever says so is believed in nothing but the run's id. The thread is known by its note in the store,
or by what the API says of the run. Only one of this graph that is parked for this very run is resumed, and
it looks for itself whether the run has ended.
Waking is idempotent: late, early, twice and beside a sweep, a thread goes on once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack, ExitStack, suppress
from enum import Enum
from typing import NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from .._calls import Call, Calls, arun, run
from .._parked_index import Note, at_once, delete_note, forget, note_of
from ..client import AsyncParallelClient, ParallelClient
from ..errors import NotFound, ThreadBusy
from ..models import TaskRun
from ..resuming import AnyGraph
from .aside import alone
from .marks import Mark
from .threads import GraphThreads, Standing, Threads, threads_of

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
    gone = yield from _gone_on(threads, thread_id, ended, stranded_after)
    if gone.seen is not None:
        yield from forget(threads.store, ended, seen=gone.seen)
    return gone.outcome


class _Gone(NamedTuple):
    """What came of going on with a thread."""

    outcome: Outcome
    seen: bool | None = None
    """Whether it was seen to go on from these runs; None: it may still wait for them."""


def _gone_on(
    threads: Threads, thread_id: str, ended: Collection[str], stranded_after: float | None
) -> Calls[_Gone]:
    def knocks(standing: Standing) -> list[str] | None:
        """The interrupts to resume; none for what was cut off; None to leave the thread alone."""
        ids = [id for id, runs in standing.waiting.items() if runs & set(ended)]
        stranded = stranded_after is not None and standing.idle_seconds >= stranded_after
        return ids if ids or (standing.under_way and stranded) else None

    try:
        before, after, went_on = yield from _knocked(threads, thread_id, knocks)
    except ThreadBusy:
        return _Gone(Outcome.UNDER_WAY)
    if not before.known:
        return _Gone(Outcome.UNKNOWN_THREAD)
    if after is None:
        return _Gone(Outcome.UNDER_WAY) if before.under_way else _Gone(Outcome.NOT_PARKED, False)
    if any(waiting & set(ended) for waiting in after.waiting.values()):
        return _Gone(Outcome.STILL_ACTIVE)  # the API told the thread otherwise than us
    outcome = Outcome.RESUMED if went_on else Outcome.NOT_PARKED
    return _Gone(outcome, None if after.under_way else went_on)


def _knocked(
    threads: Threads, thread_id: str, knocks: Callable[[Standing], list[str] | None]
) -> Calls[tuple[Standing, Standing | None, bool]]:
    """How the thread stood; how it stands then, if it was to go on; and whether it was we who went on."""
    if isinstance(threads, GraphThreads):
        with suppress(ThreadBusy):  # then only whoever has something to do there waits for the lock
            before, after = yield from threads.knock(thread_id, knocks)
            return before, after, after is not None
    before = yield from threads.standing(thread_id)
    ids = knocks(before)
    if ids is None:
        return before, None, False
    return before, *(yield from threads.go_on(thread_id, ids))


def _wake(
    threads: Threads, run_id: str, client: ParallelClient | AsyncParallelClient
) -> Calls[Woken]:
    woken = yield from see_to(threads, run_id, client)
    return cast(Woken, woken)  # what has no mark has not been seen to before


def see_to(
    threads: Threads,
    run_id: str,
    client: ParallelClient | AsyncParallelClient,
    mark: Mark | None = None,
) -> Calls[Woken | None]:
    """Wake the thread of a run, unless the delivery that tells of it has been seen to before.

    What the store is asked and told, it is asked and told at once.
    """
    store = threads.store
    note, marked = yield from at_once(
        None if store is None else note_of(store, run_id), None if mark is None else mark.read()
    )
    if marked is not None:
        return None
    woken, seen = yield from _woken(threads, run_id, client, note)
    gone = seen or (seen is False and note is not None and not note.young)
    yield from at_once(
        delete_note(store, run_id) if store is not None and gone else None,
        mark.put() if mark is not None and woken.settled else None,
    )
    return woken


def _woken(
    threads: Threads,
    run_id: str,
    client: ParallelClient | AsyncParallelClient,
    note: Note | None,
) -> Calls[tuple[Woken, bool | None]]:
    found: TaskRun | None = None
    if note is None or not isinstance(threads, GraphThreads):
        try:
            found = yield from retrieve(client, run_id)
        except NotFound:
            return Woken(Outcome.UNKNOWN_RUN, run_id), None
    thread_id = _thread_of(threads, found, note)
    if found is not None and found.active:
        return Woken(Outcome.STILL_ACTIVE, run_id, thread_id), None
    if found is not None and found.status == "action_required":
        _LOG.warning("Run %s waits for a person; its thread stays parked.", run_id)
        return Woken(Outcome.ACTION_REQUIRED, run_id, thread_id), None
    if thread_id is None:
        return Woken(Outcome.UNKNOWN_THREAD, run_id), None
    # One that was not read here is read by its thread, and it is seen here what that made of it.
    outcome, seen = yield from _gone_on(threads, thread_id, [run_id], None)
    return Woken(outcome, run_id, thread_id), seen


def _thread_of(threads: Threads, run: TaskRun | None, note: Note | None) -> str | None:
    """The thread as the store has it noted, or else as the run's metadata name it; None if it is another
    graph's.
    """
    if note is not None:
        return note.thread_id if threads.mine(note.node) else None
    thread_id = ((run and run.metadata) or {}).get("thread_id")
    return thread_id if isinstance(thread_id, str) and thread_id else None


def retrieve(client: ParallelClient | AsyncParallelClient, run_id: str) -> Calls[TaskRun]:
    """A run as it stands, by whichever client fits the driver."""
    found = yield Call(lambda: client.retrieve(run_id), lambda: client.retrieve(run_id))  # type: ignore[arg-type, return-value]  # the caller chose it
    return cast(TaskRun, found)
