"""Bytes of a stream to typed events, each returned once.

A run's event stream cannot be resumed: every new connection brings the run's state, its messages so far
and the statistics of the moment, and ends with the state again. So a reader that reconnects counts the
messages it has returned, and drops as many of the same; a message that really comes twice within one
connection is returned twice. A state, and statistics, that were returned before are no news.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from ..models import (
    ErrorEvent,
    Event,
    TaskGroupStatusEvent,
    TaskRunEvent,
    TaskRunProgressMessageEvent,
    TaskRunProgressStatsEvent,
    UnknownEvent,
)
from . import payloads
from .sse import SSEDecoder

_TYPES: dict[str, type[Event]] = {
    "task_run.state": TaskRunEvent,
    "task_run.progress_stats": TaskRunProgressStatsEvent,
    "task_group_status": TaskGroupStatusEvent,
    "error": ErrorEvent,
}
_MESSAGES = "task_run.progress_msg"


def event_from(payload: object) -> Event | None:
    """One payload as a typed event; None for what is not an object with a type."""
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        return None
    kind: str = payload["type"]
    message = TaskRunProgressMessageEvent if kind.startswith(_MESSAGES) else UnknownEvent
    try:
        return payloads.read(_TYPES.get(kind, message), payload)
    except ValidationError:
        return payloads.read(UnknownEvent, payload)


class EventFeed:
    """Turns the chunks of one or several connections into events, without replays."""

    def __init__(self, *, replays: bool, skips: Callable[[str], bool] | None = None) -> None:
        """`skips`: whether an event with this data, not yet parsed, is of no use."""
        self._replays = replays
        self._skips = skips
        self._returned: Counter[str] = Counter()
        self.connect()

    @property
    def complete(self) -> bool:
        """Whether all that this connection brought could be read, to the last byte."""
        return not (self._unreadable or self._decoder.pending)

    @property
    def has_begun(self) -> bool:
        """Whether this connection has brought any event, and be it one of a replay."""
        return bool(self._in_connection)

    def connect(self) -> None:
        """Begin a new connection: half an event of the last one is dropped."""
        self._unreadable = False
        self._decoder = SSEDecoder()
        self._in_connection: Counter[str] = Counter()

    def feed(self, chunk: bytes) -> list[Event]:
        """The new events that `chunk` completes."""
        return [
            event for sse in self._decoder.feed(chunk) if (event := self._read(sse.data, sse.id))
        ]

    def _read(self, data: str, sse_id: str | None) -> Event | None:
        if self._skips is not None and self._skips(data):
            return None
        try:
            payload: Any = payloads.parse(data)
            if sse_id and isinstance(payload, dict) and payload.get("event_id") is None:
                payload["event_id"] = sse_id
            event = event_from(payload)
        except ValueError:
            # What is not even the start of an object is a heartbeat.
            self._unreadable |= data.startswith("{")
            return None
        return event if event is not None and self._is_new(event, data) else None

    def _is_new(self, event: Event, data: str) -> bool:
        if not self._replays:
            return True
        self._in_connection[data] += 1
        if self._returned[data] and isinstance(event, TaskRunEvent | TaskRunProgressStatsEvent):
            return False
        if self._in_connection[data] <= self._returned[data]:
            return False
        self._returned[data] += 1
        return True
