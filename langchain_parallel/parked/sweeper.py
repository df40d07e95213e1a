"""`sweep`: every parked thread whose run has ended is resumed, though no webhook came.

Rule: a webhook may be lost, and a worker killed while it processes one; the sweep is what "nothing paid for
is lost" rests on. It may run at any time, beside webhooks and other sweeps, and finds every thread that is
parked, however long ago its run ended.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict

import anyio
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph

from .._core.calls import Call, Calls
from .._core.kinds import check_whole
from .._core.plain_text import count
from .._graph.clients import ClientPair
from .._graph.graph_names import has_fingerprint, way_out
from .._graph.store import gather
from .._telemetry import TelemetryEvent, tell
from ..client.client_pair import AnyClient
from ..errors import AuthenticationFailed, InvalidRequest, NotFound, is_transient
from ..models import TaskRun, TaskRunEvent
from .graph_clients import adrive_with, drive_with
from .index import ParkedThread, delete_old_deliveries, delete_record
from .isolation import run_all_isolated
from .resumption import AnyGraph
from .threads import Threads, threads_of
from .wake_up import Outcome, log_error, resume_thread

_LOG = logging.getLogger("langchain_parallel")
STRANDED_SECONDS = 900.0
"""A thread with unfinished work and no checkpoint for this long was left by a process that died."""
_MAX_FAILED_BATCHES = 3
"""The sweep ends after this many batches in a row for which the API could not be reached."""


_IN_WORDS = {
    "resumed": "resumed",
    "still_active": "still waiting",
    "action_required": "waiting for a person on Parallel's side",
    "already_resumed": "resumed before",
    "in_progress": "being worked on",
    "not_found": "not found",
    "other_graphs": "left to another graph",
    "failed": "failed",
    "skipped": "left to the next sweep",
}


@dataclass
class SweepResult:
    """What a sweep found. Threads are named by their ids."""

    threads: int = 0
    """Threads that wait for runs, as far as is known before the runs are read."""
    still_active: int = 0
    """Of those, the ones whose runs are all still active."""
    resumed: list[str] = field(default_factory=list)
    """Threads that this sweep resumed."""
    already_resumed: list[str] = field(default_factory=list)
    """Threads that had been resumed before: they do not wait for the run any more."""
    in_progress: list[str] = field(default_factory=list)
    """Threads with unfinished work: a process is doing it, or has died, which a later sweep finds out."""
    not_found: list[str] = field(default_factory=list)
    """Threads that are recorded as parked and that cannot be found, or whose assistant was deleted. Their
    records are kept for a week.
    """
    other_graphs: dict[str, str] = field(default_factory=dict)
    """By thread, the name of the other graph that has parked it. They are left to that graph. If it should be
    this one, sweep with `config={"configurable": {"take_over": name}}`.
    """
    action_required: list[str] = field(default_factory=list)
    """Threads with a run that waits for a person; they stay parked."""
    failed: dict[str, BaseException] = field(default_factory=dict)
    """By thread, why a run of it could not be read, or why it could not be resumed; the next sweep tries
    again. A thread that was resumed although the API does not know one of its runs is here, too.
    """
    skipped: int = 0
    """Threads that were left to the next sweep, because the API could not be reached."""

    def __str__(self) -> str:
        """What was found, in a sentence."""
        counts = self.counts()
        found = [f"{counts[name]:,} {words}" for name, words in _IN_WORDS.items() if counts[name]]
        if not self.threads:
            return "No thread is parked."
        of = f"{count(self.threads, 'thread')} {'was' if self.threads == 1 else 'were'} parked"
        return f"{of}: {', '.join(found)}."

    def of(self, outcome: Outcome) -> list[str]:
        """The threads with this outcome of an attempt to resume them."""
        by_outcome = {
            Outcome.RESUMED: self.resumed,
            Outcome.IN_PROGRESS: self.in_progress,
            Outcome.UNKNOWN_THREAD: self.not_found,
        }
        return by_outcome.get(outcome, self.already_resumed)

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            name: value if isinstance(value, int) else len(value)
            for name, value in vars(self).items()
        }


def sweep(
    graph: AnyGraph | Threads,
    client: AnyClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    concurrency: int = 10,
    per_second: float = 20.0,
    stranded_after: float | None = STRANDED_SECONDS,
) -> SweepResult:
    """Resume every parked thread whose run has ended. Safe to call at any time, as often as you like.

    If the graph has a store, the parked threads are those recorded there; if not, those that the checkpointer
    lists, which takes reading every checkpoint it has.

    Args:
        graph: A compiled graph with its checkpointer, or other `Threads`.
        client: Reads the runs; unless given, the graph's own, or else one made from the environment.
        config: Passed on to the graph: callbacks, `configurable` values.
        context: The graph's run-time context, if it has a `context_schema`.
        concurrency: Threads whose runs are read, and that are resumed, at the same time.
        per_second: Most requests per second to the API, on average.
        stranded_after: Seconds without a checkpoint after which a thread that was resumed, and did not get to
            its end, counts as left by a process that died, and is resumed, too. None: never.

    Raises:
        InvalidRequest: A number makes no sense, or the graph has no checkpointer.
        AuthenticationFailed: The API rejects the key.
    """
    threads, how = threads_of(graph, config, context), (concurrency, per_second, stranded_after)
    return drive_with(client, threads, lambda clients: _Sweep(threads, clients, *how).run())


async def asweep(
    graph: AnyGraph | Threads,
    client: AnyClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    concurrency: int = 10,
    per_second: float = 20.0,
    stranded_after: float | None = STRANDED_SECONDS,
) -> SweepResult:
    """As `sweep`; awaited."""
    threads, how = threads_of(graph, config, context), (concurrency, per_second, stranded_after)
    return await adrive_with(client, threads, lambda clients: _Sweep(threads, clients, *how).run())


@dataclass
class _Sweep:
    """One sweep, in batches: the first threads are resumed while the last are still to be read."""

    threads: Threads
    clients: ClientPair
    concurrency: int
    per_second: float
    stranded_after: float | None
    result: SweepResult = field(default_factory=SweepResult)
    failed_batches: int = 0
    """Batches in a row for which the API could not be reached at all."""

    def __post_init__(self) -> None:
        check_whole("concurrency", self.concurrency, 1)
        per_second: object = self.per_second
        if not isinstance(per_second, int | float) or not per_second > 0:
            raise InvalidRequest([f"per_second is {per_second!r}; give a number above 0."])
        after: object = self.stranded_after
        if after is not None and not (isinstance(after, int | float) and after >= 0):
            raise InvalidRequest(
                [f"stranded_after is {after!r}; give seconds, from 0 up, or None for never."]
            )

    def run(self) -> Calls[SweepResult]:
        found = yield from self.threads.list_parked()
        self.result.threads = len(found)
        self._leave_to_others(found)
        parked = [thread for thread in found if not thread.other_graph]
        random.shuffle(parked)  # so that threads that fail each time cannot starve the others
        for start in range(0, len(parked), self.concurrency):
            began = time.monotonic()
            requests = yield from self._batch(parked[start : start + self.concurrency])
            left = max(0, len(parked) - start - self.concurrency)
            if left and self.failed_batches >= _MAX_FAILED_BATCHES:
                self.result.skipped = left
                break
            seconds = began + requests / self.per_second - time.monotonic()
            if left and seconds > 0:
                yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))  # noqa: B023 -- called at once
        if self.threads.store is not None:
            yield from delete_old_deliveries(self.threads.store)
        tell(TelemetryEvent("swept", {**self.result.counts(), "oldest_seconds": _oldest(found)}))
        return self.result

    def _leave_to_others(self, found: Sequence[ParkedThread]) -> None:
        """Report the threads that other graphs have parked."""
        self.result.other_graphs = {
            thread.thread_id: thread.other_graph for thread in found if thread.other_graph
        }
        for graph, number in Counter(self.result.other_graphs.values()).items():
            # Of graphs without names of their own, it may be this one, before a redeploy.
            level = logging.WARNING if has_fingerprint(graph) else logging.INFO
            threads = count(number, "parked thread")
            _LOG.log(level, "%s left to the graph %r. %s", threads, graph, way_out(graph))

    def _batch(self, batch: Sequence[ParkedThread]) -> Calls[int]:
        """Read the runs of some threads and resume those whose runs have ended; returns the requests."""
        steps = [partial(self._read_runs, thread) for thread in batch]
        read = yield from run_all_isolated(steps, self.concurrency)
        failed = [each for each in read if isinstance(each, BaseException)]
        for error in failed:
            if isinstance(error, AuthenticationFailed):
                raise error
        unreachable = len(failed) == len(batch) and all(map(is_transient, failed))
        self.failed_batches = self.failed_batches + 1 if unreachable else 0
        ready = []
        for thread, runs in zip(batch, read, strict=True):
            if isinstance(runs, BaseException):
                self._fail(thread, runs)
            elif ended := self._sort(thread, runs):
                ready.append((thread, ended))
        outcomes = yield from run_all_isolated(
            [partial(self._resume, *each) for each in ready], self.concurrency
        )
        for (thread, _), outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._fail(thread, outcome)
            elif outcome is Outcome.STILL_ACTIVE:
                self.result.still_active += 1
            elif outcome is Outcome.OTHER_GRAPH:
                self.result.other_graphs[thread.thread_id] = min(thread.graphs, default="")
            else:
                self.result.of(outcome).append(thread.thread_id)
        return sum(1 if isinstance(runs, BaseException) else runs.requests for runs in read)

    def _read_runs(self, thread: ParkedThread) -> Calls[_Runs]:
        """Read a thread's runs; several in one ledger with one list."""
        runs = _Runs()
        by_ledger: dict[str | None, list[str]] = defaultdict(list)
        for run_id, ledger_id in thread.runs.items():
            by_ledger[ledger_id].append(run_id)
        for ledger_id, run_ids in by_ledger.items():
            if ledger_id is not None and len(run_ids) > 1:
                with suppress(NotFound):  # then each by itself
                    runs.requests += 2  # a list that is not empty is read on
                    events: list[TaskRunEvent] = yield Call(
                        lambda: self.clients.sync.list_runs(ledger_id),  # noqa: B023 -- called at once
                        lambda: self.clients.async_.list_runs(ledger_id),  # noqa: B023
                    )
                    listed = {event.run.run_id: event.run for event in events}
                    runs.found |= {run_id: listed[run_id] for run_id in run_ids if run_id in listed}
        for run_id, its_ledger in thread.runs.items():
            if run_id not in runs.found:
                runs.requests += 1
                read = self._group_as_run if its_ledger == run_id else self.clients.retrieve
                try:
                    runs.found[run_id] = yield from read(run_id)
                except NotFound as error:
                    runs.missing[run_id] = error
        return runs

    def _group_as_run(self, group_id: str) -> Calls[TaskRun]:
        """A group that is waited for as a whole, as a run that ends with its last one."""
        group = yield from self.clients.retrieve_group(group_id)
        return TaskRun(run_id=group_id, status="running" if group.status.is_active else "completed")

    def _sort(self, thread: ParkedThread, runs: _Runs) -> list[str]:
        """The thread's runs that have ended, and those that the API does not know: what to make of these,
        the thread itself decides.
        """
        inactive = [run for run in runs.found.values() if not run.active]
        ended = [run.run_id for run in inactive if run.status != "action_required"]
        if len(ended) < len(inactive):
            self.result.action_required.append(thread.thread_id)
        elif not ended and not runs.missing:
            self.result.still_active += 1
        for error in runs.missing.values():
            self._fail(thread, error)
        return [*ended, *runs.missing]

    def _resume(self, thread: ParkedThread, ended: list[str]) -> Calls[Outcome]:
        records = [record for record in thread.records if record.run_id in ended]
        outcome, over = yield from resume_thread(
            self.threads, thread.thread_id, ended, records, self.stranded_after
        )
        if self.threads.store is not None:
            yield from gather(*(delete_record(self.threads.store, record) for record in over))
        return outcome

    def _fail(self, thread: ParkedThread, error: BaseException) -> None:
        log_error("Thread %s could not be swept: %s", thread.thread_id, error)
        self.result.failed[thread.thread_id] = error


