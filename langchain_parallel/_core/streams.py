"""Event streams: the list of a group's runs, a run's events, a group's events.

Rule: a connection that brings nothing is no failure while there is something to wait for; after one that
fails another is opened, as the rule in `retry.py` allows. No event is emitted twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..models import ErrorEvent, Event, TaskRunEvent, UnknownEvent
from . import limits, operations, responses, wire
from .effects import (
    Flow,
    NoResponse,
    Outcome,
    Request,
    Response,
    Sleep,
    StreamEnded,
    emit,
    now,
    open_stream,
    read_chunk,
    sleep,
)
from .event_feed import EventFeed
from .retry import RetryDecision, RetryPolicy, classify

READ_SECONDS = 60.0
"""Seconds of silence, or of heartbeats alone, on an event stream after which it is opened anew."""


_PARTS = 100
"""Parts of a list that are read one after the other; further ones are read with a pause before each."""


def refusal(head: Outcome) -> Outcome | None:
    """Why a stream with this head cannot be read; None if it can."""
    if isinstance(head, NoResponse) or not 200 <= head.status < 300:
        return head
    kind = head.headers.get("content-type", "text/event-stream")
    if not kind.startswith("text/event-stream"):
        return NoResponse(sent=True, reason=f"{kind} instead of an event stream", malformed=True)
    return None


# --- the list of a group's runs ------------------------------------------------------------------


def list_runs(
    group_id: str,
    policy: RetryPolicy,
    *,
    include_input: bool = False,
    include_output: bool = False,
    status: str | None = None,
    last_event_id: str | None = None,
    read_on: bool = True,
) -> Flow[list[TaskRunEvent]]:
    """The runs of a group in their current state.

    A list that breaks off is read on from where it broke. One that ends is, too, if `read_on`, until it
    brings no other run: neither an order nor a length of the list is documented.
    """
    listed = Listed(last_event_id)
    asked = {
        "include_input": include_input or None,
        "include_output": include_output or None,
        "status": status,
    }
    yield from read_list(group_id, policy, listed, asked, read_on=read_on)
    return list(listed.runs.values())


def read_list(
    group_id: str,
    policy: RetryPolicy,
    listed: Listed,
    asked: Mapping[str, object],
    *,
    read_on: bool = True,
) -> Flow[None]:
    """Read the list of a group's runs into `listed`; see `list_runs`."""
    attempt, parts = 0, 0
    while True:
        query = {**asked, "last_event_id": listed.last_id}
        request = wire.stream(wire.get(group_id, "runs", root=wire.GROUPS, query=query))
        before = listed.count
        outcome = yield from _collect(request, listed)
        is_new = listed.count > before
        if isinstance(outcome, StreamEnded):
            if not read_on or not is_new or listed.last_id == query["last_event_id"]:
                return
            attempt, parts = 0, parts + 1
            if parts > _PARTS:
                yield from sleep(policy.jittered_delay(1))
            continue
        if listed.count and isinstance(outcome, Response) and outcome.status == 422:
            return  # this server does not read on from its own event ids
        if isinstance(outcome, NoResponse) and outcome.limit and is_new and listed.passes_on:
            continue  # it is read a part at a time
        attempt = 1 if is_new else attempt + 1
        may_repeat = classify(request, outcome) is RetryDecision.SEND_AGAIN
        pause = policy.delay_before_resend(attempt, outcome) if may_repeat else None
        if pause is None:
            raise responses.failure(request, outcome)
        yield from sleep(pause)


class Listed:
    """Runs by id, in the order in which they were first listed, as they were last listed."""

    passes_on = False
    """Whether runs are handed on as they come, so that a list may be longer than a response."""

    def __init__(self, last_id: str | None = None) -> None:
        self.runs: dict[str, TaskRunEvent] = {}
        self.last_id = last_id

    @property
    def count(self) -> int:
        """The runs listed so far."""
        return len(self.runs)

    def skips(self, data: str) -> bool:
        """Whether an event with this data, not yet parsed, is of no use."""
        return False

    def take(self, event: TaskRunEvent) -> None:
        """Take a run."""
        self.runs[event.run.run_id] = event

    def pass_on(self) -> Flow[None]:
        """Hand on what has come."""
        yield from ()

    def add(self, event: Event) -> NoResponse | None:
        """Add what an event says; return why the list cannot be trusted, if it cannot."""
        if isinstance(event, ErrorEvent):
            return NoResponse(sent=True, reason=f"the server reports: {event.error.message}")
        if isinstance(event, UnknownEvent) and event.type == "task_run.state":
            return NoResponse(sent=True, reason="a run in it cannot be read", malformed=True)
        if isinstance(event, TaskRunEvent):
            self.take(event)
            self.last_id = event.event_id or self.last_id
        return None


