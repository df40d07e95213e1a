"""The rows and columns of the fault matrix: what can go wrong, and at which call.

Rule: the rows come from the simulator's own lists of faults and endings, so a new kind is tried
everywhere without a line here. A combination is left out only by `SENSELESS`, which says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.simulator import Fault, LogEntry
from langchain_parallel.simulator.faults import FaultKind
from langchain_parallel.simulator.simulated_run import Outcome

FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

LATE = 12.0
"""Seconds until a run is listed: fewer than the settling time, and not by much."""

# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One kind of trouble, as it is ordered from the simulator.

    `detail`: to graph and tool it is the same as another row of its kind; only the client's own
    reading of the wire tells them apart, so only the client is tried with it.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    detail: bool = False
    ending: bool = False
    """It is how a run goes, and no fault."""

    def __str__(self) -> str:
        return " ".join((self.kind, *(f"{k}={v}" for k, v in self.options.items())))


_VARIANTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "status_before": ({"status": 503}, {"status": 401}),
    "status_after": ({"status": 500}, {"status": 429}),
    "rate_limit": ({"seconds": 3},),
    "slow_head": ({"seconds": 8},),
    "slow_body": ({"seconds": 8},),
    "slow_acceptance": ({"seconds": 25},),
    "hang": ({"seconds": 900},),
}
"""What a kind needs to be told; one that is not here is tried as it is."""

_DETAILS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "drop_before": ({"reset": True},),
    "drop_after": ({"reset": True}, {"acts_after": 12}),
    "status_before": tuple({"status": s} for s in (403, 404, 408, 409, 418, 422, 500)),
    "status_after": (
        *({"status": s} for s in (401, 403, 408, 409, 422, 503)),
        {"status": 504, "acts_after": 12},
        {"status": 429, "retry_after": 40},
    ),
    "rate_limit": ({"seconds": 3, "as_date": True}, {"seconds": 9000}),
    "slow_head": ({"seconds": 900},),
    "slow_body": ({"seconds": 900},),
    "truncated_body": ({"after_bytes": 0}, {"reset": True}),
    "wrong_shape": ({"body": []}, {"body": {"run_ids": []}}, {"body": {"run_ids": ["a", "b"]}}),
    "hang": ({"seconds": 20}, {"seconds": 900, "processed": False}),
    "sse_cut": ({"after_events": 1}, {"after_bytes": 7}),
    "unknown_status": ({"unknown": ""},),
}


def rows() -> Iterator[Row]:
    """Every kind of fault, in each of its variants."""
    for kind in FAULTS:
        yield from (Row(kind, options) for options in _VARIANTS.get(kind, ({},)))
        yield from (Row(kind, options, detail=True) for options in _DETAILS.get(kind, ()))


def endings() -> Iterator[Row]:
    """Every way a run can go, as `RunScript` has them."""
    yield from (Row(outcome, {"outcome": outcome}, ending=True) for outcome in OUTCOMES)
    yield Row("unknown_ending", {"unknown_status": "paused_for_review"}, ending=True)


def refuses_and_accepts(row: Row) -> bool:
    """A server that refuses what it has accepted. If it lists it late as well, nothing shows it."""
    return row.kind == "status_after" and is_refusal(row.options["status"])


def shown_too_late(row: Row, call: Call) -> bool:
    """Accepted late and listed late: together that is more than the settling time."""
    return bool(row.options.get("acts_after", 0) + call.late > RetryPolicy().settle_seconds)


def is_refusal(status: int) -> bool:
    """Whether the API documents that this status starts nothing."""
    return 400 <= status < 500 and status not in (408, 409)


def is_told(row: Row, call: Call) -> bool:
    """Whether a fault that happens once may be reported; all others are recovered from silently.

    A refusal would be the same again, and so would an answer that cannot be read; but what was
    accepted in a way that cannot be read is found in the ledger, and streams are read again.
    """
    status = 402 if row.kind == "payment_required" else row.options.get("status", 0)
    refused = is_refusal(status) and status != 429
    too_long = row.kind == "rate_limit" and row.options["seconds"] > RetryPolicy().max_retry_after
    unreadable = row.kind in ("malformed_json", "wrong_shape") and call.name in (
        "create group",
        "count",
    )
    return refused or too_long or unreadable


# --- columns -------------------------------------------------------------------------------------

_RUN = "/v1/tasks/runs/trun_" + "?" * 32  # a `*` would match what lies below a run, too
_LIST = "*/groups/*/runs"


@dataclass(frozen=True)
class Call:
    """A call of the API at one point of a user's way.

    Attributes:
        streams: It is answered with an event stream.
        first: What has to go wrong before, so that this call is made at all.
        skip: Calls of the same kind before it.
        again: The user was left without an answer by a run that takes long, and asks the same once
            more: in the same process, or in another one.
        late: Seconds until a run is listed.
        looks_first: It is, or comes after, the look that a ledger needs which another process may have used.
    """

    name: str
    method: str
    path: str
    streams: bool = False
    first: tuple[Fault, ...] = ()
    skip: int = 0
    again: Literal["", "here", "elsewhere"] = ""
    late: float = 0.0
    looks_first: bool = False

    def __str__(self) -> str:
        return self.name

    def faults(self, row: Row, times: int | None, turn: str = "question") -> list[Fault]:
        """The orders that bring this trouble to this call."""
        reads_on = self.skip and turn == "follow-up"  # a list that is not empty is read on
        where: dict[str, Any] = {"method": self.method, "path": self.path, "times": times}
        kind: Any = row.kind
        return [*self.first, Fault(kind, skip=self.skip + reads_on, **where, **row.options)]

    def makes(self, entry: LogEntry) -> bool:
        """Whether a request that the simulator saw is this call."""
        return entry.method == self.method and fnmatchcase(entry.path, self.path)


_LOST = Fault("drop_after", method="POST", path=_LIST)
NO_EVENTS = Fault("status_before", status=404, method="GET", path=f"{_RUN}/events", times=None)

CALLS: tuple[Call, ...] = (
    Call("create group", "POST", "*/groups"),
    Call("look", "GET", _LIST, streams=True, looks_first=True),
    Call("count", "GET", "*/groups/tgrp_" + "?" * 32, looks_first=True),
    Call("add runs", "POST", _LIST),
    Call("add runs, listed late", "POST", _LIST, late=LATE),
    Call("look in doubt", "GET", _LIST, streams=True, first=(_LOST,), skip=1, looks_first=True),
    Call("retrieve", "GET", _RUN),
    Call("events", "GET", f"{_RUN}/events", streams=True),
    Call("result", "GET", f"{_RUN}/result", first=(NO_EVENTS,)),
    Call("look again", "GET", _LIST, streams=True, again="elsewhere"),
    Call("retrieve again", "GET", _RUN, again="here"),
    Call("result again", "GET", f"{_RUN}/result", first=(NO_EVENTS,), again="elsewhere"),
)

ENDS: tuple[Call, ...] = tuple(call for call in CALLS if call.name in ("events", "result"))
"""Where a user sees how a run went."""

# --- what is left out ----------------------------------------------------------------------------

_SPOIL = (
    *("slow_body", "truncated_body", "malformed_json", "unknown_fields", "unknown_status"),
    *("sse_cut", "sse_error", "sse_unknown_event", "sse_comment_heartbeats"),
    *("sse_data_heartbeats", "wrong_id"),
)
"""Kinds that change what an answer holds, and leave one that holds nothing as it is."""

_ALL = "*"


@dataclass(frozen=True)
class Senseless:
    """Cells that are left out: globs of kinds and calls, on which turn, and the reason."""

    kinds: tuple[str, ...]
    calls: tuple[str, ...]
    why: str
    turn: str = _ALL

    def covers(self, kind: str, call: Call, turn: str) -> bool:
        return (
            any(fnmatchcase(kind, each) for each in self.kinds)
            and call.name in (self.calls if self.calls != (_ALL,) else (call.name,))
            and fnmatchcase(turn, self.turn)
        )


_JSON = tuple(call.name for call in CALLS if not call.streams)

SENSELESS: tuple[Senseless, ...] = (
    Senseless(
        ("webhook_*",),
        (_ALL,),
        "It concerns a delivery by the API; nobody here asks for one, and a `Fault` of this kind "
        "matches no request. What it does is in tests/simulator/test_webhooks.py.",
    ),
    Senseless(
        ("sse_*",),
        _JSON,
        "The answer is one JSON body without events; what breaks that is `truncated_body`, "
        "`malformed_json` and `wrong_shape`.",
    ),
    Senseless(
        ("wrong_id",),
        ("create group", "count", "look in doubt", "look again"),
        "A group and its counts name no run, and a run under our key in our ledger is ours, whatever "
        "its id.",
    ),
    Senseless(
        _SPOIL,
        ("look",),
        "The list of a new ledger is empty, so there is nothing in it to spoil. `look in doubt`, "
        "`look again` and the follow-up's `look` have a run in theirs.",
        turn="question",
    ),
    Senseless(
        (_ALL,),
        ("create group",),
        "The session has its ledger by then, and makes no other.",
        turn="follow-up",
    ),
    Senseless(
        (_ALL,),
        ("look again", "retrieve again", "result again"),
        "How a session is taken up again does not depend on the turn; it is tried on the question.",
        turn="follow-up",
    ),
)


def senseless(kind: str, call: Call, turn: str) -> Senseless | None:
    """Why this combination is left out; None for one that is tried."""
    return next((each for each in SENSELESS if each.covers(kind, call, turn)), None)
