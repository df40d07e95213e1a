"""A run as a function of time.

Rule: what a run is at time t follows from the times and the outcome written down when it was made
(`status_at`); nothing ticks. Only `settle` changes them, and only towards the present.
Times are seconds on the clock's monotonic axis; `epoch` turns them into Unix time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from .answers import JsonObject
from .scenario import ScriptedTurn

__all__ = ["ACTIVE", "Outcome", "Run", "RunScript", "Turn", "input_text", "timestamp"]

ACTIVE = ("queued", "running", "cancelling")

Outcome = Literal["completed", "failed", "cancelled", "action_required", "stay_queued"]


@dataclass(frozen=True)
class RunScript:
    """How matching runs shall go. Queue with `simulator.scripts.add(...)`.

    Args:
        outcome: How the run ends; `stay_queued` never does.
        contains: Acts only on runs whose input contains this text.
        processor: Acts only on runs on this processor.
        times: Runs it acts on (None: all). `skip`: matching runs let pass first.
        message: The error's message of a failed run. `ref_id`: its reference.
        warnings: Messages of warnings on the run.
        seconds: How long the run takes, exactly: not scaled.
        late_commit: Seconds until the run shows up in its group's list and counts; by its own id
            it can be retrieved at once.
        unknown_status: A status outside the documented set, reported from the run's end on.
    """

    outcome: Outcome = "completed"
    contains: str = ""
    processor: str | None = None
    times: int | None = 1
    skip: int = 0
    message: str | None = None
    ref_id: str | None = None
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    late_commit: float = 0.0
    unknown_status: str | None = None

    def matches(self, text: str, processor: str) -> bool:
        return self.contains in text and self.processor in (None, processor)


@dataclass(frozen=True)
class Turn:
    """One turn of an interaction: what was asked and what came out (None: nothing, or not yet)."""

    run_id: str
    interaction_id: str
    processor: str
    input: str | JsonObject
    output: JsonObject | None


@dataclass(eq=False)
class Run:
    """One run. `request` is its input without secrets; `usd` what it costs if it completes;
    `planned` when it was to end before anyone settled it.
    """

    run_id: str
    interaction_id: str
    request: JsonObject
    betas: frozenset[str]
    usd: float
    created: float
    starts: float
    ends: float
    planned: float
    outcome: str = "completed"
    previous: Run | None = None
    group_id: str | None = None
    visible: float = 0.0
    warnings: list[JsonObject] = field(default_factory=list)
    error: JsonObject | None = None
    turn: ScriptedTurn | None = None
    output: JsonObject | None = None

    @property
    def processor(self) -> str:
        return str(self.request["processor"])

    @property
    def text(self) -> str:
        """The question as one string."""
        return input_text(self.request["input"])

    def status_at(self, t: float) -> str:
        if t < self.starts:
            return "queued"
        return "running" if t < self.ends else self.outcome

    def is_active_at(self, t: float) -> bool:
        return self.status_at(t) in ACTIVE

    def is_over_at(self, t: float) -> bool:
        return t >= self.ends

    def settle(self, t: float, outcome: str, error: JsonObject | None) -> None:
        """End the run at t, however it was to go."""
        self.starts, self.ends = min(self.starts, t), t
        self.outcome, self.error = outcome, error

    def wire(self, t: float, epoch: float, status: str | None = None) -> JsonObject:
        """The run as the API shows it at time t (or in a given status)."""
        status = status or self.status_at(t)
        changed = max(
            p for p in (self.created, self.starts, self.ends) if p <= max(t, self.created)
        )
        body: JsonObject = {
            "run_id": self.run_id,
            "interaction_id": self.interaction_id,
            "status": status,
            "is_active": status in ACTIVE,
            "warnings": self.warnings or None,
            "processor": self.processor,
            "metadata": self.request.get("metadata") or {},
            "taskgroup_id": self.group_id,
            "created_at": timestamp(epoch + self.created),
            "modified_at": timestamp(epoch + changed),
        }
        if status == "failed":
            body["error"] = self.error
        return body

    def output_by(self, t: float) -> JsonObject | None:
        """The output, if the run had completed by t."""
        return self.output if self.ends <= t else None

    def line(self) -> list[Run]:
        """This run's ancestors, oldest first."""
        found: list[Run] = []
        run = self.previous
        while run is not None:
            found.append(run)
            run = run.previous
        return found[::-1]


def input_text(value: object) -> str:
    """An input as text; of an object, its values: what a matcher or a person would look at."""
    if isinstance(value, dict):
        return "; ".join(f"{k}: {input_text(v)}" for k, v in value.items())
    return str(value)


def timestamp(unix: float) -> str:
    """RFC 3339, UTC, with microseconds."""
    if not math.isfinite(unix):
        raise ValueError("no timestamp for a time that never comes")
    moment = datetime.fromtimestamp(unix, timezone.utc)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
