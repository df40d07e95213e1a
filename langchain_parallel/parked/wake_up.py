"""`resume_parked`: a run has ended, so the threads that are parked for it are resumed.

Rule: of a caller that says that a run has ended, only the run's id is believed. Its threads are found by
their records in the store, or by the run's metadata as the API has it; only a thread of this graph that is
parked for this very run is resumed, and it reads the run from the API itself.
Waking is idempotent: late, early, twice or beside a sweep, a thread is resumed once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

import anyio
from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls, adrive, drive
from .._core.ledger.keys import ROW_ID
from .._graph.clients import ClientPair
from .._graph.store import digest, gather, get_item, put_item
from .._telemetry import TelemetryEvent, tell
from ..client.client_pair import AnyClient
from ..errors import NotFound, ParallelError, ThreadBusy
from ..models import TaskRun
from ..models.results import ACTIVE_STATUSES
from .graph_clients import adrive_with, drive_with
from .index import (
    DELIVERIES,
    ParkedRecord,
    delete_record,
    put_record,
    records_in,
    search_run,
)
from .isolation import run_all_isolated, run_isolated
from .resumption import AnyGraph
from .threads import GraphThreads, Threads, ThreadStatus, threads_of

_LOG = logging.getLogger("langchain_parallel")
_CONCURRENCY = 10
"""Threads that wait for the same run and are resumed at the same time."""


class Outcome(str, Enum):
    """The result of waking a thread."""

    RESUMED = "resumed"
    """The thread was resumed."""
    NOT_PARKED = "not_parked"
    """The thread is not parked for the run, or no longer: it has been resumed already."""
    ACTION_REQUIRED = "action_required"
    """The run waits for a person, so the thread stays parked. The API sends a webhook when the run ends."""
    STILL_ACTIVE = "still_active"
    """The run has not ended, so the thread stays parked."""
    BATCH_ACTIVE = "batch_active"
    """The run belongs to a batch with runs that have not ended: its thread is woken when the last one has."""
    IN_PROGRESS = "in_progress"
    """The thread has unfinished work: a process is doing it and may be about to park, or has died."""
    OTHER_GRAPH = "other_graph"
    """The thread was parked by another graph, and stays parked for that one (the log says what to do)."""
    UNKNOWN_RUN = "unknown_run"
    """The account has no such run."""
    UNKNOWN_THREAD = "unknown_thread"
    """The run belongs to no thread that can be found here."""


_SETTLED = (
    Outcome.RESUMED,
    Outcome.NOT_PARKED,
    Outcome.ACTION_REQUIRED,
    Outcome.BATCH_ACTIVE,
)
_LAST_RUNS = 2
"""A group with so few active runs may be one that has not counted the end of its last run yet."""


class WakeResult(NamedTuple):
    """The result of waking the threads of a run; of several threads, that of the least settled one."""

    outcome: Outcome
    run_id: str
    thread_id: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do; if False, another attempt a little later may do more."""
        return self.outcome in _SETTLED


def resume_parked(
    graph: AnyGraph | Threads,
    run_id: str,
    client: AnyClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
) -> WakeResult:
    """Resume the threads that are parked for a run, if the run has ended. Safe to call at any time.

    Args:
        graph: A compiled graph with its checkpointer, or other `Threads`.
        run_id: The run, such as `receive` returns it.
        client: Reads the run; unless given, the graph's own, or else one made from the environment.
        config: Passed on to the graph: callbacks, `configurable` values.
        context: The graph's run-time context, if it has a `context_schema`.

    Raises:
        ParallelError: The API could not be reached; `is_transient` says whether to try again.
        Exception: What the graph raises when it is resumed.
    """
    threads = threads_of(graph, config, context)
    woken = drive_with(client, threads, lambda clients: _wake(threads, clients, run_id))
    return cast(WakeResult, woken)  # None is for deliveries only


async def aresume_parked(
    graph: AnyGraph | Threads,
    run_id: str,
    client: AnyClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
) -> WakeResult:
    """As `resume_parked`; awaited."""
    threads = threads_of(graph, config, context)
    woken = await adrive_with(client, threads, lambda clients: _wake(threads, clients, run_id))
    return cast(WakeResult, woken)


