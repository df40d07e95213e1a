"""Two sessions compared: every change is told, once and with its sources; form alone is no change."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from langchain_parallel._core.urls import is_http
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.findings import find_findings
from langchain_parallel.sessions import FieldComparison, Recollection, SessionComparison
from langchain_parallel.sessions.comparison import differing_elements
from langchain_parallel.sessions.comparison_text import value_text
from langchain_parallel.text.untrusted import harmless

from .building import cite, some, texts, turn, urls
from .page_reader import Page

A, B = "https://a.example/1", "https://b.example/2"


def session(content: Any, url: str = A, question: str = "Who leads?", **more: Any) -> list[Any]:
    """A session of one question."""
    fields = list(content) if isinstance(content, dict) else ["output"]
    words = more.pop("confidence", dict.fromkeys(fields, "high"))
    return [
        turn(
            0,
            question=question,
            content=content,
            confidence=words,
            citations=[cite(1, url, *fields, title="A title")],
            **more,
        )
    ]


def compare(before: Any, after: Any) -> dict[str, FieldComparison]:
    """The comparison of two answers, by field."""
    (question,) = SessionComparison.of(session(before), session(after, B)).questions
    return {one.field: one for one in question.fields}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("1,200", 1200, "same"),
        ("1.2k", "1200 employees", "same"),
        ("www.acme.example", "https://acme.example/", "same"),
        ("3 May 2024", "2024-05-03", "same"),
        ("Acme", "ACME", "same"),
        (["Ann", "Bob"], ["bob", "Ann"], "same"),
        ("Acme", "Acme Inc.", "reworded"),
        ("It grew fast.", "It has grown quickly.", "reworded"),
        ([{"name": "Acme"}], [{"name": "Acme", "seat": "Oslo"}], "reworded"),
        (1200, 1500, "changed"),
        ("Jane Roe", "John Doe", "changed"),
        (True, False, "changed"),
        ("It grew 5 % in Oslo.", "It grew 9 % in Oslo.", "changed"),
        (["Ann"], ["Ann", "Bob"], "changed"),
        ("unknown", "Oslo", "new"),
        (None, 0, "new"),
        ("Oslo", "N/A", "gone"),
        ([1], [], "gone"),
    ],
)
def test_each_kind_of_change(before: Any, after: Any, change: str) -> None:
    assert compare({"x": before}, {"x": after})["x"].change == change


def test_a_field_that_one_session_lacks_is_new_or_gone() -> None:
    found = compare({"seat": "Oslo", "same": 1}, {"leader": "Acme", "same": "1"})
    assert {name: one.change for name, one in found.items()} == {
        "leader": "new",
        "same": "same",
        "seat": "gone",
    }
    assert found["leader"].before is None
    assert found["seat"].after is None


def test_what_neither_has_found_is_left_out() -> None:
    assert list(compare({"x": "unknown", "y": 1}, {"x": None, "y": 1})) == ["y"]


def test_of_a_list_the_elements_are_told() -> None:
    found = compare(
        {"people": [{"name": "Ann", "role": "CEO"}, {"name": "Bob"}, {}]},
        {"people": [{"name": "bob"}, {"name": "Cyd"}, {"name": "Ann", "role": "CEO", "age": 9}]},
    )["people"]
    assert found.added == ({"name": "Cyd"},)
    assert found.removed == ()


def test_every_value_has_its_sources_with_one_number_for_both_sessions() -> None:
    compared = SessionComparison.of(session({"x": 1, "y": 2}), session({"x": 3, "y": 2}, B))
    assert [(s.number, s.url, s.title) for s in compared.sources] == [
        (1, A, "A title"),
        (2, B, "A title"),
    ]
    (change,) = compared.questions[0].changes
    assert change.before
    assert change.after
    assert (change.before.citations, change.after.citations) == ((1,), (2,))
    assert (change.before.value, change.after.value) == (1, 3)
    assert change.after.run_id == "trun_0"


def test_a_value_that_a_follow_up_does_not_repeat_is_not_gone() -> None:
    again = turn(
        1,
        asked_by="evaluation",
        parent_interaction_id="intr_0",
        content={"leader": "unknown", "seat": "Oslo"},
    )
    compared = SessionComparison.of(
        session({"leader": "Acme"}), [*session({"leader": "Acme"}), again]
    )
    (change,) = compared.questions[0].changes
    assert (change.field, change.change) == ("seat", "new")


def test_what_is_contradicted_within_a_session_is_marked() -> None:
    again = turn(
        1, asked_by="evaluation", parent_interaction_id="intr_0", content={"x": 7}, confidence={}
    )
    compared = SessionComparison.of(session({"x": 1}), [*session({"x": 9}), again])
    (change,) = compared.questions[0].changes
    assert change.after
    assert not change.after.agrees
    assert "9 (high, contradicted within its session)" in compared.to_text()


# --- questions -----------------------------------------------------------------------------------


def test_questions_are_matched_by_their_words_and_their_turn() -> None:
    def asks(*answers: tuple[str, Any]) -> list[Any]:
        return [turn(n, question=q, content={"x": x}) for n, (q, x) in enumerate(answers)]

    before = asks(("Who leads?", 1), ("And then?", 2), ("who leads", 3), ("Gone?", 4))
    after = asks(("And then?", 2), ("WHO LEADS?", 1), ("Who leads?", 5), ("New?", 6))
    compared = SessionComparison.of(before, after)
    told = [(one.question, one.asked, [c.change for c in one.fields]) for one in compared.questions]
    assert told == [
        ("And then?", "both", ["same"]),
        ("WHO LEADS?", "both", ["same"]),
        ("Who leads?", "both", ["changed"]),
        ("New?", "after", ["new"]),
        ("Gone?", "before", ["gone"]),
    ]
    assert "Gone? (not asked any more)" in compared.to_text()


def test_a_question_that_one_session_has_asked_twice_is_compared_with_itself() -> None:
    turns = [*session({"x": 1}), turn(1, question="And again, who leads?", content={"x": 2})]
    first, second = find_findings(turns)
    assert SessionComparison.of({**first, "question": "q"}, {**second, "question": "q"}).has_changed


def test_states_turns_and_findings_are_taken_alike() -> None:
    before, after = session({"x": 1}), session({"x": 2}, B)
    whole = SessionComparison.of(before, after)
    (findings,) = find_findings(after)
    assert SessionComparison.of({"turns": before, "verdict": None}, iter(after)) == whole
    assert SessionComparison.of(before, findings) == whole


def test_a_recollection_is_compared_with_the_new_answer() -> None:
    (old,) = session({"x": 1, "y": 2})
    known = Recollection(
        question="who leads",
        after=[],
        answer=old["content"],
        confidence=old["confidence"],
        unsupported_fields=[],
        citations=old["citations"],
        found_at="2026-01-01T10:02:00Z",
        cost_usd=0.1,
        runs=1,
        run_id="trun_old",
        is_same_question=True,
        score=None,
        age_seconds=60.0,
    )
    compared = SessionComparison.of(known, session({"x": 3, "y": "2"}, B))
    (change,) = compared.questions[0].changes
    assert change.before
    assert (change.before.value, change.before.run_id) == (1, "trun_old")
    assert [source.url for source in compared.changed_sources] == [A, B]


@pytest.mark.parametrize("wrong", [None, 5, "text", {"question": "?"}, [1], [{"run_id": "r"}], b""])
def test_what_is_no_session_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"no turns in an? |without a question"):
        SessionComparison.of(session({"x": 1}), wrong)


def test_nothing_is_compared_with_nothing() -> None:
    empty = SessionComparison.of([], {"turns": []})
    assert not empty.has_changed
    assert empty.to_text() == "Nothing has changed."
    assert "Nothing has changed." in empty.to_markdown()
    assert "Nothing has changed." in Page(empty.to_html()).text


# --- properties ----------------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-999, 99999)
    | st.sampled_from(["Acme", "unknown", "Oslo", "1.2k", "It grew 5 % in Oslo."]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
answers = st.dictionaries(st.sampled_from(["x", "y", "z"]), values, min_size=1)


@some
@given(answers)
def test_a_session_compared_with_itself_has_not_changed(answer: Any) -> None:
    compared = SessionComparison.of(session(answer), session(copy.deepcopy(answer), B))
    assert not compared.has_changed
    assert all(one.change == "same" for question in compared.questions for one in question.fields)


@some
@given(answers, answers)
def test_what_is_new_one_way_is_gone_the_other_way(before: Any, after: Any) -> None:
    opposite = {"new": "gone", "gone": "new"}

    def of(one: Any, other: Any) -> Any:
        found = SessionComparison.of(session(one), session(other)).questions
        return {(f.field, opposite.get(f.change, f.change)) for q in found for f in q.fields}

    back = {(name, opposite.get(change, change)) for name, change in of(after, before)}
    assert of(before, after) == back


@some
@given(st.lists(st.integers(0, 8)), st.lists(st.integers(0, 8)))
def test_elements_are_told_as_often_as_they_are_missing(
    before: list[int], after: list[int]
) -> None:
    added, removed = differing_elements(before, after)
    left = [*before]
    for one in removed:
        left.remove(one)
    assert sorted([*left, *added]) == sorted(after)
    assert not set(added) & set(removed)


@some
@given(texts, texts, texts, urls)
def test_no_text_of_the_web_shapes_what_is_shown(
    value: str, name: str, question: str, url: str
) -> None:
    before = session({"x": 1, name: value}, question=question)
    after = session({"x": value, name: 2, "l": [value]}, url, question=question)
    compared = SessionComparison.of(before, after)
    document = compared.to_markdown()
    found = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document)
    kinds = {token.type for one in found for token in (one, *(one.children or ()))}
    assert not kinds & {"html_inline", "html_block", "image", "fence", "code_block", "table_open"}
    headings = [one for one in found if one.type == "heading_open"]
    assert len(headings) == 1 + len(compared.questions) + bool(compared.changed_sources)
    lines = compared.to_text().split("\n")
    assert all(harmless(line) == " ".join(line.split()) for line in lines)
    read = Page(compared.to_html())
    assert all(is_http(link) for link in read.links)
    said = json.loads(compared.to_json())
    assert said["has_changed"] is compared.has_changed


def test_the_text_reads_like_this() -> None:
    before = session({"employees": "1,200", "founders": ["Ann"], "seat": "unknown", "ceo": "Jane"})
    after = session(
        {"employees": 1500, "founders": ["Bob"], "seat": "Oslo", "ceo": "JANE"},
        B,
        confidence={"employees": "low", "founders": "low", "seat": "low", "ceo": "low"},
    )
    assert SessionComparison.of(before, after).to_text().splitlines() == [
        "Who leads?",
        "  changed: employees: 1,200 (high) [1] → 1500 (low) [2]",
        "  changed: founders: added Bob; removed Ann ([1] → [2])",
        "  new: seat: Oslo (low) [2]",
        "  1 field is the same.",
        "  Less supported now: ceo.",
        f"[1] {A} A title",
        f"[2] {B} A title",
    ]


def test_the_page_has_both_values_side_by_side() -> None:
    before = session({"employees": "1,200", "founders": ["Ann"], "ceo": "Jane"})
    after = session({"employees": 1500, "founders": ["<b>Bob"], "ceo": "JANE"}, B)
    read = Page(SessionComparison.of(before, after).to_html())
    for words in ("1,200high [1]1500high [2]", "Annhigh [1]<b>Bobhigh [2]", "1 field is the same."):
        assert words in read.text
    assert read.links == [A, B]
    assert read.tags.count("tr") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "Bob", "age": 9}, "name: Bob, age: 9"),
        (["Ann", 2, None], "Ann, 2, null"),
        ({"a": {"b": 1}}, '{"a":{"b":1}}'),
        ([[1]], "[[1]]"),
        ({}, "{}"),
    ],
)
def test_a_value_is_shown_as_people_read_it(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_a_long_value_and_a_long_list_are_cut() -> None:
    compared = SessionComparison.of(
        session({"x": "a", "l": [1]}), session({"x": 7, "l": [*range(500)], "t": "long " * 9_000})
    )
    text = compared.to_text()
    assert len(text) < 2_500
    assert "and 479 more" in text
    assert (
        "long long" in json.loads(compared.to_json())["questions"][0]["fields"][2]["after"]["value"]
    )


def test_its_repr_is_one_short_line() -> None:
    before = session({"lead": "Ann", "size": "12", "site": "gone"})
    after = session({"lead": "Bob", "size": "12", "staff": "3"}, B)
    compared = SessionComparison.of(before, after)
    assert repr(compared) == "<SessionComparison: 1 question, 1 new, 1 gone, 1 changed, 2 sources>"
    same = SessionComparison.of(before, before)
    assert repr(same) == "<SessionComparison: 1 question, nothing has changed, 1 source>"
