"""The limits of a tool: what its ledger has used so far, and a person's approval beyond that.

Rule: a tool has no state of its own, so its session is its ledger. The ledger's runs are read and the new
run is sent under one lock, so that parallel calls cannot take the same dollar. A run that a person has
edited carries the key of the call as it was made, so that the call finds its run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from .._core.calls import Calls
from .._core.ledger.keys import METADATA_KEY
from .._core.ledger.lookup import Lookup
from .._graph.paid_run import PaidRun
from .._graph.runtime import checkpointer_of, shown_to_person
from .._locks.shared import SharedLock, acquire_shared_lock
from ..errors import LimitExceeded
from ..models import Submission, TaskRun
from ..options import SessionLimits
from ..research.approval import limit_objections, price_objections, request_approval
from ..research.human_review import apply_edit, is_about
from ..research.state import Turn
from ..research.turns import new_turn

_EDITED = "edited_call"
"""Where a run that a person has edited carries, as metadata, the key of the call as it was made."""


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
        runs = yield from run.door.clients.list_runs(ledger_id)
        kept = [(one.metadata or {}, one) for one in runs]
        if sent := [one for metadata, one in kept if metadata.get(_EDITED) == run.key]:
            return _adopted(run, sent[0], ledger_id)
        if any(metadata.get(METADATA_KEY) == run.key for metadata, _ in kept):
            return run, (yield from run.submit(ledger_id, lookup="once"))
        allowed = yield from _allowed(run, [_turn(*numbered) for numbered in enumerate(runs)])
        # An edited run is looked for under its own key; the one it was made from has been looked for.
        again: Lookup = lookup if allowed is not run or lookup == "none" else "once"
        return allowed, (yield from allowed.submit(ledger_id, lookup=again))
    finally:
        lock.release()


def _adopted(run: PaidRun, sent: TaskRun, ledger_id: str) -> tuple[PaidRun, Submission]:
    """The run that this call was sent as, after a person had edited it."""
    request = run.request.model_copy(update={"processor": sent.processor})
    key = str((sent.metadata or {}).get(METADATA_KEY))
    found = Submission(run=sent, ledger_id=ledger_id, key=key, adopted=True)
    return replace(run, request=request), found


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
    shown = yield from shown_to_person(run.config)
    if is_about(
        shown, turn
    ):  # a person's decision counts, even if the limits would allow the run by now
        reasons = reasons or list(shown["reasons"])
    if not reasons:
        return run
    if checkpointer_of(run.config) is None or (beyond and limits.on_exceed == "stop"):
        raise _exceeded(reasons)
    if is_about(shown) and not is_about(shown, turn):
        # LangGraph would give this call the answer to the other one.
        another = (
            "A person was asked about another call beside this one; make this one again, alone."
        )
        raise _exceeded([*reasons, another])

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
        edited = replace(run, request=request.model_copy(update=update))
        if edited.key == run.key:
            return run
        update["metadata"] = {**request.metadata, _EDITED: run.key}
        edited = replace(run, request=request.model_copy(update=update))
        run.door.options.check(edited.request)
        return edited

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


def _turn(position: int, run: TaskRun) -> Turn:
    """A run of the ledger as a turn; one that goes on counts as planned."""
    made = new_turn(
        question="",
        processor=run.processor,
        parent_interaction_id=None,
        plan_id="",
        position=position,
    )
    made["run_id"], made["interaction_id"] = run.run_id, run.interaction_id
    made["started_at"], made["ended_at"] = run.created_at, run.modified_at
    if not run.active:
        made["status"] = run.status
    if run.status == "failed":
        made["cost_usd"] = 0.0
    return made


def _exceeded(reasons: Sequence[str]) -> LimitExceeded:
    return LimitExceeded(
        " ".join(dict.fromkeys(reasons)),
        hint="Nothing was started. Continue with what is known, or tell the user.",
        billed=False,
    )
