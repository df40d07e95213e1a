"""The pages of a report: numbers that lead to their sources, warnings, and nothing that loads or runs."""

from __future__ import annotations

import hashlib
import re

import pytest

from langchain_parallel.sessions import InteractionTree, SessionComparison, SessionReport

from .building import cite, turn
from .page_reader import Page

# The first question cites 1 and 2, and its answer has the value of 2 alone.
SESSION = [
    turn(
        content={"ceo": "Ann"},
        confidence={"ceo": "low"},
        citations=[
            cite(1, "https://unused.example", title="Not cited for any field"),
            cite(2, "https://a.example/one", "ceo", title="www.bank.com"),
        ],
    )
]
PAGES = {
    "reader": SessionReport.of(SESSION).to_html(),
    "audit": SessionReport.of(SESSION).to_html("audit"),
    "tree": InteractionTree.of(SESSION).html(),
    "comparison": SessionComparison.of(SESSION, [turn(content={"ceo": "Bo"})]).to_html(),
}
NOTEBOOK = SessionReport.of(SESSION)._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_that_it_is_not_verified_and_loads_and_runs_nothing(page: str) -> None:
    html = PAGES[page]
    assert len(re.findall("not verified", Page(html).text)) == 1
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    digest = r"'sha256-[\w+/]{43}='"
    assert re.fullmatch(
        f"default-src 'none'; style-src {digest}; base-uri 'none'; form-action 'none'", policy
    )
    assert "<script" not in html
    assert "no-referrer" in html


def test_what_a_notebook_shows_is_not_verified_either() -> None:
    assert "not verified" in Page(NOTEBOOK).text
    assert "style" not in Page(NOTEBOOK).tags


@pytest.mark.parametrize("html", [PAGES["reader"], PAGES["audit"], NOTEBOOK])
def test_a_number_leads_to_the_source_of_that_number(html: str) -> None:
    (place,) = re.findall(r'<a href="#((?:r\w+-)?s2)">\[?2\]?</a>', html)
    (source,) = re.findall(rf'<li id="{place}" value="2">(.*?)</li>', html, re.DOTALL)
    assert 'href="https://a.example/one"' in source


@pytest.mark.parametrize("html", [PAGES["reader"], PAGES["audit"], PAGES["comparison"], NOTEBOOK])
def test_a_title_that_names_another_site_is_told(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert re.search(r"www\.bank\.com ?https://a\.example/one \(leads to a\.example\)", text), text


# --- the audit ------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_answer_as_it_came_whatever_the_order_of_its_keys() -> None:
    written = '{"a":[1,"ü"],"b":null}'
    digest = hashlib.sha256(written.encode()).hexdigest()
    for content in ({"b": None, "a": [1, "ü"]}, {"a": [1, "ü"], "b": None}):
        report = SessionReport.of([turn(content=content, confidence={})])
        assert report.turns[0].content_hash == digest
        assert f"- Answer, SHA-256: `{digest}`\n" in report.to_markdown("audit")
        assert digest in Page(report.to_html("audit")).text
    other = SessionReport.of([turn(content={"a": [1, "u"], "b": None}, confidence={})])
    assert other.turns[0].content_hash != digest
    assert SessionReport.of([turn(content=None)]).turns[0].content_hash is None


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T10:00:00+02:00"),
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00 (no zone given: UTC)"),
    ],
)
def test_a_time_has_its_zone(came: str, shown: str) -> None:
    report = SessionReport.of([turn(started_at=came)])
    document = report.to_markdown("audit").replace("\\", "")
    assert f"- Started: {shown}\n" in document
    assert f"Started{shown}Ended" in Page(report.to_html("audit")).text


def test_the_checks_of_a_source_name_it_by_the_number_of_the_report() -> None:
    found = {"number": 1, "url": "https://b.example", "problem": "repeated", "same_as": 2}
    checks = {"claims": [], "sources": [found], "supported": 1, "not_found": 0, "no_excerpt": 0}
    cited = [cite(1, "https://b.example"), cite(2, "https://c.example")]
    session = [
        turn(citations=[cite(1, "https://a.example")]),
        turn(1, citations=cited, checks=checks),
    ]
    document = SessionReport.of(session).to_markdown("audit")
    assert "- source 2: repeated, the same as source 3\n" in document


def test_an_excerpt_is_only_text() -> None:
    text = "<script>alert(1)</script><b>[x](https://evil.example)</b>"
    cited = [{**cite(1, "https://a.example", "revenue"), "excerpts": [text]}]
    report = SessionReport.of([turn(citations=cited)])
    page = Page(report.to_html("audit"))
    assert text in page.text
    assert page.links == ["https://a.example"]
    assert "<script" not in report.to_html("audit")
    assert "](https://evil" not in report.to_markdown("audit")
