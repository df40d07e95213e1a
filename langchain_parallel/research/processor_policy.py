"""Which processor a turn uses, where neither the caller nor a verdict has named one.

Rule: a policy is a pure function of the state. A turn that is planned again must get the same processor, or
its run would not be found in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from .._core import limits
from .._core.kinds import as_list, check_kinds
from ..errors import InvalidRequest
from ..evidence import Evidence, rank
from ..models import TaskRunInput
from ..processors import CHAT_PROCESSORS, costs_more
from .state import ResearchState, Turn
from .turns import is_follow_up

ProcessorPolicy: TypeAlias = Callable[[ResearchState, "str | None"], str]
"""The processor of the next run, by the state and the interaction it continues from; None: a first one."""


def deep_then_fast(
    first: str = "ultra8x",
    follow_up: str = "core",
    *,
    escalation: Sequence[str] = ("pro", "ultra"),
    ceiling: str | None = None,
    allow_unknown_processor: bool = False,
) -> ProcessorPolicy:
    """Deep research first; follow-ups, which build on it, with a quicker processor.

    After a follow-up of the evaluation that did not help, the next one gets the next processor of
    `escalation`. A follow-up helped if what its question has found has fewer unsupported fields than before
    it, or as many and a higher average confidence. Fields are counted by the rule of the evaluation that
    asked, where its verdict says so, as that of `by_evidence` does.

    Args:
        first: For a question with no research behind it.
        follow_up: For the others.
        escalation: The steps above `follow_up`, from the first to the last.
        ceiling: A processor; none that costs more is used. Steps above it are left out; if none is left,
            the ceiling itself is the only step.
        allow_unknown_processor: Accept names that this package does not know. Their price is unknown, so a
            ceiling leaves them out.

    Raises:
        InvalidRequest: A processor is unknown.
    """
    escalation = as_list("escalation", escalation)
    check_kinds({"allow_unknown_processor": (allow_unknown_processor, bool)})
    for name in (first, follow_up, *escalation, *([ceiling] if ceiling is not None else [])):
        limits.check(
            TaskRunInput(input="?", processor=name), allow_unknown_processor=allow_unknown_processor
        )
    ladder = tuple(dict.fromkeys([follow_up, *escalation]))
    if ceiling is not None:
        ladder = tuple(name for name in ladder if not costs_more(name, ceiling)) or (ceiling,)
        first = ceiling if costs_more(first, ceiling) else first
    return _DeepThenFast(first, ladder)


def quick_when(
    is_quick: Callable[[str, ResearchState], bool],
    *,
    quick: str = "chat:lite",
    otherwise: ProcessorPolicy | None = None,
) -> ProcessorPolicy:
    """A quick turn for a caller's question about what the session has; another policy for all others.

    First questions, and what an evaluation or a person's review asks, are never quick ones.

    Args:
        is_quick: Says of a question, with the session's state, whether it is a quick one: a plain function,
            which gives the same answer whenever it is asked.
        quick: The processor of quick turns.
        otherwise: The policy for all others; `deep_then_fast()` unless given.

    Raises:
        InvalidRequest: `quick` is no processor of quick turns, or one of the others no function.
    """
    if quick not in [*CHAT_PROCESSORS]:
        raise InvalidRequest([f"quick is {quick!r:.60}; give one of {', '.join(CHAT_PROCESSORS)}."])
    for name, given in {"is_quick": is_quick, "otherwise": otherwise or is_quick}.items():
        if not callable(given):
            raise InvalidRequest([f"{name} is {given!r:.60}; give a function."])
    return _QuickWhen(is_quick, quick, otherwise or deep_then_fast())


@dataclass(frozen=True)
class FirstOrFollowUp:
    """The policy of a graph that was given names: it reads nothing of the state."""

    first: str
    follow_up: str

    def __call__(self, state: ResearchState, parent: str | None, /) -> str:
        """The name for this place."""
        return self.first if parent is None else self.follow_up


@dataclass(frozen=True)
class _QuickWhen:
    is_quick: Callable[[str, ResearchState], bool]
    quick: str
    otherwise: ProcessorPolicy

    def __call__(self, state: ResearchState, parent: str | None, /) -> str:
        question = state.get("question") or ""
        if parent is None or is_follow_up(state) or not self.is_quick(question, state):
            return self.otherwise(state, parent)
        return self.quick


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
        if turn is None or before is None or settled or _has_helped(state, turn, before):
            return self.ladder[0]
        return self._above(turn["processor"])

    def _above(self, processor: str) -> str:
        """The next step; after a processor that is not on the ladder, the first step that costs more."""
        if processor in self.ladder:
            steps = self.ladder[self.ladder.index(processor) + 1 :]
        else:
            steps = tuple(name for name in self.ladder if costs_more(name, processor))
        return steps[0] if steps else self.ladder[-1]


def _has_helped(state: ResearchState, turn: Turn, before: Turn) -> bool:
    """Whether what was found has better evidence since an answer than up to the one that it continues; true
    where nothing can be said.
    """
    if turn["asked_by"] != "evaluation":
        return True
    evidence, evidence_before = _found_up_to(state, turn), _found_up_to(state, before)
    now = _count_unsupported(state, turn, evidence)
    then = _count_unsupported(state, before, evidence_before)
    words, words_before = _ranks(evidence), _ranks(evidence_before)
    if not now and set(words) <= {rank("high")}:
        return True  # there is nothing to raise
    return now < then or (now == then and fmean(words or [0]) > fmean(words_before or [0]))


def _found_up_to(state: ResearchState, turn: Turn) -> Evidence:
    """What its question has found with this answer, and with those that it builds on."""
    from ..findings import as_evidence, last_findings

    by_id = {t["interaction_id"]: t for t in state["turns"] if t["status"] == "completed"}
    chain, seen = [turn], {turn["interaction_id"]}
    while chain[0]["asked_by"] != "caller":
        parent = chain[0]["parent_interaction_id"]
        if parent in seen or parent not in by_id:
            break
        chain.insert(0, by_id[parent])
        seen.add(parent)
    found = last_findings(chain) if len(chain) > 1 else None
    return as_evidence(found) if found else turn


def _count_unsupported(state: ResearchState, turn: Turn, evidence: Evidence) -> int:
    """How many fields are unsupported by the rule of the evaluation that judged an answer.

    The verdict at hand comes first: while it is being checked, its turns do not hold it yet.
    """
    for verdict in (state.get("verdict"), turn["verdict"]):
        counts = verdict.get("unsupported", {}) if verdict else {}
        if turn["interaction_id"] in counts:
            return counts[turn["interaction_id"]]
    return len(evidence["unsupported_fields"])


def _ranks(evidence: Evidence) -> list[int]:
    return [rank(word) for word in evidence["confidence"].values()]
