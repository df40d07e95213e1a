"""What a desk says of a session, as text for a model: bounded, and the web's words in a fence.

Rule: what is left out is named, with the call that reads it. Ids come last and are always whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .._core.plain_text import count, quote_text
from ..errors import InvalidRequest
from ..findings import Findings, as_evidence, find_findings
from ..processors import expected_seconds
from ..research.answering import all_of, is_answered
from ..research.state import ResearchState, Turn
from ..text.finding_notes import finding_notes
from ..text.format import duration_range, usd
from ..text.layout import split_pages
from ..text.result import AnswerText, answer_text, evidence_notes
from ..text.untrusted import ERROR_CHARS, fence, harmless

_FRAME_CHARS = 1_500
"""Characters for ids, remarks and the fence around an answer."""
_QUESTION_CHARS = 200


class Answers:
    """Writes texts of at most `max_chars` characters."""

    def __init__(self, max_chars: int) -> None:
        self._room = max_chars - _FRAME_CHARS

    def answer(self, session_id: str, turn: Turn | None, state: ResearchState) -> str:
        """What came of a question."""
        if turn is None:
            return f"Session {session_id} has no answer to this question."
        body, spent_usd = self._body(session_id, turn, state), state.get("spent_usd")
        return "\n".join([*body, *_ids(session_id, turn, spent_usd)])

    def _body(self, session_id: str, turn: Turn, state: ResearchState) -> Iterator[str]:
        answers = [one for one in _found_with(turn, state) if is_answered(one)]
        if not answers:
            yield f"No answer ({harmless(turn['status'], 40)}): {_reason(turn)}"
            return
        texts = [self._describe(one, turn, len(answers)) for one in answers]
        yield fence("\n\n".join(map(str, texts)), "Research result.")
        if left_out := [what for text in texts for what in text.left_out]:
            how = f"read(session_id='{session_id}', interaction_id='{_interaction(turn)}')"
            yield f"[cut here] Left out: {', '.join(left_out)}; the whole: {how}"

    def _describe(self, found: Findings, turn: Turn, of: int) -> AnswerText:
        """One of several answers, below its question where there are several."""
        evidence = as_evidence(found)
        warnings = (f"Warning: {harmless(text)}" for text in turn["warnings"])
        notes = [*evidence_notes(evidence), *finding_notes(found), *warnings]
        text = answer_text(evidence, notes, self._room // of - (_QUESTION_CHARS if of > 1 else 0))
        heading = f"{quote_text(found['question'], _QUESTION_CHARS)}\n" if of > 1 else ""
        return text._replace(answer=heading + text.answer)

    def page(self, turn: Turn, page: int) -> str:
        """A page of an answer.

        Raises:
            InvalidRequest: There is no such page.
        """
        if turn["content"] is None:
            return f"No answer ({harmless(turn['status'], 40)}): {_reason(turn)}"
        pages = list(split_pages(str(answer_text(turn, _notes(turn))).split("\n"), self._room))
        if not 1 <= page <= len(pages):
            raise InvalidRequest(
                [f"It has {count(len(pages), 'page')}, and no page {page}."], hint=""
            )
        return f"{fence(pages[page - 1], 'Research result.')}\n[page {page} of {len(pages)}]"

    def overview(self, session_id: str, turns: Sequence[Turn], under_way: Sequence[Turn]) -> str:
        """The questions of a session, the latest where they are too many."""
        lines = [_line(turn) for turn in (*turns, *under_way)]
        pages = list(split_pages(lines[::-1], self._room))
        shown = pages[0].split("\n")[::-1]
        left_out = len(lines) - len(shown)
        before = [f"[{count(left_out, 'earlier question')} left out]"] if left_out else []
        return "\n".join([f"Session {session_id}:", *before, *shown])

    def under_way(self, session_id: str, turns: Iterable[Turn], runs: Iterable[str]) -> str:
        """That a session still waits."""
        usual = [expected_seconds(turn["processor"]) for turn in turns]
        known = [seconds for seconds in usual if seconds]
        time = f" It usually takes {duration_range(*known[0])}." if known else ""
        return (
            f"Still running ({', '.join(map(harmless, sorted(runs)))}).{time} The answer is not lost: "
            f"call check(session_id='{session_id}'), which is free. Do not ask again."
        )


def _found_with(turn: Turn, state: ResearchState) -> list[Findings]:
    """What the question of a turn has found."""
    found = find_findings(state.get("turns") or [])
    own = (one for one in found if turn["position"] in one["turns"])
    return all_of(next(own, None))


def _notes(turn: Turn) -> list[str]:
    return [*evidence_notes(turn), *(f"Warning: {harmless(text)}" for text in turn["warnings"])]


def _reason(turn: Turn) -> str:
    return harmless(turn["error"] or "no reason is given", ERROR_CHARS)


def _interaction(turn: Turn) -> str:
    return harmless(turn["interaction_id"] or "", 100)


def _ids(session_id: str, turn: Turn, spent_usd: float | None) -> Iterator[str]:
    yield f"session_id: {session_id} (for follow_up, branch, check and read)"
    if turn["interaction_id"]:
        yield f"interaction_id: {_interaction(turn)} (branch and read take it)"
    if turn["cost_usd"] is not None:
        total = "" if spent_usd is None else f", the session {usd(spent_usd)}"
        yield f"cost: {usd(turn['cost_usd'])}{total}"


def _line(turn: Turn) -> str:
    after = turn["parent_interaction_id"]
    behind = f", after {harmless(after, 100)}" if after else ""
    question = harmless(turn["question"], _QUESTION_CHARS)
    id, status = _interaction(turn) or "(no interaction)", harmless(turn["status"], 40)
    return f"- {id}{behind}: {status}: {question!r}"
