"""Requests and responses as plain values, so that slow and broken responses need no socket.

Rule: a response is a sequence of steps. The code that builds it only says what should happen; the transport
or the server that plays it does the waiting and the breaking. A `Chunk` of an event stream is exactly one
event and a JSON body is exactly one `Chunk`: the faults rely on that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower case; `repr` shows no header and no body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Wait:
    """Pause until `until` (seconds on the clock's monotonic axis) or, if that is sooner, until the run or
    group with the id `topic` changes.
    """

    until: float
    topic: str | None = None


@dataclass(frozen=True)
class Head:
    """Status line and headers. Without `content-length` the body is chunked."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class HeadPart:
    """A part of the head's bytes, as a share of them. The head itself follows."""

    head: Head
    share: float


@dataclass(frozen=True)
class Chunk:
    """Bytes of the body."""

    data: bytes


@dataclass(frozen=True)
class Cut:
    """End the connection in the middle: close it, or with `reset` tear it down (TCP RST)."""

    reset: bool = False


@dataclass(frozen=True)
class Refuse:
    """Refuse the connection."""


Step: TypeAlias = "Wait | HeadPart | Head | Chunk | Cut | Refuse"


@dataclass(frozen=True)
class Response:
    """What happens after a request. The steps can be played once."""

    steps: Iterator[Step]


@dataclass(eq=False)
class ApiError(Exception):
    """A refusal, in one of the API's two error formats.

    With `as_list` the body is the list of `detail.errors` alone, as some calls document it for their 422.
    """

    status: int
    message: str
    detail: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ref_id: str | None = None
    as_list: bool = False


def to_json(value: Any) -> bytes:
    """JSON as a server may write it: half a character is escaped, and a NaN is `NaN`."""
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Build a complete response with a JSON body."""
    data = to_json(body)
    head = {"content-type": "application/json", "content-length": str(len(data))}
    return Response(iter([Head(status, {**head, **(headers or {})}), Chunk(data)]))


def error_response(error: ApiError, ref_id: str) -> Response:
    """Build an error: `{"type": "error", "error": {ref_id, message, detail}}`, or `{"detail": […]}`."""
    if error.as_list and error.detail is not None:
        return json_response(error.status, {"detail": error.detail["errors"]}, error.headers)
    inner = {"ref_id": error.ref_id or ref_id, "message": error.message, "detail": error.detail}
    return json_response(error.status, {"type": "error", "error": inner}, error.headers)


def sse_response(steps: Iterable[Step]) -> Response:
    """Build an event stream: the head at once, then the steps."""

    def run() -> Iterator[Step]:
        yield Head(200, {"content-type": "text/event-stream", "cache-control": "no-cache"})
        yield from steps

    return Response(run())


def sse_event(event: JsonObject) -> Chunk:
    """Encode one server-sent event."""
    return Chunk(b"event: %s\ndata: %s\n\n" % (event["type"].encode(), to_json(event)))


def sse_data(value: Any) -> Chunk:
    """Encode one server-sent event without a type, as the streams of a chat have them."""
    return Chunk(b"data: %s\n\n" % to_json(value))


SSE_DONE = Chunk(b"data: [DONE]\n\n")
"""The end of a chat's stream."""


def is_event(chunk: Chunk) -> bool:
    """Whether a chunk is an event, and no JSON body."""
    return chunk.data.startswith((b"event: ", b"data: "))


def edit_json(chunk: Chunk, change: Callable[[Any], Any]) -> Chunk:
    """Apply `change` to the JSON of a chunk, which is a JSON body or one event."""
    text = chunk.data.decode()
    if chunk == SSE_DONE:
        return chunk
    if text.startswith("data: "):
        return sse_data(change(json.loads(text.removeprefix("data: "))))
    if not is_event(chunk):
        return Chunk(to_json(change(json.loads(text))))
    return sse_event(change(json.loads(text.split("\ndata: ", 1)[1])))
