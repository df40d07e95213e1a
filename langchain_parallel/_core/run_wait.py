"""Waiting for a run: follow its events, poll where there are none, keep to one deadline.

Rule: whatever happens to a connection, the run's own status decides. A stream that breaks, ends after the
server's 570 s, stays silent or cannot be opened costs a reconnection, never the answer. After every stream
the result is polled once; this also notices the end of a run whose last event was lost.

The run is paid for and waiting is free, so only the deadline ends it: an API that cannot be reached, or
answers 408, 409, 425, 429 or 5xx, is asked again until then, with growing pauses. What waiting cannot mend is
raised at once (a key that is refused), or after a while (an unreadable answer, a run that nobody knows).

Where a process waits for more runs than it has connections for, this wait has none of its own: it shares the
events of the run's task group with the others that wait there, which tell no progress, or looks now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ..errors import MalformedResponse, NotFound, ParallelError
from ..models import Event, TaskRun, TaskRunEvent, TaskRunResult
from . import limits, responses, streams, wire
from .effects import (
    Flow,
    Outcome,
    Request,
    Response,
    Sleep,
    await_ends,
    emit,
    now,
    open_stream,
    read_chunk,
    send,
    sleep,
    take_seat,
)
from .event_feed import EventFeed
from .ledger.cache import LedgerCache
from .retry import RetryDecision, RetryPolicy, classify, retry_after
from .run_status import raise_unfinished, still_running, will_not_answer

POLL_SECONDS = 60.0
"""Length of a long poll. Well under the server's 600 s: proxies cut idle connections."""

STREAM_SECONDS = 600.0
"""A stream that is still open after this time is given up: the server ends its streams after 570 s."""

MAX_EMPTY_STREAMS = 2
"""After this many streams in a row without news, only polls are used for `STREAM_COOLDOWN`."""

STREAM_COOLDOWN = 300.0
"""Seconds. An hour-long run may be silent for longer than a stream is read, and send events again later."""

FIRST_EVENT_SECONDS = 15.0
"""Every stream begins with the run's state. One that brings only heartbeats for this long is given up."""

LOOK_SECONDS = 60.0
"""A wait that shares its group's events looks at the run after this time, whatever they say."""
LOOK_SHARE, LONGEST_LOOK = 0.1, 15.0
"""Between two looks at a run whose end no event tells: a share of the time waited so far, so that an end is
noticed late by no more than that; and seconds at the most."""

OVERTIME = 5.0
"""Seconds after the deadline at which a request that hangs is given up."""


class NotProven(Exception):
    """The first event of a run's stream has not come, or does not say that the run is the caller's."""


@dataclass
class _Wait:
    run_id: str
    started: float
    deadline: float
    policy: RetryPolicy
    follow: bool
    proof: Callable[[TaskRun], bool] | None = None
    """Says whether the run is the caller's; None once it has."""
    group_id: str | None = None
    """The run's task group, if it is known."""
    feed: EventFeed = field(default_factory=lambda: EventFeed(replays=True))
    run: TaskRun | None = None
    """As last seen."""
    empty_streams: int = 0
    """In a row."""
    next_stream: float = 0.0
    """After too many empty streams: the time from which another may be opened."""
    failed_polls: int = 0
    """In a row."""
    unreadable_polls: int = 0
    """Of these, the ones that brought something else than an answer."""
    unknown_since: float | None = None
    """Since when the API says that there is no such run."""
    short_polls: int = 0
    """Polls in a row that the server ended early."""
    final_poll: bool = False
    """The deadline has passed, and the one poll after it was granted."""

    def may_stream(self, time: float) -> bool:
        """Whether following the events is worth a try."""
        if not self.follow:
            return False
        rested = self.empty_streams < MAX_EMPTY_STREAMS or time >= self.next_stream
        return rested and self.deadline - time > 2.0

    def in_time(self, request: Request, time: float) -> Request:
        """The request, given up soon after the deadline."""
        left = max(1.0, self.deadline + OVERTIME - time)
        return replace(request, timeout=min(request.timeout, left))

    def note_run(self, run: TaskRun) -> None:
        """Note how the run is."""
        self.run = run
        if run.taskgroup_id and wire.is_id(run.taskgroup_id):
            self.group_id = run.taskgroup_id

    def note_news(self) -> None:
        """Note that the API has said how the run is."""
        self.failed_polls = self.unreadable_polls = 0
        self.unknown_since = None


