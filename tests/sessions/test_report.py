"""A report says what the turns say: each url has one number, and nothing unknown is shown as known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.research import Turn
from langchain_parallel.sessions.report import SessionReport
from tests.research.harness import Mode, Session

from .building import cite, some, turn, turns


def claims_of(report: SessionReport, number: int = 1) -> dict[str, tuple[int, ...]]:
    return {claim.field: claim.sources for claim in report.turns[number - 1].claims}


def told_fields(citation: dict[str, Any]) -> list[str]:
    return [field.replace("\ud800", "\ufffd") for field in citation["fields"]]


# --- sources -------------------------------------------------------------------------------------


def test_a_url_in_two_turns_is_one_source_with_one_number() -> None:
    first = turn(
        0, citations=[cite(1, "https://a.example", "revenue"), cite(2, "https://b.example")]
    )
    second = turn(
        1,
        content={"revenue": 1, "staff": 2},
        citations=[
            cite(1, "https://c.example", "staff"),
            cite(2, "https://a.example", "revenue", "staff", title="A"),
        ],
    )
    report = SessionReport.of([first, second])
    assert [(s.number, s.url, s.title) for s in report.sources] == [
        (1, "https://a.example", "A"),
        (2, "https://b.example", None),
        (3, "https://c.example", None),
    ]
    citing = [(c.turn, c.fields) for c in report.sources[0].cited_by]
    assert citing == [(1, ("revenue",)), (2, ("revenue", "staff"))]
    assert claims_of(report, 1) == {"revenue": (1,)}
    assert claims_of(report, 2) == {"revenue": (1,), "staff": (1, 3)}
    assert report.turns[1].sources == (3, 1)  # in the order of the turn's own numbers


def test_of_two_titles_the_first_is_kept() -> None:
    cited = [[cite(1, "https://a.example", title=title)] for title in (None, "One", "Two")]
    report = SessionReport.of([turn(n, citations=c) for n, c in enumerate(cited)])
    assert [source.title for source in report.sources] == ["One"]


@given(turns)
@some
def test_urls_and_numbers_are_a_bijection(session: list[Turn]) -> None:
    report = SessionReport.of(session)
    for citation in (c for t in session for c in t["citations"]):
        citation["url"] = citation["url"].replace("\ud800", "\ufffd")  # as half a character is told
    cited = [c["url"] for t in session for c in t["citations"]]
    assert [source.url for source in report.sources] == list(dict.fromkeys(cited))
    assert [source.number for source in report.sources] == list(range(1, len(set(cited)) + 1))
    url_of = {source.number: source.url for source in report.sources}
    for one, told in zip(session, report.turns, strict=True):
        assert [url_of[number] for number in told.sources] == [c["url"] for c in one["citations"]]
        for claim in told.claims:
            urls = {c["url"] for c in one["citations"] if claim.field in told_fields(c)}
            assert {url_of[number] for number in claim.sources} == urls
            assert len(claim.sources) == len(urls)


# --- claims --------------------------------------------------------------------------------------


def test_a_claim_says_how_sure_it_is_and_which_fields_are_unsupported() -> None:
    found = turn(
        content={"revenue": None, "staff": 3},
        confidence={"staff": "high", "staff.0": "low"},
        unsupported_fields=["staff.0", "revenue"],
    )
    report = SessionReport.of([found])
    assert [(c.field, c.confidence, c.unsupported) for c in report.turns[0].claims] == [
        ("revenue", None, True),
        ("staff", "high", False),
        ("staff.0", "low", True),
    ]


def test_a_text_answer_is_one_claim_and_keeps_the_marks_it_wrote() -> None:
    found = turn(
        1, content="Grew [1].", confidence={}, citations=[cite(1, "https://b.example", "output")]
    )
    earlier = turn(0, citations=[cite(1, "https://a.example", "revenue")])
    report = SessionReport.of([earlier, found])
    assert report.turns[1].answer == "Grew [1]."
    assert claims_of(report, 2) == {"output": (2,)}


# --- how it was reached --------------------------------------------------------------------------


def test_an_answer_names_the_turns_of_its_own_branch_it_builds_on() -> None:
    session = [
        turn(0, parent_interaction_id="intr_before"),
        turn(1, parent_interaction_id="intr_0"),
        turn(2, parent_interaction_id="intr_0"),
        turn(3, parent_interaction_id="intr_2"),
    ]
    report = SessionReport.of(session)
    assert [told.builds_on for told in report.turns] == [None, 1, 1, 3]
    assert [report.way_to(n) for n in (1, 2, 3, 4)] == [(), (1,), (1,), (1, 3)]
    assert {told.continues for told in report.turns} == {"intr_before"}
    for number in (0, 5):
        with pytest.raises(InvalidRequest, match="There is no turn"):
            report.way_to(number)


def test_turns_that_claim_to_be_their_own_ancestors_end_the_chain() -> None:
    session = [turn(0, parent_interaction_id="intr_1"), turn(1, parent_interaction_id="intr_0")]
    report = SessionReport.of(session)
    assert [report.way_to(number) for number in (1, 2)] == [(2,), (1,)]
    led_into_a_ring = [turn(2, parent_interaction_id="intr_1"), *session]
    report = SessionReport.of(led_into_a_ring)
    assert report.way_to(3) == (1, 2)
    assert {told.continues for told in report.turns} == {None}
    alone = SessionReport.of([turn(0, parent_interaction_id="intr_0")])
    assert (alone.turns[0].builds_on, alone.turns[0].continues) == (None, None)


# --- totals --------------------------------------------------------------------------------------


def test_branches_that_ran_at_the_same_time_take_the_time_once() -> None:
    report = SessionReport.of([turn(0), turn(1, ended_at="2026-01-01T10:03:00Z")])
    assert [told.seconds for told in report.turns] == [120, 180]
    assert report.totals.seconds == 180
    assert (report.totals.runs, report.totals.answered) == (2, 2)
    assert (report.totals.cost_usd, report.totals.cost_unknown) == (0.2, 0)


def test_unknown_costs_and_times_are_shown_as_unknown() -> None:
    cancelled = turn(1, cost_usd=None, started_at=None, status="cancelled", content=None)
    report = SessionReport.of([turn(0), cancelled])
    totals = report.totals
    assert (totals.cost_usd, totals.cost_unknown, totals.seconds_unknown) == (0.1, 1, 1)
    document = report.to_markdown("audit")
    assert r"at least \$0.10 (not known of 1 run)" in document
    assert "at least 2 min (not known of 1 run)" in document
    assert "- Cost: unknown\n" in document
    assert "- Time: unknown\n" in document


def test_a_question_on_its_way_is_listed_with_unknown_cost() -> None:
    on_its_way = {"question": "And now?", "processor": "ultra", "run_id": "trun_9"}
    planned = {"question": "And then?", "processor": "lite"}
    state = {"turns": [turn(0)], "pending": on_its_way, "branches": [planned, turn(0)]}
    report = SessionReport.of(state)
    assert [(u.question, u.run_id) for u in report.underway] == [
        ("And now?", "trun_9"),
        ("And then?", None),
    ]
    assert (report.totals.runs, report.totals.cost_unknown) == (2, 1)
    document = report.to_markdown("audit")
    assert r"- And now? (ultra; run trun\_9)" in document
    assert "- And then? (lite; not known to be sent)" in document


def test_turns_that_are_only_planned_are_on_their_way_wherever_they_stand() -> None:
    planned = [
        turn(n, key="", run_id="", status="planned", content=None, interaction_id=None)
        for n in (2, 3, 4)
    ]
    refused = turn(1, run_id="", status="refused", content=None)
    report = SessionReport.of({"turns": [turn(0), refused, *planned[:2]], "pending": planned[2]})
    assert [found.question for found in report.turns] == ["Question 0?", "Question 1?"]
    assert [(u.question, u.run_id) for u in report.underway] == [
        (f"Question {n}?", None) for n in (2, 3, 4)
    ]
    assert report.totals.runs == 1
    assert "not known to be sent" in report.to_markdown("audit")


def test_a_planned_question_is_listed_beside_a_refused_branch() -> None:
    refused = turn(1, run_id="", status="refused", cost_usd=0.0, content=None, started_at=None)
    planned = {"question": "And then?", "processor": "lite", "run_id": "", "position": 2}
    report = SessionReport.of({"turns": [turn(0), refused], "pending": planned})
    assert [(u.question, u.run_id) for u in report.underway] == [("And then?", None)]
    there = {**planned, "position": 1}
    assert SessionReport.of({"turns": [turn(0), refused], "branches": [there]}).underway == ()


def test_a_run_that_the_api_would_not_start_is_a_turn_but_no_run() -> None:
    refused = turn(1, run_id="", status="refused", cost_usd=0.0, content=None, started_at=None)
    report = SessionReport.of([turn(0), refused])
    assert (len(report.turns), report.totals.runs, report.totals.seconds_unknown) == (2, 1, 0)


def test_what_json_cannot_hold_becomes_text() -> None:
    odd = turn(
        content={"half \ud800": float("inf"), "pair": "\ud83d\ude00"}, question="half \udfff"
    )
    report = SessionReport.of([odd])
    assert report.turns[0].answer == {"half \ufffd": "inf", "pair": "\U0001f600"}
    assert report.turns[0].question == "half \ufffd"
    report.to_markdown("audit").encode()


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_session_of_the_graph_becomes_a_report_of_all_it_knows(mode: Mode) -> None:
    session = Session(mode)
    first = session.ask("Map the landscape")["interaction_id"]
    session.ask("What about the risks?")
    out = session.ask("What about prices?", continue_from=first)
    report = SessionReport.of(session.state())
    assert report == SessionReport.of(out)
    assert report.turns == SessionReport.of(out["turns"]).turns
    assert report.ledger_id == out["ledger_id"]
    assert [told.builds_on for told in report.turns] == [None, 1, 1]
    assert report.totals.cost_usd == out["spent_usd"]
    assert report.totals.cost_unknown == report.totals.seconds_unknown == 0
    assert [told.run_id for told in report.turns] == [run["run_id"] for run in session.runs]
    assert all(claim.sources for told in report.turns for claim in told.claims)


def test_turns_are_listed_in_their_order_and_each_run_once() -> None:
    report = SessionReport.of({"turns": [turn(1), turn(0), turn(1, question="Again?")]})
    assert [told.question for told in report.turns] == ["Question 0?", "Again?"]


def test_a_session_without_turns_is_an_empty_report() -> None:
    report = SessionReport.of({})
    assert (report.turns, report.totals.runs) == ((), 0)
    assert "no turns yet" in report.to_markdown("audit")


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        (turn(0), "This is one turn"),
        ([{"run_id": "trun_1"}], "without key, position, question, status"),
        (["a text"], "no turns in a list"),
        (None, "no turns in a NoneType"),
        (5, "no turns in an int"),
        ({"question": "?"}, "no turns in a dict"),
        ([turn(0, warnings=3)], r"turns\.0\.warnings"),
    ],
)
def test_what_is_no_session_is_refused(given_: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        SessionReport.of(given_)


# --- JSON ----------------------------------------------------------------------------------------


@given(turns)
@some
def test_a_report_reads_back_equal_and_renders_the_same(session: list[Turn]) -> None:
    report = SessionReport.of({"turns": session, "pending": None})
    text = report.to_json()
    again = SessionReport.from_json(text)
    assert again == report
    assert again.to_markdown("audit") == report.to_markdown("audit")
    assert again.to_json() == text
    assert text.isascii()


def test_the_json_tells_its_version_and_the_sums() -> None:
    data = json.loads(SessionReport.of([turn(0)]).to_json())
    assert data["version"] == 1
    assert data["totals"]["cost_usd"] == 0.1
    assert data["turns"][0]["seconds"] == 120


def test_what_a_later_report_adds_is_passed_over() -> None:
    report = SessionReport.of([turn(0, citations=[cite(1, "https://a.example", "revenue")])])
    data = json.loads(report.to_json())
    for part in (data, data["turns"][0], data["turns"][0]["claims"][0], data["sources"][0]):
        part["mood"] = "good"
    assert SessionReport.from_json(json.dumps(data)) == report


def source(number: int, url: str) -> dict[str, Any]:
    return {"number": number, "url": url}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no report"),
        ("[1]", "no report"),
        ("{}", "no report"),
        ('{"version": true}', "no report"),
        ('{"version": 0}', "no report"),
        ('{"version": "1"}', "no report"),
        ('{"version": 1, "x": NaN}', "no report"),
        ("[" * 100_000, "no report"),
        ('{"version": 2, "turns": []}', "version 2; this package reads up to 1"),
        ('{"version": 1, "turns": 3}', "turns: "),
        ('{"version": 1, "turns": [{"number": 1}]}', r"turns\.0\.question"),
        (
            json.dumps({"version": 1, "sources": [source(2, "https://a.example")]}),
            "numbered from 1",
        ),
        (json.dumps({"version": 1, "sources": [source(1, "u"), source(2, "u")]}), "one number"),
    ],
)
def test_text_that_is_no_report_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        SessionReport.from_json(text)
    assert refused.value.hint


@pytest.mark.parametrize("content", [{}, {"a": [None, {"b": " "}]}, " "])
def test_an_answer_that_holds_nothing_is_none(content: Any) -> None:
    report = SessionReport.of([turn(), turn(1, content=content)])
    document = report.to_markdown("audit")
    assert "| Runs | 2, 1 with an answer |" in document
    assert "**⚠ Empty answer** (status: completed)." in document
