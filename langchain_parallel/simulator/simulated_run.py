"""A run as a function of time.

Rule: the state of a run at time t follows from the times and the outcome that were fixed when the run was
made (`status_at`); nothing ticks. Only `settle` changes them, and it only moves the end to the present.
Times are seconds on the clock's monotonic axis; `epoch` converts them to Unix time.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from .http_messages import JsonObject
from .scenario import ScriptedTurn

ACTIVE = ("queued", "running", "cancelling")

Outcome = Literal["completed", "failed", "cancelled", "action_required", "stay_queued"]


@dataclass(frozen=True)
class RunScript:
    """How matching runs go: an order to the simulator. Queue it with `simulator.scripts.add(...)`.

    Args:
        outcome: How the run ends; with `stay_queued` it never does.
        contains: Matches only runs whose input contains this text.
        processor: Matches only runs on this processor.
        times: How many runs it acts on (None: all). `skip`: how many matching runs it ignores first.
        message: The error message of a failed run. `ref_id`: the error's reference.
        warnings: Messages of warnings on the run; anything but text is sent as the warning itself.
        output: Members of the answer, such as `content` or `basis`, sent in place of the generated ones. They
            need not be what the API documents.
        seconds: The exact duration of the run; `latency_scale` does not apply.
        late_commit: Seconds until the run's group lists and counts it.
        late_count: Seconds until its group counts it, where that differs from `late_commit`.
        late_run: Seconds until the run itself can be retrieved; until then that is a 404.
        unknown_status: A status outside the documented set, reported from the run's end on.
    """

    outcome: Outcome = "completed"
    contains: str = ""
    processor: str | None = None
    times: int | None = 1
    skip: int = 0
    message: str | None = None
    ref_id: str | None = None
    warnings: tuple[Any, ...] = ()
    output: Mapping[str, Any] | None = None
    seconds: float | None = None
    late_commit: float = 0.0
    late_count: float | None = None
    late_run: float = 0.0
    unknown_status: str | None = None

    def matches(self, text: str, processor: str) -> bool:
        return self.contains in text and self.processor in (None, processor)


@dataclass(frozen=True)
class ContextTurn:
    """One turn that a later run builds on. `output` is None if the run has none yet, or never will."""

    run_id: str
    interaction_id: str
    processor: str
    input: str | JsonObject
    output: JsonObject | None


@dataclass(eq=False)
class Run:
    """One run. `request` is its input without secrets, `usd` its price if it completes, and `planned` the
    end that was fixed first, before any `settle`. Its group lists it from `visible` on and counts it from
    `counted` on; it can be retrieved from `known` on.
    """

    run_id: str
    interaction_id: str
    request: JsonObject
    usd: float
    created: float
    starts: float = math.inf
    ends: float = math.inf
    planned: float = math.inf
    outcome: str = "completed"
    previous: Run | None = None
    group_id: str | None = None
    visible: float = 0.0
    counted: float = 0.0
    known: float = 0.0
    warnings: list[JsonObject] = field(default_factory=list)
    error: JsonObject | None = None
    turn: ScriptedTurn | None = None
    scripted_output: Mapping[str, Any] = field(default_factory=dict)
    _output: JsonObject | None = field(default=None, repr=False)
    _packed: bytes | None = field(default=None, repr=False)

    @property
    def has_output(self) -> bool:
        """Whether its output was written."""
        return self._output is not None or self._packed is not None

    @property
    def output(self) -> JsonObject | None:
        """Its output, once that was written."""
        if self._packed is None:
            return self._output
        output: JsonObject = json.loads(zlib.decompress(self._packed))
        return output

    def write(self, output: JsonObject) -> None:
        """Keep its output."""
        self._output, self._packed = output, None

    def pack(self) -> None:
        """Keep its output in less memory: a twentieth, and reading it takes longer."""
        if self._output is not None:
            self._packed = zlib.compress(json.dumps(self._output).encode(), 1)
            self._output = None

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
        """End the run at t with this outcome instead of the planned one."""
        self.starts, self.ends = min(self.starts, t), t
        self.outcome, self.error = outcome, error

    def to_json(self, t: float, epoch: float, status: str | None = None) -> JsonObject:
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
        """The output, if the run had ended by t."""
        return self.output if self.ends <= t else None

    def ancestors(self) -> list[Run]:
        """The runs that this one builds on, oldest first."""
        found: list[Run] = []
        run = self.previous
        while run is not None:
            found.append(run)
            run = run.previous
        return found[::-1]


def input_text(value: object) -> str:
    """An input as one string; of an object, its keys and values."""
    if isinstance(value, dict):
        return "; ".join(f"{k}: {input_text(v)}" for k, v in value.items())
    return str(value)


def timestamp(unix: float) -> str:
    """RFC 3339, UTC, with microseconds."""
    if not math.isfinite(unix):
        raise ValueError("no timestamp for a time that never comes")
    moment = datetime.fromtimestamp(unix, timezone.utc)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