def wait(
    run_id: str,
    timeout: float,
    policy: RetryPolicy,
    cache: LedgerCache | None = None,
    *,
    follow: bool = True,
    proof: Callable[[TaskRun], bool] | None = None,
) -> Flow[TaskRunResult]:
    """Wait for a run's answer; its events are emitted on the way.

    Args:
        run_id: The run.
        timeout: Seconds to wait at the most.
        policy: The pauses. Twice its `max_attempts` unreadable answers in a row are allowed; a run that is
            unknown may have been started a moment ago, and is asked after for the settling time.
        cache: Names the run's interaction in errors, even if the API never gets to say it.
        follow: Follow the events; otherwise only poll.
        proof: For a run that was never read: says by its first event whether it is the caller's.

    Raises:
        NotProven: It does not say so, or there is no such event; nothing of the run was handed out.
        StillRunning: The deadline passed.
        RunFailed, RunCancelled, ActionRequired: The run ended without an answer.
        ApiError, ResponseLost, MalformedResponse: The API could not be reached or read; the run goes on.
    """
    started = yield from now()
    deadline = started + limits.seconds(timeout)
    group_id = cache.ledger_of(run_id) if cache else None
    waiting = _Wait(run_id, started, deadline, policy, follow, proof, group_id)
    try:
        while True:
            result = None
            pause = yield from take_seat(waiting.group_id)
            if pause:
                result = None if waiting.proof else (yield from _share(waiting, pause))
            elif waiting.may_stream((yield from now())):
                result = yield from _follow_stream(waiting)
            if waiting.proof is not None:
                raise NotProven
            if result is None and not pause:
                result = yield from _poll(waiting)
            if result is not None:
                return result
    except ParallelError as error:
        known = cache.interaction_of(run_id) if cache else None
        error.with_ids(run_id, waiting.run.interaction_id if waiting.run else known)
        raise


def _follow_stream(waiting: _Wait) -> Flow[TaskRunResult | None]:
    """Follow one connection; return the answer if it came."""
    opened = yield from now()
    # A read cannot be cut short, so near the deadline a silent stream is given up sooner and sooner.
    silence = max(1.0, min(streams.READ_SECONDS, (waiting.deadline - opened) / 2))
    ends = min(waiting.deadline - silence, opened + STREAM_SECONDS)
    head = yield from open_stream(wire.stream(wire.get(waiting.run_id, "events", timeout=silence)))
    waiting.empty_streams += 1
    waiting.next_stream = opened + STREAM_COOLDOWN
    if streams.refusal(head) is not None:
        return None
    waiting.feed.connect()
    last = yield from now()
    while True:
        chunk = yield from read_chunk()
        if not isinstance(chunk, bytes):
            return None
        events, time = waiting.feed.feed(chunk), (yield from now())
        last = time if events else last
        for event in events:
            if waiting.proof is not None:
                _prove(waiting, event)
            if isinstance(event, TaskRunEvent) and event.run.run_id != waiting.run_id:
                continue
            yield from emit(event)
            answer = _read_event(waiting, event)
            if answer is not None:
                return answer
        # Heartbeats alone are silence, too.
        borne = silence if waiting.feed.has_begun else min(silence, FIRST_EVENT_SECONDS)
        if time >= ends or time >= last + borne:
            return None


def _prove(waiting: _Wait, event: Event) -> None:
    """Have the first event say whose run it is."""
    assert waiting.proof is not None
    if not (
        isinstance(event, TaskRunEvent)
        and event.run.run_id == waiting.run_id
        and waiting.proof(event.run)
    ):
        raise NotProven
    waiting.proof = None


def _read_event(waiting: _Wait, event: Event) -> TaskRunResult | None:
    """Note what an event says of the run, and return its answer or raise the error its status amounts to."""
    if not isinstance(event, TaskRunEvent):
        # Only this is news: a state comes with every connection.
        waiting.empty_streams = 0
        waiting.note_news()
        return None
    waiting.note_run(event.run)
    if will_not_answer(event.run):
        raise_unfinished(event.run)
    if event.run.active or event.output is None:
        return None
    return TaskRunResult(run=event.run, output=event.output)


def _share(waiting: _Wait, pause: float) -> Flow[TaskRunResult | None]:
    """Wait without a connection of one's own until the run may have ended, and ask for its answer then."""
    ended = yield from _await_end(waiting, pause)
    if not ended:
        unread = yield from _read_status(waiting)
        if unread is not None:
            yield from _retry_or_raise(waiting, *unread)
            return None
        waiting.note_news()
        if waiting.run is not None and waiting.run.active:
            time = yield from now()
            if time >= waiting.deadline:
                raise still_running(waiting.run, time - waiting.started)
            return None
    return (yield from _poll(waiting, brief=True))


