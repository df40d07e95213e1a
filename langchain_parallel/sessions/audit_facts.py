"""What an audit says of a session and of each turn, beside the answers: the same in Markdown and in HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .._core.plain_text import count
from .._core.timestamps import has_zone, unix_seconds
from ..evidence import is_hollow
from ..processors import is_chat
from ..text.format import duration, usd
from ..text.untrusted import compact_json, harmless
from .quotes import own_question
from .report_parts import (
    Origin,
    ReportedAnswer,
    ReportedChecks,
    ReportedTurn,
    Totals,
    Underway,
)

VALUE_CHARS = 300
"""Characters of a value beside the one in the answer."""
CELL_CHARS = 60
"""Characters of a question in a table, or where another turn names it."""


class Fact(NamedTuple):
    """A fact with its name. The text is untrusted."""

    name: str
    text: str
    is_id: bool = False


def session_facts(
    totals: Totals, sources: int, ledger_id: str | None, limits: object
) -> Iterator[Fact]:
    """Of the whole session."""
    yield Fact("Runs", f"{totals.runs}, {totals.answered} with an answer")
    yield Fact("Cost", at_least(usd(totals.cost_usd), totals.cost_unknown))
    time = at_least(duration(totals.seconds), totals.seconds_unknown)
    yield Fact("Time in which research ran", time)
    yield Fact("Sources", str(sources))
    if ledger_id:
        yield Fact("Ledger", ledger_id, True)
    if limits:
        yield Fact("Limits of this session", json.dumps(limits, ensure_ascii=False))


def at_least(known: str, unknown: int) -> str:
    """A sum, and of how many runs it does not know."""
    return f"at least {known} (not known of {count(unknown, 'run')})" if unknown else known


def short(text: str, max_chars: int) -> str:
    """A question on one line, without what it quotes."""
    return harmless(own_question(text), max_chars)


# --- people ---------------------------------------------------------------------------------------


def decisions(turns: Sequence[ReportedTurn], limits: object) -> Iterator[tuple[int, str]]:
    """What people have asked and decided: the number of the turn (0 for the session), and the words."""
    for turn in turns:
        if turn.asked_by == "person":
            yield turn.number, f"asked turn {turn.number}: {short(turn.question, CELL_CHARS)}"
        if turn.approved_by == "person":
            yield turn.number, f"approved the run of turn {turn.number}, {usd(turn.cost_usd)}"
        if turn.verdict and turn.verdict.decided_by == "person":
            reason = f": {turn.verdict.reason}" if turn.verdict.reason else ""
            yield turn.number, f"decided on turn {turn.number}: {turn.verdict.action}{reason}"
    if limits:
        yield 0, "set or raised limits of this session"


# --- the answers ----------------------------------------------------------------------------------


def all_answers(answers: Iterable[ReportedAnswer]) -> Iterator[ReportedAnswer]:
    """Each answer, and then what stands beside it."""
    for answer in answers:
        yield answer
        yield from all_answers(answer.beside)


def origin_text(origin: Origin) -> str:
    """Where a value is from, and what else was found."""
    parts = [f"from turn {origin.turn}"]
    same = [str(number) for number in origin.supported_by if number != origin.turn]
    parts += [f"the same in turn {', '.join(same)}"] if same else []
    parts += [] if origin.in_answer else ["not in the answer, which has no place for it"]
    parts += [
        f"{'against it' if other.contradicts else 'otherwise'}, in turn {other.turn}: "
        f"{harmless(compact_json(other.value), VALUE_CHARS)}"
        for other in origin.others
    ]
    return "; ".join(parts)


def check_texts(checks: ReportedChecks) -> Iterator[tuple[str, str]]:
    """What the checks found, each with the field that it is about, or none."""
    kinds = (checks.supported, "supported"), (checks.not_found, "not found")
    counts = [f"{number:,} {kind}" for number, kind in kinds]
    yield "", f"Statements checked: {', '.join(counts)}, {checks.no_excerpt:,} without an excerpt"
    for claim in checks.claims:
        lost = f" (not found: {'; '.join(claim.not_found)})" if claim.not_found else ""
        yield claim.field, f"{claim.support.replace('_', ' ')}: {claim.text}{lost}"
    for source in checks.sources:
        which = f"source {source.number}" if source.number else "a source"
        same = f", the same as source {source.same_as}" if source.same_as else ""
        yield "", f"{which}: {source.problem.replace('_', ' ')}{same}"


# --- a turn ---------------------------------------------------------------------------------------


def turn_facts(turn: ReportedTurn, turns: Sequence[ReportedTurn]) -> Iterator[Fact]:
    """Of a turn, its answer aside."""
    yield Fact("Asked by", turn.asked_by or "unknown")
    if turn.approved_by:
        yield Fact("Approved by", turn.approved_by)
    yield Fact("Continues", _continues(turn, turns))
    yield Fact("Processor", turn.processor or "unknown", True)
    yield Fact("Cost", usd(turn.cost_usd))
    yield Fact("Started", _moment(turn.started_at))
    yield Fact("Ended", _moment(turn.ended_at))
    yield Fact("Time", duration(turn.seconds))
    if is_chat(turn.processor):
        yield Fact("Run", "none, a quick turn")
    else:
        yield Fact("Run", turn.run_id or "unknown", True)
    yield from (Fact("Another run of the same request", run, True) for run in turn.duplicates)
    yield Fact("Interaction", turn.interaction_id or "unknown", True)
    if turn.parent_interaction_id:
        yield Fact("Interaction before it", turn.parent_interaction_id, True)
    ids = ("Key", turn.key), ("Ledger", turn.ledger_id), ("Answer, SHA-256", turn.content_hash)
    yield from (Fact(name, id, True) for name, id in ids if id)
    yield from (Fact("⚠ Warning", warning) for warning in turn.warnings)
    if turn.verdict:
        person = " (by a person)" if turn.verdict.decided_by == "person" else ""
        reason = f": {turn.verdict.reason}" if turn.verdict.reason else ""
        yield Fact(f"Verdict{person}", f"{turn.verdict.action}{reason}")


def _continues(turn: ReportedTurn, turns: Sequence[ReportedTurn]) -> str:
    """What it was asked on top of."""
    if turn.builds_on is None or not 0 < turn.builds_on <= len(turns):
        elsewhere = f"interaction {turn.continues} of another session"
        return elsewhere if turn.continues else "nothing: a first question"
    before = turns[turn.builds_on - 1]
    return f"turn {turn.builds_on} ({short(before.question, CELL_CHARS)})"


def _moment(timestamp: str | None) -> str:
    """As the API said it, with its zone."""
    if not timestamp:
        return "unknown"
    known = unix_seconds(timestamp) is not None
    return f"{timestamp} (no zone given: UTC)" if known and not has_zone(timestamp) else timestamp


def missing_answer(turn: ReportedTurn) -> tuple[str, str] | None:
    """Of a turn without a whole answer: what is missing, and the rest of the sentence."""
    if turn.status == "completed" and not is_hollow(turn.answer):
        return None
    what = "No answer" if turn.answer is None else "Not completed"
    if turn.status == "completed" and turn.answer is not None:
        what = "Empty answer"
    if turn.status != "unfinished":
        return what, f"(status: {turn.status})."
    is_elsewhere = turn.asked_by == "elsewhere"
    why = "it was not asked here" if is_elsewhere else "another question came in between"
    return what, f"(status: {turn.status}): {why}; fetch what the run found by its id."


def underway_text(question: Underway) -> str:
    """What is known of a question without an answer yet."""
    run = f"run {question.run_id}" if question.run_id else "not known to be sent"
    return f"{short(question.question, 100)} ({question.processor or 'unknown'}; {run})"
