"""Every operation of the API, written once.

Each flow is a generator of effects; `client.py` drives it, blocking or not. Spending through a ledger
is in `ledger.py`, waiting for a run in `waiting.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from .. import errors
from ..models import (
    ErrorEvent,
    Event,
    RunInput,
    TaskGroup,
    TaskGroupRunResponse,
    TaskRun,
    TaskRunEvent,
    TaskRunInput,
    TaskRunResult,
    UnknownEvent,
)
from . import wire
from .effects import (
    Ended,
    Flow,
    Lost,
    Outcome,
    Request,
    Response,
    emit,
    open_stream,
    read,
    send,
    sleep,
)
from .feed import EventFeed
from .retry import Next, RetryPolicy, after

ModelT = TypeVar("ModelT", bound=BaseModel)

JITTER = 0.5


def exchange(request: Request, policy: RetryPolicy) -> Flow[Outcome]:
    """Send until the outcome is settled, as the rule in `retry.py` allows."""
    attempt = 1
    while True:
        outcome = yield from send(request)
        if after(request, outcome) is not Next.AGAIN:
            return outcome
        pause = policy.pause(attempt, outcome)
        if pause is None:
            return outcome
        yield from sleep(pause, jitter=JITTER)
        attempt += 1


def fetch(
    request: Request, model: type[ModelT], policy: RetryPolicy, run_id: str | None = None
) -> Flow[ModelT]:
    """One request, decoded."""
    outcome = yield from exchange(request, policy)
    return wire.decode(model, request, outcome, run_id=run_id)


def create(run: TaskRunInput, policy: RetryPolicy) -> Flow[TaskRun]:
    """Start a run without a ledger; sent once, unless no byte of it can have reached the server."""
    return (yield from fetch(wire.create(run), TaskRun, policy))


def add_runs(
    group_id: str, runs: Sequence[TaskRunInput], policy: RetryPolicy
) -> Flow[TaskGroupRunResponse]:
    """Start runs in a group without looking first."""
    return (yield from fetch(wire.add_runs(group_id, list(runs)), TaskGroupRunResponse, policy))


def retrieve(run_id: str, policy: RetryPolicy) -> Flow[TaskRun]:
    """A run as it stands."""
    return (yield from fetch(wire.get(run_id), TaskRun, policy, run_id))


def retrieve_input(run_id: str, policy: RetryPolicy) -> Flow[RunInput]:
    """What was asked of a run."""
    return (yield from fetch(wire.get(run_id, "input"), RunInput, policy, run_id))


def result(run_id: str, timeout: float, policy: RetryPolicy) -> Flow[TaskRunResult]:
    """The answer of a run, waited for on the server for up to `timeout` seconds.

    A run that failed answers 404 here, as an unknown one does; its status tells them apart.
    """
    request = wire.result(run_id, seconds=timeout)
    outcome = yield from send(request)
    if isinstance(outcome, Response) and outcome.status == 404:
        raise_unfinished((yield from retrieve(run_id, policy)))
    if after(request, outcome) is Next.AGAIN and not _timed_out(outcome):
        outcome = yield from exchange(request, policy)
    if _timed_out(outcome):
        run = yield from retrieve(run_id, policy)
        raise still_running(run, timeout)
    return wire.decode(TaskRunResult, request, outcome, run_id=run_id)


def _timed_out(outcome: Outcome) -> bool:
    return isinstance(outcome, Response) and outcome.status == 408


def create_group(metadata: Mapping[str, object], policy: RetryPolicy) -> Flow[TaskGroup]:
    """An empty group. Free, so a lost answer may be repeated: the group it made stays empty."""
    return (yield from fetch(wire.create_group(metadata), TaskGroup, policy))


def retrieve_group(group_id: str, policy: RetryPolicy) -> Flow[TaskGroup]:
    """A group as it stands."""
    return (yield from fetch(wire.get(group_id, root=wire.GROUPS), TaskGroup, policy))


def list_runs(
    group_id: str,
    policy: RetryPolicy,
    *,
    include_input: bool = False,
    include_output: bool = False,
    status: str | None = None,
    last_event_id: str | None = None,
) -> Flow[list[TaskRunEvent]]:
    """The runs of a group as they stand. A list that breaks off is read again from where it broke."""
    runs: list[TaskRunEvent] = []
    attempt = 1
    while True:
        query = {
            "include_input": include_input or None,
            "include_output": include_output or None,
            "status": status,
            "last_event_id": _last_id(runs) or last_event_id,
        }
        request = wire.stream(wire.get(group_id, "runs", root=wire.GROUPS, query=query))
        outcome = yield from _collect(request, runs)
        if isinstance(outcome, Ended):
            return runs
        pause = policy.pause(attempt, outcome) if after(request, outcome) is Next.AGAIN else None
        if pause is None:
            raise wire.failure(request, outcome)
        yield from sleep(pause, jitter=JITTER)
        attempt += 1


def _last_id(runs: list[TaskRunEvent]) -> str | None:
    return next((event.event_id for event in reversed(runs) if event.event_id), None)


def _collect(request: Request, runs: list[TaskRunEvent]) -> Flow[Ended | Outcome]:
    """Read one connection into `runs`; a run that is listed again stands as listed last."""
    head = yield from open_stream(request)
    if isinstance(head, Lost) or not 200 <= head.status < 300:
        return head
    feed = EventFeed(replays=False)
    while True:
        chunk = yield from read()
        if not isinstance(chunk, bytes):
            return chunk if feed.complete else Lost(sent=True, reason="the list broke off")
        for event in feed.feed(chunk):
            if isinstance(event, ErrorEvent):
                return Lost(sent=True, reason=f"the server reports: {event.error.message}")
            if isinstance(event, UnknownEvent) and event.type == "task_run.state":
                raise errors.AnswerBroken(
                    f"A run in the answer to GET {request.path} cannot be read.",
                    hint="Nothing was sent; check whether this package is up to date.",
                )
            if isinstance(event, TaskRunEvent):
                runs[:] = [known for known in runs if known.run.run_id != event.run.run_id] + [
                    event
                ]


def run_events(run_id: str, policy: RetryPolicy) -> Flow[None]:
    """Emit a run's events until it has ended; reconnects, and shows nothing twice."""
    feed = EventFeed(replays=True)
    attempt = 1
    while True:
        request = wire.stream(wire.get(run_id, "events", timeout=READ_SECONDS))
        outcome, last, seen = yield from follow(request, feed)
        if isinstance(last, TaskRunEvent) and not last.run.active:
            return
        attempt = 1 if seen else attempt + 1
        yield from _pause_or_raise(request, outcome, attempt, policy, run_id)


