"""Which planned turns may be started, and what a person decides about the others.

Rule: what was cleared is what is sent. A turn carries a seal of what was reviewed, and of what a person has
approved (`spending_rules.py`); one that was changed since is reviewed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.runtime import is_resumable, shown_to_person
from ..errors import InvalidRequest
from ..options import SessionLimits
from ..processors import costs_more
from ..text.untrusted import harmless
from .human_review.decision import ask_until_valid
from .human_review.request import is_about, spend_request
from .human_review.schemas import HumanAnswer, HumanDecision
from .spending_rules import SpendingRules
from .state import Turn
from .turns import is_same_request
from .usage import exceeded_limits, exceeded_quotas, raise_limits, usage

TurnT = TypeVar("TurnT", bound=Turn)
T = TypeVar("T")

# LangGraph would give the second call of a task the answer to the first one.
_ANOTHER = "A person was asked about another call beside this one; make this one again, alone."
NO_PERSON = "Asking a person needs a checkpointer."
"""Why nobody was asked."""
MAY_NOT = "You may not approve this, because it costs money; only those whom `approvers` names may."
_ASKED_BEFORE = ("An earlier session has asked this, and has an answer.",)
NOBODY_RAISES = "Nobody may raise it here, because `Limits` names no `approvers`."


# --- the rules -----------------------------------------------------------------------------------


def to_review(turns: Iterable[TurnT], rules: SpendingRules) -> list[TurnT]:
    """The turns that are neither started nor cleared. A cleared one may have been sent a moment ago."""
    return [turn for turn in turns if not turn["run_id"] and not rules.is_cleared(turn)]


def price_objections(turns: Sequence[Turn], rules: SpendingRules) -> list[str]:
    """Which turns cost more than may be spent without asking, or ask what is known, as sentences."""
    limit = rules.door.limits.approve_above
    new = [turn for turn in turns if not rules.is_approved(turn)]
    known = [*_ASKED_BEFORE] if any(_is_known(turn, rules) for turn in new) else []
    above = [*above_price([turn["processor"] for turn in new], limit), *known]
    if above or limit is None or not new or not rules.door.options.paid_connectors:
        return above
    return [f"{_on_top(rules)}, and what costs more than {limit} needs an approval."]


def _is_known(turn: Turn, rules: SpendingRules) -> bool:
    """Whether a person is to be asked, because an earlier session has the answer to this very question."""
    if not any(one["is_same_question"] for one in rules.known_on(turn)):
        return False
    recall = rules.door.options.recall
    return recall is not None and recall.ask


def _on_top(rules: SpendingRules) -> str:
    names = " and ".join(rules.door.options.paid_connectors)
    return f"Calls of {harmless(names)} are billed on top, at a price that is not known"


def above_price(processors: Iterable[str], limit: str | None) -> list[str]:
    """Which processors cost more than the limit, as sentences."""
    if limit is None:
        return []
    above = sorted(name for name in {*processors} if costs_more(name, limit))
    verb = "costs" if len(above) == 1 else "cost"
    return [f"{harmless(' and '.join(above))} {verb} more than {limit}."] if above else []


def limit_objections(
    ended: Sequence[Turn], planned: Sequence[Turn], new: Sequence[Turn], rules: SpendingRules
) -> list[str]:
    """Which limits, or credit, the new turns would pass together with everything else that is planned."""
    reasons = []
    if any(turn.get("no_credit") for turn in new):
        reasons.append("The account has not enough credit; add some, then approve.")
    if not all(map(rules.may_pass_limits, new)):
        reasons += exceeded_limits(ended, planned, rules.limits)
        reasons += _open_price(rules, rules.limits)
        reasons += exceeded_quotas(planned, rules.quotas)
    return reasons


def _open_price(rules: SpendingRules, limits: SessionLimits) -> list[str]:
    """Why no limit in USD can tell whether it is passed; empty where none is set, or all prices are known."""
    in_usd = limits.get("max_cost_usd") is not None or rules.door.limits.quotas
    if not in_usd or not rules.door.options.paid_connectors:
        return []
    return [f"{_on_top(rules)}, and there is a limit in USD."]


def final_objections(
    ended: Sequence[Turn],
    planned: Sequence[Turn],
    new: Sequence[Turn],
    rules: SpendingRules,
) -> list[str]:
    """Why no person can allow the new turns: they pass limits at which the door stops, or its ceiling, which
    nobody may raise here.
    """
    if rules.door.limits.on_exceed == "stop":
        return limit_objections(ended, planned, new, rules)
    if rules.can_be_raised or all(map(rules.may_pass_limits, new)):
        return []
    beyond = [*exceeded_limits(ended, planned, rules.ceiling), *_open_price(rules, rules.ceiling)]
    beyond += exceeded_quotas(planned, rules.quotas)
    return [*beyond, NOBODY_RAISES] if beyond else []


@dataclass(frozen=True, slots=True)
class SpendingPlan(Generic[TurnT]):
    """Planned turns, and what decides whether they may start."""

    turns: Sequence[TurnT]
    ended: Sequence[Turn]
    """The session's turns so far."""
    counted: Sequence[Turn]
    """Turns on their way, and other planned ones: their cost is promised."""
    rules: SpendingRules
    keeps_limits: bool = True
    """Whether the session remembers limits that a person changes."""


