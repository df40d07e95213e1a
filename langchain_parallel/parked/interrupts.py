"""The interrupt of a parked thread: while its run is active, the thread holds no process and no connection.

Rule: the value that resumes the thread carries no information. The runs are read from the API each time,
and a run that is still active parks the thread again. Only what this process has read moments ago, to start
the run, counts as read; and only once, so that a thread that is resumed at once reads the run, too.
Rule: a step that may have parked begins with `check_own_thread`. Whoever resumes the thread, by whatever way,
another graph than the one that parked it leaves it parked: it would judge the answer by other rules, and send
other requests.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from typing_extensions import NotRequired, TypedDict

from .._core.calls import Calls
from .._graph.clients import ClientPair
from .._graph.graph_names import takes_over, way_out
from .._graph.run_config import RunConfig
from .._graph.runtime import (
    ask_person,
    check_thread_id,
    checkpointer_of,
    is_resumable,
    last_answer,
    runtime_of,
    shown_to_person,
    thread_id_of,
)
from ..errors import NotFound, ParallelError, RunError, StillRunning
from ..models import Submission, TaskRun
from ..processors import expected_seconds
from ..text.untrusted import harmless
from .index import parking_node, record_parked

_LOG = logging.getLogger("langchain_parallel")
_WARNING_CHARS = 300
RESUME_VALUE = "look"
"""What a parked thread is resumed with. It carries no information: the thread reads its runs itself."""
_MOMENTS = 1.0
"""Seconds for which a run that was just started counts as read. A run that ends between its reading and the
interrupt is told to a thread that is not parked yet, which is so however short the time is.
"""
_UNREADABLE = (401, 403, 404)
"""HTTP statuses that waiting does not change: the step that follows reports them."""


class ParkedRun(TypedDict):
    """A run that a thread waits for."""

    run_id: str
    interaction_id: str | None
    handle: NotRequired[str]
    """The handle under which an agent's model knows the run."""
    question: str
    processor: str
    expected_seconds: list[float] | None
    """The usual shortest and longest time, in seconds; None for an unknown processor."""
    status: str
    """`action_required`: a person has to do something on Parallel's side."""
    warnings: list[str]
    """What the API says of the run; untrusted."""


class ParkedBatch(TypedDict):
    """A batch that a thread waits for as a whole."""

    batch_id: str
    group_id: str
    """The task group all of whose runs are waited for: the batch's first one that is active."""
    active: int
    """Its runs that have not ended."""


class ParkedInterrupt(TypedDict):
    """The value of a parked thread's interrupt. Resume the thread with any value."""

    kind: Literal["parked"]
    """Tells it from what a person is asked."""
    runs: list[ParkedRun]
    """Empty where a batch is waited for."""
    batch: NotRequired[ParkedBatch]
    """The batch, where a whole one is waited for."""
    graph: str
    """The name of the graph that has parked it; no other goes on with it."""
    refused_by: NotRequired[str]
    """The name of another graph that was to go on with it, and has left it parked."""


def is_parking(wait: str, config: RunnableConfig) -> bool:
    """Whether to park rather than to wait in the process; parking needs a checkpointer."""
    return wait == "park" and is_resumable(config)


def is_woken(config: RunnableConfig) -> bool:
    """Whether this step goes on because a webhook or a sweep says that its run has ended."""
    return bool(last_answer(config) == RESUME_VALUE)


def check_can_park(wait: str, config: RunnableConfig) -> None:
    """Raise InvalidRequest for a thread that could not be found again once it is parked."""
    if is_parking(wait, config):
        check_thread_id(config.get("configurable", {}).get("thread_id"), checkpointer_of(config))


def check_own_thread(door: RunConfig, config: RunnableConfig) -> Calls[None]:
    """Return if this step is not parked, or was parked by this graph. If another graph has parked it, park it
    again, unless the config says that it is taken over.
    """
    yield from check_parked_by(door.graph_name(config), config)


def check_parked_by(own: str, config: RunnableConfig) -> Calls[None]:
    """As `check_own_thread`, by the name under which this step parks."""
    shown = yield from shown_to_person(config)
    graph = parked_by(shown)
    if not graph or graph == own or takes_over(config, graph):
        return
    _LOG.warning(
        "Thread %s stays parked: it was parked by the graph %r, and this is %r. %s",
        thread_id_of(config),
        graph,
        own,
        way_out(graph),
    )
    while True:  # as in `park`
        ask_person(config, {**shown, "refused_by": own}, {})


