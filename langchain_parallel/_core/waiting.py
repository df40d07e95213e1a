"""Waiting for a run: follow its events, poll where there are none, keep to one deadline.

Rule: whatever happens to a connection, the run's own status decides. A stream that breaks, closes after
its 570 s, stays silent or is not there at all costs a reconnection, never the answer. After every stream
the result is asked for once; that is also how the end is seen when the last event was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import ParallelError
from ..models import Event, TaskRun, TaskRunEvent, TaskRunResult
from . import flows, wire
from .effects import Flow, Outcome, Request, Response, emit, now, open_stream, read, send, sleep
from .feed import EventFeed
from .retry import Next, RetryPolicy, after

POLL_SECONDS = 60.0
"""Length of a long poll. Well under the server's 600 s: idle connections get cut on the way."""

BARREN = 2
"""Streams in a row without a new event after which only polls are used."""


@dataclass
class _Wait:
    run_id: str
    started: float
    deadline: float
    policy: RetryPolicy
    feed: EventFeed = field(default_factory=lambda: EventFeed(replays=True))
    run: TaskRun | None = None
    """As last seen."""
    barren: int = 0
    troubles: int = 0
    """Failed polls in a row."""

    @property
    def streams(self) -> bool:
        return self.barren < BARREN


def wait(run_id: str, timeout: float, policy: RetryPolicy) -> Flow[TaskRunResult]:
    """Wait for a run's answer; its events are emitted on the way.

    Args:
        run_id: The run.
        timeout: Seconds to wait at the most.
        policy: How much trouble in a row is borne; twice its attempts, for waiting costs nothing.

    Raises:
        StillRunning: The deadline passed.
        RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        ApiError, AnswerLost, AnswerBroken: The API could not be asked; the run is not touched by that.
    """
    started = yield from now()
    patient = replace(policy, attempts=2 * policy.attempts)
    waiting = _Wait(run_id, started, started + timeout, patient)
    try:
        while True:
            result = (yield from _stream(waiting)) if waiting.streams else None
            result = result or (yield from _poll(waiting))
            if result is not None:
                return result
    except ParallelError as error:
        raise error.concerning(run_id, waiting.run.interaction_id if waiting.run else None)


def _stream(waiting: _Wait) -> Flow[TaskRunResult | None]:
    """Follow one connection; the answer, if it came."""
    left = waiting.deadline - (yield from now())
    seconds = max(1.0, min(flows.READ_SECONDS, left))
    head = yield from open_stream(wire.stream(wire.get(waiting.run_id, "events", timeout=seconds)))
    waiting.barren += 1
    if not isinstance(head, Response) or not 200 <= head.status < 300:
        return None
    waiting.feed.connect()
    while True:
        chunk = yield from read()
        if not isinstance(chunk, bytes) or (yield from now()) >= waiting.deadline:
            return None
        for event in waiting.feed.feed(chunk):
            waiting.barren = 0
            yield from emit(event)
            answer = _note(waiting, event)
            if answer is not None:
                return answer


def _note(waiting: _Wait, event: Event) -> TaskRunResult | None:
    """Take in what an event says of the run: its answer, or the error its status amounts to."""
    if not isinstance(event, TaskRunEvent) or event.run.run_id != waiting.run_id:
        return None
    waiting.run = event.run
    flows.raise_unfinished(event.run)
    if event.run.active or event.output is None:
        return None
    return TaskRunResult(run=event.run, output=event.output)


def _poll(waiting: _Wait) -> Flow[TaskRunResult | None]:
    """Ask for the result once: briefly between streams, at length without them."""
    left = waiting.deadline - (yield from now())
    seconds = max(1.0, min(POLL_SECONDS, left))
    request = wire.result(waiting.run_id, seconds=1.0 if waiting.streams else seconds)
    outcome = yield from send(request)
    if isinstance(outcome, Response) and outcome.status == 404:
        # Failed and unknown runs answer alike; the status tells them apart.
        waiting.run = yield from flows.retrieve(waiting.run_id, waiting.policy)
        flows.raise_unfinished(waiting.run)
    if after(request, outcome) is not Next.AGAIN:
        return wire.decode(TaskRunResult, request, outcome, run_id=waiting.run_id)
    yield from _until_next(waiting, request, outcome)
    return None


def _until_next(waiting: _Wait, request: Request, outcome: Outcome) -> Flow[None]:
    """Pause before going on, or raise: the deadline passed, or there was too much trouble."""
    active = isinstance(outcome, Response) and outcome.status == 408
    waiting.troubles = 0 if active else waiting.troubles + 1
    pause = waiting.policy.first if active else waiting.policy.pause(waiting.troubles, outcome)
    if pause is None:
        raise wire.failure(request, outcome, run_id=waiting.run_id)
    time = yield from now()
    if time + pause >= waiting.deadline:
        run = waiting.run or (yield from flows.retrieve(waiting.run_id, waiting.policy))
        flows.raise_unfinished(run)
        raise flows.still_running(run, time - waiting.started)
    yield from sleep(pause, jitter=flows.JITTER)
