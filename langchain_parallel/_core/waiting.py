"""Waiting for a run: follow its events, poll where there are none, keep to one deadline.

Rule: whatever happens to a connection, the run's own status decides. A stream that breaks, closes after
its 570 s, stays silent or is not there at all costs a reconnection, never the answer. After every stream
the result is asked for once; that is also how the end is seen when the last event was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import MalformedResponse, ParallelError
from ..models import Event, TaskRun, TaskRunEvent, TaskRunResult
from . import limits, operations, responses, streams, wire
from .effects import Flow, Outcome, Response, Sleep, emit, now, open_stream, read, send, sleep
from .event_feed import EventFeed
from .ledger.cache import LedgerMemory
from .retry import Next, RetryPolicy, after
from .run_status import has_ended_badly, raise_unfinished, still_running

POLL_SECONDS = 60.0
"""Length of a long poll. Well under the server's 600 s: idle connections get cut on the way."""

STREAM_SECONDS = 600.0
"""A stream that stays open longer than the server's 570 s is looked after."""

BARREN = 2
"""Streams in a row without news after which only polls are used, for a while."""

REST_SECONDS = 300.0
"""That while: an hour-long run may be silent for longer than anyone listens, and speak again."""


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
    next_stream: float = 0.0
    """Once streams are barren, when the next may be tried."""
    troubles: int = 0
    """Failed polls in a row."""
    hasty: int = 0
    """Polls in a row that the server cut short."""
    overtime: bool = False

    def streams(self, time: float) -> bool:
        """Whether following the events is worth a try."""
        rested = self.barren < BARREN or time >= self.next_stream
        return rested and self.deadline - time > 2.0


def wait(
    run_id: str, timeout: float, policy: RetryPolicy, memory: LedgerMemory | None = None
) -> Flow[TaskRunResult]:
    """Wait for a run's answer; its events are emitted on the way.

    Args:
        run_id: The run.
        timeout: Seconds to wait at the most.
        policy: How much trouble in a row is borne; twice its attempts, for waiting costs nothing.
        memory: May know the run's interaction, should the API not get to say it.

    Raises:
        StillRunning: The deadline passed.
        RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        ApiError, ResponseLost, MalformedResponse: The API could not be asked; the run is not touched by that.
    """
    started = yield from now()
    patient = replace(policy, attempts=2 * policy.attempts)
    waiting = _Wait(run_id, started, started + limits.seconds(timeout), patient)
    try:
        while True:
            follows = waiting.streams((yield from now()))
            result = (yield from _stream(waiting)) if follows else None
            result = result or (yield from _poll(waiting))
            if result is not None:
                return result
    except ParallelError as error:
        known = memory.interaction_of(run_id) if memory else None
        error.with_ids(run_id, waiting.run.interaction_id if waiting.run else known)
        raise


def _stream(waiting: _Wait) -> Flow[TaskRunResult | None]:
    """Follow one connection; the answer, if it came."""
    opened = yield from now()
    # A read cannot be cut short, so near the deadline silence is borne for less and less.
    silence = max(1.0, min(streams.READ_SECONDS, (waiting.deadline - opened) / 2))
    ends = min(waiting.deadline - silence, opened + STREAM_SECONDS)
    head = yield from open_stream(wire.stream(wire.get(waiting.run_id, "events", timeout=silence)))
    waiting.barren += 1
    waiting.next_stream = opened + REST_SECONDS
    if streams.refusal(head) is not None:
        return None
    waiting.feed.connect()
    while True:
        chunk = yield from read()
        if not isinstance(chunk, bytes):
            return None
        for event in waiting.feed.feed(chunk):
            yield from emit(event)
            answer = _note(waiting, event)
            if answer is not None:
                return answer
        if (yield from now()) >= ends:
            return None


def _note(waiting: _Wait, event: Event) -> TaskRunResult | None:
    """Take in what an event says of the run: its answer, or the error its status amounts to."""
    if not isinstance(event, TaskRunEvent):
        waiting.barren = waiting.troubles = 0  # a state comes with every connection; this is news
        return None
    if event.run.run_id != waiting.run_id:
        return None
    waiting.run = event.run
    if has_ended_badly(event.run):
        raise_unfinished(event.run)
    if event.run.active or event.output is None:
        return None
    return TaskRunResult(run=event.run, output=event.output)


def _poll(waiting: _Wait) -> Flow[TaskRunResult | None]:
    """Ask for the result once: briefly between streams, at length without them."""
    asked = yield from now()
    brief = waiting.streams(asked)
    seconds = 1.0 if brief else max(1.0, min(POLL_SECONDS, waiting.deadline - asked))
    request = wire.result(waiting.run_id, seconds=seconds)
    outcome = yield from send(request)
    if isinstance(outcome, Response) and outcome.status == 404:
        # Failed and unknown runs answer alike; the status tells them apart.
        waiting.run = yield from operations.retrieve(waiting.run_id, waiting.policy)
        raise_unfinished(waiting.run)
    elif isinstance(outcome, Response) and outcome.status == 408:
        hasty = (yield from now()) - asked < seconds / 2
        waiting.hasty = waiting.hasty + 1 if hasty else 0
        waiting.troubles = 0
        if not brief:  # no stream tells whether someone has to act
            yield from _status(waiting)
        run = waiting.run or TaskRun(run_id=waiting.run_id, status="active")
        late = still_running(run, (yield from now()) - waiting.started)
        yield from _go_on(waiting, waiting.policy.backoff(waiting.hasty + 1), late)
        return None
    elif after(request, outcome) is not Next.AGAIN:
        try:
            return responses.decode(TaskRunResult, request, outcome, run_id=waiting.run_id)
        except MalformedResponse as error:
            yield from _bear(waiting, outcome, error)
            return None
    yield from _bear(waiting, outcome, responses.failure(request, outcome, run_id=waiting.run_id))
    return None


def _bear(waiting: _Wait, outcome: Outcome, error: ParallelError) -> Flow[None]:
    """Pause after a poll that failed, or raise after too many in a row."""
    waiting.troubles += 1
    pause = waiting.policy.pause(waiting.troubles, outcome)
    if pause is None:
        raise error
    yield from _go_on(waiting, pause, error)


def _go_on(waiting: _Wait, pause: Sleep, trouble: ParallelError) -> Flow[None]:
    """Pause, unless the deadline passes meanwhile; then raise what the run's status amounts to."""
    time = yield from now()
    if time + pause.seconds < waiting.deadline:
        yield from sleep(pause)
        return
    yield from _status(waiting)
    run = waiting.run
    if run is not None and run.active:
        raise still_running(run, time - waiting.started)
    if run is None or waiting.overtime:
        raise trouble
    waiting.overtime = True  # it completed in the last moment: its answer is worth one more poll


def _status(waiting: _Wait) -> Flow[None]:
    """Read the run's status, as far as the API tells; it may say that no answer will come."""
    request = wire.get(waiting.run_id)
    outcome = yield from send(request)
    if after(request, outcome) is not Next.DONE:
        return
    try:
        waiting.run = responses.decode(TaskRun, request, outcome, run_id=waiting.run_id)
    except MalformedResponse:
        return
    raise_unfinished(waiting.run)