@dataclass(frozen=True, slots=True)
class CheckedPlan(Generic[TurnT]):
    """A plan whose turns were checked one after the other."""

    turns: list[TurnT]
    """All of them; those that may not start are declined."""
    on_hold: SpendingPlan[TurnT]
    """Those that wait for a person, beside those that may start."""
    reasons: list[str]
    """Why they wait."""


def check_each(
    plan: SpendingPlan[TurnT], config: RunnableConfig, shown: Any = None
) -> CheckedPlan[TurnT]:
    """Which of the planned turns may start, each with what the ones before it leave of the limits.

    `shown` is what this step has asked a person already; see `shown_to_person`.
    """
    turns: list[TurnT] = []
    on_hold: list[TurnT] = []
    reasons: dict[str, None] = {}
    promised: list[Turn] = [*plan.counted]
    can_ask = is_resumable(config)
    for turn in plan.turns:
        rules = plan.rules
        planned: list[Turn] = [*promised, turn]
        final = final_objections(plan.ended, planned, [turn], rules)
        beyond = final or limit_objections(plan.ended, planned, [turn], rules)
        why = [*price_objections([turn], rules), *beyond]
        if not why and is_about(shown, turn):
            why = list(
                shown["reasons"]
            )  # a person's decision counts, even if the limits allow it now
        checked = turn
        if not why:
            promised.append(turn)
            checked = rules.clear(turn)
        elif not can_ask or final:
            checked = decline(turn, " ".join([*why, *([] if final else [NO_PERSON])]))
        elif is_about(shown) and not is_about(shown, turn):
            checked = decline(turn, " ".join([*why, _ANOTHER]))
        else:  # its cost is promised only once a person has approved it
            on_hold.append(turn)
            reasons.update(dict.fromkeys(why))
        turns.append(checked)
    return CheckedPlan(turns, replace(plan, turns=on_hold, counted=promised), list(reasons))


# --- a person ------------------------------------------------------------------------------------


def review_each(
    plan: SpendingPlan[TurnT],
    config: RunnableConfig,
    edit: Callable[[TurnT, HumanDecision], TurnT],
) -> Calls[tuple[list[TurnT], SessionLimits | None]]:
    """The planned turns, each cleared to start or declined with the reason; and limits if they were changed.

    Ends this step with an interrupt where a person has to approve. For `edit` see `request_approval`.
    """
    shown = (yield from shown_to_person(config)) if plan.turns else None
    checked = check_each(plan, config, shown)
    on_hold = checked.on_hold
    if not on_hold.turns:
        return checked.turns, None

    def go_on(
        decided: list[TurnT], changed: SessionLimits | None
    ) -> Calls[tuple[list[TurnT], SessionLimits | None]]:
        yield from ()
        kept = [turn for turn in decided if turn["status"] == "planned"]
        for before, turn in zip(on_hold.turns, decided, strict=True):
            if turn in kept and not is_same_request(before, turn):
                check_asked_once([turn], [*on_hold.counted, *(t for t in kept if t is not turn)])
        # A position belongs to one planned turn, also if a person has edited everything else of it.
        free = [plan.rules.clear(turn) if turn["status"] == "planned" else turn for turn in decided]
        by_position = {turn["position"]: turn for turn in free}
        return [by_position.get(turn["position"], turn) for turn in checked.turns], changed

    return (yield from request_approval(on_hold, config, checked.reasons, edit=edit, then=go_on))


