"""A report for readers: the answers first, whatever the texts are; only we write footnotes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from langchain_parallel.checks import check_answer
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research import Turn
from langchain_parallel.sessions import SessionReport
from tests.test_web_markdown import ATTACKS, FORMS, READER

from .building import NASTY, cite, some, turn, turns
from .hostile import HOSTILE
from .page_reader import Page

FOOTNOTE = re.compile(r"\[\^\d+\]")


def asked_on(position: int, **more: Any) -> Turn:
    before = f"intr_{position - 1}"
    return turn(position, asked_by="evaluation", parent_interaction_id=before, **more)


SESSION = [
    turn(
        content={"ceo": "Ann", "staff": None, "sites": ["Bern", "Graz"]},
        confidence={"ceo": "high", "staff": "low", "sites.0": "high"},
        unsupported_fields=["staff"],
        citations=[cite(1, "https://a.example", "ceo", "sites.0", title="A")],
    ),
    asked_on(
        1,
        content={"ceo": "unknown", "staff": "1,200", "sites": None},
        confidence={"staff": "medium"},
        citations=[cite(1, "https://b.example", "staff", title="B")],
        warnings=["Read slowly."],
    ),
    asked_on(
        2,
        content={"ceo": "Bo", "staff": "1200 employees"},
        confidence={"ceo": "low", "staff": "low"},
        citations=[cite(1, "https://c.example", "ceo", title="C")],
    ),
]


# --- safe -----------------------------------------------------------------------------------------


def check(report: SessionReport) -> None:
    document = report.to_markdown()
    document.encode()
    for token in READER.parse(document):
        for part in (token, *(token.children or ())):
            assert part.type in FORMS, part
            if part.type == "link_open":
                assert re.match(r"https?://[^/]", str(part.attrs["href"]), re.IGNORECASE)
    ours = {f"[^{source.number}]" for source in report.sources}
    prose = re.sub(r"(?ms)^ *(`{3,})(?:json)?$.*?^ *\1$|(?<!\\)(`+).*?\2", "", document)
    assert set(re.findall(r"(?<!\\)\[\^[^\]]*\]", prose)) <= ours
    assert len(re.findall(r"(?m)^\[\^\d+\]: ", document)) <= len(ours)
    pages = report.to_html(), report.to_html("audit"), report._repr_mimebundle_()["text/html"]
    for shown in pages:
        page = Page(shown)
        assert all(re.match(r"https?://[^/]", link, re.IGNORECASE) for link in page.links)
        targets = set(re.findall(r' id="([^"]*)"', shown))
        assert {mark.removeprefix("#") for mark in page.marks} <= targets
        assert len(targets) == len(re.findall(r' id="', shown))


@given(turns)
@some
def test_no_text_gets_out_of_its_place(session: list[Turn]) -> None:
    check(SessionReport.of(session))


@pytest.mark.parametrize("text", [*ATTACKS, *HOSTILE, *NASTY])
def test_no_hostile_text_does_wherever_it_is(text: str) -> None:
    cited = [cite(1, "https://a.example", text, "output", "b", title=text), cite(2, text, text)]
    known: Any = {"confidence": {text: text, "b": text}, "warnings": [text], "citations": cited}
    rows = [{text: text, "n": 1}, {text: text, "n": 2}]
    objects = {
        text: text,
        "b": [text, {text: [text]}],
        "rows": rows,
        "long": f"One\n\n{text}\n\nTwo",
    }
    session = [
        turn(question=text, content=objects, unsupported_fields=[text], **known),
        asked_on(1, question=text, content={text: "x", "b": "y"}, **known),
        turn(2, question=text, content=f"One\n\n{text}\n\nTwo", **known),
        asked_on(3, question=text, content=text, error=text, status=text, **known),
    ]
    check(SessionReport.of({"turns": session, "pending": {"question": text, "run_id": text}}))


def test_two_reports_in_one_notebook_have_links_of_their_own() -> None:
    shown = [
        SessionReport.of([turn(question=q, citations=[cite(1, "https://a.example", "revenue")])])
        for q in ("One?", "Two?")
    ]
    ids = [re.findall(r' id="([^"]*)"', r._repr_mimebundle_()["text/html"]) for r in shown]
    assert ids[0] != ids[1]
    assert len(ids[0]) == 2


# --- what it says ---------------------------------------------------------------------------------


def test_the_answer_comes_first_with_its_footnotes_and_its_turns() -> None:
    document = SessionReport.of(SESSION).to_markdown()
    assert document.startswith(
        "# Question 0?\n\n*Researched on the web by a machine; not verified.*\n\n"
        "| Field | Answer | Confidence | Sources |\n| --- | --- | --- | --- |\n"
        "| **ceo** | Ann | high, turn 1 | [^1] |\n"
    )
    assert re.search(r"\| \*\*staff\*\* \| 1,200 \| medium, turn 2 \| \[\^2\] \|", document)
    assert "**sites**\n\n- Bern · high [^1]\n- Graz\n" in document
    against = "- **ceo**: Ann (turn 1, high) [^1]; against it Bo (turn 3, low) [^3]"
    assert f"### What contradicts\n\n{against}\n" in document
    assert "### What is uncertain\n" in document
    assert "- ⚠ Read slowly.\n" in document
    assert document.count("not verified") == 1
    assert "\n*3 runs, \\$0.30, 2026-01-01 (UTC), 2 min of research, 3 sources.*\n" in document
    assert "\n[^1]: A — <https://a.example>\n" in document


def test_the_page_says_the_same() -> None:
    page = Page(SessionReport.of(SESSION).to_html())
    text = " ".join(page.text.split())
    for words in (
        "Ann",
        "1,200",
        "What contradicts",
        "Bo (turn 3, low)",
        "Read slowly.",
        "3 runs, $0.30",
    ):
        assert words in text
    assert page.links == ["https://a.example", "https://b.example", "https://c.example"]
    assert page.marks.count("#s3") == 1


def test_a_text_answer_is_the_markdown_it_is() -> None:
    found = turn(
        content="# Head\n\n- one [1]\n- two",
        confidence={"output": "low"},
        unsupported_fields=["output"],
        citations=[cite(1, "https://a.example", "output")],
    )
    report = SessionReport.of([found])
    assert "\n#### Head\n\n- one (1)\n- two\n\nlow, ⚠ unsupported [^1]\n" in report.to_markdown()
    assert {"h4", "ul"} <= set(Page(report.to_html()).tags)
    assert "- **The answer**: low confidence\n" in report.to_markdown()


def test_a_question_without_an_answer_says_so() -> None:
    failed = SessionReport.of([turn(content=None, status="failed", confidence={})])
    assert "**No answer (failed).**" in failed.to_markdown()
    assert "No answer (failed)." in Page(failed.to_html()).text
    empty = SessionReport.of([turn(content={"revenue": None}, confidence={})])
    assert "**Nothing was found.**" in empty.to_markdown()
    assert "# Research: no answers yet\n" in SessionReport.of([]).to_markdown()


def test_several_questions_are_several_parts() -> None:
    report = SessionReport.of([turn(), turn(1, question="And in Europe?")])
    document = report.to_markdown()
    assert document.startswith("# Research: 2 questions\n")
    assert re.findall("(?m)^## (.*)$", document) == ["Question 0?", "And in Europe?"]


def test_what_the_checks_did_not_find_is_said() -> None:
    found = turn(
        content={"staff": "The company has 320 employees."},
        citations=[
            {**cite(1, "https://a.example", "staff"), "excerpts": ["It has 300 employees."]}
        ],
    )
    assert SessionReport.of([found]).turns[0].checks is None
    for report in (
        SessionReport.of([found], checks=True),
        SessionReport.of([{**found, "checks": check_answer(found)}]),
    ):
        again = SessionReport.from_json(report.to_json())
        assert again == report
        assert "0 statements found in the cited excerpts, 1 not found" in again.to_markdown()
        assert "(not found: 320" in again.to_markdown()
        assert "not found: The company has 320" in again.to_markdown("audit")
        assert "The company has 320" in Page(again.to_html()).text
        assert "It has 300 employees." in again.to_markdown("audit")


def test_there_are_two_styles() -> None:
    for write in (SessionReport.of(SESSION).to_markdown, SessionReport.of(SESSION).to_html):
        with pytest.raises(InvalidRequest, match="no style 'short'"):
            write("short")  # type: ignore[arg-type]
