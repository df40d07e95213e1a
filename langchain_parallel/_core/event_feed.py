"""Stream bytes to typed events, each shown once.

A run's event stream is not resumable: every new connection replays it from the start. So a reader
that reconnects counts what it has shown and drops as many of the same; an event that really comes
twice within one connection is shown twice.
"""

from __future__ import annotations

import json
from collections import Counter
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
from .sse import SSEDecoder

_TYPES: dict[str, type[Event]] = {
    "task_run.state": TaskRunEvent,
    "task_run.progress_stats": TaskRunProgressStatsEvent,
    "task_group_status": TaskGroupStatusEvent,
    "error": ErrorEvent,
}
_MESSAGES = "task_run.progress_msg"


def event_from(payload: object) -> Event | None:
    """One decoded payload as a typed event; None for what is not an object with a type."""
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        return None
    kind: str = payload["type"]
    message = TaskRunProgressMessageEvent if kind.startswith(_MESSAGES) else UnknownEvent
    try:
        return _TYPES.get(kind, message).model_validate(payload)
    except ValidationError:
        return UnknownEvent.model_validate(payload)


class EventFeed:
    """Turns chunks of one or several connections into events, replays dropped."""

    def __init__(self, *, replays: bool) -> None:
        self._replays = replays
        self._shown: Counter[str] = Counter()
        self.connect()

    @property
    def complete(self) -> bool:
        """Whether all that this connection brought could be read, down to the last byte."""
        return not (self._unreadable or self._decoder.pending)

    def connect(self) -> None:
        """A new connection begins: half an event from the last one is dropped."""
        self._unreadable = False
        self._decoder = SSEDecoder()
        self._here: Counter[str] = Counter()

    def feed(self, chunk: bytes) -> list[Event]:
        """The new events that `chunk` completes."""
        return [
            event for sse in self._decoder.feed(chunk) if (event := self._read(sse.data, sse.id))
        ]

    def _read(self, data: str, sse_id: str | None) -> Event | None:
        try:
            payload: Any = json.loads(data)
        except (
            ValueError,
            RecursionError,
        ):  # a heartbeat or a broken line: no event, and not complete
            self._unreadable = True
            return None
        if sse_id and isinstance(payload, dict) and payload.get("event_id") is None:
            payload["event_id"] = sse_id
        event = event_from(payload)
        return event if event is not None and self._is_new(event, data) else None

    def _is_new(self, event: Event, data: str) -> bool:
        if not self._replays:
            return True
        self._here[data] += 1
        if self._here[data] <= self._shown[data]:
            return False
        self._shown[data] += 1
        return True
