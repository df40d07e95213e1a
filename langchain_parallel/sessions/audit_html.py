"""The audit of a session as a page: everything, each text as it came, not as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..text.answer_html import word
from ..text.format import duration, usd
from ..text.web_html import bullets_html, lines, safe, text_html, web_link
from .audit_facts import (
    CELL_CHARS,
    Fact,
    all_answers,
    check_texts,
    decisions,
    missing_answer,
    origin_text,
    session_facts,
    short,
    turn_facts,
    underway_text,
)
from .page import page
from .report_parts import Claim, ReportedAnswer, ReportedTurn, Source

if TYPE_CHECKING:
    from .report import SessionReport

_NOTE = (
    "Answers, titles, reasons and warnings come from the web and from models, and are not verified. "
    "Numbers in brackets are those of the list of sources at the end, but for those within an answer, "
    "which are its own."
)
_HEAD = ("Turn", "Question", "Builds on", "Processor", "Status", "Cost", "Time")


def audit_html(report: SessionReport) -> str:
    """The page."""
    title = short(report.turns[0].question, 100) if report.turns else "no turns yet"
    return page(f"Audit: {title}", "".join(_body(report, title)), "report.css")


def _body(report: SessionReport, title: str) -> Iterator[str]:
    yield f'<main><header><h1 dir="auto">Audit: {safe(title)}</h1><p class="note">{_NOTE}</p></header>'
    facts = session_facts(report.totals, len(report.sources), report.ledger_id, report.limits)
    yield _facts(facts)
    people = [
        f"<li>A person {safe(said)}</li>" for _, said in decisions(report.turns, report.limits)
    ]
    yield _part("Decided by people", f'<ul class="plain">{"".join(people)}</ul>' if people else "")
    yield _part("Turns", _table(_HEAD, map(_row, report.turns)) if report.turns else "")
    yield _part("Answers", "".join(map(_origins, all_answers(report.answers))))
    yield from (_turn(turn, report.turns) for turn in report.turns)
    waiting = [f"<li>{safe(underway_text(question))}</li>" for question in report.underway]
    yield _part("Not answered yet", f'<ul class="plain">{"".join(waiting)}</ul>' if waiting else "")
    sources = "".join(map(_source, report.sources))
    yield _part("Sources", f'<ol class="sources">{sources}</ol>' if sources else "")
    yield "</main>"


def _part(name: str, content: str) -> str:
    return f"<h2>{name}</h2>{content}" if content else ""


def _facts(facts: Iterable[Fact]) -> str:
    rows = (f"<div><dt>{escape(f.name)}</dt><dd>{_text(f)}</dd></div>" for f in facts)
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _text(fact: Fact) -> str:
    return f"<code>{safe(fact.text)}</code>" if fact.is_id else safe(fact.text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f'<th scope="col">{name}</th>' for name in head)
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll claims">{table}</div>'


def _row(turn: ReportedTurn) -> tuple[str, ...]:
    return (
        f'<a href="#t{turn.number}">{turn.number}</a>',
        safe(short(turn.question, CELL_CHARS)),
        _to_turn(turn.builds_on),
        safe(turn.processor),
        safe(turn.status),
        usd(turn.cost_usd),
        duration(turn.seconds),
    )


def _to_turn(number: int | None) -> str:
    return f'<a href="#t{number}">{number}</a>' if number else ""


def _origins(answer: ReportedAnswer) -> str:
    asked = f"Asked in turn {', '.join(map(str, answer.turns))}"
    rows = (f"<code>{safe(o.field)}</code>: {safe(origin_text(o))}" for o in answer.origins)
    heading = f'<h3 dir="auto">{safe(short(answer.question, 100))}</h3>'
    return heading + bullets_html((asked, *rows))


# --- a turn ---------------------------------------------------------------------------------------


def _turn(turn: ReportedTurn, turns: Sequence[ReportedTurn]) -> str:
    heading = (
        f'<h2 id="t{turn.number}" dir="auto">{turn.number}. {safe(short(turn.question, 100))}</h2>'
    )
    question = f'<h3>Question</h3><div class="raw">{text_html(turn.question)}</div>'
    return heading + question + _facts(turn_facts(turn, turns)) + "".join(_answer(turn))


def _answer(turn: ReportedTurn) -> Iterator[str]:
    if missing := missing_answer(turn):
        yield f'<p class="bad">{missing[0]} {safe(missing[1])}</p>'
    if turn.error:
        yield f'<h3>Error</h3><div class="raw">{text_html(turn.error)}</div>'
    if turn.answer is not None:
        yield f"<h3>Answer</h3>{_verbatim(turn.answer)}"
    if turn.claims:
        yield _table(("Field", "Confidence", "Sources"), map(_claim, turn.claims))
    if turn.checks:
        texts = check_texts(turn.checks)
        rows = (
            f"{f'<code>{safe(field)}</code> ' if field else ''}{safe(text)}"
            for field, text in texts
        )
        yield f"<h3>Checks</h3>{bullets_html(rows)}"


def _verbatim(answer: object) -> str:
    if isinstance(answer, str):
        return f'<div class="raw">{text_html(answer)}</div>'
    text = json.dumps(answer, ensure_ascii=False, indent=2)
    return f'<pre class="raw"><code>{lines(text)}</code></pre>'


def _claim(claim: Claim) -> tuple[str, ...]:
    bad = ' <span class="bad">unsupported</span>' if claim.unsupported else ""
    confidence = word(claim.confidence) if claim.confidence else "none given"
    marks = "".join(f'<a href="#s{n}">[{n}]</a>' for n in claim.sources) or "none"
    return f"<code>{safe(claim.field)}</code>", confidence + bad, marks


def _source(source: Source) -> str:
    return (
        f'<li id="s{source.number}" value="{source.number}">{"".join(_source_parts(source))}</li>'
    )


def _source_parts(source: Source) -> Iterator[str]:
    yield web_link(source.url, source.title or "")
    for citing in source.cited_by:
        fields = "".join(f" <code>{safe(field)}</code>" for field in citing.fields)
        yield f'<p class="back">cited by turn {_to_turn(citing.turn)}{fields}</p>'
        yield from (
            f'<blockquote dir="auto">{lines(text)}</blockquote>' for text in citing.excerpts
        )
