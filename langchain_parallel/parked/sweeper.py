"""`sweep`, `asweep`: parked threads whose runs have ended go on, though no webhook came.

Rule: a webhook may be lost, and a worker killed with one in its hands; the sweep is what "nothing paid for
is lost" rests on. It may run at any time, beside webhooks and other sweeps, and finds every thread that
is parked, however long ago its run ended.
"""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import anyio
from langchain_core.runnables import RunnableConfig

from .._core.calls import Call, Calls, adrive, drive
from ..client import AsyncParallelClient, ParallelClient
from ..errors import AuthenticationFailed, InvalidRequest, NotFound, ParallelError, worth_retrying
from ..models import TaskRun, TaskRunEvent
from .checkpoint_scan import ParkedThread
from .deliveries import forget_old_marks
from .index import all_noted
from .isolation import Done, alone, together
from .resume_thread import Outcome, go_on
from .resumption import AnyGraph
from .sweep_result import SweepResult
from .threads import Threads, threads_of
from .wake_up import retrieve

_LOG = logging.getLogger("langchain_parallel")

STRANDED_SECONDS = 900.0
"""A thread that was left for so long with something to do was left by a process that died."""
_IN_VAIN = 3
"""After so many batches in a row in which the API could not be asked at all, the rest is left for later."""


def sweep(
    graph: AnyGraph | Threads,
    client: ParallelClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    at_once: int = 10,
    per_second: float = 20.0,
    stranded_after: float | None = STRANDED_SECONDS,
) -> SweepResult:
    """Let every parked thread go on whose run has ended. Safe at any time, as often as you like.

    With a store in the graph, the parked threads are those noted there; without, those that the
    checkpointer lists, which reads every checkpoint it has.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        client: Reads the runs; made from the environment unless given.
        config: Passed on to the graph: callbacks, other `configurable` values.
        context: The graph's, if it has a `context_schema`.
        at_once: Threads that are asked for, and go on, at the same time.
        per_second: Requests a second to the API, on average, at the most.
        stranded_after: Seconds without a checkpoint after which a thread that went on, and did not get to
            its end, was left by a process that died: then it goes on, too. None: leave such alone.

    Raises:
        InvalidRequest: A number makes no sense, or the graph has no checkpointer.
        AuthenticationFailed: The API does not take the key.
    """
    _check(at_once, per_second)
    with ExitStack() as stack:
        made = client or stack.enter_context(ParallelClient())
        sweeper = _Sweep(made, at_once, per_second, stranded_after)
        return drive(alone(lambda: sweeper.through(threads_of(graph, config, context))))


async def asweep(
    graph: AnyGraph | Threads,
    client: AsyncParallelClient | None = None,
    *,
    config: RunnableConfig | None = None,
    context: Any = None,
    at_once: int = 10,
    per_second: float = 20.0,
    stranded_after: float | None = STRANDED_SECONDS,
) -> SweepResult:
    """`sweep` for asynchronous storage: it takes the same, and raises the same."""
    _check(at_once, per_second)
    async with AsyncExitStack() as stack:
        made = client
        if made is None:
            made = await stack.enter_async_context(AsyncParallelClient())
        sweeper = _Sweep(made, at_once, per_second, stranded_after)
        return await adrive(alone(lambda: sweeper.through(threads_of(graph, config, context))))


def _check(at_once: int, per_second: float) -> None:
    if at_once < 1 or not per_second > 0:
        raise InvalidRequest(["at_once must be 1 or more, and per_second above 0."])


