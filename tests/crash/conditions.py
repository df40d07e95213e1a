"""What else is the case while processes are killed: columns of the kill matrix.

Rule: each is a switch of the simulator, or the clock of a process. Nothing here is a fault that ends a call:
an uncrashed session does not notice it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_parallel.simulator import Fault, Listing, RunScript, Simulator

from .cells import Cell

SPEED = 0.0005
"""The simulator's runs take so much of their usual time."""
LATE = 0.3
"""Seconds by which the server is late: half the settling time."""
HOUR = 3600.0

_PAID: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs", "times": None}
_PLAINLY = Listing()
_ALWAYS = RunScript(times=None)


@dataclass(frozen=True)
class Condition:
    """A server, and clocks, as they may be.

    Attributes:
        faults: What the server does at every request.
        script: How every run goes.
        clock_shift: Seconds by which the clock of each process but the first is ahead.
        answers: Whether the ledger's list can say what was started. Where it cannot, a process that does
            not know may end in `SubmissionUnknown`, and goes on once it can.
    """

    name: str
    listing: Listing = _PLAINLY
    faults: tuple[Fault, ...] = ()
    script: RunScript = _ALWAYS
    clock_shift: float = 0.0
    answers: bool = True

    def __str__(self) -> str:
        return self.name

    def promises(self, cell: Cell) -> bool:
        """Whether no run is paid for twice in this cell, wherever the process is killed.

        A model that the tool tells that nobody knows yet, and that asks again all the same, asks anew.
        """
        return cell.promised and (self.answers or not cell.in_agent)

    def simulator(self) -> Simulator:
        """An account under this condition."""
        simulator = Simulator(latency_scale=SPEED, listing=self.listing)
        simulator.scripts.add(self.script)
        simulator.faults.add(*self.faults)
        return simulator


PLAIN = Condition("plain")
CONDITIONS: tuple[Condition, ...] = (
    PLAIN,
    Condition("newest first", Listing(newest_first=True)),
    Condition("in pages", Listing(page=1)),
    Condition("newest first, in pages", Listing(newest_first=True, page=1)),
    Condition("without metadata", Listing(metadata=False), answers=False),
    Condition("a run left out", Listing(most=1), answers=False),
    Condition("data heartbeats", faults=(Fault("sse_data_heartbeats", times=None),)),
    Condition("accepted slowly", faults=(Fault("slow_acceptance", seconds=LATE, **_PAID),)),
    Condition(
        "429 after acceptance",
        faults=(Fault("status_after", status=429, retry_after=0.2, **_PAID),),
    ),
    Condition("another id in the answer", faults=(Fault("wrong_id", **_PAID),)),
    Condition("listed late", script=RunScript(late_commit=LATE, times=None)),
    Condition("counted late", script=RunScript(late_count=LATE, times=None)),
    Condition("counted, listed late", script=RunScript(late_commit=LATE, late_count=0, times=None)),
    Condition("no run under its id yet", script=RunScript(late_run=LATE, times=None)),
    Condition("an hour ahead", clock_shift=HOUR),
    Condition("an hour behind", clock_shift=-HOUR),
    Condition(
        "slowly, ahead, in pages",
        Listing(newest_first=True, page=1),
        faults=(Fault("slow_acceptance", seconds=LATE, **_PAID),),
        clock_shift=HOUR,
    ),
)
BY_NAME = {condition.name: condition for condition in CONDITIONS}
