"""Faults on demand: what the network and a bad day at the server can do to one request.

    refuse                  the connection is refused; nothing is processed. (A real socket has
                            been connected by then, and is reset; a running server's
                            `unreachable()` refuses for real)
    drop_before             the connection is dropped and nothing was processed
    drop_after              the request is processed, its answer dropped
    status_before           `status` instead of processing
    status_after            processed, then answered with `status`
    rate_limit              429 with `Retry-After`: `seconds`, or an HTTP date (`as_date`)
    payment_required        402
    slow_body               processed; the body trickles in over `seconds`
    truncated_body          processed; `content-length` promises more than comes (`after_bytes`)
    malformed_json          processed; the body breaks off, though its length is right
    wrong_shape             processed; the body is `body` (any JSON) instead
    hang                    no answer for `seconds`; with `processed=False` nothing comes after it
    sse_cut                 an event stream ends inside the event after `after_events` events, or
                            after `after_bytes` bytes
    sse_error               an event stream sends an `error` event after `after_events` and closes
    sse_unknown_event       an event of an undocumented type before each known one
    sse_comment_heartbeats  comment lines between the events
    unknown_fields          a field nobody has heard of in every object of the API
    unknown_status          every run is reported in `unknown` status
    webhook_duplicate, webhook_forge, webhook_lose   delivered twice, with a wrong signature first,
                            not at all; `path` is matched against the webhook's URL

`reset=True` makes every dropped connection a TCP reset (a read error) instead of a close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from .answers import (
    Answer,
    ApiError,
    Chunk,
    Cut,
    Head,
    Refuse,
    Request,
    Step,
    Wait,
    error_answer,
    json_answer,
    map_event,
    sse_event,
)
from .clock import Clock

__all__ = ["Fault", "FaultKind", "apply"]

FaultKind = Literal[
    "refuse",
    "drop_before",
    "drop_after",
    "status_before",
    "status_after",
    "rate_limit",
    "payment_required",
    "slow_body",
    "truncated_body",
    "malformed_json",
    "wrong_shape",
    "hang",
    "sse_cut",
    "sse_error",
    "sse_unknown_event",
    "sse_comment_heartbeats",
    "unknown_fields",
    "unknown_status",
    "webhook_duplicate",
    "webhook_forge",
    "webhook_lose",
]


@dataclass(frozen=True)
class Fault:
    """A fault for the requests it matches; what each kind does is told in the module's text.

    Args:
        method: Only this method. `path`: a glob on the path (`*` also matches slashes).
        contains: Only requests whose body contains this text.
        times: Requests it hits (None: all). `skip`: matching requests let pass first.
        seconds: How long (slow, hang), or what `Retry-After` says (rate_limit).
    """

    kind: FaultKind
    method: str | None = None
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    contains: str = ""
    status: int = 503
    seconds: float = 1.0
    as_date: bool = False
    after_bytes: int | None = None
    after_events: int = 0
    body: Any = None
    processed: bool = True
    reset: bool = False
    unknown: str = "paused_for_review"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown fault {self.kind!r}; known: {', '.join(get_args(FaultKind))}"
            )

    def matches(self, request: Request) -> bool:
        return (
            not self.kind.startswith("webhook_")
            and (self.method is None or self.method.upper() == request.method)
            and fnmatchcase(request.path, self.path)
            and self.contains.encode() in request.body
        )

    def matches_webhook(self, url: str) -> bool:
        return self.kind.startswith("webhook_") and fnmatchcase(url, self.path)


Process = Callable[[], Answer]


def apply(fault: Fault | None, process: Process, clock: Clock, ref_id: str) -> Answer:
    """The answer to a request under a fault. `process` does the work; it runs at most once."""
    if fault is None:
        return process()
    if fault.kind in _INSTEAD:
        return _INSTEAD[fault.kind](fault, process, clock, ref_id)
    return Answer(_CHANGED[fault.kind](fault, process().steps, clock))


def _status(fault: Fault, ref_id: str) -> Answer:
    message = f"[simulated fault] status {fault.status}"
    return error_answer(ApiError(fault.status, message), ref_id)


def _status_after(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Answer:
    process()
    return _status(fault, ref_id)


def _drop_after(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Answer:
    process()
    return Answer(iter([Cut(fault.reset)]))


def _rate_limit(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Answer:
    after = f"{fault.seconds:g}"
    if fault.as_date:
        after = formatdate(clock.now() + fault.seconds, usegmt=True)
    headers = {"retry-after": after}
    message = "Too many requests: quota temporarily exceeded"
    return error_answer(ApiError(429, message, headers=headers), ref_id)


def _payment_required(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Answer:
    message = "Payment required: insufficient credit in account"
    return error_answer(ApiError(402, message), ref_id)


def _hang(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Answer:
    steps = process().steps if fault.processed else iter([Cut(fault.reset)])
    until = clock.monotonic() + fault.seconds

    def run() -> Iterator[Step]:
        while clock.monotonic() < until:
            yield Wait(until)
        yield from steps

    return Answer(run())


_INSTEAD: dict[str, Callable[[Fault, Process, Clock, str], Answer]] = {
    "refuse": lambda fault, process, clock, ref_id: Answer(iter([Refuse()])),
    "drop_before": lambda fault, process, clock, ref_id: Answer(iter([Cut(fault.reset)])),
    "drop_after": _drop_after,
    "status_before": lambda fault, process, clock, ref_id: _status(fault, ref_id),
    "status_after": _status_after,
    "rate_limit": _rate_limit,
    "payment_required": _payment_required,
    "hang": _hang,
}


def _wrong_shape(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    body = {"unexpected": True} if fault.body is None else fault.body
    for step in steps:
        if isinstance(step, Head):
            yield from json_answer(step.status, body).steps
            return
        yield step


def _slow(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    pieces = 8
    for step in steps:
        if not isinstance(step, Chunk):
            yield step
            continue
        size = max(1, -(-len(step.data) // pieces))
        for start in range(0, len(step.data), size):
            until = clock.monotonic() + fault.seconds / pieces
            while clock.monotonic() < until:
                yield Wait(until)
            yield Chunk(step.data[start : start + size])


def _truncated(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Chunk):
            size = len(step.data) // 2 if fault.after_bytes is None else fault.after_bytes
            if kept := step.data[:size]:
                yield Chunk(kept)
            yield Cut(fault.reset)
            return
        yield step


def _malformed(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _bodies(steps, lambda data: data[: max(1, len(data) * 2 // 3)])


def _bodies(steps: Iterator[Step], change: Callable[[bytes], bytes]) -> Iterator[Step]:
    """Change the body of a JSON answer, or each event, keeping `content-length` true."""
    head: Head | None = None
    for step in steps:
        if isinstance(step, Head) and "content-length" in step.headers:
            head = step
            continue
        if isinstance(step, Chunk):
            changed = Chunk(change(step.data))
            if head is not None:
                yield Head(head.status, {**head.headers, "content-length": str(len(changed.data))})
                head = None
            yield changed
        else:
            yield step


def _cut_stream(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    events, room = 0, fault.after_bytes
    for step in steps:
        if not isinstance(step, Chunk):
            yield step
            continue
        if room is None and events == fault.after_events:
            room = len(step.data) // 2
        if room is not None and room < len(step.data):
            if room > 0:
                yield Chunk(step.data[:room])
            yield Cut(fault.reset)
            return
        room = room - len(step.data) if room is not None else None
        events += 1
        yield step


def _error_event(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    events = 0
    for step in steps:
        if isinstance(step, Chunk):
            if events == fault.after_events:
                error = {"ref_id": "simulated-fault", "message": "[simulated fault] stream error"}
                yield sse_event({"type": "error", "error": {**error, "detail": None}})
                return
            events += 1
        yield step


def _unknown_event(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _before_events(steps, sse_event({"type": "task_run.telepathy", "strength": 11}))


def _heartbeats(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _before_events(steps, Chunk(b": heartbeat\n\n"))


def _before_events(steps: Iterator[Step], extra: Chunk) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Chunk) and step.data.startswith(b"event: "):
            yield extra
        yield step


def _edited(steps: Iterator[Step], change: Callable[[Any], Any]) -> Iterator[Step]:
    return _bodies(steps, lambda data: map_event(Chunk(data), change).data)


def _unknown_fields(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _edited(steps, _with_unknown)


_OWNED_BY_CALLER = ("content", "input", "metadata", "json_schema", "output_schema", "detail")


def _with_unknown(value: Any, depth: int = 0) -> Any:
    """Every object of the API gets a field; what the caller's own values hold stays as it is."""
    if isinstance(value, list):
        return [_with_unknown(v, depth) for v in value]
    if not isinstance(value, dict):
        return value
    kept = (*_OWNED_BY_CALLER, "task_run_status_counts")
    changed = {k: v if k in kept else _with_unknown(v, depth + 1) for k, v in value.items()}
    return {**changed, "x_unknown": {"depth": depth, "values": [1, None, "two"]}}


def _unknown_status(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _edited(steps, lambda body: _with_status(body, fault.unknown))


def _with_status(value: Any, status: str) -> Any:
    if isinstance(value, list):
        return [_with_status(v, status) for v in value]
    if not isinstance(value, dict):
        return value
    changed = {k: _with_status(v, status) for k, v in value.items()}
    return {**changed, "status": status} if "run_id" in value and "status" in value else changed


_CHANGED: dict[str, Callable[[Fault, Iterator[Step], Clock], Iterator[Step]]] = {
    "wrong_shape": _wrong_shape,
    "slow_body": _slow,
    "truncated_body": _truncated,
    "malformed_json": _malformed,
    "sse_cut": _cut_stream,
    "sse_error": _error_event,
    "sse_unknown_event": _unknown_event,
    "sse_comment_heartbeats": _heartbeats,
    "unknown_fields": _unknown_fields,
    "unknown_status": _unknown_status,
}
