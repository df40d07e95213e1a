"""What readers see of sessions with branches, of those carried over, and of questions that quote others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from langchain_parallel.research import Turn
from langchain_parallel.sessions import InteractionTree, SessionReport, carry_over, with_findings

from .building import cite, turn
from .page_reader import Page


def sourced(url: str, **content: Any) -> dict[str, Any]:
    """An answer with high confidence in all fields, and one source."""
    return {
        "content": content,
        "confidence": dict.fromkeys(content, "high"),
        "citations": [cite(1, url, *content)],
    }


def branch(position: int, **more: Any) -> Turn:
    """A turn that a round of branches on the first answer had."""
    return turn(
        position, round=1, parent_interaction_id="intr_0", **{"asked_by": "evaluation", **more}
    )


def shown(session: Any) -> tuple[str, str]:
    """The document, and the text of the page."""
    report = SessionReport.of(session)
    return report.to_markdown(), " ".join(Page(report.to_html()).text.split())


# --- branches -------------------------------------------------------------------------------------


def test_branches_that_meet_make_one_answer_with_the_turn_of_each_value() -> None:
    session = [
        turn(**sourced("https://a.example", ceo="Ann", staff=None, sites=None)),
        branch(1, **sourced("https://b.example", staff=300)),
        branch(2, **sourced("https://c.example", sites=["Bern"])),
        turn(
            3,
            asked_by="evaluation",
            parent_interaction_id="intr_2",
            **sourced("https://d.example", staff=900),
        ),
    ]
    session[3]["confidence"] = {"staff": "low"}
    document, page = shown(session)
    assert not re.search("(?m)^## ", document)
    assert "| **ceo** | Ann | high, turn 1 | [^1] |" in document
    assert "| **staff** | 300 | high, turn 2 | [^2] |" in document
    assert "- **staff**: 300 (turn 2, high) [^2]; against it 900 (turn 4, low) [^4]\n" in document
    assert "300 (turn 2, high)" in page
    assert "900 (turn 4, low)" in page
    assert "Bern" in page
    assert "4 runs, $0.40" in page


def test_a_branch_about_something_else_stands_beside_under_its_own_question() -> None:
    session = [
        turn(content={"market": "small"}),
        branch(1, question="Acme?", **sourced("https://a.example", name="Acme", staff=300)),
        branch(2, question="Bolt?", **sourced("https://b.example", name="Bolt", staff=20)),
    ]
    document, page = shown(session)
    assert page.index("small") < page.index("Acme?") < page.index("Bolt?")
    assert re.findall(r"(?m)^### (.*\?)$", document) == ["Acme?", "Bolt?"]
    assert {"Acme", "Bolt"} <= set(re.findall(r"\| \*\*name\*\* \| (\w+) \|", document))
    assert "What contradicts" not in document
    assert "[^1]: " in document
    assert "[^2]: " in document


def test_only_what_contradicts_is_called_so_and_what_says_less_is_found_too() -> None:
    names = ("Ann Berger", "high"), ("Bo Clark", "low"), ("Berger", "low")
    session = [
        turn(
            n,
            asked_by="evaluation" if n else "caller",
            parent_interaction_id="intr_0" if n else None,
            content={"ceo": name},
            confidence={"ceo": confidence},
        )
        for n, (name, confidence) in enumerate(names)
    ]
    document, page = shown(session)
    assert "- **ceo**: Ann Berger (turn 1, high); against it Bo Clark (turn 2, low)\n" in document
    assert "### Also found\n\n- **ceo**: Berger (turn 3, low)\n" in document
    (between,) = re.findall("What contradicts(.*)Also found(.*) 3 runs", page) or [page]
    assert "Bo Clark" in between[0]
    assert between[1].strip().startswith("ceo: Berger (turn 3, low)")


# --- carried over, and quoted ---------------------------------------------------------------------


def test_a_session_that_was_carried_over_reads_the_same_and_goes_on() -> None:
    old = [
        turn(**sourced("https://a.example", ceo="Ann", staff=None)),
        turn(
            1,
            asked_by="evaluation",
            parent_interaction_id="intr_0",
            **sourced("https://b.example", staff=300),
        ),
    ]
    carried = carry_over({"turns": old, "interaction_id": "intr_1"})["turns"]
    assert SessionReport.of(carried).answers == SessionReport.of(old).answers
    new = turn(
        2,
        question="And now?",
        parent_interaction_id="intr_1",
        **sourced("https://a.example", ceo="Bo"),
    )
    document, page = shown([*carried, new])
    assert re.findall("(?m)^## (.*)$", document) == ["Question 0?", "And now?"]
    assert document.count("[^1]: ") == 1  # one source of both questions
    assert "| **ceo** | Bo | high | [^1] |" in document
    assert "3 runs, $0.30" in page


def test_of_a_question_that_quotes_others_only_the_question_is_a_heading() -> None:
    first = turn(**sourced("https://a.example", ceo="Ann"))
    asked = with_findings("Why Ann?", [first])
    second = turn(1, question=asked, content="# Reasons\n\nMany.", confidence={})
    for session in ([second], [first, second]):
        document, page = shown(session)
        assert re.search(r"(?m)^#{1,2} Why Ann\?$", document)
        for text in (document, page):
            assert "Why Ann?" in text
            assert "Findings of earlier research" not in text
            assert "never follow" not in text


# --- what the answer leaves out -------------------------------------------------------------------


def test_a_later_text_is_shown_below_the_answer_with_its_sources() -> None:
    long = "# Market\n\nIt grew by 12 % in 2025. " + "More is known of it. " * 20
    session = [
        turn(
            content=long,
            confidence={"output": "high"},
            citations=[cite(1, "https://a.example", "output")],
        ),
        turn(
            1,
            asked_by="evaluation",
            parent_interaction_id="intr_0",
            content="# Risks\n\nSubsidies end.",
            confidence={"output": "low"},
            citations=[cite(1, "https://b.example", "output")],
        ),
    ]
    document, page = shown(session)
    assert "### Also found (turn 2, low)\n\n#### Risks\n\nSubsidies end.\n\n[^2]\n" in document
    assert page.index("It grew") < page.index("Also found (turn 2, low)") < page.index("Subsidies")


def test_another_list_is_shown_below_the_answer_and_an_empty_one_is_not() -> None:
    session = [
        turn(**sourced("https://a.example", sites=["Bern", "Graz", "Ulm"])),
        *(
            turn(
                n,
                asked_by="evaluation",
                parent_interaction_id="intr_0",
                **sourced("https://b.example", sites=s),
            )
            for n, s in ((1, ["Ulm"]), (2, ["N/A"]))
        ),
    ]
    document, page = shown(session)
    assert '### Also found\n\n- **sites**: \\["Ulm"\\] (turn 2, high) [^2]\n' in document
    assert '["Ulm"] (turn 2, high)' in page
    assert "N/A" not in document + page


@pytest.mark.parametrize("nothing", ["unknown", "N/A", {"ceo": "Not found."}])
def test_an_answer_in_words_that_say_nothing_is_none(nothing: Any) -> None:
    report = SessionReport.of([turn(content=nothing, confidence={})])
    assert "**Nothing was found.**" in report.to_markdown()
    assert report.totals.answered == 0


def test_headings_of_a_text_are_below_those_of_the_report() -> None:
    forged = "# What contradicts\n\nNothing does."
    report = SessionReport.of([turn(content=forged, confidence={"output": "low"})])
    levels = re.findall("(?m)^(#+) ", report.to_markdown())
    assert sorted(map(len, levels)) == [1, 3, 4]
    assert "<h4>What contradicts</h4>" in report.to_html()
    assert "<h3>What contradicts" not in report.to_html()


def test_checks_that_found_nothing_to_check_are_not_mentioned() -> None:
    checks = {"claims": [], "sources": [], "supported": 0, "not_found": 0, "no_excerpt": 0}
    document, page = shown([turn(checks=checks)])
    assert "Checked against" not in document + page


def test_of_the_checks_only_what_was_not_found_is_listed() -> None:
    claims = [
        {"field": "ceo", "text": f"{name} leads.", "support": support, "not_found": []}
        for name, support in (("Ann", "supported"), ("Bo", "not_found"), ("Cy", "no_excerpt"))
    ]
    checks = {"claims": claims, "sources": [], "supported": 1, "not_found": 1, "no_excerpt": 1}
    document, page = shown([turn(content={"ceo": "One"}, confidence={}, checks=checks)])
    assert "1 statement found in the cited excerpts, 1 not found, 1 without an excerpt." in document
    for text in (document, page):
        assert "Bo leads." in text
        assert "Ann leads." not in text
        assert "Cy leads." not in text


def test_a_value_without_a_source_is_uncertain_also_where_its_confidence_is_high() -> None:
    session = [turn(content={"ceo": "Ann"}, confidence={"ceo": "high"}, unsupported_fields=["ceo"])]
    document, page = shown(session)
    assert "### What is uncertain\n\n- **ceo**: no source\n" in document
    assert "ceo: no source" in page


def test_a_row_of_a_table_that_was_not_found_is_told_by_its_cells() -> None:
    lost = {
        "field": "output",
        "text": "| Acme | 320 |",
        "support": "not_found",
        "not_found": ["320"],
    }
    checks = {"claims": [lost], "sources": [], "supported": 0, "not_found": 1, "no_excerpt": 0}
    document, page = shown([turn(content="| A | B |\n|---|---|\n| Acme | 320 |", checks=checks)])
    assert "- **The answer**: Acme, 320 (not found: 320)\n" in document
    assert "The answer: Acme, 320 (not found: 320)" in page


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01 10:00 UTC"),
        ("2026-01-01T01:30:00+02:00", "2025-12-31 23:30 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_the_tree_says_when_in_utc(started: str, said: str) -> None:
    page = Page(InteractionTree.of([turn(started_at=started)]).html())
    assert said in page.text
    assert "not verified" in page.text
