"""A session for readers, as Markdown: the answers first, then what is uncertain and what contradicts.

Rule: texts of the web go through `text/answer_document.py` or `unmarked_line`. Sources are footnotes; no text
can write a mark of one, nor define it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..text.answer_document import answer_document, text_lines
from ..text.markdown import link, unmarked_line
from ..text.own_marks import leads_elsewhere
from ..text.untrusted import harmless
from .audit_facts import VALUE_CHARS, short, underway_text
from .reader_facts import (
    CHECK_NOTE,
    NOTE,
    check_results,
    contradictory,
    evidence_of_answer,
    foot,
    left_over,
    title_of,
    turn_notes,
    turn_words,
    uncertain,
    value_text,
    warnings_of,
    why_no_answer,
)
from .report_parts import OtherValue, ReportedAnswer, ReportedTurn, Source

if TYPE_CHECKING:
    from .report import SessionReport


def reader_markdown(report: SessionReport) -> str:
    """The document; it ends with a newline."""
    lines = [f"# {unmarked_line(title_of(report))}", "", f"*{NOTE}*"]
    for answer in report.answers:
        if len(report.answers) > 1:
            lines += ["", f"## {unmarked_line(short(answer.question, 140))}"]
        lines += _answer(answer, report.turns)
    if report.underway:
        waiting = (f"- {unmarked_line(underway_text(question))}" for question in report.underway)
        lines += ["", "## Not answered yet", "", *waiting]
    lines += ["", "---", "", f"*{unmarked_line(foot(report))}*"]
    shown = {n for answer in report.answers for n in _numbers(answer)}
    for source in report.sources:
        if source.number in shown:
            lines += ["", _source(source)]
    return "\n".join(lines) + "\n"


def _numbers(answer: ReportedAnswer) -> Iterator[int]:
    for claim in answer.claims:
        yield from claim.sources
    for origin in answer.origins:
        yield from origin.sources
        for other in origin.others:
            yield from other.sources
    for beside in answer.beside:
        yield from _numbers(beside)


def _answer(answer: ReportedAnswer, turns: Sequence[ReportedTurn]) -> Iterator[str]:
    if why := why_no_answer(answer, turns):
        yield from ("", f"**{unmarked_line(why)}**")
    else:
        notes = turn_notes(answer)
        evidence = evidence_of_answer(answer)
        shown = answer_document(evidence, mark=_mark, note=lambda field: notes.get(field, ""))
        yield from shown
    warnings = (f"- ⚠ {unmarked_line(warning)}" for warning in warnings_of(answer, turns))
    weak = (
        f"- **{unmarked_line(field)}**: {unmarked_line(why)}" for field, why in uncertain(answer)
    )
    yield from _section("What is uncertain", (*weak, *warnings))
    yield from _section("What contradicts", map(_contradiction, contradictory(answer)))
    yield from _checks(answer, turns)
    found = list(left_over(answer))
    yield from _section(
        "Also found",
        (f"- **{unmarked_line(o.field)}**: {_found_value(o.found)}" for o in found if o.is_short),
    )
    for one in (one for one in found if not one.is_short):
        yield from ("", f"### {unmarked_line(one.heading)}", "")
        yield from text_lines(one.text)
        yield from ("", _marks(one.found.sources))
    for beside in answer.beside:
        yield from ("", f"### {unmarked_line(short(beside.question, 140))}")
        yield from _answer(beside, turns)


def _section(name: str, items: Iterable[str]) -> Iterator[str]:
    if lines := list(items):
        yield from ("", f"### {name}", "", *lines)


def _contradiction(found: tuple[str, Sequence[OtherValue]]) -> str:
    values = "; against it ".join(map(_found_value, found[1]))
    return f"- **{unmarked_line(found[0])}**: {values}"


def _found_value(one: OtherValue) -> str:
    shown = unmarked_line(harmless(value_text(one), VALUE_CHARS))
    return " ".join(
        filter(None, [shown, f"({unmarked_line(turn_words(one))})", _marks(one.sources)])
    )


def _checks(answer: ReportedAnswer, turns: Sequence[ReportedTurn]) -> Iterator[str]:
    if (found := check_results(answer, turns)) is None:
        return
    yield from ("", "### Checked against the sources", "", f"{found.counts} {CHECK_NOTE}")
    lost = [
        f"- **{unmarked_line(claim.field)}**: {unmarked_line(claim.text)} "
        f"(not found: {unmarked_line(', '.join(claim.not_found))})"
        for claim in found.lost
    ]
    yield from ("", *lost) if lost else ()


def _mark(number: int) -> str:
    return f"[^{number}]"


def _marks(numbers: Iterable[int]) -> str:
    return " ".join(map(_mark, numbers))


def _source(source: Source) -> str:
    """A footnote. Where footnotes are unknown, the dash keeps it from being read as a link's definition."""
    title = unmarked_line(source.title or "") or "Untitled"
    note = unmarked_line(leads_elsewhere(source.title or "", source.url))
    url = link(source.url, unmarked_line)
    return f"[^{source.number}]: {title} — {url}{note and f' {note}'}"
