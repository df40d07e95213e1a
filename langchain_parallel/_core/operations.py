"""The operations of the API that need one request, and the loop that repeats a request.

Each flow is a generator of effects; `client` drives it. Spending through a ledger is in
`ledger/submission.py`, waiting for a run in `run_wait.py`, and what streams in `streams.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from ..errors import MalformedResponse
from ..models import RunInput, TaskGroup, TaskGroupRunResponse, TaskRun, TaskRunInput
from . import responses, wire
from .effects import Flow, Outcome, Request, send, sleep
from .retry import RetryDecision, RetryPolicy, classify

ModelT = TypeVar("ModelT", bound=BaseModel)


def exchange(
    request: Request,
    policy: RetryPolicy,
    on_resend: Callable[[Outcome], Any] | None = None,
    *,
    perform: Callable[[Request], Flow[Outcome]] = send,
) -> Flow[Outcome]:
    """Send until the outcome is settled, as the rule in `retry.py` allows. `perform` may open a stream.

    `on_resend` is called with each outcome after which it is sent again.
    """
    attempt = 1
    while True:
        outcome = yield from perform(request)
        if classify(request, outcome) is not RetryDecision.SEND_AGAIN:
            return outcome
        pause = policy.delay_before_resend(attempt, outcome)
        if pause is None:
            return outcome
        if on_resend is not None:
            on_resend(outcome)
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


def create_group(metadata: Mapping[str, object], policy: RetryPolicy) -> Flow[TaskGroup]:
    """An empty group. Free, so it is sent again after a lost response: a group made twice stays empty.

    Raises:
        MalformedResponse: Its id is none under which its runs could be found again.
    """
    group = yield from fetch(wire.create_group(metadata), TaskGroup, policy)
    if not wire.is_id(group.taskgroup_id):
        raise MalformedResponse(
            f"The API named the new group {group.taskgroup_id!r:.80}, which is no id.",
            hint="Nothing was started; check `base_url`.",
        )
    return group


def retrieve_group(group_id: str, policy: RetryPolicy) -> Flow[TaskGroup]:
    """The current state of a group."""
    return (yield from fetch(wire.get(group_id, root=wire.GROUPS), TaskGroup, policy))
