"""The turns of each question: what a caller asked, and the follow-ups and branches that came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

TurnT = TypeVar("TurnT", bound=Mapping[str, Any])


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


def rounds_in(turns: Sequence[TurnT]) -> list[list[TurnT]]:
    """The turns of a question by the round in which they were asked at the same time."""
    rounds: dict[Any, list[TurnT]] = {}
    for turn in turns:
        rounds.setdefault(turn.get("round", turn.get("position")), []).append(turn)
    return list(rounds.values())