async def wake_for_delivery(
    threads: Threads, clients: ClientPair, run_id: str, webhook_id: str, *, blocking: bool
) -> WakeResult | None:
    """As `resume_parked`, for a webhook's delivery; None if the delivery had been processed before.

    Args:
        threads: The threads.
        clients: Read the run.
        run_id: The run that the delivery names.
        webhook_id: The delivery's id.
        blocking: The threads' graph and storage are blocking ones: work in a worker thread.
    """
    steps = _wake(threads, clients, run_id, webhook_id)
    if not blocking:
        return await adrive(steps)
    # The caller limits how many run at once. Python cannot stop a thread: a cancelled caller abandons it.
    limiter = anyio.CapacityLimiter(1)
    return await anyio.to_thread.run_sync(drive, steps, abandon_on_cancel=True, limiter=limiter)


def _wake(
    threads: Threads, clients: ClientPair, run_id: str, webhook_id: str | None = None
) -> Calls[WakeResult | None]:
    """Wake every thread parked for a run, unless the delivery with this id was already processed."""
    store = threads.store
    items, processed = yield from gather(
        None if store is None else search_run(store, run_id),
        None
        if store is None or webhook_id is None
        else get_item(store, DELIVERIES, digest(webhook_id)),
    )
    if processed is not None:
        return None
    # A store that searches by a text prefix returns the records of longer run ids, too.
    records = [record for record in records_in(items or ()) if record.run_id == run_id]
    ours: list[ParkedRecord | None] = [r for r in records if threads.owns_node(r.node)]
    if records and not ours:
        return WakeResult(Outcome.UNKNOWN_THREAD, run_id)  # the threads of another graph
    steps = [partial(_wake_thread, threads, clients, run_id, record) for record in ours or [None]]
    results: list[_Woken | BaseException]
    if len(steps) == 1:
        results = [(yield from run_isolated(steps[0]))]
    else:
        results = yield from run_all_isolated(steps, _CONCURRENCY)
    errors = [each for each in results if isinstance(each, BaseException)]
    woken = [each for each in results if not isinstance(each, BaseException)]
    if store is not None:
        is_settled = not errors and all(result.is_settled for result, _ in woken)
        done = []
        if webhook_id and is_settled:
            done.append(put_item(store, DELIVERIES, digest(webhook_id), {"at": time.time()}))
        done += [delete_record(store, record) for _, over in woken for record in over]
        if (
            not records
        ):  # the process may have died before it recorded the thread: a sweep has to find it
            left = (w.thread_id for w, _ in woken if w.outcome is Outcome.IN_PROGRESS)
            done += [put_record(store, run_id, thread_id) for thread_id in left if thread_id]
        yield from gather(*done)
    if errors:
        raise errors[0]
    return min(
        (result for result, _ in woken),
        key=lambda result: (result.is_settled, result.outcome is not Outcome.RESUMED),
    )


_Woken: TypeAlias = tuple[WakeResult, Sequence[ParkedRecord]]
"""The result of waking a thread, and those of its records that are no longer needed."""


def _wake_thread(
    threads: Threads, clients: ClientPair, run_id: str, record: ParkedRecord | None
) -> Calls[_Woken]:
    thread_id, ended, its = record and record.thread_id, [run_id], [record] if record else []
    # A compiled graph's thread reads the run itself when it is resumed, so the run need not be read here,
    # unless the store does not say which node waits for it: a wake-up that found the thread at work has
    # written that, and the thread may wait for the run's whole batch. Other threads may only be queued.
    is_parked_for_it = record is not None and bool(record.node)
    if not (is_parked_for_it and isinstance(threads, GraphThreads)):
        try:
            run = yield from clients.retrieve(run_id)
        except NotFound:
            return WakeResult(Outcome.UNKNOWN_RUN, run_id), ()
        named = (run.metadata or {}).get("thread_id")
        thread_id = thread_id or (named if isinstance(named, str) and named else None)
        if run.active:
            return WakeResult(Outcome.STILL_ACTIVE, run_id, thread_id), ()
        if run.status == "action_required":
            _LOG.warning("Run %s waits for a person; its thread stays parked.", run_id)
            return WakeResult(Outcome.ACTION_REQUIRED, run_id, thread_id), ()
        if not is_parked_for_it and (group_id := group_of_row(run)) is not None:
            active = yield from _active_runs(clients, group_id)
            if active:
                is_near = active <= _LAST_RUNS
                outcome = Outcome.STILL_ACTIVE if is_near else Outcome.BATCH_ACTIVE
                return WakeResult(outcome, run_id, thread_id), ()
            ended.append(group_id)
            if threads.store is not None:
                items = yield search_run(threads.store, group_id)
                named_too = [one for one in records_in(items) if one.run_id == group_id]
                its += [one for one in named_too if one.thread_id == thread_id]
    if thread_id is None:
        return WakeResult(Outcome.UNKNOWN_THREAD, run_id), ()
    outcome, over = yield from resume_thread(threads, thread_id, ended, its)
    return WakeResult(outcome, run_id, thread_id), over


