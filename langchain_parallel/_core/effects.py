"""The effects that an operation may ask its driver for.

Rule: an operation is a flow, a generator that yields one of the effects below and is handed its outcome. So
each operation is written once, two small loops in `client` drive it (one blocks, one awaits), and a test
drives it with a list of outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from .._telemetry import TelemetryEvent
from ..models import TaskRunEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """Send this request; the outcome is a `Response` or `NoResponse`."""

    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    """Left out of `repr`: it may hold the headers of MCP servers."""
    timeout: float = 30.0
    """Seconds without a byte after which the exchange counts as lost."""
    total: float = 120.0
    """Seconds after which it does, however many bytes have come; for a stream, until its head is there."""
    paid: bool = False
    """A copy of this request could be billed again."""
    refusals_are_free: bool = False
    """What is paid for is the answer itself, so an error in its place costs nothing, whatever its status."""
    resend_lost: bool = False
    """Send it again though its answer was lost, and may be billed: the caller has asked for that."""
    if_lost: str = ""
    """What a caller is told of money where the answer was lost; empty if it is paid for a run."""
    starts_runs: bool = False
    """It counts in the account's quota of requests that start runs."""
    leaves_by: float | None = None
    """When it is too late to send it, by the monotonic clock; what allowed that is out of date then."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts in the body that no error message may repeat."""
    processors: tuple[str, ...] = ()
    """Of the runs that it starts: an error that is about one of them names another."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Send this request and leave the body unread; the outcome is a `Response` without body or `NoResponse`.

    `ReadChunk` reads the body. A flow has one open stream at a time: its next request or stream closes the
    one before, so that no flow needs more than one connection.

    `beside`: it stays open meanwhile, if the flow has a connection for it (`TakeBeside`).
    """

    request: Request
    beside: bool = False


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Read the next bytes of the open stream; the outcome is `bytes`, `StreamEnded` or `NoResponse`.

    If none come within `seconds`, that is the end of the stream (`NoResponse`). `beside`: of the one that was
    opened so.
    """

    seconds: float = math.inf
    beside: bool = False


@dataclass(frozen=True, slots=True)
class TakeBeside:
    """Ask for a second connection, for a stream that stays open beside what else the flow asks for.

    The outcome is whether there is one.
    """


@dataclass(frozen=True, slots=True)
class LeaveBeside:
    """Close that stream, and give its connection back."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let `seconds` pass, and a random part of `jitter` seconds more."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Now:
    """Read the monotonic clock; the outcome is in seconds."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask the caller whether the request may still be sent.

    The outcome is True, False if another process has taken it over, or None if this caller cannot tell.
    """


@dataclass(frozen=True, slots=True)
class EnterGate:
    """Wait until the next request that starts runs may leave, by the account's quota.

    The flow has leave for one such request then. One that is sent without leave waits for it, too.
    """


@dataclass(frozen=True, slots=True)
class LeaveGate:
    """Give that leave back unused: another request may leave in the place of this one."""


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Wait until no other flow of this process has the turn of this name; a flow has one turn at a time.

    The outcome is False if that was in vain: a blocking call waits only so long, because it may keep the one
    that has the turn from going on.
    """

    name: str


@dataclass(frozen=True, slots=True)
class EndTurn:
    """Let the next flow have the turn."""


@dataclass(frozen=True, slots=True)
class TakeSeat:
    """Ask for a connection to wait with, which the flow keeps to its end.

    The outcome is 0.0 if there is one. Otherwise it is the seconds between two short looks at a run, so that
    all that wait like this together look no more often than a process should. `group_id`: of the run's task
    group, whose events it could share.
    """

    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class AwaitEnds:
    """Wait, up to `seconds`, until one of these runs of a task group has ended.

    All that wait for runs of a group share one connection, the group's event stream. The outcome has the
    last event of each run that has ended, by run id. It is empty when the time is over, or when a run is
    worth a look, and None if no stream can be shared now.
    """

    group_id: str
    run_ids: frozenset[str]
    seconds: float


class Waitable(Protocol):
    """What a thread or a task waits for."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, up to `seconds`, and return whether it was set."""

    async def await_(self, seconds: float | None = None) -> bool:
        """As `wait`; awaited."""