def request_approval(
    plan: SpendingPlan[TurnT],
    config: RunnableConfig,
    reasons: Sequence[str],
    *,
    edit: Callable[[TurnT, HumanDecision], TurnT],
    then: Callable[[list[TurnT], SessionLimits | None], Calls[T]],
) -> Calls[T]:
    """Ask a person about all turns of the plan; ends the step with an interrupt until there is an answer.

    Args:
        plan: The turns on hold, an action each. An approval raises the limits as far as they need it, unless
            the door stops at its limits.
        config: LangChain's config.
        reasons: Why a person is asked.
        edit: A turn as a person's decision changes it. It may raise InvalidRequest, which asks again.
        then: Called with the decided turns, and with the limits if they were changed. It may raise
            InvalidRequest, too.
    """
    ended, counted, rules = plan.ended, plan.counted, plan.rules
    limits = rules.limits
    request = spend_request(
        ended,
        plan.turns,
        reasons,
        limits,
        counted=counted,
        quotas=rules.quotas,
        known=[rules.known_on(turn) for turn in plan.turns],
    )

    def decide(answer: HumanAnswer, may: bool) -> Calls[T]:
        pairs = zip(plan.turns, answer["decisions"], strict=True)
        raises = rules.can_be_raised
        decided = [_apply_decision(turn, decision, edit, rules, raises) for turn, decision in pairs]
        kept = [turn for turn in decided if turn["status"] == "planned"]
        given = answer.get("limits")
        planned: list[Turn] = [*counted, *kept]
        if given and not plan.keeps_limits:
            raise InvalidRequest(
                ["A tool has the limits that it was made with: leave `limits` out."]
            )
        if (kept or given) and not may:
            raise InvalidRequest([MAY_NOT])
        if given is None and not kept:
            changed = limits
        elif given is None and rules.door.limits.on_exceed == "ask":
            changed = raise_limits(limits, usage(ended, planned))
        else:
            changed = _new_limits(ended, planned, limits, given)
        check_raised(changed, rules)
        if not given and changed == limits:
            return (yield from then(decided, None))
        return (yield from then(decided, rules.seal_limits(changed)))

    return (yield from ask_until_valid(config, request, decide, rules.door))


def check_raised(limits: SessionLimits, rules: SpendingRules, *, may: bool = True) -> None:
    """Raise InvalidRequest for limits above the ceiling, unless whoever gives them may raise it."""
    if may and rules.can_be_raised:
        return
    ceiling, given = cast("dict[str, float]", rules.ceiling), cast("dict[str, float]", limits)
    above = [name for name, most in ceiling.items() if given.get(name, most) > most]
    if above:
        what = ", ".join(f"{name} at most {ceiling[name]:g}" for name in above)
        raise InvalidRequest([f"That passes {what}.", NOBODY_RAISES if may else MAY_NOT])


def _apply_decision(
    turn: TurnT,
    decision: HumanDecision,
    edit: Callable[[TurnT, HumanDecision], TurnT],
    rules: SpendingRules,
    raises: bool,
) -> TurnT:
    if decision["type"] == "reject":
        return decline(turn, decision.get("message") or "A person declined it.")
    approved = edit(turn, decision) if decision["type"] == "edit" else turn
    return rules.approve(approved, passes_limits=raises)


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
