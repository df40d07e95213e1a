"""How a run will go: by itself, by the scenario, by an order from a test.

Rule: decided once, when the run is made. An order from a test outdoes the scenario, and the
scenario outdoes what is usual; latency is scaled except where an order names the seconds.
"""

from __future__ import annotations

import math

from .answers import JsonObject
from .pricing import duration
from .runs import Run, RunScript
from .scenario import ScriptedTurn

__all__ = ["direct", "run_error"]


def direct(
    run: Run,
    script: RunScript,
    turn: ScriptedTurn | None,
    *,
    latency_scale: float,
    seed: int,
    ref_id: str,
) -> None:
    """Write down when the run starts and ends, how, and with what to say."""
    run.turn = turn
    seconds = _seconds(run, script, turn, latency_scale, seed)
    run.starts = run.created + min(2.0, 0.05 * seconds)
    run.ends = run.planned = run.created + seconds
    run.visible = run.created + script.late_commit
    if script.outcome == "stay_queued":
        run.starts = run.ends = run.planned = math.inf
    message = script.message
    if script.outcome == "completed" and turn is not None:
        run.outcome, message = turn.status, turn.error
    elif script.outcome != "stay_queued":
        run.outcome = script.outcome
    if run.outcome == "failed":
        run.error = run_error(message, script.ref_id or ref_id)
    run.outcome = script.unknown_status or run.outcome
    said = [*(turn.warnings if turn else ()), *script.warnings]
    run.warnings += [{"type": "warning", "message": text} for text in said]


def _seconds(
    run: Run, script: RunScript, turn: ScriptedTurn | None, latency_scale: float, seed: int
) -> float:
    if script.seconds is not None:
        return script.seconds
    if turn is not None and turn.seconds is not None:
        return turn.seconds * latency_scale
    return duration(run.processor, seed, run.text) * latency_scale


def run_error(message: str | None, ref_id: str) -> JsonObject:
    """The `error` of a failed run."""
    return {
        "ref_id": ref_id,
        "message": message or "[simulated] The run failed.",
        "detail": None,
    }
