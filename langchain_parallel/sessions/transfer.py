"""Carrying a session, or one branch of it, over to a new LangGraph thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypedDict

from .._core.payloads import storable
from ..errors import InvalidRequest
from ..findings.question_turns import turns_in
from ..research._channels import PLANNED, check_turns
from ..research.state import Turn, merge_turns
from ..research.turns import interaction_of
from ..text.untrusted import harmless

_WITHOUT_ANSWER = frozenset({"failed", "cancelled", "refused", "withheld"})


class CarriedSession(TypedDict):
    """The part of `ResearchInput` that goes with the question."""

    turns: list[Turn]
    interaction_id: str | None


def carry_over(
    state: Mapping[str, Any] | Iterable[Turn], interaction_id: str | None = None
) -> CarriedSession:
    """The input, beside the question, with which a new LangGraph thread continues a session.

        graph.invoke({"question": "…", **carry_over(old_state)}, new_thread)

    The new thread's first question builds on all that is carried, and nothing of it is paid for again.

    Three things stay behind. The ledger: the new thread makes its own, because the same question in two
    threads must be two runs, and one ledger would take the second for a repetition of the first. A run on
    its way: the old thread finishes it. And limits that a person raised: the approval was for that thread
    only. What the carried turns cost counts for the new thread's limits.

    Args:
        state: The old thread's state: `graph.get_state(config).values`, or what `invoke` returned. Or its
            turns, whose last interaction is then the head.
        interaction_id: Carry only the branch from the first question to this interaction, or that of the run
            with this id, which the next question then continues. It may also be what the first question
            continued, such as an event of a monitor: then no turn is carried. Unless given, the whole
            session, continued from its head.

    Raises:
        InvalidRequest: There is nothing to carry over, or no such interaction with an answer.
    """
    given: list[Turn] = storable(turns_in(state))[
        0
    ]  # an old checkpoint may hold what is refused by now
    check_turns(given, *PLANNED)
    turns = merge_turns(given, [])
    named = state.get("interaction_id") if isinstance(state, Mapping) else None
    head = interaction_id or named or next(reversed(_heads(turns)), None)
    if interaction_id is not None:
        head = interaction_of(turns, interaction_id)
        turns = _branch(turns, str(head))
    if head is None:
        raise InvalidRequest(
            ["There is no interaction in this session to continue from."],
            hint="Ask the question on a new thread without carrying anything over.",
        )
    return CarriedSession(turns=_renumber(turns), interaction_id=head)


def _heads(turns: list[Turn]) -> dict[str, Turn]:
    """The turns that can be built on, by interaction."""
    found = [turn for turn in turns if turn["status"] not in _WITHOUT_ANSWER]
    return {turn["interaction_id"]: turn for turn in found if turn["interaction_id"]}


def _branch(turns: list[Turn], interaction_id: str) -> list[Turn]:
    """The turns from the first question to an interaction; none if the first question continued it."""
    known = _heads(turns)
    elsewhere = {turn["parent_interaction_id"] for turn in turns} - {
        t["interaction_id"] for t in turns
    }
    if interaction_id in elsewhere:
        return []
    if interaction_id not in known:
        there = "; ".join(
            f"{name} ({harmless(turn['question'], 60)})" for name, turn in known.items()
        )
        raise InvalidRequest(
            [
                f"No answer of this session is interaction {interaction_id!r}; known: {there or 'none'}."
            ],
            hint="Pass one of those, or none for the whole session.",
        )
    branch: list[Turn] = []
    parent: str | None = interaction_id
    while parent is not None and (turn := known.pop(parent, None)):
        branch.insert(0, turn)
        parent = turn["parent_interaction_id"]
    return branch


def _renumber(turns: list[Turn]) -> list[Turn]:
    """Positions from 0 without a gap, and rounds to match: the next turn gets the number of turns."""
    firsts: dict[int, int] = {}
    for position, turn in enumerate(turns):
        firsts.setdefault(turn["round"], position)
    return [
        {**turn, "position": position, "round": firsts[turn["round"]]}
        for position, turn in enumerate(turns)
    ]
