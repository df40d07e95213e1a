"""A follow-up never makes an answer worse, and what contradicts it is told."""

from __future__ import annotations

from langchain_parallel.findings import as_evidence, contradictions, find_findings

from .building import turn


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
