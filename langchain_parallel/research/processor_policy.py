"""Which processor a turn uses, where neither the caller nor a verdict has said.

Rule: a policy is a pure function of the state. A turn that is planned again must come out the same, or
its run would not be found in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .._core import limits
from ..errors import InvalidRequest
from ..models import TaskRunInput
from ..processors import dearer
from .state import ResearchState, Turn

_RANKS = {"medium": 1, "high": 2}

ProcessorPolicy: TypeAlias = Callable[[ResearchState, "str | None"], str]
"""The processor of the next run, by the state and the interaction it continues from; None: a first one."""


def deep_then_fast(
    first: str = "ultra8x",
    follow_up: str = "core-fast",
    *,
    escalation: Sequence[str] = ("pro-fast", "ultra-fast"),
    ceiling: str | None = None,
    allow_unknown_processor: bool = False,
) -> ProcessorPolicy:
    """Deep research first; follow-ups, which build on it, with a fast processor.

    Where an evaluation's follow-up did not raise the confidence (no fewer weak fields, and no better words
    on the average), the next one gets the next processor of `escalation`.

    Args:
        first: For a question with no research behind it.
        follow_up: For the others.
        escalation: The steps above `follow_up`, from the first to the last.
        ceiling: A processor; none that costs more is used. Steps above it fall away, and where nothing
            else is left, it takes their place.
        allow_unknown_processor: Take names that this package does not know. They have no price here, so
            a ceiling leaves them out.

    Raises:
        InvalidRequest: A processor is unknown.
    """
    if isinstance(escalation, str):
        raise InvalidRequest([f"escalation is text; give a list, such as [{escalation!r}]."])
    for name in (first, follow_up, *escalation, *([ceiling] if ceiling is not None else [])):
        limits.check(
            TaskRunInput(input="?", processor=name), allow_unknown_processor=allow_unknown_processor
        )
    ladder = tuple(dict.fromkeys([follow_up, *escalation]))
    if ceiling is not None:
        ladder = tuple(name for name in ladder if not dearer(name, ceiling)) or (ceiling,)
        first = ceiling if dearer(first, ceiling) else first
    return _DeepThenFast(first, ladder)


@dataclass(frozen=True)
class _DeepThenFast:
    first: str
    ladder: tuple[str, ...]

    def __call__(self, state: ResearchState, parent: str | None, /) -> str:
        if parent is None:
            return self.first
        answered = [t for t in state.get("turns") or () if t["status"] == "completed"]
        by_id = {turn["interaction_id"]: turn for turn in answered}
        turn = by_id.get(parent)
        before = by_id.get(turn["parent_interaction_id"]) if turn else None
        verdict = state.get("verdict")
        settled = verdict is not None and verdict["action"] in ("accept", "stop")
        if turn is None or before is None or settled or not _in_vain(turn, before):
            return self.ladder[0]
        return self._above(turn["processor"])

    def _above(self, processor: str) -> str:
        """The next step; from a processor beside the ladder, the first step that costs more."""
        if processor in self.ladder:
            steps = self.ladder[self.ladder.index(processor) + 1 :]
        else:
            steps = tuple(name for name in self.ladder if dearer(name, processor))
        return steps[0] if steps else self.ladder[-1]


def _in_vain(turn: Turn, before: Turn) -> bool:
    """Whether an evaluation asked, and the answer is no better founded than the one before it."""
    nothing_to_raise = not turn["weak_fields"] and _mean(turn) in (0.0, 2.0)
    if turn["asked_by"] != "evaluation" or nothing_to_raise:
        return False
    weak, were = len(turn["weak_fields"]), len(before["weak_fields"])
    return weak > were or (weak == were and _mean(turn) <= _mean(before))


def _mean(turn: Turn) -> float:
    """The confidence of the fields on the average, from 0 (low, or not known) to 2 (high)."""
    ranks = [_RANKS.get(word, 0) for word in turn["confidence"].values()]
    return sum(ranks) / len(ranks) if ranks else 0.0