def _await_end(waiting: _Wait, pause: float) -> Flow[bool]:
    """Wait for the end of the run, but not for ever; whether it is known to have ended."""
    left = max(0.0, waiting.deadline - (yield from now()))
    if waiting.group_id is not None:
        seconds = min(left, LOOK_SECONDS)
        ends = yield from await_ends(waiting.group_id, [waiting.run_id], seconds)
        if ends is not None:
            event = ends.get(waiting.run_id)
            if event is not None:
                yield from emit(event)
                waiting.note_run(event.run)
            return event is not None and event.run.status == "completed"
    waited = (yield from now()) - waiting.started
    usual = min(max(waiting.policy.initial_delay, waited * LOOK_SHARE), LONGEST_LOOK)
    yield from sleep(Sleep(min(left, max(usual, pause))))
    return False


def _poll(waiting: _Wait, *, brief: bool = False) -> Flow[TaskRunResult | None]:
    """Poll the result once: briefly between two streams, long where no stream is followed."""
    asked = yield from now()
    brief = brief or waiting.may_stream(asked)
    seconds = 1.0 if brief else max(1.0, min(POLL_SECONDS, waiting.deadline - asked))
    request = waiting.in_time(wire.result(waiting.run_id, seconds=seconds), asked)
    outcome = yield from send(request)
    if isinstance(outcome, Response) and outcome.status == 408:
        ended_early = (yield from now()) - asked < seconds / 2
        waiting.short_polls = waiting.short_polls + 1 if ended_early else 0
        waiting.note_news()
        if not brief:  # without a stream, only the status shows that a person has to act
            yield from _read_status(waiting)
        run = waiting.run or TaskRun(run_id=waiting.run_id, status="active")
        late = still_running(run, (yield from now()) - waiting.started)
        pause = waiting.policy.jittered_delay(waiting.short_polls + 1)
        yield from _sleep_or_raise(waiting, pause, late)
        return None
    try:
        return responses.decode(TaskRunResult, request, outcome, run_id=waiting.run_id)
    except ParallelError as error:
        failed: _Failed = request, outcome, error
    if isinstance(failed[-1], NotFound):
        # Failed and unknown runs answer alike; the status tells them apart.
        unread = yield from _read_status(waiting)
        if unread is None and waiting.run is not None and waiting.run.active:
            waiting.unknown_since = None
        failed = unread or failed
    yield from _retry_or_raise(waiting, *failed)
    return None


_Failed: TypeAlias = tuple[Request, Outcome, ParallelError]


def _retry_or_raise(
    waiting: _Wait, request: Request, outcome: Outcome, error: ParallelError
) -> Flow[None]:
    """Pause after a failed poll, or raise what waiting cannot mend."""
    policy, time = waiting.policy, (yield from now())
    waiting.failed_polls += 1
    if isinstance(error, NotFound):
        if waiting.unknown_since is None:
            waiting.unknown_since = time
        if time > waiting.unknown_since + policy.settle_seconds:
            raise error
    elif isinstance(error, MalformedResponse):
        waiting.unreadable_polls += 1
        if waiting.unreadable_polls >= 2 * policy.max_attempts:
            raise error
    elif classify(request, outcome) is not RetryDecision.SEND_AGAIN:
        raise error
    pause = policy.jittered_delay(waiting.failed_polls)
    asked = min(retry_after(outcome) or 0.0, policy.max_retry_after)
    yield from _sleep_or_raise(waiting, replace(pause, seconds=max(asked, pause.seconds)), error)


def _sleep_or_raise(waiting: _Wait, pause: Sleep, error: ParallelError) -> Flow[None]:
    """Pause, until the deadline at the most; after it, raise what the run's status amounts to."""
    time = yield from now()
    left = waiting.deadline - time
    if left > 0:
        seconds = min(pause.seconds, left)
        yield from sleep(Sleep(seconds, jitter=min(pause.jitter, left - seconds)))
        return
    yield from _read_status(waiting)
    run = waiting.run
    if run is not None and run.active:
        raise still_running(run, time - waiting.started) from error
    if run is None or waiting.final_poll:
        raise error
    waiting.final_poll = (
        True  # the run completed at the last moment: its answer is worth one more poll
    )


def _read_status(waiting: _Wait) -> Flow[_Failed | None]:
    """Read the run's status, and raise if it says that no answer will come; return why it cannot be read."""
    request = waiting.in_time(wire.get(waiting.run_id), (yield from now()))
    outcome = yield from send(request)
    try:
        run = responses.decode(TaskRun, request, outcome, run_id=waiting.run_id)
    except ParallelError as error:
        return request, outcome, error
    waiting.note_run(run)
    raise_unfinished(run)
    return None