@dataclass(frozen=True, slots=True)
class AwaitSignal:
    """Wait, up to `seconds` of real time, for what another thread or task sets.

    The outcome is whether it was set.
    """

    signal: Waitable
    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand this event to the caller's listener or iterator."""

    event: Any = field(repr=False)
    """Not yet redacted."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell these to those who operate the program (`_telemetry.py`)."""

    events: tuple[TelemetryEvent, ...] = field(repr=False)
    """Not yet redacted."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. A header is found by its name in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    """Left out of `repr`, as the headers are: a server may repeat what it was sent."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No usable response arrived. `sent` is False only if no byte can have reached the server.

    `malformed` means that something arrived, but not what the API documents. `advice` is what to do where the
    caller's settings are the cause, so that sending again would not help. `cure` is what to do where the
    machine lacks something for the moment, so that sending again may help.
    """

    sent: bool
    reason: str = ""
    malformed: bool = False
    limit: int = 0
    """Bytes, where a response arrived that is longer than the client takes."""
    advice: str = ""
    cure: str = ""
    too_late: bool = False
    """It was not sent, because its time to leave had passed."""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The server closed the stream in good order."""


Effect: TypeAlias = (
    Request
    | OpenStream
    | ReadChunk
    | TakeBeside
    | LeaveBeside
    | Sleep
    | Now
    | Confirm
    | EnterGate
    | LeaveGate
    | TakeTurn
    | EndTurn
    | TakeSeat
    | AwaitEnds
    | AwaitSignal
    | Emit
    | Report
)
Outcome: TypeAlias = Response | NoResponse
Flow: TypeAlias = Generator[Effect, object, T]

# The functions below give each effect's outcome its type, which a bare `yield` cannot.


def send(request: Request) -> Flow[Outcome]:
    """Send one request."""
    outcome = yield request
    assert isinstance(outcome, Response | NoResponse)
    return outcome


def open_stream(request: Request) -> Flow[Outcome]:
    """Open a stream and return its head."""
    outcome = yield OpenStream(request)
    assert isinstance(outcome, Response | NoResponse)
    return outcome


def read_chunk() -> Flow[bytes | StreamEnded | NoResponse]:
    """Read the next bytes of the open stream."""
    outcome = yield ReadChunk()
    assert isinstance(outcome, bytes | StreamEnded | NoResponse)
    return outcome


def take_beside() -> Flow[bool]:
    """Ask for a second connection, and return whether there is one."""
    has_one = yield TakeBeside()
    assert isinstance(has_one, bool)
    return has_one


def leave_beside() -> Flow[None]:
    """Give the second connection back."""
    yield LeaveBeside()


def sleep(pause: Sleep) -> Flow[None]:
    """Let time pass."""
    yield pause


def now() -> Flow[float]:
    """Read the monotonic clock, in seconds."""
    time = yield Now()
    assert isinstance(time, float)
    return time


def confirm() -> Flow[bool | None]:
    """Ask the caller whether the request may still be sent."""
    outcome = yield Confirm()
    assert outcome is None or isinstance(outcome, bool)
    return outcome


def enter_gate() -> Flow[None]:
    """Wait until the next request that starts runs may leave."""
    yield EnterGate()


def leave_gate() -> Flow[None]:
    """Let another request leave in the place of this one."""
    yield LeaveGate()


def take_turn(name: str) -> Flow[bool]:
    """Wait until no other flow of this process has the turn of this name; False if that was in vain."""
    has_turn = yield TakeTurn(name)
    assert isinstance(has_turn, bool)
    return has_turn


def end_turn() -> Flow[None]:
    """Let the next flow have the turn."""
    yield EndTurn()


def take_seat(group_id: str | None = None) -> Flow[float]:
    """Ask for a connection to wait with: 0.0 if there is one, else seconds between two looks."""
    pause = yield TakeSeat(group_id)
    assert isinstance(pause, float)
    return pause


def await_ends(
    group_id: str, run_ids: Iterable[str], seconds: float
) -> Flow[dict[str, TaskRunEvent] | None]:
    """The last events of those runs of a group that have ended; waits for the first, up to `seconds`."""
    ends = yield AwaitEnds(group_id, frozenset(run_ids), seconds)
    assert ends is None or isinstance(ends, dict)
    return ends


def await_signal(signal: Waitable, seconds: float) -> Flow[bool]:
    """Wait, up to `seconds`, until the signal is set, and return whether it was."""
    is_set = yield AwaitSignal(signal, seconds)
    assert isinstance(is_set, bool)
    return is_set


def emit(event: Any) -> Flow[None]:
    """Hand an event to the caller."""
    yield Emit(event)


def report(*events: TelemetryEvent) -> Flow[None]:
    """Tell those who operate the program."""
    if events:
        yield Report(events)
