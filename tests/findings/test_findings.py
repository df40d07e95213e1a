"""A follow-up never makes an answer worse, and what contradicts it is told."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.findings import (
    as_evidence,
    contradictions,
    find_findings,
    last_findings,
    without_excerpts,
)
from langchain_parallel.research import Turn

from .building import turn
from .test_sameness import ODD


def test_a_follow_up_that_says_unknown_takes_nothing_away() -> None:
    (found,) = find_findings(
        [
            turn(0, {"ceo": "Ada", "employees": None}, {"ceo": "high"}, {"https://a.com": ["ceo"]}),
            turn(1, {"ceo": "unknown", "employees": 1200}, {"ceo": "low", "employees": "high"}),
        ]
    )
    assert found["answer"] == {"ceo": "Ada", "employees": 1200}
    assert [found["fields"][name]["turn"] for name in ("ceo", "employees")] == [0, 1]
    assert contradictions(found) == []


def test_a_state_is_as_good_as_its_turns() -> None:
    turns = [turn(0, {"ceo": "Ada"}, {"ceo": "high"})]
    assert find_findings({"turns": turns, "answer": None}) == find_findings(turns)
    assert last_findings({"turns": turns}) == last_findings(iter(turns))
    assert last_findings({"turns": []}) is None
    assert last_findings({}) is None  # the values of a thread that was asked nothing


@pytest.mark.parametrize("given", [{"question": "?"}, {"turns": "none"}, "turns", ["turn"], None])
def test_what_has_no_turns_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"no turns in an? "):
        last_findings(given)


def test_values_that_contradict_each_other_are_told_with_their_sources() -> None:
    (found,) = find_findings(
        [
            turn(0, {"ceo": "Ada"}, {"ceo": "medium"}, {"https://a.com/1": ["ceo"]}),
            turn(1, {"ceo": "Bob"}, {"ceo": "high"}, {"https://b.com/1": ["ceo"]}),
        ]
    )
    (told,) = contradictions(found)
    assert [(one["value"], one["citations"], one["turn"]) for one in told["values"]] == [
        ("Bob", [2], 1),
        ("Ada", [1], 0),
    ]
    assert as_evidence(found)["citations"] == [
        {"number": 2, "url": "https://b.com/1", "title": None, "fields": ["ceo"]}
    ]


def test_objects_are_merged_by_property_and_lists_are_one_value() -> None:
    (found,) = find_findings(
        [
            turn(
                0,
                {
                    "hq": {"city": "Bonn", "street": None},
                    "people": [{"name": "Ada"}, {"name": "Bob"}],
                },
            ),
            turn(1, {"hq": {"city": "", "street": "Weg 1"}, "people": [{"name": "Eve"}]}),
            turn(2, {"hq": "unknown", "board": ["Zoe"]}),
        ]
    )
    assert found["answer"] == {
        "hq": {"city": "Bonn", "street": "Weg 1"},
        "people": [{"name": "Eve"}],  # the later one, with the same support and half as long
        "board": ["Zoe"],
    }
    assert [told["field"] for told in contradictions(found)] == ["people"]


def test_a_contradiction_is_told_however_little_supports_it() -> None:
    others = [turn(n, {"staff": 300 + n}, {"staff": "medium"}) for n in range(1, 25)]
    turns = [turn(0, {"staff": "over 300"}, {"staff": "high"}), *others]
    (found,) = find_findings([*turns, turn(25, {"staff": 100}, {"staff": "low"})])
    assert len(found["fields"]["staff"]["others"]) == 20
    (told,) = contradictions(found)
    assert [one["value"] for one in told["values"]] == ["over 300", 100]


def test_two_that_are_more_exact_than_the_best_may_contradict_each_other() -> None:
    days = ["2024-03-05", "2024-03-09"]
    turns = [turn(0, {"opened": "2024"}, {"opened": "high"})]
    turns += [turn(n, {"opened": day}) for n, day in enumerate(days, start=1)]
    (found,) = find_findings(turns)
    assert found["answer"] == {"opened": "2024"}
    assert not found["fields"]["opened"]["agrees"]
    (told,) = contradictions(found)
    assert sorted(one["value"] for one in told["values"]) == ["2024", *days]
    assert contradictions(find_findings(turns[:2])[0]) == []


def test_the_same_value_in_another_form_does_not_change_the_type_of_the_answer() -> None:
    for later, supported, answer in (
        ("1.2k", "medium", 1200),
        ("1.2k", "high", "1.2k"),
        (1200.0, "medium", 1200),
    ):
        turns = [
            turn(0, {"staff": 1200}, {"staff": "medium"}),
            turn(1, {"staff": later}, {"staff": supported}),
        ]
        (found,) = find_findings(turns)
        assert found["answer"] == {"staff": answer}
        assert type(found["answer"]["staff"]) is type(answer)
        assert found["fields"]["staff"]["supported_by"] == [0, 1]


def test_an_amount_never_gets_the_currency_of_another_one() -> None:
    euros, dollars = {"amount": 5, "currency": "EUR"}, {"amount": 7, "currency": "USD"}
    (found,) = find_findings(
        [
            turn(0, {"price": euros}, {"price.amount": "high", "price.currency": "low"}),
            turn(1, {"price": dollars}, {"price.amount": "low", "price.currency": "high"}),
        ]
    )
    assert found["answer"]["price"] in (euros, dollars)
    assert [told["field"] for told in contradictions(found)] == ["price"]


def test_runs_asked_elsewhere_and_questions_of_a_caller_are_told_apart() -> None:
    found = find_findings(
        [
            turn(0, {"ceo": "Ada"}),
            turn(1, {"ceo": "Bob"}, asked_by="elsewhere"),
            turn(2, {"ceo": "Eve"}, asked_by="caller"),
        ]
    )
    assert [one["answer"] for one in found] == [{"ceo": "Ada"}, {"ceo": "Eve"}]
    assert [one["turns"] for one in found] == [[0], [2]]


def test_nothing_that_is_paid_for_raises() -> None:
    for odd in ODD:
        turns = [
            turn(0, odd, {"output": "high"}, {"https://a.com": ["output"]}),
            turn(1, {"a": odd, "": odd}, {"a": "odd"}),
            turn(2, [odd]),
            turn(3, {"a": {"b": odd}, "a.b": odd, "output": 1}),
        ]
        (found,) = find_findings(turns)
        as_evidence(found)
        contradictions(found)


WRITTEN: list[Any] = [None, [], {}, "x", 5, [None], [{"url": 5}]]


def test_nothing_that_somebody_has_written_into_a_turn_raises() -> None:
    for name in ("confidence", "citations", "round", "status", "interaction_id", "question"):
        for odd in WRITTEN:
            written = cast(Turn, {**turn(1, {"a": 1}), name: odd})
            find_findings([turn(0, {"a": 1}), written])


@pytest.mark.parametrize(
    "nothing",
    ["unbekannt", "Keine Angabe", "non disponible", "不明", "Unknown (a private company)", "k. A."],
)
def test_nothing_in_other_words_replaces_no_value(nothing: str) -> None:
    turns = [turn(0, {"ceo": "Ada"}, {"ceo": "medium"}), turn(1, {"ceo": nothing}, {"ceo": "high"})]
    (found,) = find_findings(turns)
    assert found["answer"] == {"ceo": "Ada"}
    assert found["fields"]["ceo"]["agrees"]


@pytest.mark.parametrize("text", ["...", "(5)", "- (5)", "5 (unknown)", "Unknown Pleasures (1979)"])
def test_a_remark_does_not_make_a_value_of_nothing(text: str) -> None:
    (found,) = find_findings([turn(0, {"it": None}), turn(1, {"it": text})])
    assert found["answer"] == {"it": text}


def test_many_fields_take_linear_time() -> None:
    def seconds(count: int) -> float:
        turns = [turn(at, {f"f{at}_{n}": n for n in range(10)}) for at in range(count)]
        before = time.process_time()
        find_findings(turns)
        return time.process_time() - before

    # Quadratic time would be nine times as long.
    assert min(seconds(600) for _ in range(3)) < 7.5 * min(seconds(200) for _ in range(3))


def test_a_graphs_state_keeps_no_other_text_of_any_length() -> None:
    texts = [f"Report {n}. {'It says much. ' * (4_000 + n)}" for n in range(5)]
    (found,) = find_findings([turn(at, text) for at, text in enumerate(texts)])
    small = without_excerpts(found)
    assert small["answer"] == found["answer"] == texts[-1]
    others = small["fields"]["output"]["others"]
    assert len(others) == 4
    assert all(len(one["value"]) <= 20_000 for one in others)
    assert contradictions(small) == contradictions(found) == []


def test_a_long_text_that_contradicts_another_one_is_whole_in_a_graphs_state() -> None:
    texts = [f"{'It says much. ' * 4_000}The CEO is {name}." for name in ("Ada", "Bob")]
    (found,) = find_findings([turn(at, text) for at, text in enumerate(texts)])
    assert len(contradictions(found)) == 1
    assert contradictions(without_excerpts(found)) == contradictions(found)
