"""Requests and answers as plain values, so that blocking and broken answers need no socket.

Rule: an answer is a sequence of steps. Whoever drives it (transport, server) does the waiting and
the breaking; whoever writes it only says what should happen. A `Chunk` of an event stream is
exactly one event, a JSON answer is exactly one `Chunk`: the faults rely on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = [
    "Answer",
    "ApiError",
    "Chunk",
    "Cut",
    "Head",
    "JsonObject",
    "Refuse",
    "Request",
    "Step",
    "Wait",
    "error_answer",
    "json_answer",
    "map_event",
    "sse_answer",
    "sse_event",
]

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower case; `repr` shows no header and no body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON, or None where there is none."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            raise ApiError(422, "Request body is not valid JSON", _at(["body"])) from None

    @property
    def betas(self) -> frozenset[str]:
        raw = self.headers.get("parallel-beta", "")
        return frozenset(part.strip() for part in raw.split(",") if part.strip())


@dataclass(frozen=True)
class Wait:
    """Nothing happens until `until` (seconds on the clock's monotonic axis), or until the thing
    named by `topic` (a run or group id) changes: whichever is first.
    """

    until: float
    topic: str | None = None


@dataclass(frozen=True)
class Head:
    """Status line and headers. Without `content-length` the body is chunked."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Chunk:
    """Bytes of the body."""

    data: bytes


@dataclass(frozen=True)
class Cut:
    """The connection ends here, unfinished: closed, or with `reset` torn down (TCP RST)."""

    reset: bool = False


@dataclass(frozen=True)
class Refuse:
    """The connection is never made."""


Step: TypeAlias = "Wait | Head | Chunk | Cut | Refuse"


@dataclass(frozen=True)
class Answer:
    """What happens after a request, to be iterated once."""

    steps: Iterator[Step]


class ApiError(Exception):
    """A refusal in the API's own error format."""

    def __init__(
        self,
        status: int,
        message: str,
        detail: JsonObject | None = None,
        headers: Mapping[str, str] | None = None,
        ref_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        self.ref_id = ref_id


def _at(loc: list[str | int]) -> JsonObject:
    return {"errors": [{"loc": loc, "msg": "invalid", "type": "value_error"}]}


def json_answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """A complete answer with a JSON body."""
    data = json.dumps(body, ensure_ascii=False).encode()
    head = {"content-type": "application/json", "content-length": str(len(data))}
    return Answer(iter([Head(status, {**head, **(headers or {})}), Chunk(data)]))


def error_answer(error: ApiError, ref_id: str) -> Answer:
    """The API's error body: `{"type": "error", "error": {ref_id, message, detail}}`."""
    inner = {"ref_id": error.ref_id or ref_id, "message": error.message, "detail": error.detail}
    return json_answer(error.status, {"type": "error", "error": inner}, error.headers)


def sse_answer(steps: Iterable[Step]) -> Answer:
    """An event stream: head at once, then what `steps` gives."""

    def run() -> Iterator[Step]:
        yield Head(200, {"content-type": "text/event-stream", "cache-control": "no-cache"})
        yield from steps

    return Answer(run())


def sse_event(event: JsonObject) -> Chunk:
    """One server-sent event."""
    text = json.dumps(event, ensure_ascii=False)
    return Chunk(f"event: {event['type']}\ndata: {text}\n\n".encode())


def map_event(chunk: Chunk, change: Callable[[Any], Any]) -> Chunk:
    """The same chunk (JSON body or event) with its JSON changed."""
    text = chunk.data.decode()
    if not text.startswith("event: "):
        return Chunk(json.dumps(change(json.loads(text)), ensure_ascii=False).encode())
    return sse_event(change(json.loads(text.split("\ndata: ", 1)[1])))
