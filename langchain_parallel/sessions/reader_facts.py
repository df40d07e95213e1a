"""What a reader's report says of each answer: the same in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .._core.plain_text import count
from .._core.timestamps import unix_seconds, utc_date
from ..evidence import NO_ANSWERS, TEXT_FIELD, Evidence, is_hollow, is_low, value_at
from ..text.format import duration, usd
from ..text.untrusted import compact_json
from .audit_facts import VALUE_CHARS, at_least, short
from .audit_markdown import claims_by_part
from .report_parts import OtherValue, ReportedAnswer, ReportedCheck, ReportedTurn

if TYPE_CHECKING:
    from .report import SessionReport

NOTE = "Researched on the web by a machine; not verified."
"""Says once what the text is."""
CHECK_NOTE = "That an excerpt has what a sentence says does not make it true."
_TITLE_CHARS = 140
_WHOLE = "The answer"
"""The name of a text, which has none."""


def title_of(report: SessionReport) -> str:
    """The question, or how many there are."""
    if len(report.answers) == 1:
        return short(report.answers[0].question, _TITLE_CHARS)
    asked = count(len(report.answers), "question")
    return f"Research: {asked}" if report.answers else "Research: no answers yet"


def evidence_of_answer(answer: ReportedAnswer) -> Evidence:
    """The answer with its evidence, each source under the report's number."""
    fields: dict[int, list[str]] = {}
    for claim in answer.claims:
        for number in claim.sources:
            fields.setdefault(number, []).append(claim.field)
    return Evidence(
        content=answer.answer,
        confidence={c.field: c.confidence for c in answer.claims if c.confidence},
        unsupported_fields=[claim.field for claim in answer.claims if claim.unsupported],
        citations=[{"number": n, "fields": names} for n, names in sorted(fields.items())],
    )


def turn_notes(answer: ReportedAnswer) -> dict[str, str]:
    """By field, the turn that its value is from; empty where all are from one."""
    turns = {origin.turn for origin in answer.origins if origin.in_answer}
    if len(turns) < 2:
        return {}
    return {origin.field: f"turn {origin.turn}" for origin in answer.origins}


# --- what to beware of ----------------------------------------------------------------------------


def uncertain(answer: ReportedAnswer) -> Iterator[tuple[str, str]]:
    """Fields that a reader must not rely on, and why; none where there is no answer to rely on."""
    if is_hollow(answer.answer, NO_ANSWERS):
        return
    for claim in answer.claims:
        why = [f"{claim.confidence} confidence"] if is_low(claim.confidence or "medium") else []
        if is_hollow(_value(answer.answer, claim.field), NO_ANSWERS):
            why = ["nothing was found"]
        elif claim.unsupported and not claim.sources:
            why.append("no source")
        if why:
            yield _shown_name(answer, claim.field), ", ".join(why)


def _shown_name(answer: ReportedAnswer, field: str) -> str:
    """A field's name, or that of a text."""
    return _WHOLE if field == TEXT_FIELD and not isinstance(answer.answer, dict) else field


def _value(answer: object, field: str) -> object:
    found = value_at(answer, field)
    return (
        answer if found is None and field == TEXT_FIELD and not isinstance(answer, dict) else found
    )


def warnings_of(answer: ReportedAnswer, turns: Sequence[ReportedTurn]) -> Iterator[str]:
    """The warnings of all turns of an answer, each once. Untrusted."""
    own = (turns[number - 1] for number in answer.turns if 0 < number <= len(turns))
    yield from dict.fromkeys(warning for turn in own for warning in turn.warnings)


def contradictory(answer: ReportedAnswer) -> Iterator[tuple[str, list[OtherValue]]]:
    """Fields with values that cannot all be true; the one in the answer comes first."""
    for origin in answer.origins:
        if not origin.agrees:
            own = _value(answer.answer, origin.field) if origin.in_answer else origin.value
            first = origin.model_copy(update={"value": own})
            against = [one for one in origin.others if one.contradicts]
            yield _shown_name(answer, origin.field), [first, *against]


