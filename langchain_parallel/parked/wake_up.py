"""`wake`, `awake`: a run has ended, so the thread that is parked for it goes on.

Rule: whoever says so is believed in nothing but the run's id. The thread is known by its note in the store,
or by what the API says of the run. Only one of this graph that is parked for this very run is resumed, and
it looks for itself whether the run has ended.
Waking is idempotent: late, early, twice and beside a sweep, a thread goes on once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Call, Calls, adrive, drive
from ..client import AsyncParallelClient, ParallelClient
from ..errors import NotFound
from ..models import TaskRun
from .deliveries import Mark
from .index import Note, at_once, delete_note, notes_of, put_note
from .isolation import Done, alone, together
from .resume_thread import Gone, Outcome, gone_on
from .resumption import AnyGraph
from .threads import GraphThreads, Threads, threads_of

_LOG = logging.getLogger("langchain_parallel")


SETTLED = frozenset({Outcome.RESUMED, Outcome.NOT_PARKED, Outcome.ACTION_REQUIRED})
"""After any other outcome a second try a little later may find more."""


class WakeResult(NamedTuple):
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
    context: Any = None,
) -> WakeResult:
    """Let the thread that is parked for a run go on, if the run has ended. As often as you like.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        run_id: The run, such as `receive` tells it.
        client: Reads the run; made from the environment unless given.
        config: Passed on to the graph: callbacks, other `configurable` values.
        context: The graph's, if it has a `context_schema`.

    Raises:
        ParallelError: The API could not be asked; `worth_retrying` tells whether to try again.
        Exception: Whatever the graph raises when it goes on.
    """
    with ExitStack() as stack:
        made = client or stack.enter_context(ParallelClient())
        return drive(alone(lambda: _wake(threads_of(graph, config, context), run_id, made)))


async def awake(
    graph: AnyGraph | Threads,
    run_id: str,
    client: AsyncParallelClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
) -> WakeResult:
    """Let the thread that is parked for a run go on, if the run has ended. As often as you like.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        run_id: The run, such as `receive` tells it.
        client: Reads the run; made from the environment unless given.
        config: Passed on to the graph: callbacks, other `configurable` values.
        context: The graph's, if it has a `context_schema`.

    Raises:
        ParallelError: The API could not be asked; `worth_retrying` tells whether to try again.
        Exception: Whatever the graph raises when it goes on.
    """
    async with AsyncExitStack() as stack:
        made = client
        if made is None:
            made = await stack.enter_async_context(AsyncParallelClient())
        return await adrive(alone(lambda: _wake(threads_of(graph, config, context), run_id, made)))


def _wake(
    threads: Threads, run_id: str, client: ParallelClient | AsyncParallelClient
) -> Calls[WakeResult]:
    woken = yield from see_to(threads, run_id, client)
    return cast(WakeResult, woken)  # what has no mark has not been seen to before


def see_to(
    threads: Threads,
    run_id: str,
    client: ParallelClient | AsyncParallelClient,
    mark: Mark | None = None,
) -> Calls[WakeResult | None]:
    """Wake the threads of a run, unless the delivery that tells of it has been seen to before. What came of
    the one for which there is most left to do.

    What the store is asked and told, it is asked and told at once.
    """
    store = threads.store
    noted, marked = yield from at_once(
        None if store is None else notes_of(store, run_id), None if mark is None else mark.read()
    )
    if marked is not None:
        return None
    notes: list[Note | None] = [note for note in noted or () if threads.mine(note.node)]
    if noted and not notes:
        return WakeResult(Outcome.UNKNOWN_THREAD, run_id)  # another graph's
    notes = notes or [None]
    done = yield from _all_woken(threads, run_id, client, notes)
    errors = [one.error for one in done if one.error is not None]
    came = [one.value for one in done if one.value is not None]
    settled = not errors and all(woken.settled for woken, _ in came)
    over = [
        note
        for note, one in zip(notes, done, strict=True)
        if note is not None and one.value is not None and one.value[1].ends(note)
    ]
    calls = [mark.put() if mark is not None and settled else None]
    if store is not None:
        calls += [delete_note(store, note) for note in over]
        # Whoever is at it may have died before it was noted. Then the sweep has to find it.
        missed = [] if noted else [w for w, _ in came if w.outcome is Outcome.UNDER_WAY]
        calls += [put_note(store, run_id, w.thread_id) for w in missed if w.thread_id]
    yield from at_once(*calls)
    if errors:
        raise errors[0]
    return min((w for w, _ in came), key=lambda w: (w.settled, w.outcome is not Outcome.RESUMED))


_AT_ONCE = 10
"""Threads that wait for one run and go on at the same time."""


def _all_woken(
    threads: Threads,
    run_id: str,
    client: ParallelClient | AsyncParallelClient,
    notes: Sequence[Note | None],
) -> Calls[list[Done[tuple[WakeResult, Gone]]]]:
    pieces = [partial(_woken, threads, run_id, client, note) for note in notes]
    if len(pieces) > 1:
        return (yield from together(pieces, _AT_ONCE))
    return [Done((yield from pieces[0]()), None)]


def _woken(
    threads: Threads,
    run_id: str,
    client: ParallelClient | AsyncParallelClient,
    note: Note | None,
) -> Calls[tuple[WakeResult, Gone]]:
    def left(outcome: Outcome, thread_id: str | None = None) -> tuple[WakeResult, Gone]:
        return WakeResult(outcome, run_id, thread_id), Gone(outcome)

    found: TaskRun | None = None
    if note is None or not isinstance(threads, GraphThreads):
        try:
            found = yield from retrieve(client, run_id)
        except NotFound:
            return left(Outcome.UNKNOWN_RUN)
    thread_id = _thread_of(found) if note is None else note.thread_id
    if found is not None and found.active:
        return left(Outcome.STILL_ACTIVE, thread_id)
    if found is not None and found.status == "action_required":
        _LOG.warning("Run %s waits for a person; its thread stays parked.", run_id)
        return left(Outcome.ACTION_REQUIRED, thread_id)
    if thread_id is None:
        return left(Outcome.UNKNOWN_THREAD)
    # One that was not read here is read by its thread, and it is seen here what that made of it.
    gone = yield from gone_on(threads, thread_id, [run_id], None)
    return WakeResult(gone.outcome, run_id, thread_id), gone


def _thread_of(run: TaskRun | None) -> str | None:
    """The thread as the run's metadata name it."""
    thread_id = ((run and run.metadata) or {}).get("thread_id")
    return thread_id if isinstance(thread_id, str) and thread_id else None


def retrieve(client: ParallelClient | AsyncParallelClient, run_id: str) -> Calls[TaskRun]:
    """A run as it stands, by whichever client fits the driver."""
    found = yield Call(lambda: client.retrieve(run_id), lambda: client.retrieve(run_id))  # type: ignore[arg-type, return-value]  # the caller chose it
    return cast(TaskRun, found)
