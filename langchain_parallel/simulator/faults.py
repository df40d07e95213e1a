"""Faults on demand: what the network and a failing server can do to one request.

    refuse                  the connection is refused; nothing is processed. (A server on a socket has
                            accepted the connection by then and resets it; its `unreachable()` refuses)
    drop_before             the connection is dropped before the request is processed
    drop_after              the request is processed and its response dropped
    status_before           answered with `status` and not processed
    status_after            processed, then answered with `status`
    rate_limit              429 with `Retry-After`: `seconds`, or an HTTP date (`as_date`)
    payment_required        402
    slow_head               processed; status line and headers arrive slowly, over `seconds`
    slow_body               processed; the body arrives slowly, over `seconds`
    truncated_body          processed; `content-length` promises more than arrives (`after_bytes`)
    malformed_json          processed; the JSON breaks off, though the length is right
    wrong_shape             processed; the body is `body` (any JSON) instead
    slow_acceptance         processed `seconds` after it came, even if the client has gone by then; the
                            response comes then
    hang                    no response for `seconds`; with `processed=False` none after that either
    sse_cut                 an event stream ends inside the event after `after_events` events, or
                            after `after_bytes` bytes
    sse_error               an event stream sends an `error` event after `after_events` and closes
    sse_unknown_event       an event of an undocumented type before each documented one
    sse_comment_heartbeats  comment lines between the events
    sse_only_heartbeats     comment lines every `seconds`, for ever, instead of the events
    sse_data_heartbeats     events between the events whose data is no JSON
    wrong_id                another run's id stands for every run's
    unknown_fields          an undocumented field in every object of the API
    unknown_status          every run is reported in `unknown` status
    webhook_duplicate, webhook_forge, webhook_lose   delivered twice, delivered with a wrong signature
                            first, not delivered; `path` is matched against the webhook's URL

With `reset=True` every dropped connection is a TCP reset (a read error) instead of a close. With `acts_after`
a request that is processed under any other kind is processed so many seconds after it came: `status_after`
and `drop_after` have answered, or dropped the connection, long before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, get_args

from .clock import Clock
from .http_messages import (
    ApiError,
    Chunk,
    Cut,
    Head,
    HeadPart,
    Refuse,
    Request,
    Response,
    Step,
    Wait,
    edit_json,
    error_response,
    is_event,
    json_response,
    sse_event,
)

FaultKind = Literal[
    "refuse",
    "drop_before",
    "drop_after",
    "status_before",
    "status_after",
    "rate_limit",
    "payment_required",
    "slow_head",
    "slow_body",
    "truncated_body",
    "malformed_json",
    "wrong_shape",
    "slow_acceptance",
    "hang",
    "sse_cut",
    "sse_error",
    "sse_unknown_event",
    "sse_comment_heartbeats",
    "sse_only_heartbeats",
    "sse_data_heartbeats",
    "wrong_id",
    "unknown_fields",
    "unknown_status",
    "webhook_duplicate",
    "webhook_forge",
    "webhook_lose",
]


@dataclass(frozen=True)
class Fault:
    """A fault for the requests that it matches. The module's docstring explains every kind.

    Args:
        method: Matches only this method. `path`: a glob on the path (`*` also matches slashes).
        contains: Matches only requests whose body contains this text.
        times: How many requests it hits (None: all). `skip`: how many matches it ignores first.
        seconds: How long (slow, hang), or what `Retry-After` says (rate_limit).
        retry_after: Seconds that `Retry-After` says beside a `status`.
        acts_after: Seconds after which the request is processed.
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
    retry_after: float | None = None
    acts_after: float = 0.0
    after_bytes: int | None = None
    after_events: int = 0
    body: Any = None
    processed: bool = True
    reset: bool = False
    unknown: str = "paused_for_review"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            known = ", ".join(get_args(FaultKind))
            raise ValueError(f"unknown fault {self.kind!r}; known: {known}")

    @property
    def delay(self) -> float:
        """Seconds after which a request is processed."""
        return self.seconds if self.kind == "slow_acceptance" else self.acts_after

    def matches(self, request: Request) -> bool:
        return (
            not self.kind.startswith("webhook_")
            and (self.method is None or self.method.upper() == request.method)
            and fnmatchcase(request.path, self.path)
            and self.contains.encode() in request.body
        )

    def matches_webhook(self, url: str) -> bool:
        return self.kind.startswith("webhook_") and fnmatchcase(url, self.path)


