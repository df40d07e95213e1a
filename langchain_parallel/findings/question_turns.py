"""The turns of each question: what a caller asked, and the follow-ups and branches that came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .._core.kinds import kind_of
from ..errors import InvalidRequest

TurnT = TypeVar("TurnT", bound=Mapping[str, Any])


def turns_in(session: object) -> list[Mapping[str, Any]]:
    """The turns of a state, or those given. The state of a thread that was asked nothing is empty.

    Raises:
        InvalidRequest: It is neither.
    """
    turns: object = session
    if isinstance(session, Mapping):
        turns = (session.get("turns") or ()) if "turns" in session or not session else None
    if isinstance(turns, Iterable) and not isinstance(turns, str | bytes | Mapping):
        known = list(turns)
        if all(isinstance(turn, Mapping) for turn in known):
            return known
    raise InvalidRequest(
        [f"There are no turns in {kind_of(session)}."],
        hint="Give a graph's output, `graph.get_state(config).values`, or a list of turns.",
    )


def in_order(turns: Iterable[TurnT]) -> list[TurnT]:
    """The turns in the order of their positions."""
    return sorted(turns, key=lambda turn: turn.get("position", 0))


def questions_in(turns: Iterable[TurnT]) -> list[list[TurnT]]:
    """The turns by the question that they belong to, which begins where a caller asks."""
    questions: list[list[TurnT]] = []
    for turn in in_order(turns):
        if turn.get("asked_by") == "elsewhere":
            continue  # a run of the ledger that the session has not asked
        if turn.get("asked_by") == "caller" or not questions:
            questions.append([])
        questions[-1].append(turn)
    return questions


def round_of(turn: Mapping[str, Any]) -> int:
    """The position of the first turn that was asked at the same time."""
    first, position = turn.get("round"), turn.get("position")
    return first if isinstance(first, int) else position if isinstance(position, int) else 0


def interaction_in(turn: Mapping[str, Any], name: str) -> str | None:
    """The id under this name; None for what is none."""
    id = turn.get(name)
    return id if isinstance(id, str) and id else None


def rounds_in(turns: Sequence[TurnT]) -> list[list[TurnT]]:
    """The turns of a question by the round in which they were asked at the same time."""
    rounds: dict[int, list[TurnT]] = {}
    for turn in turns:
        rounds.setdefault(round_of(turn), []).append(turn)
    return list(rounds.values())
