"""Which planned turns may be started, and what a person decides about the others.

Rule: what was cleared is what is sent. A turn carries the hash of what was reviewed, and of what a person
has approved; one that was changed since is reviewed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from ..errors import InvalidRequest
from ..options import Limits, SessionLimits
from ..processors import costs_more
from ..text.untrusted import harmless
from .human_review import HumanAnswer, HumanDecision, ask_until_valid, spend_request
from .state import Turn
from .turns import is_same_request
from .usage import exceeded_limits, raise_limits, usage

TurnT = TypeVar("TurnT", bound=Turn)
T = TypeVar("T")

_REVIEWED = ("question", "processor", "parent_interaction_id", "output_schema")


# --- one turn ------------------------------------------------------------------------------------


def clear(turn: TurnT) -> TurnT:
    """The turn, cleared to start as it is."""
    kept = {name: turn[name] for name in turn if name not in ("on_hold", "no_credit")}  # type: ignore[literal-required]
    return cast(TurnT, {**kept, "cleared": _hash(turn)})


def is_cleared(turn: Turn) -> bool:
    """Whether the turn is what was cleared."""
    return turn.get("cleared") == _hash(turn)


def approve(turn: TurnT) -> TurnT:
    """The turn, approved by a person as it is."""
    return cast(TurnT, {**turn, "approved": _hash(turn)})


def is_approved(turn: Turn) -> bool:
    """Whether a person has approved the turn as it is."""
    return turn.get("approved") == _hash(turn)


def to_review(turns: Iterable[TurnT]) -> list[TurnT]:
    """The turns that are neither started nor cleared. A cleared one may have been sent a moment ago."""
    return [turn for turn in turns if not turn["run_id"] and not is_cleared(turn)]


# --- the rules -----------------------------------------------------------------------------------


def price_objections(turns: Sequence[Turn], limits: Limits) -> list[str]:
    """Which turns cost more than may be spent without asking, as sentences."""
    limit = limits.approve_above
    if limit is None:
        return []
    names = {turn["processor"] for turn in turns if not is_approved(turn)}
    above = sorted(name for name in names if costs_more(name, limit))
    return [f"{harmless(', '.join(above))} costs more than {limit}."] if above else []


def limit_objections(
    ended: Sequence[Turn], planned: Sequence[Turn], new: Sequence[Turn], limits: SessionLimits
) -> list[str]:
    """Which limits, or credit, the new turns would pass together with everything else that is planned."""
    reasons = []
    if any(turn.get("no_credit") for turn in new):
        reasons.append("The account has not enough credit; add some, then approve.")
    if not all(map(is_approved, new)):
        reasons += exceeded_limits(ended, planned, limits)
    return reasons


# --- a person ------------------------------------------------------------------------------------


def request_approval(
    config: RunnableConfig,
    ended: Sequence[Turn],
    held: Sequence[TurnT],
    reasons: Sequence[str],
    limits: SessionLimits,
    *,
    edit: Callable[[TurnT, HumanDecision], TurnT],
    counted: Sequence[Turn] = (),
    may_raise: bool = True,
    then: Callable[[list[TurnT], SessionLimits | None], Calls[T]],
) -> Calls[T]:
    """Ask a person about the turns on hold; ends the step with an interrupt until there is an answer.

    Args:
        config: LangChain's config.
        ended: The session's turns so far.
        held: The turns on hold, an action each.
        reasons: Why a person is asked.
        limits: The session's, as they are.
        edit: A turn as a person's decision changes it. It may raise InvalidRequest, which asks again.
        counted: Other planned turns that count against the limits.
        may_raise: Whether approving raises the limits as far as that needs.
        then: Called with the decided turns, and with the limits if they were changed. It may raise
            InvalidRequest, too.
    """
    request = spend_request(ended, held, reasons, limits, counted=counted)

    def decide(answer: HumanAnswer) -> Calls[T]:
        pairs = zip(held, answer["decisions"], strict=True)
        decided = [_apply_decision(turn, decision, edit) for turn, decision in pairs]
        kept = [turn for turn in decided if turn["status"] == "planned"]
        given = answer.get("limits")
        planned: list[Turn] = [*counted, *kept]
        if not kept:
            changed = None
        elif given is None and may_raise:
            changed = raise_limits(limits, usage(ended, planned))
        else:
            changed = _new_limits(ended, planned, limits, given)
        return (yield from then(decided, changed if given or changed != limits else None))

    return (yield from ask_until_valid(config, request, decide))


def _apply_decision(
    turn: TurnT, decision: HumanDecision, edit: Callable[[TurnT, HumanDecision], TurnT]
) -> TurnT:
    if decision["type"] == "reject":
        return decline(turn, decision.get("message") or "A person declined it.")
    return approve(edit(turn, decision) if decision["type"] == "edit" else turn)


def decline(turn: TurnT, reason: str) -> TurnT:
    """The turn, which is not to be started."""
    return cast(TurnT, {**turn, "status": "declined", "error": reason, "cost_usd": 0.0})


def check_asked_once(turns: Sequence[Turn], beside: Sequence[Turn]) -> None:
    """Raise InvalidRequest for a turn that asks the same as an earlier one, or as one of `beside`."""
    for nth, turn in enumerate(turns):
        if any(is_same_request(turn, other) for other in (*beside, *turns[:nth])):
            raise InvalidRequest(["Two of the runs now ask the same, and would both be paid for."])


def _new_limits(
    ended: Sequence[Turn],
    planned: Sequence[Turn],
    limits: SessionLimits,
    given: SessionLimits | None,
) -> SessionLimits:
    """The limits, with those that a person has set.

    Raises:
        InvalidRequest: The planned turns would pass them.
    """
    changed: SessionLimits = {**limits, **(given or {})}
    too_low = "The new limits are too low. " if given else ""
    problems = [f"{too_low}{problem}" for problem in exceeded_limits(ended, planned, changed)]
    if problems:
        raise InvalidRequest(problems)
    return changed


def _hash(turn: Turn) -> str:
    what = json.dumps([turn.get(name) for name in _REVIEWED], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()[:16]