def group_events(
    group_id: str, policy: RetryPolicy, *, last_event_id: str | None, timeout: float | None
) -> Flow[None]:
    """Emit a group's events until no run of it is active; resumes where a connection broke."""
    feed = EventFeed(replays=False)
    attempt = 1
    while True:
        query = {"last_event_id": last_event_id, "timeout": timeout}
        request = wire.stream(
            wire.get(group_id, "events", root=wire.GROUPS, query=query, timeout=READ_SECONDS)
        )
        outcome, last, seen = yield from follow(request, feed)
        last_event_id = getattr(last, "event_id", None) or last_event_id
        if isinstance(outcome, Ended):
            group = yield from retrieve_group(group_id, policy)
            if timeout is not None or not group.status.is_active:
                return
        attempt = 1 if seen else attempt + 1
        yield from _pause_or_raise(request, outcome, attempt, policy, None)


READ_SECONDS = 60.0
"""Silence on an event stream after which it counts as broken."""


def follow(request: Request, feed: EventFeed) -> Flow[tuple[Ended | Outcome, Event | None, bool]]:
    """Emit the new events of one connection: how it ended, the last event, whether any was new."""
    last: Event | None = None
    head = yield from open_stream(request)
    if isinstance(head, Lost) or not 200 <= head.status < 300:
        return head, None, False
    feed.connect()
    while True:
        chunk = yield from read()
        if not isinstance(chunk, bytes):
            return chunk, last, last is not None
        for event in feed.feed(chunk):
            last = event
            yield from emit(event)


def _pause_or_raise(
    request: Request,
    outcome: Ended | Outcome,
    attempt: int,
    policy: RetryPolicy,
    run_id: str | None,
) -> Flow[None]:
    again = isinstance(outcome, Ended) or after(request, outcome) is Next.AGAIN
    failed = (
        Lost(sent=True, reason="the stream keeps ending early")
        if isinstance(outcome, Ended)
        else outcome
    )
    pause = policy.pause(attempt, failed) if again else None
    if pause is None:
        raise wire.failure(request, failed, run_id=run_id)
    yield from sleep(pause, jitter=JITTER)


# --- what a run's status means -------------------------------------------------------------------

_ENDINGS: Mapping[str, tuple[type[errors.RunError], str, str, bool | None]] = {
    # status: class, what happened, what to do, billed
    "failed": (
        errors.RunFailed,
        "failed",
        "Failed runs are not billed; ask again with a raised `attempt`, or change the question.",
        False,
    ),
    "cancelled": (
        errors.RunCancelled,
        "was cancelled on the server's side",
        "Ask again with a raised `attempt` if the answer is still wanted.",
        None,
    ),
    "action_required": (
        errors.ActionRequired,
        "stands still until a person has done something",
        "Do what the server asks for (often: authorise an MCP server), then wait for the same run again.",
        None,
    ),
}


def raise_unfinished(run: TaskRun) -> None:
    """Raise what a run's status amounts to; return where it is active or completed.

    Raises:
        RunFailed, RunCancelled, ActionRequired: By status; a final status nobody has heard of counts as
            failed.
    """
    if run.active or run.status == "completed":
        return
    unknown = (
        errors.RunError,
        f"ended as {run.status!r}",
        "Look at it on Parallel's platform.",
        None,
    )
    kind, happened, todo, billed = _ENDINGS.get(run.status, unknown)
    error, warnings = run.error, [w.message for w in run.warnings or () if w.message]
    said = error.message if error else ""
    parts = [f"Run {run.run_id} {happened}"]
    parts += [f"the server says: {said.rstrip('.')}"] if said else []
    parts += [f"warnings: {' '.join(warnings)}"] if warnings else []
    parts += [f"ref_id {error.ref_id}"] if error and error.ref_id else []
    raise kind(
        "; ".join(parts) + ".",
        hint=todo,
        status=run.status,
        ref_id=error.ref_id if error else None,
        server_message=said,
        warnings=warnings,
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        billed=billed,
    )


def still_running(run: TaskRun, waited: float) -> errors.StillRunning:
    """The error for a deadline that passed."""
    return errors.StillRunning(
        f"Run {run.run_id} is still {run.status} after {waited:,.0f} s of waiting.",
        hint="It goes on and nothing is lost: wait for the same run_id again, with a longer timeout; do "
        "not start it anew.",
        waited=waited,
        status=run.status,
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        billed=None,
    )