@dataclass
class _Runs:
    """A thread's runs as the API has them."""

    found: dict[str, TaskRun] = field(default_factory=dict)
    missing: dict[str, NotFound] = field(default_factory=dict)
    requests: int = 0


def _oldest(found: Sequence[ParkedThread]) -> float | None:
    """How long the thread that was parked first waits, in seconds; None if no store has recorded it."""
    since = min((record.at for thread in found for record in thread.records), default=None)
    return None if since is None else round(max(0.0, time.time() - since), 3)


class SweepState(TypedDict, total=False):
    """The state of a sweep graph."""

    counts: dict[str, int]
    """What the last sweep found (`SweepResult.counts`)."""


def create_sweep_graph(
    graph: AnyGraph | Threads,
    *,
    client: AnyClient | None = None,
    **options: Any,
) -> StateGraph[SweepState, None, SweepState, SweepState]:
    """A graph that sweeps another graph's threads each time it runs, for a LangGraph cron. Uncompiled.

    Args:
        graph: As for `sweep`.
        client: As for `sweep`.
        options: As for `sweep`: `concurrency`, `per_second`, `stranded_after`, `config`, `context`.
    """

    def sync(state: SweepState) -> SweepState:
        return {"counts": sweep(graph, client, **options).counts()}

    async def async_(state: SweepState) -> SweepState:
        return {"counts": (await asweep(graph, client, **options)).counts()}

    builder: Any = StateGraph(SweepState)
    builder.add_node("sweep", RunnableLambda(sync, async_))
    builder.add_edge(START, "sweep")
    builder.add_edge("sweep", END)
    return builder  # type: ignore[no-any-return]  # LangGraph's generics do not follow add_node
