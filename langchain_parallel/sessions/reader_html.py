"""A session for readers, as a page and as a part of a notebook: the answers first.

Rule: texts of the web become HTML through `text/web_html.py` and `text/answer_html.py` alone. Marks are links
to the sources below; no text can write one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..text.answer_html import answer_html
from ..text.web_html import bullets_html, safe, web_html, web_link
from .audit_facts import VALUE_CHARS, short, underway_text
from .page import page
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
from .report_parts import OtherValue, ReportedAnswer, Source

if TYPE_CHECKING:
    from .report import SessionReport


def reader_html(report: SessionReport) -> str:
    """The page."""
    body = "".join(_Reader(report, "").parts())
    return page(title_of(report), f"<main>{body}</main>", "report.css")


def reader_fragment(report: SessionReport) -> str:
    """The same without a frame, for notebooks; its links do not meet those of another report in them."""
    about = f"{title_of(report)}{[source.url for source in report.sources]}"
    digest = hashlib.sha256(about.encode()).hexdigest()[:8]
    return f"<div>{''.join(_Reader(report, f'r{digest}-').parts())}</div>"


class _Reader:
    def __init__(self, report: SessionReport, prefix: str) -> None:
        self._report, self._prefix = report, prefix
        self._marked: set[int] = set()

    def parts(self) -> Iterator[str]:
        report = self._report
        note = f'<p class="note">{NOTE}</p>'
        yield f'<header><h1 dir="auto">{safe(title_of(report))}</h1>{note}</header>'
        for answer in report.answers:
            if len(report.answers) > 1:
                yield f'<h2 dir="auto">{safe(short(answer.question, 140))}</h2>'
            yield from self._answer(answer)
        waiting = (safe(underway_text(question)) for question in report.underway)
        yield _section("h2", "Not answered yet", bullets_html(waiting))
        shown = [source for source in report.sources if source.number in self._marked]
        sources = "".join(map(self._source, shown))
        yield _section("h2", "Sources", sources and f'<ol class="sources">{sources}</ol>')
        yield f"<footer><p>{safe(foot(report))}</p></footer>"

    def _answer(self, answer: ReportedAnswer) -> Iterator[str]:
        turns = self._report.turns
        if why := why_no_answer(answer, turns):
            yield f'<p class="bad">{safe(why)}</p>'
        else:
            notes = turn_notes(answer)
            evidence = evidence_of_answer(answer)
            shown = answer_html(evidence, mark=self._mark, note=lambda f: safe(notes.get(f, "")))
            yield f'<section class="web">{shown}</section>'
        weak = (f"<b>{safe(field)}</b>: {safe(why)}" for field, why in uncertain(answer))
        warnings = (f"⚠ {safe(warning)}" for warning in warnings_of(answer, turns))
        yield _section("h3", "What is uncertain", bullets_html((*weak, *warnings), "weak"))
        yield _section(
            "h3", "What contradicts", bullets_html(self._contradictions(answer), "conflict")
        )
        yield from self._checks(answer)
        yield from self._left_over(answer)
        for beside in answer.beside:
            yield f'<h2 dir="auto">{safe(short(beside.question, 140))}</h2>'
            yield from self._answer(beside)

    def _left_over(self, answer: ReportedAnswer) -> Iterator[str]:
        found = list(left_over(answer))
        short_ones = (
            f"<b>{safe(o.field)}</b>: {self._value(o.found)}" for o in found if o.is_short
        )
        yield _section("h3", "Also found", bullets_html(short_ones))
        for one in (one for one in found if not one.is_short):
            yield f"<h3>{safe(one.heading)}</h3>"
            marks = self._marks(one.found.sources)
            yield f'<section class="web">{web_html(one.text)}{marks}</section>'

    def _contradictions(self, answer: ReportedAnswer) -> Iterator[str]:
        for field, values in contradictory(answer):
            yield f"<b>{safe(field)}</b>{bullets_html(map(self._value, values))}"

    def _value(self, one: OtherValue) -> str:
        return f"{safe(value_text(one), VALUE_CHARS)} ({safe(turn_words(one))}) {self._marks(one.sources)}"

    def _checks(self, answer: ReportedAnswer) -> Iterator[str]:
        if (found := check_results(answer, self._report.turns)) is None:
            return
        yield f"<h3>Checked against the sources</h3><p>{safe(found.counts)} {CHECK_NOTE}</p>"
        lost = (
            f"<b>{safe(claim.field)}</b>: {safe(claim.text)} "
            f"(not found: {safe(', '.join(claim.not_found))})"
            for claim in found.lost
        )
        yield bullets_html(lost, "weak")

    # --- sources ---

    def _mark(self, number: int) -> str:
        """A link to a source; the first one can be come back to."""
        own = "" if number in self._marked else f' id="{self._prefix}c{number}"'
        self._marked.add(number)
        return f'<sup class="cite"{own}><a href="#{self._prefix}s{number}">{number}</a></sup>'

    def _marks(self, numbers: Iterable[int]) -> str:
        return "".join(map(self._mark, numbers))

    def _source(self, source: Source) -> str:
        number, prefix = source.number, self._prefix
        back = f'<a class="back" href="#{prefix}c{number}">↩</a> '
        link = web_link(source.url, source.title or "")
        return f'<li id="{prefix}s{number}" value="{number}">{back}{link}</li>'


def _section(level: str, name: str, content: str) -> str:
    return f"<{level}>{name}</{level}>{content}" if content else ""
