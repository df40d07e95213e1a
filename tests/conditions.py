"""What else may be the case while processes are killed and requests fail: columns of both matrices.

Rule: each is a switch of the simulator, or the clock of a process. Nothing here ends a call: a session
without kills and faults does not notice it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_parallel.simulator import Fault, Listing, RunScript, Simulator

HOUR = 3600.0
_PAID: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs", "times": None}
_PLAINLY = Listing()
_TURNED = Listing(newest_first=True, page=1)
_ALWAYS = RunScript(times=None)
SERVED = {"langgraph_request_id": "r", "langgraph_auth_user_id": "anna"}
"""A user of a LangGraph server."""


@dataclass(frozen=True)
class Condition:
    """A server, and clocks, as they may be.

    Attributes:
        faults: What the server does at every request.
        script: How every run goes.
        clock_shift: Seconds by which the clock of each process but the first is ahead.
        called_by: What a LangGraph server puts into the config of each call: then every id of a state has to
            be proven.
        answers: Whether the ledger's list can say what was started. Where it cannot, a process that does
            not know may end in `SubmissionUnknown`, and goes on once it can.
    """

    name: str
    listing: Listing = _PLAINLY
    faults: tuple[Fault, ...] = ()
    script: RunScript = _ALWAYS
    clock_shift: float = 0.0
    called_by: Mapping[str, str] = field(default_factory=dict)
    answers: bool = True

    @property
    def is_ordered(self) -> bool:
        """Whether the clocks order the checkpoints of a thread as they were written.

        LangGraph takes the one with the latest time for the last. Where it is not, a thread may show an
        earlier state than it has; what is paid is the same.
        """
        return self.clock_shift >= 0

    def __str__(self) -> str:
        return self.name

    def begin(self, simulator: Simulator) -> None:
        """Have it so in this account."""
        simulator.listing = self.listing
        simulator.scripts.add(self.script)
        simulator.faults.add(*self.faults)


PLAIN = Condition("plain")


def conditions(late: float) -> tuple[Condition, ...]:
    """All of them but the plain one. `late`: seconds by which a server is late."""
    slow = Fault("slow_acceptance", seconds=late, **_PAID)
    refusal = Fault("status_after", status=429, retry_after=late / 2, **_PAID)
    return (
        Condition("newest first", Listing(newest_first=True)),
        Condition("in pages", Listing(page=1)),
        Condition("newest first, in pages", _TURNED),
        Condition("without metadata", Listing(metadata=False), answers=False),
        Condition("a run left out", Listing(most=1), answers=False),
        Condition("data heartbeats", faults=(Fault("sse_data_heartbeats", times=None),)),
        Condition("accepted slowly", faults=(slow,)),
        Condition("429 after acceptance", faults=(refusal,)),
        Condition("another id in the answer", faults=(Fault("wrong_id", **_PAID),)),
        Condition("listed late", script=RunScript(late_commit=late, times=None)),
        Condition("counted late", script=RunScript(late_count=late, times=None)),
        Condition(
            "counted, listed late", script=RunScript(late_commit=late, late_count=0, times=None)
        ),
        Condition("no run under its id yet", script=RunScript(late_run=late, times=None)),
        Condition("an hour ahead", clock_shift=HOUR),
        Condition("an hour behind", clock_shift=-HOUR),
        Condition("behind a server", called_by=SERVED),
        Condition("behind a server, newest first, in pages", _TURNED, called_by=SERVED),
        Condition(
            "all of it late, ahead, in pages",
            _TURNED,
            faults=(slow,),
            script=RunScript(late_commit=late / 2, times=None),
            clock_shift=HOUR,
        ),
    )
