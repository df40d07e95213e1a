"""The limits of a tool: what its ledger has used so far, and a person's approval beyond that.

Rule: a tool has no state of its own, so its session is its ledger. The ledger's runs are read and the new
run is sent under one lock, so that parallel calls cannot take the same dollar. A run that a person has
edited carries the key of the call as it was made, so that the call finds its run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .._core.calls import Calls
from .._core.ledger.keys import METADATA_KEY
from .._graph.paid_run import PaidRun
from ..errors import LimitExceeded
from ..models import Submission, TaskRun
from ..research.approval import SpendingPlan, review_each
from ..research.human_review.decision import apply_edit
from ..research.human_review.schemas import HumanDecision
from ..research.spending_rules import SpendingRules
from ..research.state import Turn
from ..research.turns import new_turn

EDITED_CALL = "edited_call"
"""Where a run that a person has edited carries, as metadata, the key of the call as it was made."""


def submit_within_limits(
    run: PaidRun,
    ledger_id: str,
    *,
    is_new: bool,
    reads_started: bool,
    check_edited: Callable[[PaidRun], Calls[None]],
) -> Calls[tuple[PaidRun, Submission]]:
    """Find the run in the ledger, or start it if the limits or a person allow that.

    Args:
        run: What is asked.
        ledger_id: Where.
        is_new: No earlier call can have had its position.
        reads_started: See `PaidSubmission.submit`.
        check_edited: Raises for a run that a person may not have edited like this.

    Returns:
        The run as it was started, which a person may have edited, and its submission.

    Raises:
        LimitExceeded: The limits do not allow it, or a person has declined it. Nothing was sent.
    """
    limits = run.door.limits
    if not (limits.for_session() or limits.quotas) and limits.approve_above is None:
        submitted = yield from run.submit(ledger_id, is_new=is_new, reads_started=reads_started)
        return run, submitted
    # Before the lock: a lookup may take the settling time, and the calls beside this one look up, too.
    if found := (yield from _find(run, ledger_id, is_new)):
        return found
    lock = yield from run.lock(f"limits {ledger_id}")
    try:
        if found := (yield from _find(run, ledger_id, is_new)):
            return found
        # Another process that had the lock may have sent a run that no list shows yet; it counts, too.
        if lock.contested and (late := (yield from run.find(ledger_id, lookup="until_settled"))):
            return run, late
        runs = yield from run.ledger_runs(ledger_id)
        if edited := _find_edited(run, runs, ledger_id):
            return edited
        if any((one.metadata or {}).get(METADATA_KEY) == run.key for one in runs):
            return run, (yield from run.submit(ledger_id))
        counted = [_turn(*numbered) for numbered in enumerate(runs)]
        allowed, may_exceed = yield from _review(run, ledger_id, counted)
        if allowed.request.previous_interaction_id != run.request.previous_interaction_id:
            yield from check_edited(allowed)
        submitted = yield from allowed.submit(
            ledger_id,
            is_new=is_new,
            is_limited=True,
            may_exceed_quotas=may_exceed,
            reads_started=reads_started,
        )
        return allowed, submitted
    finally:
        lock.release()


def _find(run: PaidRun, ledger_id: str, is_new: bool) -> Calls[tuple[PaidRun, Submission] | None]:
    """The run that this call has started before, if it may have."""
    if is_new or not (yield from run.may_have_been_sent(ledger_id)):
        return None
    if (yield from run.is_known(ledger_id)) and (found := (yield from run.look(ledger_id))):
        return run, found
    if edited := _find_edited(run, (yield from run.ledger_runs(ledger_id)), ledger_id):
        return edited
    if found := (yield from run.look(ledger_id)):
        return run, found
    return _find_edited(run, (yield from run.ledger_runs(ledger_id)), ledger_id)


def _find_edited(
    run: PaidRun, runs: Sequence[TaskRun], ledger_id: str
) -> tuple[PaidRun, Submission] | None:
    """The run among the ledger's that this call was sent as, after a person had edited it."""
    sent = next((one for one in runs if (one.metadata or {}).get(EDITED_CALL) == run.key), None)
    if sent is None:
        return None
    request = run.request.model_copy(update={"processor": sent.processor})
    key = str((sent.metadata or {}).get(METADATA_KEY))
    found = Submission(run=sent, ledger_id=ledger_id, key=key, adopted=True)
    return replace(run, request=request), found


def _review(run: PaidRun, ledger_id: str, turns: Sequence[Turn]) -> Calls[tuple[PaidRun, bool]]:
    """The run, which a person may have edited, if it may start beside the ledger's other turns; and whether
    somebody who may has approved it beyond the quotas.

    Raises:
        LimitExceeded: The limits do not allow it, or a person has declined it.
    """
    request = run.request
    planned = new_turn(
        question=request.input if isinstance(request.input, str) else str(request.input),
        processor=request.processor,
        parent_interaction_id=request.previous_interaction_id,
        position=len(turns),
    )

    def edit(turn: Turn, decision: HumanDecision) -> Turn:
        edited = apply_edit(turn, decision)
        run.door.options.check(_edited_run(run, turn, edited).request)
        return edited

    ended = [turn for turn in turns if turn["status"] != "planned"]
    counted = [turn for turn in turns if turn["status"] == "planned"]
    rules = yield from SpendingRules(run.door, ledger_id, run.config).with_quotas()
    plan = SpendingPlan([planned], ended, counted, rules, keeps_limits=False)
    (turn,), _ = yield from review_each(plan, run.config, edit)
    if turn["status"] == "declined":
        raise LimitExceeded(
            turn["error"] or "",
            hint="Nothing was started. Continue with what is known, or tell the user.",
            billed=False,
        )
    return _edited_run(run, planned, turn), rules.may_pass_limits(turn)


def _edited_run(run: PaidRun, before: Turn, edited: Turn) -> PaidRun:
    """The run as a person edited its turn. Its metadata names the key of the call as it was made."""
    update: dict[str, Any] = {
        "processor": edited["processor"],
        "previous_interaction_id": edited["parent_interaction_id"],
    }
    if edited["question"] != before["question"]:  # an input that is no text stays as it is
        update["input"] = edited["question"]
    changed = replace(run, request=run.request.model_copy(update=update))
    if changed.key == run.key:
        return run
    update["metadata"] = {**run.request.metadata, EDITED_CALL: run.key}
    return replace(run, request=run.request.model_copy(update=update), called_as=run.key)


def _turn(position: int, run: TaskRun) -> Turn:
    """A run of the ledger as a turn; an active one counts as planned."""
    made = new_turn(
        question="",
        processor=run.processor,
        parent_interaction_id=None,
        position=position,
    )
    made["run_id"], made["interaction_id"] = run.run_id, run.interaction_id
    made["started_at"], made["ended_at"] = run.created_at, run.modified_at
    if not run.active:
        made["status"] = run.status
    if run.status == "failed":
        made["cost_usd"] = 0.0
    return made