Process = Callable[[], Response]
_NO_CREDIT = ApiError(402, "Payment required: insufficient credit in account")


def respond(fault: Fault | None, process: Process, clock: Clock, ref_id: str) -> Response:
    """Answer a request under a fault. `process` does the request's work and runs at most once."""
    if fault is None:
        return process()
    if fault.kind in _REPLACED:
        return _REPLACED[fault.kind](fault, process, clock, ref_id)
    return Response(_CHANGED[fault.kind](fault, process().steps, clock))


# -- faults that replace the response --------------------------------------------------------------


def _cut(fault: Fault) -> Response:
    return Response(iter([Cut(fault.reset)]))


def _status(fault: Fault, ref_id: str) -> Response:
    message = f"[simulated fault] status {fault.status}"
    after = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    return error_response(ApiError(fault.status, message, headers=after), ref_id)


def _status_after(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Response:
    process()
    return _status(fault, ref_id)


def _drop_after(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Response:
    process()
    return _cut(fault)


def _rate_limit(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Response:
    date = formatdate(clock.now() + fault.seconds, usegmt=True)
    headers = {"retry-after": date if fault.as_date else f"{fault.seconds:g}"}
    message = "Too many requests: quota temporarily exceeded"
    return error_response(ApiError(429, message, headers=headers), ref_id)


def _hang(fault: Fault, process: Process, clock: Clock, ref_id: str) -> Response:
    response = process() if fault.processed else _cut(fault)
    until = clock.monotonic() + fault.seconds

    def run() -> Iterator[Step]:
        yield from _pause(until, clock)
        yield from response.steps

    return Response(run())


def _pause(until: float, clock: Clock) -> Iterator[Step]:
    while clock.monotonic() < until:
        yield Wait(until)


_REPLACED: dict[str, Callable[[Fault, Process, Clock, str], Response]] = {
    "refuse": lambda fault, process, clock, ref_id: Response(iter([Refuse()])),
    "drop_before": lambda fault, process, clock, ref_id: _cut(fault),
    "drop_after": _drop_after,
    "status_before": lambda fault, process, clock, ref_id: _status(fault, ref_id),
    "status_after": _status_after,
    "rate_limit": _rate_limit,
    "payment_required": lambda fault, process, clock, ref_id: error_response(_NO_CREDIT, ref_id),
    "slow_acceptance": lambda fault, process, clock, ref_id: process(),
    "hang": _hang,
}


# -- faults that change the steps of the response --------------------------------------------------


def _wrong_shape(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    body = {"unexpected": True} if fault.body is None else fault.body
    for step in steps:
        if isinstance(step, Head):
            yield from json_response(step.status, body).steps
            return
        yield step


_PIECES = 8  # in which something slow arrives


def _slow_head(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Head):
            for _ in range(_PIECES):
                yield from _pause(clock.monotonic() + fault.seconds / _PIECES, clock)
                yield HeadPart(step, 1 / (_PIECES + 1))
        yield step


def _slow_body(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    for step in steps:
        if not isinstance(step, Chunk):
            yield step
            continue
        for start in range(0, len(step.data), size := max(1, -(-len(step.data) // _PIECES))):
            yield from _pause(clock.monotonic() + fault.seconds / _PIECES, clock)
            yield Chunk(step.data[start : start + size])


def _truncated_body(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Chunk):
            size = len(step.data) // 2 if fault.after_bytes is None else fault.after_bytes
            if kept := step.data[:size]:
                yield Chunk(kept)
            yield Cut(fault.reset)
            return
        yield step


def _malformed_json(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _edit_chunks(steps, lambda chunk: Chunk(chunk.data[: max(1, len(chunk.data) * 2 // 3)]))


def _edit_chunks(steps: Iterator[Step], change: Callable[[Chunk], Chunk]) -> Iterator[Step]:
    """Change the body of a JSON response, or each event, and correct `content-length`."""
    head: Head | None = None
    for step in steps:
        if isinstance(step, Head) and "content-length" in step.headers:
            head = step  # its length is only known with the body
        elif isinstance(step, Chunk):
            changed = change(step)
            if head is not None:
                yield Head(head.status, {**head.headers, "content-length": str(len(changed.data))})
                head = None
            yield changed
        else:
            yield step


def _sse_cut(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    events, left = 0, fault.after_bytes
    for step in steps:
        if not isinstance(step, Chunk):
            yield step
            continue
        if left is None and events == fault.after_events:
            left = len(step.data) // 2
        if left is not None and left < len(step.data):
            if left > 0:
                yield Chunk(step.data[:left])
            yield Cut(fault.reset)
            return
        left = left - len(step.data) if left is not None else None
        events += 1
        yield step


def _sse_error(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    events = 0
    for step in steps:
        if isinstance(step, Chunk):
            if events == fault.after_events:
                error = {"ref_id": "simulated-fault", "message": "[simulated fault] stream error"}
                yield sse_event({"type": "error", "error": {**error, "detail": None}})
                return
            events += 1
        yield step


def _sse_only_heartbeats(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, Head) and "content-length" not in step.headers:
            break  # an event stream; the end of any other response is known
    else:
        return
    while True:
        yield from _pause(clock.monotonic() + fault.seconds, clock)
        yield Chunk(b": heartbeat\n\n")


def _before_events(extra: Chunk) -> _Change:
    def change(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
        for step in steps:
            if isinstance(step, Chunk) and is_event(step):
                yield extra
            yield step

    return change


def _unknown_fields(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    return _edit_chunks(steps, lambda chunk: edit_json(chunk, _add_unknown))


# Objects whose keys are the caller's own, or statuses:
_KEPT = (
    *("content", "input", "metadata", "json_schema", "output_schema", "detail"),
    "task_run_status_counts",
)


def _add_unknown(value: Any, depth: int = 0) -> Any:
    """Add a field to every object of the API."""
    if isinstance(value, list):
        return [_add_unknown(v, depth) for v in value]
    if not isinstance(value, dict):
        return value
    changed = {k: v if k in _KEPT else _add_unknown(v, depth + 1) for k, v in value.items()}
    return {**changed, "x_unknown": {"depth": depth, "values": [1, None, "two"]}}


def _unknown_status(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(v) for v in value]
        if not isinstance(value, dict):
            return value
        changed = {k: change(v) for k, v in value.items()}
        is_run = "run_id" in value and "status" in value
        return {**changed, "status": fault.unknown} if is_run else changed

    return _edit_chunks(steps, lambda chunk: edit_json(chunk, change))


def _wrong_id(fault: Fault, steps: Iterator[Step], clock: Clock) -> Iterator[Step]:
    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: wrong if k == "run_id" else change(v) for k, v in value.items()}
        if isinstance(value, list):
            return [change(v) for v in value]
        return wrong if isinstance(value, str) and value.startswith("trun_") else value

    wrong = f"trun_{0:032}"
    return _edit_chunks(steps, lambda chunk: edit_json(chunk, change))


_Change: TypeAlias = Callable[[Fault, Iterator[Step], Clock], Iterator[Step]]
_CHANGED: dict[str, _Change] = {
    "wrong_shape": _wrong_shape,
    "slow_head": _slow_head,
    "slow_body": _slow_body,
    "truncated_body": _truncated_body,
    "malformed_json": _malformed_json,
    "sse_cut": _sse_cut,
    "sse_error": _sse_error,
    "sse_unknown_event": _before_events(sse_event({"type": "task_run.telepathy", "strength": 11})),
    "sse_comment_heartbeats": _before_events(Chunk(b": heartbeat\n\n")),
    "sse_only_heartbeats": _sse_only_heartbeats,
    "sse_data_heartbeats": _before_events(Chunk(b"event: ping\ndata: ping\n\n")),
    "wrong_id": _wrong_id,
    "unknown_fields": _unknown_fields,
    "unknown_status": _unknown_status,
}