class _Sweep:
    """One sweep."""

    def __init__(
        self,
        client: ParallelClient | AsyncParallelClient,
        at_once: int,
        per_second: float,
        stranded_after: float | None,
    ) -> None:
        self._client = client
        self._at_once = at_once
        self._per_second = per_second
        self._stranded_after = stranded_after
        self._swept = SweepResult()
        self._in_vain = 0
        """Batches in a row in which the API could not be asked for any thread."""

    def through(self, threads: Threads) -> Calls[SweepResult]:
        """Batch by batch, so that the first are going on while the last are still to be asked for."""
        found = yield from _parked(threads)
        random.shuffle(found)  # those that fail each time are not to be in the others' way
        self._swept.threads = len(found)
        for start in range(0, len(found), self._at_once):
            began = time.monotonic()
            requests = yield from self._batch(threads, found[start : start + self._at_once])
            left = max(0, len(found) - start - self._at_once)
            if left and self._in_vain >= _IN_VAIN:
                self._swept.unasked = left
                break
            if left:
                yield from _pause(began + requests / self._per_second - time.monotonic())
        if threads.store is not None:
            yield from forget_old_marks(threads.store)
        return self._swept

    def _batch(self, threads: Threads, batch: Sequence[ParkedThread]) -> Calls[int]:
        """How many requests it took."""
        asks = [partial(self._ask, one) for one in batch]
        asked: list[Done[_Asked]] = yield from together(asks, self._at_once)
        for done in asked:
            if isinstance(done.error, AuthenticationFailed):
                raise done.error
        in_vain = all(done.error is not None and worth_retrying(done.error) for done in asked)
        self._in_vain = self._in_vain + 1 if in_vain else 0
        ready: list[tuple[str, list[str]]] = []
        for one, done in zip(batch, asked, strict=True):
            if done.value is None:
                self._fail(one.thread_id, done.error)
            else:
                ready += self._sort(one, done.value)
                for error in done.value.missing.values():
                    self._fail(one.thread_id, error)
        goings = [partial(go_on, threads, *each, self._stranded_after) for each in ready]
        outcomes: list[Done[Outcome]] = yield from together(goings, self._at_once)
        for (thread_id, _), outcome in zip(ready, outcomes, strict=True):
            self._note(thread_id, outcome)
        return sum(done.value.requests if done.value else 1 for done in asked)

    def _ask(self, one: ParkedThread) -> Calls[_Asked]:
        """The thread's runs as they stand: one list for several in one ledger."""
        asked = _Asked({}, 0)
        by_ledger: dict[str | None, list[str]] = defaultdict(list)
        for run_id, ledger_id in one.runs.items():
            by_ledger[ledger_id].append(run_id)
        for ledger_id, run_ids in by_ledger.items():
            if ledger_id is not None and len(run_ids) > 1:
                with suppress(NotFound):  # then by run
                    asked.requests += 1
                    runs = yield from _list(self._client, ledger_id)
                    asked.runs |= {run.run_id: run for run in runs if run.run_id in run_ids}
        for run_id in one.runs:
            if run_id not in asked.runs:
                asked.requests += 1
                try:
                    asked.runs[run_id] = yield from retrieve(self._client, run_id)
                except NotFound as error:
                    asked.missing[run_id] = error
        return asked

    def _sort(self, one: ParkedThread, asked: _Asked) -> list[tuple[str, list[str]]]:
        """The thread with its runs that have ended, if there are any. What to make of one that the API
        does not know, the thread itself decides.
        """
        ended = [run for run in asked.runs.values() if not run.active]
        over = [run.run_id for run in ended if run.status != "action_required"]
        if len(over) < len(ended):
            self._swept.action_required.append(one.thread_id)
        elif not over and not asked.missing:
            self._swept.still_active += 1
        over += asked.missing
        return [(one.thread_id, over)] if over else []

    def _note(self, thread_id: str, done: Done[Outcome]) -> None:
        if done.value is None:
            self._fail(thread_id, done.error)
        elif done.value is Outcome.RESUMED:
            self._swept.resumed.append(thread_id)
        elif done.value is Outcome.STILL_ACTIVE:
            self._swept.still_active += 1
        else:
            self._swept.gone_on.append(thread_id)

    def _fail(self, thread_id: str, error: BaseException | None) -> None:
        if error is not None:
            ours = isinstance(error, ParallelError)  # these say all there is to say
            _LOG.warning(
                "Thread %s could not be swept: %s",
                thread_id,
                error if ours else type(error).__name__,
                exc_info=None if ours else error,
            )
            self._swept.failed[thread_id] = error


@dataclass
class _Asked:
    """Runs as the API knows them, and how many requests that took."""

    runs: dict[str, TaskRun]
    requests: int
    missing: dict[str, NotFound] = field(default_factory=dict)


def _parked(threads: Threads) -> Calls[list[ParkedThread]]:
    """The threads to look at, each with the runs it waits for."""
    if threads.store is None:
        return (yield from threads.listed())
    runs: dict[str, dict[str, str | None]] = defaultdict(dict)
    for note in (yield from all_noted(threads.store)):
        if threads.mine(note.node):
            runs[note.thread_id][note.run_id] = note.ledger_id
    return [ParkedThread(thread_id, waits) for thread_id, waits in runs.items()]


def _list(client: ParallelClient | AsyncParallelClient, ledger_id: str) -> Calls[list[TaskRun]]:
    events = yield Call(lambda: client.list_runs(ledger_id), lambda: client.list_runs(ledger_id))  # type: ignore[arg-type, return-value]  # the caller chose it
    return [event.run for event in cast("list[TaskRunEvent]", events)]


def _pause(seconds: float) -> Calls[None]:
    if seconds > 0:
        yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))
