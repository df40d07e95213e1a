"""What this package tells those who operate it: events, from which log records and metrics are made.

Rule: an event is told where its outcome is decided, and there alone. It has ids, a price and times; never a
secret, and never text of a question, of an answer or of the web. A run is told of once in a process, however
often it is found and read again. Where nobody listens, nothing is made.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

LOG = logging.getLogger("langchain_parallel")

EventName: TypeAlias = Literal[
    "submitted",
    "adopted",
    "completed",
    "failed",
    "requested",
    "answered",
    "unanswered",
    "doubtful",
    "duplicated",
    "parked",
    "woken",
    "asked",
    "webhook",
    "swept",
    "request_failed",
]

_SENTENCES: dict[str, str] = {
    "submitted": "Run {run_id} was submitted",
    "adopted": "Run {run_id} was there already, and is adopted",
    "completed": "Run {run_id} completed",
    "failed": "Run {run_id} ended without an answer",
    "requested": "A call was sent",
    "answered": "A call was answered",
    "unanswered": "A call has no answer, and is not billed",
    "doubtful": "It is unknown whether a request started a run, or was billed",
    "duplicated": "One request has more runs than one, run {run_id} first",
    "parked": "A thread is parked",
    "woken": "A parked thread was woken",
    "asked": "A person is asked",
    "webhook": "Webhook: {outcome}",
    "swept": "A sweep has ended",
    "request_failed": "A request to the API failed",
}
_LEVELS: dict[str, int] = {"request_failed": logging.DEBUG}
_NOT_IN_BRACKETS = {"why", "cure", "ended_at"}
_MOST_CHARS = 300
"""Of one value in a log."""
_REMEMBERED = 100_000
"""Runs and questions that this process has told of."""


@dataclass(frozen=True, slots=True)
class TelemetryEvent:
    """Something that happened once."""

    name: EventName
    fields: dict[str, Any]
    """Plain values; what is unknown is left out."""
    once: str = ""
    """What may be told once in a process; empty: anything."""
    question: object = field(default=None, repr=False)
    """Shown in logs where the program has asked for that."""
    level: int | None = None
    """Of the log record, if it is another than usual."""


@dataclass
class _Listening:
    """Who listens in this process."""

    listeners: tuple[Callable[[TelemetryEvent], None], ...] = ()
    questions: bool = False
    told: dict[str, tuple[EventName, object]] = field(default_factory=dict)


LISTENING = _Listening()


def has_listeners() -> bool:
    """Whether anybody would hear of an event of the usual level."""
    return bool(LISTENING.listeners) or LOG.isEnabledFor(logging.INFO)


def is_heard(event: TelemetryEvent) -> bool:
    """Whether anybody would hear of this event."""
    return bool(LISTENING.listeners) or LOG.isEnabledFor(_level(event))


def _level(event: TelemetryEvent) -> int:
    return event.level or _LEVELS.get(event.name, logging.INFO)


def was_adopted(run_id: str) -> bool:
    """Whether this process has adopted the run, and told so."""
    return LISTENING.told.get(run_id, ("",))[0] == "adopted"


def tell(event: TelemetryEvent) -> None:
    """Log an event, and hand it to those who listen."""
    if not is_heard(event):
        return
    if event.once and not _is_first(event):
        return
    known = {name: value for name, value in event.fields.items() if value is not None}
    event = replace(event, fields=known)
    if LOG.isEnabledFor(_level(event)):
        _log(event, _level(event))
    for listener in LISTENING.listeners:
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 -- a run that is paid for goes on, whoever listens
            LOG.warning("The event %s could not be measured: %s", event.name, type(error).__name__)


def _is_first(event: TelemetryEvent) -> bool:
    """Whether this is told for the first time; of threads that ask at once, for one."""
    mine, told = (event.name, object()), LISTENING.told
    if told.setdefault(event.once, mine) is not mine:
        return False
    while len(told) > _REMEMBERED:
        with suppress(KeyError, RuntimeError, StopIteration):  # another thread forgets, too
            del told[next(iter(told))]
    return True


def _log(event: TelemetryEvent, level: int) -> None:
    shown = {name: _as_line(value) for name, value in event.fields.items()}
    if LISTENING.questions and event.question is not None:
        shown["question"] = _as_line(event.question)
    sentence = _SENTENCES[event.name]
    text = sentence.format_map({"run_id": "?", **shown})
    rest = [
        f"{name} {value}"
        for name, value in shown.items()
        if f"{{{name}}}" not in sentence and name not in _NOT_IN_BRACKETS
    ]
    text += f" ({', '.join(rest)})." if rest else "."
    text += f" {shown['why']}" if "why" in shown else ""
    text += f" To mend it: {shown['cure']}." if "cure" in shown else ""
    extra = {f"parallel_{name}": value for name, value in event.fields.items()}
    extra |= {"parallel_event": event.name}
    if "question" in shown:
        extra["parallel_question"] = shown["question"]
    LOG.log(level, "%s", text, extra=extra)


def _as_line(value: object) -> str:
    """A value on one line: an id or a question may hold anything."""
    if isinstance(value, list | tuple):
        return " ".join(map(_as_line, value))
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MOST_CHARS else f"{line[: _MOST_CHARS - 1]}…"
