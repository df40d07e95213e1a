"""Decides how a run will go.

Rule: this is decided once, when the run is made. A `RunScript` overrides the scenario, and the scenario
overrides the default. `latency_scale` applies to every duration except the seconds of a `RunScript`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .http_messages import JsonObject
from .pricing import duration
from .scenario import ScriptedTurn
from .simulated_run import Run, RunScript


def plan_run(
    run: Run,
    script: RunScript,
    turn: ScriptedTurn | None,
    *,
    latency_scale: float,
    seed: int,
    ref_id: str,
) -> None:
    """Set when the run starts and ends, its outcome, its error and its warnings."""
    run.turn = turn
    seconds = script.seconds
    if seconds is None:
        usual = turn.seconds if turn else None
        seconds = duration(run.processor, seed, run.text) if usual is None else usual
        seconds *= latency_scale
    if script.outcome != "stay_queued":
        run.starts = run.created + min(2.0, 0.05 * seconds)
        run.ends = run.planned = run.created + seconds
    run.visible = run.created + script.late_commit
    counted = script.late_commit if script.late_count is None else script.late_count
    run.counted, run.known = run.created + counted, run.created + script.late_run
    message: str | Mapping[str, Any] | None = script.message
    if script.outcome == "completed" and turn is not None:
        run.outcome, message = turn.status, turn.error
    elif script.outcome != "stay_queued":
        run.outcome = script.outcome
    if run.outcome == "failed":
        run.error = run_error(message, script.ref_id or ref_id)
    run.outcome = script.unknown_status or run.outcome
    if turn is not None and turn.whole is not None:
        run.warnings.clear()  # it has those that this request got
    messages = [*(turn.warnings if turn else ()), *script.warnings]
    run.warnings += [
        {"type": "warning", "message": said} if isinstance(said, str) else said for said in messages
    ]
    run.scripted_output = script.output or {}


def run_error(message: str | Mapping[str, Any] | None, ref_id: str) -> JsonObject:
    """The `error` of a failed run, of its message or as a whole."""
    if isinstance(message, Mapping):
        return dict(message)
    message = message or "[simulated] The run failed."
    return {"ref_id": ref_id, "message": message, "detail": None}
