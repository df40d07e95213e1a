"""The limits of a tool: what its ledger has used so far, and a person's approval beyond that.

Rule: a tool has no state of its own, so its session is its ledger. The ledger's runs are read and the new
run is sent under one lock, so that parallel calls cannot take the same dollar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from .._core.calls import Call, Calls
from .._core.ledger.lookup import Lookup
from .._graph.paid_run import PaidRun
from .._graph.runtime import checkpointer_of
from .._locks.shared import SharedLock, acquire_shared_lock
from ..errors import LimitExceeded
from ..models import Submission, TaskRunEvent
from ..options import SessionLimits
from ..research.approval import limit_objections, price_objections, request_approval
from ..research.human_review import apply_edit
from ..research.state import Turn
from ..research.turns import new_turn


def submit_within_limits(
    run: PaidRun, ledger_id: str, lookup: Lookup
) -> Calls[tuple[PaidRun, Submission]]:
    """Find the run in the ledger, or start it if the limits or a person allow that.

    Returns:
        The run as it was started, which a person may have edited, and its submission.

    Raises:
        LimitExceeded: The limits do not allow it, or a person has declined it. Nothing was sent.
    """
    limits = run.door.limits
    if not limits.for_session() and limits.approve_above is None:
        return run, (yield from run.submit(ledger_id, lookup=lookup))
    if lookup != "none":
        found = yield from run.find(ledger_id, lookup=lookup)
        if found is not None:
            return run, found
    held = yield from acquire_shared_lock(f"limits {ledger_id}", checkpointer_of(run.config))
    lock = cast(SharedLock, held)  # without a time limit there is always one
    try:
        allowed = yield from _allowed(run, (yield from _ledger_turns(run, ledger_id)))
        return allowed, (yield from allowed.submit(ledger_id, lookup=lookup))
    finally:
        lock.release()


def _allowed(run: PaidRun, turns: Sequence[Turn]) -> Calls[PaidRun]:
    limits = run.door.limits
    session, request = limits.for_session(), run.request
    question = request.input if isinstance(request.input, str) else str(request.input)
    turn = new_turn(
        question=question,
        processor=request.processor,
        parent_interaction_id=request.previous_interaction_id,
        plan_id=run.door.clients.process_id,
        position=len(turns),
    )
    ended = [turn for turn in turns if turn["status"] != "planned"]
    open_turns = [turn for turn in turns if turn["status"] == "planned"]
    beyond = limit_objections(ended, [*open_turns, turn], [turn], session)
    reasons = [*price_objections([turn], limits), *beyond]
    if not reasons:
        return run
    if checkpointer_of(run.config) is None or (beyond and limits.on_exceed == "stop"):
        raise _exceeded(reasons)

    def go_on(decided: list[Turn], changed: SessionLimits | None) -> Calls[PaidRun]:
        yield from ()
        if decided[0]["status"] == "declined":
            raise _exceeded([decided[0]["error"] or ""])
        update: dict[str, Any] = {
            "processor": decided[0]["processor"],
            "previous_interaction_id": decided[0]["parent_interaction_id"],
        }
        if decided[0]["question"] != question:
            update["input"] = decided[0]["question"]
        edited = request.model_copy(update=update)
        run.door.options.check(edited)
        return replace(run, request=edited)

    return (
        yield from request_approval(
            run.config,
            ended,
            [turn],
            reasons,
            session,
            edit=apply_edit,
            counted=open_turns,
            may_raise=limits.on_exceed == "ask",
            then=go_on,
        )
    )


def _ledger_turns(run: PaidRun, ledger_id: str) -> Calls[list[Turn]]:
    """The ledger's runs as turns, oldest first; an active run counts as planned. Free."""
    clients = run.door.clients
    events = yield Call(
        lambda: clients.sync.list_runs(ledger_id), lambda: clients.async_.list_runs(ledger_id)
    )
    turns: list[Turn] = []
    for event in cast("list[TaskRunEvent]", events):
        made = new_turn(
            question="",
            processor=event.run.processor,
            parent_interaction_id=None,
            plan_id="",
            position=len(turns),
        )
        made["run_id"], made["interaction_id"] = event.run.run_id, event.run.interaction_id
        made["started_at"], made["ended_at"] = event.run.created_at, event.run.modified_at
        if not event.run.active:
            made["status"] = event.run.status
        if event.run.status == "failed":
            made["cost_usd"] = 0.0
        turns.append(made)
    return turns


def _exceeded(reasons: Sequence[str]) -> LimitExceeded:
    return LimitExceeded(
        " ".join(dict.fromkeys(reasons)),
        hint="Nothing was started. Continue with what is known, or tell the user.",
        billed=False,
    )
