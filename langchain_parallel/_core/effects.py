"""What a flow may ask of the world.

Rule: a flow is a generator that yields one of the effects below and is handed its outcome. So every
operation is written once, is driven by two small loops in `client`, and can be tested with a list.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """Send this; the outcome is a `Response`, or `Lost`."""

    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    """Out of `repr`: it may hold the headers of MCP servers."""
    timeout: float = 30.0
    """Seconds without a byte after which the exchange counts as lost."""
    paid: bool = False
    """A copy of it could be billed again."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts in the body that no error message may repeat."""


@dataclass(frozen=True, slots=True)
class Open:
    """Send this and leave the body unread; the outcome is a `Response` without body, or `Lost`.

    Reading goes on with `Read`. A flow has one open stream at a time: the next request or stream
    closes it, so that no flow needs more than one connection.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of the open stream: `bytes`, `Ended`, or `Lost`."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let `seconds` pass, and at random up to `jitter` seconds more."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Now:
    """Read the monotonic clock, in seconds."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand this to whoever listens."""

    event: Any


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Lost:
    """No whole answer arrived. `sent` is False only if no byte can have reached the server.

    `broken` says that something arrived, but not what the API documents.
    """

    sent: bool
    reason: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream was closed in good order."""


Effect: TypeAlias = Request | Open | Read | Sleep | Now | Emit
Outcome: TypeAlias = Response | Lost
Flow: TypeAlias = Generator[Effect, object, T]


def send(request: Request) -> Flow[Outcome]:
    """The one exchange, typed."""
    outcome = yield request
    assert isinstance(outcome, Response | Lost)
    return outcome


def open_stream(request: Request) -> Flow[Outcome]:
    """The head of a stream, typed."""
    outcome = yield Open(request)
    assert isinstance(outcome, Response | Lost)
    return outcome


def read() -> Flow[bytes | Ended | Lost]:
    """The next bytes of the open stream, typed."""
    outcome = yield Read()
    assert isinstance(outcome, bytes | Ended | Lost)
    return outcome


def sleep(pause: Sleep) -> Flow[None]:
    """Let time pass."""
    yield pause


def now() -> Flow[float]:
    """The monotonic clock, in seconds."""
    time = yield Now()
    assert isinstance(time, float)
    return time


def emit(event: Any) -> Flow[None]:
    """Hand an event to whoever listens."""
    yield Emit(event)