def group_of_row(run: TaskRun) -> str | None:
    """The task group of a table's run, for which a thread may wait as a whole."""
    return run.taskgroup_id if ROW_ID in (run.metadata or {}) else None


def _active_runs(clients: ClientPair, group_id: str) -> Calls[int]:
    """How many runs of a group have not ended; at least 1 where the API says that some have not."""
    status = (yield from clients.retrieve_group(group_id)).status
    counts = status.task_run_status_counts
    counted = sum(counts.get(name, 0) for name in ACTIVE_STATUSES)
    return max(1, counted) if status.is_active else 0


def resume_thread(
    threads: Threads,
    thread_id: str,
    ended: Collection[str],
    records: Sequence[ParkedRecord],
    stranded_after: float | None = None,
) -> Calls[tuple[Outcome, Sequence[ParkedRecord]]]:
    """Resume a thread if it is parked for a run that has ended.

    Args:
        threads: Where the thread is.
        thread_id: The thread.
        ended: Runs that have ended.
        records: The thread's records for these runs.
        stranded_after: Also resume a thread that is not parked but has unfinished work and no checkpoint for
            this many seconds: its process died. None: never.

    Returns:
        The outcome, and the records that are no longer needed.
    """

    def choose(status: ThreadStatus) -> list[str] | None:
        is_stranded = stranded_after is not None and status.idle_seconds >= stranded_after
        if status.may_be_running and not is_stranded:
            return None  # resuming the thread would run that task a second time
        ids = [id for id in status.waiting if id not in status.others]
        ids = [id for id in ids if status.waiting[id].intersection(ended)]
        may_continue = status.unfinished and is_stranded and not status.others
        return ids if ids or may_continue else None

    try:
        before, after = yield from threads.resume_if(thread_id, choose)
    except ThreadBusy:
        return Outcome.IN_PROGRESS, ()
    if after is not None:
        left = {id for id, runs in after.waiting.items() if runs.intersection(ended)}
        # What is only queued tells nothing yet: if it was refused before, it is likely to be again.
        if left & after.refused or (after.unfinished and before.refused):
            return Outcome.OTHER_GRAPH, ()
        if left:
            return Outcome.STILL_ACTIVE, ()  # for the thread, the API said that the run is active
        tell(_woken_event(thread_id, ended, records))
        return Outcome.RESUMED, () if after.unfinished else records
    if any(before.waiting[id].intersection(ended) for id in before.others):
        return Outcome.OTHER_GRAPH, ()
    if before.exists and before.unfinished:
        return Outcome.IN_PROGRESS, ()
    stale = [record for record in records if record.is_stale(before.idle_seconds)]
    return Outcome.NOT_PARKED if before.exists else Outcome.UNKNOWN_THREAD, stale


def _woken_event(
    thread_id: str, ended: Collection[str], records: Sequence[ParkedRecord]
) -> TelemetryEvent:
    since = min((record.at for record in records), default=None)
    waited = None if since is None else round(max(0.0, time.time() - since), 3)
    fields = {"thread_id": thread_id, "run_ids": sorted(ended), "seconds": waited}
    return TelemetryEvent("woken", fields)


def log_error(message: str, subject: str, error: BaseException) -> None:
    """Log a warning; with the traceback, unless the error is one of ours, whose text says everything."""
    is_ours = isinstance(error, ParallelError)
    text = error if is_ours else type(error).__name__
    _LOG.warning(message, subject, text, exc_info=None if is_ours else error)
