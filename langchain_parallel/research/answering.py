"""The answer of a session: what all turns of the question at hand have found, not the last one alone.

Rule: `answer` and `findings` are of the question at hand, and made of `turns` alone. The answer is written
whenever a turn has ended; the findings, which repeat it with every source, only where the question ends or a
person is asked, and the next step takes them out of the state. So a checkpoint of an earlier version goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..findings import Findings
from .state import ResearchState, Turn, merge_turns


def answer_channel(state: ResearchState, new: Iterable[Turn]) -> dict[str, Any]:
    """The update of the answer, once turns have ended.

    Args:
        state: Before the update.
        new: The turns that it adds.
    """
    from ..findings.session_findings import last_answer

    return {"answer": last_answer(merge_turns(state.get("turns"), list(new)))}


def findings_channel(state: ResearchState) -> dict[str, Any]:
    """The update of the findings, from the turns that have ended."""
    from ..findings import last_findings, without_excerpts

    found = last_findings(state.get("turns") or [])
    return {"findings": None if found is None else without_excerpts(found)}


def answer_of_new(state: ResearchState, planned: Iterable[Turn]) -> dict[str, Any]:
    """The update once turns are planned: a caller's question has no answer yet, and the one before stays in
    the turns; a follow-up adds to what there is.
    """
    begins = any(turn["asked_by"] == "caller" for turn in planned)
    return {"answer": None} if begins and state.get("answer") is not None else {}


def all_of(findings: Findings | None) -> list[Findings]:
    """The answer, and then what stands beside it."""
    return [] if findings is None else [findings, *findings["beside"]]


def is_answered(findings: Findings) -> bool:
    """Whether a turn had an answer, be it an empty one."""
    return bool(findings["fields"])


def turns_in(findings: Findings, turns: Sequence[Turn]) -> list[Turn]:
    """The turns that an answer is made of, and the last one that had an answer.

    Args:
        findings: The answer's.
        turns: Of the question.
    """
    positions = {turn for one in findings["fields"].values() for turn in one["supported_by"]}
    own = [turn for turn in turns if turn["position"] in findings["turns"]]
    done = [turn for turn in own if turn["status"] == "completed"]
    return [turn for turn in done if turn["position"] in positions or turn is done[-1]]
