"""A comparison as a page: the two values of each changed field side by side."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from ..text.answer_html import word
from ..text.web_html import bullets_html, lines, safe, web_link
from .comparison_text import (
    NOTHING,
    elements_of,
    marks_of,
    question_line,
    unchanged_lines,
    value_text,
)
from .page import page

if TYPE_CHECKING:
    from .comparison import ComparedValue, FieldComparison, QuestionComparison, SessionComparison

_TITLE = "What has changed"
_NOTE = "Values come from the web and from models, and are not verified."
_HEAD = "".join(f'<th scope="col">{name}</th>' for name in ("Field", "Before", "After"))


def comparison_html(comparison: SessionComparison) -> str:
    """The page."""
    return page(_TITLE, "".join(_body(comparison)), "report.css")


def _body(comparison: SessionComparison) -> Iterator[str]:
    yield f'<main><header><h1>{_TITLE}</h1><p class="note">{_NOTE}</p></header>'
    if not comparison.questions:
        yield f"<p>{NOTHING}</p>"
    for question in comparison.questions:
        yield _question(question)
    if sources := comparison.changed_sources:
        items = "".join(
            f'<li value="{one.number}">{web_link(one.url, one.title or "")}</li>' for one in sources
        )
        yield f'<section><h2>Sources</h2><ol class="sources">{items}</ol></section>'
    yield "</main>"


def _question(question: QuestionComparison) -> str:
    rows = "".join(map(_row, question.changes))
    table = f"<table><thead><tr>{_HEAD}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    rest = bullets_html(map(escape, unchanged_lines(question, _as_typed)))
    return f'<section><h2 dir="auto">{safe(question_line(question))}</h2>{table}{rest}</section>'


def _as_typed(text: str) -> str:
    """A text of the web that is escaped with the sentence that it is in."""
    return text


def _row(change: FieldComparison) -> str:
    name = f'<th scope="row">{safe(change.field)}<span class="evidence">{change.change}</span></th>'
    if not (change.added or change.removed):
        return f"<tr>{name}{_cell(change.before)}{_cell(change.after)}</tr>"
    before = _elements(change.removed, "only before", change.before)
    return f"<tr>{name}{before}{_elements(change.added, 'only after', change.after)}</tr>"


def _cell(value: ComparedValue | None) -> str:
    if value is None:
        return '<td><span class="none">—</span></td>'
    text = f'<p class="text" dir="auto">{lines(value_text(value.value))}</p>'
    return f"<td>{text}{_evidence(value)}</td>"


def _elements(elements: tuple[Any, ...], how: str, value: ComparedValue | None) -> str:
    shown, more = elements_of(elements)
    items = [*map(safe, shown), *([f"and {more:,} more"] if more else [])]
    body = bullets_html(items) or f'<span class="none">nothing that is {how}</span>'
    return f"<td>{body}{_evidence(value)}</td>"


def _evidence(value: ComparedValue | None) -> str:
    if value is None:
        return ""
    notes = [word(value.confidence)] if value.confidence else []
    notes += [] if value.agrees else ['<span class="bad">contradicted within its session</span>']
    notes += [marks] if (marks := marks_of(value)) else []
    return f'<span class="evidence">{" ".join(notes)}</span>'