def park(
    door: RunConfig,
    turns: Sequence[Mapping[str, Any]],
    ledger_id: str,
    config: RunnableConfig,
    *,
    raises: bool,
) -> Calls[None]:
    """Return once none of these turns' runs is active; until then the thread waits in an interrupt.

    Raises:
        ParallelError: With `raises`, a run cannot be read: the wake-up call then counts as failed and is
            repeated. A tool must not raise, which would cancel the tools beside it: it parks again.
    """
    runs, graph = list[ParkedRun](), door.graph_name(config)
    for turn in turns:
        run = yield from _read(door.clients, turn, raises=raises)
        if run is not None and (run.active or run.status == "action_required"):
            runs.append(_parked_run(turn, run))
    where = _place(config, None)
    ids = [run["run_id"] for run in runs]
    ids = [id for id in ids if not door.clients.take_noted(id, where, _MOMENTS)]
    if ids:  # sweeps and webhooks find the thread by this record
        yield from record_parked(config, ids, ledger_id or None, graph)
    while runs:  # LangGraph answers the first interrupts from the resumes so far, then raises
        ask_person(config, ParkedInterrupt(kind="parked", runs=runs, graph=graph), {})


def note_started(
    door: RunConfig, started: Submission, config: RunnableConfig, *, step: str
) -> Calls[None]:
    """Record that the thread parks for a run which was just started, once it gets to `step`. If that fails,
    `park` records it; and also if the thread takes longer than moments, for then the record may be gone.
    """
    run = started.run
    if started.adopted or not run.active:
        return
    try:
        graph = door.graph_name(config)
        yield from record_parked(config, [run.run_id], started.ledger_id, graph, step=step)
    except ParallelError:
        return
    door.clients.remember_noted(run.run_id, _place(config, step))


def _place(config: RunnableConfig, step: str | None) -> str:
    """Where a run's record says that it is waited for."""
    runtime = runtime_of(config)
    store = None if runtime is None else runtime.store
    return f"{thread_id_of(config)} {parking_node(config, step)} {id(store)}"


def park_for_batch(batch: ParkedBatch, graph: str, config: RunnableConfig) -> Calls[None]:
    """Park until all runs of a task group have ended: one interrupt, and one record, whatever its size."""
    group_id = batch["group_id"]
    yield from record_parked(config, [group_id], group_id, graph)
    while True:  # as in `park`
        ask_person(config, ParkedInterrupt(kind="parked", runs=[], batch=batch, graph=graph), {})


def group_waited_for(interrupt: Any) -> str | None:
    """The task group that a thread with this interrupt waits for as a whole; None for any other one."""
    if not isinstance(interrupt, Mapping) or interrupt.get("kind") != "parked":
        return None
    batch = interrupt.get("batch")
    group_id = batch.get("group_id") if isinstance(batch, Mapping) else None
    return group_id if isinstance(group_id, str) else None


def runs_waited_for(interrupt: Any) -> frozenset[str]:
    """The ids of the runs that a thread with this interrupt waits for; empty for any other interrupt. A task
    group that is waited for as a whole stands for its runs.
    """
    if not isinstance(interrupt, Mapping) or interrupt.get("kind") != "parked":
        return frozenset()
    if group_id := group_waited_for(interrupt):
        return frozenset([group_id])
    runs = interrupt.get("runs")
    if not isinstance(runs, list | tuple):  # another package may have interrupts of this kind, too
        return frozenset()
    ids = (run.get("run_id") for run in runs if isinstance(run, Mapping))
    return frozenset(id for id in ids if isinstance(id, str))


def parked_by(interrupt: Any) -> str:
    """The name of the graph that has parked a thread with this interrupt; empty for any other interrupt."""
    graph = interrupt.get("graph") if runs_waited_for(interrupt) else None
    return graph if isinstance(graph, str) else ""


def is_refused(interrupt: Any) -> bool:
    """Whether another graph was to go on with a thread of this interrupt, and has left it parked."""
    return bool(parked_by(interrupt)) and bool(interrupt.get("refused_by"))


def _read(clients: ClientPair, turn: Mapping[str, Any], *, raises: bool) -> Calls[TaskRun | None]:
    """The turn's run; its last known state if the API cannot be reached; None if it can never be read."""
    run_id = turn["run_id"]
    if (run := clients.take_read(run_id, _MOMENTS)) is not None:
        return run
    try:
        try:
            return (yield from clients.retrieve(run_id))
        except NotFound:  # one that was started a moment ago may be unknown at first
            settling = clients.sync._settings.policy.settle_seconds
            with suppress(StillRunning, RunError):
                yield from clients.wait(run_id, turn.get("interaction_id"), settling, None)
            return (yield from clients.retrieve(run_id))
    except ParallelError as error:
        if raises:
            raise error.with_ids(run_id, turn.get("interaction_id")) from error.__cause__
        if getattr(error, "status", None) in _UNREADABLE:
            return None
        return TaskRun(run_id=run_id, status="running")


def _parked_run(turn: Mapping[str, Any], run: TaskRun) -> ParkedRun:
    seconds = expected_seconds(turn["processor"])
    parked = ParkedRun(
        run_id=turn["run_id"],
        interaction_id=turn.get("interaction_id"),
        question=turn["question"],
        processor=turn["processor"],
        expected_seconds=None if seconds is None else list(seconds),
        status=harmless(run.status, 40),
        warnings=[harmless(str(warning), _WARNING_CHARS) for warning in run.warnings or ()],
    )
    if "handle" in turn:
        parked["handle"] = turn["handle"]
    return parked
