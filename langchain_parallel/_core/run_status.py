"""What a run's status means for a caller that waits for its answer."""

from __future__ import annotations

from collections.abc import Mapping

from .. import errors
from ..models import TaskRun
from .plain_text import one_line, quote_text
from .responses import MAX_REF

_ENDINGS: Mapping[str, tuple[type[errors.RunError], str, str, bool | None]] = {
    # status: class, what happened, what to do, billed
    "failed": (
        errors.RunFailed,
        "failed",
        "Failed runs are not billed; change the question, or ask again (`client.submit`: raise `attempt`).",
        False,
    ),
    "cancelled": (
        errors.RunCancelled,
        "was cancelled on the server's side",
        "If the answer is still wanted, ask again (`client.submit`: raise `attempt`).",
        None,
    ),
    "action_required": (
        errors.ActionRequired,
        "waits for a person to act",
        "Do what the server asks for (often: authorise an MCP server), then wait for the run, or resume.",
        None,
    ),
}


def will_not_answer(run: TaskRun) -> bool:
    """Whether the status says that no answer will come, at least not before a person has acted."""
    return run.status in _ENDINGS


def raise_unfinished(run: TaskRun) -> None:
    """Raise the error for a run's status; return if the run is active or completed.

    Raises:
        RunFailed, RunCancelled, ActionRequired: By status.
        RunError: The run ended in a status that this package does not know.
    """
    if run.active or run.status == "completed":
        return
    unknown = (
        errors.RunError,
        f"ended as {run.status if len(run.status) <= 40 else '…'!r}, a status this package does not know",
        "Look at it on Parallel's platform, and whether this package is up to date.",
        None,
    )
    kind, happened, todo, billed = _ENDINGS.get(run.status, unknown)
    error, warnings = run.error, list(map(str, run.warnings or ()))
    said = error.message if error else ""
    parts = [f"Run {run.run_id} {happened}"]
    parts += [f"the server says: {quote_text(said.rstrip('.'))}"] if said else []
    parts += [f"warnings: {quote_text(' '.join(warnings))}"] if warnings else []
    ref_id = error.ref_id if error else None
    parts += [f"ref_id {one_line(ref_id)}"] if ref_id and len(ref_id) <= MAX_REF else []
    raise kind(
        "; ".join(parts) + ".",
        hint=todo,
        status=run.status,
        ref_id=ref_id,
        server_message=said,
        warnings=warnings,
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        billed=billed,
    )


def still_running(run: TaskRun, waited: float) -> errors.StillRunning:
    """The error for a deadline that passed."""
    return errors.StillRunning(
        f"Run {run.run_id} is still {run.status} after {waited:,.0f} s of waiting.",
        hint="The run goes on and nothing is lost: wait for the same run_id again, with a longer timeout, or "
        "resume the thread; do not start it anew.",
        waited=waited,
        status=run.status,
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        billed=None,
    )