def _collect(request: Request, listed: Listed) -> Flow[StreamEnded | Outcome]:
    """Read one connection into `listed`, and return how it ended."""
    head = yield from open_stream(request)
    refused = refusal(head)
    if refused is not None:
        return refused
    feed = EventFeed(replays=False, skips=listed.skips)
    last = yield from now()
    while True:
        chunk = yield from read_chunk()
        if not isinstance(chunk, bytes):
            if isinstance(chunk, NoResponse) and chunk.limit:
                return chunk
            return chunk if feed.complete else NoResponse(sent=True, reason="the list broke off")
        events, time = feed.feed(chunk), (yield from now())
        last = time if events else last
        for event in events:
            fault = listed.add(event)
            if fault is not None:
                return fault
        yield from listed.pass_on()
        if time >= last + READ_SECONDS:
            return NoResponse(sent=True, reason="the list does not end")


# --- events --------------------------------------------------------------------------------------


@dataclass
class _Connection:
    """What one connection brought."""

    outcome: StreamEnded | Outcome
    opened: bool = False
    news: bool = False
    run_ended: bool = False
    """The run that was followed has ended."""
    last_id: str | None = None

    @property
    def failure(self) -> Outcome:
        """How the connection ended, where that is too soon."""
        if isinstance(self.outcome, StreamEnded):
            return NoResponse(sent=True, reason="the stream ends before the run does")
        return self.outcome


@dataclass
class _Reconnection:
    """How the connections so far went, and so how long to pause before the next."""

    policy: RetryPolicy
    attempt: int = 0
    """Failed in a row."""
    silent: int = 0
    """In a row that brought nothing while there was something to wait for."""

    def sleep_or_raise(
        self,
        request: Request,
        seen: _Connection,
        run_id: str | None,
        *,
        idle: bool,
        longest: float = math.inf,
    ) -> Flow[None]:
        """Pause before the next connection, or raise after too many that failed in a row.

        `idle`: the connection was silent, and what it follows is still active. `longest`: seconds.
        """
        self.silent = self.silent + 1 if idle and not seen.news else 0
        if seen.news or idle:
            self.attempt = 0
            usual = self.policy.jittered_delay(self.silent + 1)
            yield from sleep(usual if usual.seconds < longest else Sleep(longest))
            return
        self.attempt += 1
        failed = seen.failure
        may_repeat = classify(request, failed) is RetryDecision.SEND_AGAIN
        pause = self.policy.delay_before_resend(self.attempt, failed) if may_repeat else None
        if pause is None:
            raise responses.failure(request, failed, run_id=run_id)
        yield from sleep(pause)


def _follow(request: Request, feed: EventFeed, run_id: str | None = None) -> Flow[_Connection]:
    """Emit the new events of one connection, until the run has ended."""
    head = yield from open_stream(request)
    refused = refusal(head)
    if refused is not None:
        return _Connection(refused)
    feed.connect()
    seen = _Connection(StreamEnded(), opened=True)
    last = yield from now()
    while True:
        chunk = yield from read_chunk()
        if not isinstance(chunk, bytes):
            seen.outcome = chunk
            return seen
        events, time = feed.feed(chunk), (yield from now())
        last = time if events else last
        for event in events:
            seen.news = True
            seen.last_id = getattr(event, "event_id", None) or seen.last_id
            yield from emit(event)
            if isinstance(event, TaskRunEvent) and event.run.run_id == run_id:
                seen.run_ended = not event.run.active
        if seen.run_ended:
            return seen
        if time >= last + READ_SECONDS:  # heartbeats alone are silence
            seen.outcome = NoResponse(sent=True, reason="nothing but heartbeats")
            return seen


def run_events(run_id: str, policy: RetryPolicy) -> Flow[None]:
    """Emit a run's events until it has ended; reconnects, and emits no event twice."""
    feed = EventFeed(replays=True)
    reconnection = _Reconnection(policy)
    while True:
        request = wire.stream(wire.get(run_id, "events", timeout=READ_SECONDS))
        seen = yield from _follow(request, feed, run_id)
        if seen.run_ended:
            return
        silent = seen.opened and not seen.news
        # Silence is no failure while the run is active.
        idle = silent and (yield from operations.retrieve(run_id, policy)).active
        yield from reconnection.sleep_or_raise(request, seen, run_id, idle=idle)


def group_events(
    group_id: str, policy: RetryPolicy, *, last_event_id: str | None, timeout: float | None
) -> Flow[None]:
    """Emit a group's events until no run of it is active; reconnects where a connection broke."""
    seconds = math.inf if timeout is None else limits.seconds(timeout)
    deadline = (yield from now()) + seconds
    feed = EventFeed(replays=False)
    reconnection = _Reconnection(policy)
    while True:
        left = max(0.0, deadline - (yield from now()))
        query = {
            "last_event_id": last_event_id,
            "timeout": None if math.isinf(left) else f"{left:g}",
        }
        request = wire.stream(
            wire.get(group_id, "events", root=wire.GROUPS, query=query, timeout=READ_SECONDS)
        )
        seen = yield from _follow(request, feed)
        last_event_id = seen.last_id or last_event_id
        idle, left = False, deadline - (yield from now())
        if seen.opened:
            if left <= 0:
                return
            idle = (yield from operations.retrieve_group(group_id, policy)).status.is_active
            if isinstance(seen.outcome, StreamEnded) and not idle:
                return
        yield from reconnection.sleep_or_raise(
            request, seen, None, idle=idle, longest=max(0.0, left)
        )