class LeftOver(NamedTuple):
    """What was found beside the value in the answer, and does not contradict it."""

    field: str
    found: OtherValue
    text: str
    """Untrusted."""

    @property
    def is_short(self) -> bool:
        """Whether it is a line, not a text of its own."""
        return len(self.text) <= VALUE_CHARS and "\n" not in self.text

    @property
    def heading(self) -> str:
        """Of a text of its own."""
        name = "" if self.field == _WHOLE else f": {self.field}"
        return f"Also found ({turn_words(self.found)}){name}"


def left_over(answer: ReportedAnswer) -> Iterator[LeftOver]:
    """What the answer has no place for, and what other turns say in other words, as another text or list."""
    for origin in answer.origins:
        own = [] if origin.in_answer else [origin]
        for one in (*own, *(other for other in origin.others if not other.contradicts)):
            if not is_hollow(one.value, NO_ANSWERS):
                yield LeftOver(_shown_name(answer, origin.field), one, value_text(one))


def value_text(one: OtherValue) -> str:
    """A text as it is, another value as JSON. Untrusted."""
    return one.value if isinstance(one.value, str) else compact_json(one.value)


def turn_words(one: OtherValue) -> str:
    """The turn that a value is from, and its confidence."""
    return f"turn {one.turn}" + (f", {one.confidence}" if one.confidence else "")


class Checked(NamedTuple):
    """The checks of the turns that an answer is from."""

    counts: str
    lost: list[ReportedCheck]
    """What was not found, of the values that are in the answer."""


def check_results(answer: ReportedAnswer, turns: Sequence[ReportedTurn]) -> Checked | None:
    """What the checks say of an answer; None where nothing was checked."""
    fields: dict[int, dict[str, object]] = {}
    for origin in answer.origins:
        if origin.in_answer:
            fields.setdefault(origin.turn, {})[origin.field] = None
    found = [(turns[n - 1].checks, names) for n, names in fields.items() if n <= len(turns)]
    known = [(checks, names) for checks, names in found if checks is not None]
    if not known:
        return None
    sums = [
        sum(getattr(c, kind) for c, _ in known) for kind in ("supported", "not_found", "no_excerpt")
    ]
    if not any(sums):
        return None
    lost = [
        claim.model_copy(
            update={"field": _shown_name(answer, claim.field), "text": _line(claim.text)}
        )
        for checks, names in known
        for field, claims in claims_by_part(checks.claims, names).items()
        for claim in claims
        if field and claim.support == "not_found"
    ]
    counts = (
        f"{count(sums[0], 'statement')} found in the cited excerpts, {sums[1]} not found, "
        f"{sums[2]} without an excerpt."
    )
    return Checked(counts, lost)


def _line(text: str) -> str:
    """A line of a text as it reads: a row of a table by its cells, a quotation without its mark."""
    plain = text.lstrip("> ")
    return ", ".join(filter(None, map(str.strip, plain.split("|")))) if plain[:1] == "|" else plain


# --- the foot -------------------------------------------------------------------------------------


def foot(report: SessionReport) -> str:
    """Cost and dates, on one line."""
    totals = report.totals
    parts = [
        count(totals.runs, "run"),
        at_least(usd(totals.cost_usd), totals.cost_unknown),
        f"{at_least(duration(totals.seconds), totals.seconds_unknown)} of research",
        count(len(report.sources), "source"),
    ]
    dates = _dates(report.turns)
    return ", ".join([*parts[:2], *([dates] if dates else []), *parts[2:]]) + "."


def _dates(turns: Sequence[ReportedTurn]) -> str:
    stamps = (unix_seconds(stamp) for t in turns for stamp in (t.started_at, t.ended_at))
    known = [stamp for stamp in stamps if stamp is not None]
    if not known:
        return ""
    first, last = utc_date(min(known)), utc_date(max(known))
    return f"{first} (UTC)" if first == last else f"{first} to {last} (UTC)"


def why_no_answer(answer: ReportedAnswer, turns: Sequence[ReportedTurn]) -> str:
    """Why a question has no answer; empty if it has one."""
    if not is_hollow(answer.answer, NO_ANSWERS):
        return ""
    last = [turns[number - 1] for number in answer.turns if 0 < number <= len(turns)][-1:]
    status = last[0].status if last else "unknown"
    return "Nothing was found." if status == "completed" else f"No answer ({status})."
