"""The operations of the API that need one request, and the loop that repeats a request.

Each flow is a generator of effects; `client` drives it. Spending through a ledger is in
`ledger/submission.py`, following a run in `run_wait.py`, and what streams in `streams.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from ..models import RunInput, TaskGroup, TaskGroupRunResponse, TaskRun, TaskRunInput, TaskRunResult
from . import limits, responses, wire
from .effects import Flow, Outcome, Request, Response, Sleep, now, send, sleep
from .retry import RetryDecision, RetryPolicy, classify
from .run_status import raise_unfinished, still_running

ModelT = TypeVar("ModelT", bound=BaseModel)

LONGEST_POLL = 600.0
"""Seconds; the server's own limit."""


def exchange(request: Request, policy: RetryPolicy) -> Flow[Outcome]:
    """Send until the outcome is settled, as the rule in `retry.py` allows."""
    attempt = 1
    while True:
        outcome = yield from send(request)
        if classify(request, outcome) is not RetryDecision.SEND_AGAIN:
            return outcome
        pause = policy.delay_before_resend(attempt, outcome)
        if pause is None:
            return outcome
        yield from sleep(pause)
        attempt += 1


def fetch(
    request: Request, model: type[ModelT], policy: RetryPolicy, run_id: str | None = None
) -> Flow[ModelT]:
    """Exchange one request, and decode the response."""
    outcome = yield from exchange(request, policy)
    return responses.decode(model, request, outcome, run_id=run_id)


def create(run: TaskRunInput, policy: RetryPolicy) -> Flow[TaskRun]:
    """Start a run without a ledger; sent once, unless no byte of it can have reached the server."""
    return (yield from fetch(wire.create(run), TaskRun, policy))


def add_runs(
    group_id: str, runs: Sequence[TaskRunInput], policy: RetryPolicy
) -> Flow[TaskGroupRunResponse]:
    """Start runs in a group without looking them up first."""
    return (yield from fetch(wire.add_runs(group_id, list(runs)), TaskGroupRunResponse, policy))


def retrieve(run_id: str, policy: RetryPolicy) -> Flow[TaskRun]:
    """The current state of a run."""
    return (yield from fetch(wire.get(run_id), TaskRun, policy, run_id))


def retrieve_input(run_id: str, policy: RetryPolicy) -> Flow[RunInput]:
    """The request that started a run."""
    return (yield from fetch(wire.get(run_id, "input"), RunInput, policy, run_id))


def result(run_id: str, timeout: float, policy: RetryPolicy) -> Flow[TaskRunResult]:
    """The answer of a run; the server holds the request open for up to `timeout` seconds."""
    started = yield from now()
    deadline = started + limits.seconds(timeout)
    attempt = polls = 0
    while True:
        left = max(0.0, deadline - (yield from now()))
        request = wire.result(run_id, seconds=min(LONGEST_POLL, left))
        outcome = yield from send(request)
        if _has_no_answer(outcome):
            run = yield from retrieve(run_id, policy)
            raise_unfinished(run)
            time = yield from now()
            if run.active and time >= deadline:
                raise still_running(run, time - started)
        elif classify(request, outcome) is not RetryDecision.SEND_AGAIN:
            return responses.decode(TaskRunResult, request, outcome, run_id=run_id)
        active = _has_status(outcome, 408)
        attempt, polls = (0, polls + 1) if active else (attempt + 1, polls)
        pause = (
            policy.jittered_delay(polls) if active else policy.delay_before_resend(attempt, outcome)
        )
        if pause is None:
            raise responses.failure(request, outcome, run_id=run_id)
        left = max(0.0, deadline - (yield from now()))
        # A pause that the server asks for is not cut short, even if it goes past the deadline.
        yield from sleep(pause if pause.seconds < left or not active else Sleep(left))


def _has_no_answer(outcome: Outcome) -> bool:
    """Whether only the run's own status can say why there is no result.

    An active run answers 408. A run that failed answers 404, as an unknown run does.
    """
    return _has_status(outcome, 404) or _has_status(outcome, 408)


def _has_status(outcome: Outcome, status: int) -> bool:
    return isinstance(outcome, Response) and outcome.status == status


def create_group(metadata: Mapping[str, object], policy: RetryPolicy) -> Flow[TaskGroup]:
    """An empty group. Free, so it is sent again after a lost response: a group made twice stays empty."""
    return (yield from fetch(wire.create_group(metadata), TaskGroup, policy))


def retrieve_group(group_id: str, policy: RetryPolicy) -> Flow[TaskGroup]:
    """The current state of a group."""
    return (yield from fetch(wire.get(group_id, root=wire.GROUPS), TaskGroup, policy))
