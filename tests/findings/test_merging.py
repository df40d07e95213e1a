"""Over generated sessions: a follow-up lowers nothing, branches have no order, nothing is invented.

What is generated: questions with follow-ups and branches, some of them failed, others hollow; objects, nested
ones, lists and texts; values that hold nothing; and the same values in other forms, languages and scripts.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_parallel.evidence import NO_ANSWERS, is_hollow, rank
from langchain_parallel.findings import (
    Findings,
    as_evidence,
    contradictions,
    find_findings,
    is_same_value,
    last_findings,
    without_excerpts,
)
from langchain_parallel.findings.session_findings import last_answer
from langchain_parallel.research import Turn

from ..cut import is_exhaustive
from .building import turn

MANY = 1_500 if is_exhaustive() else 30
NAMES = ("ceo", "employees", "founded", "site", "share", "open")
FORMS: dict[str, list[list[Any]]] = {
    # each list has one value in several forms
    "ceo": [
        ["Ada Lovelace", "ADA LOVELACE", "Áda  Lovelace"],
        ["Bob Byte", "“Bob Byte”", "«Bob Byte»"],
        ["Ева Иванова", "ЕВА ИВАНОВА"],
        ["山田 太郎", "「山田　太郎」"],
    ],
    "employees": [
        [1200, "1,200", "1.2k", "1200 employees", "１２００", "١٬٢٠٠", "一千二百", "1.2×10³"],
        [1350, "1'350", "1 350", "1350 Mitarbeiter"],
        [900, "900 people", "nine hundred"],
        [-900, "−900", "minus 900"],
        [12_000_000, "12 million", "12 Mio.", "1.2 crore", "1200万", "一千二百万", "1,2e7"],
    ],
    "founded": [
        [
            "2001-02-03",
            "3 February 2001",
            "03.02.2001",
            "3 février 2001",
            "2001年2月3日",
            "3. Feb. 2001",
        ],
        ["2002-02-03", "Feb 3, 2002", "3 февраля 2002 г.", "3 de febrero de 2002", "2002. 2. 3."],
        ["2001-02-13", "13/02/2001", "2001/02/13", "2001-02-13T00:00:00Z"],
    ],
    "site": [
        ["https://www.acme.com/", "acme.com", "http://ACME.com", "acme.com."],
        ["https://beta.org", "http://www.beta.org/"],
        ["https://www.bücher.de/", "http://xn--bcher-kva.de", "bücher.de"],
        ["https://gamma.com/de/", "www.gamma.com/de"],
    ],
    "share": [
        ["12 %", "12 percent", "12%", "１２ ％", "12 Prozent", "12 pour cent"],
        ["12 percentage points", "12 pp", "12 Prozentpunkte", "1200 basis points"],
        ["21 %", "21 por ciento"],
        ["1½ %", "1.5 %", "1,5 Prozent"],
    ],
    "open": [[True, "yes", "Ja", "oui", "はい"], [False, "no", "nein", "нет"]],
}
HOLLOW: list[Any] = [
    *(None, "", "unknown", "N/A", {}, [{}], [], " "),
    *("keine Angabe", "不明", "non disponible", {"value": None}, [{"name": ""}]),
]
SITES = [f"https://{name}.example.org/page" for name in ("a", "b")] + [
    "https://c.com",
    "https://www.d.net/x",
]


@st.composite
def contents(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 9)) == 0:
        return draw(
            st.sampled_from(["A text about Acme.", "Another text, which says much more of it.", ""])
        )
    names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    if draw(st.integers(0, 7)) == 0:  # a turn that comes back hollow
        return {name: draw(st.sampled_from(HOLLOW)) for name in sorted(names)}
    content = {
        name: draw(st.sampled_from(HOLLOW + [form for forms in FORMS[name] for form in forms]))
        for name in sorted(names)
    }
    if draw(st.booleans()):
        content["people"] = draw(
            st.sampled_from([["Ada"], ["Ada", "Bob"], [{"name": "Ada"}], [], "Ada"])
        )
    if draw(st.booleans()):
        content["funding"] = draw(
            st.sampled_from(
                [
                    {"round": "A"},
                    {"round": "B", "lead": "X"},
                    {"amount": 5, "currency": "USD"},
                    "none",
                ]
            )
        )
    return content


@st.composite
def sessions(draw: st.DrawFn) -> list[Turn]:
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 5))):
        branches = 1 if number == 0 else draw(st.sampled_from([1, 1, 1, 2, 3]))
        first, parent = len(turns), draw(st.integers(0, len(turns) - 1)) if turns else 0
        for _ in range(branches):
            content = draw(contents())
            names = list(content) if isinstance(content, dict) else ["output"]
            words = {
                name: draw(st.sampled_from(["high", "medium", "low", "odd"])) for name in names[:3]
            }
            cited = draw(st.lists(st.sampled_from(SITES), unique=True, max_size=3))
            made = turn(
                len(turns),
                content,
                words,
                {url: draw(st.sets(st.sampled_from(names))) for url in cited},
                parent=parent,
                beside=first,
                asked_by=None
                if number == 0
                else draw(st.sampled_from(["evaluation", "evaluation", "person"])),
            )
            if draw(st.integers(0, 9)) == 0:
                made = {
                    **made,
                    "status": draw(st.sampled_from(["failed", "cancelled", "running"])),
                    "content": None,
                    "confidence": {},
                    "citations": [],
                }
            turns.append(made)
    return turns


def every(findings: Findings) -> list[Findings]:
    return [findings, *findings["beside"]]


def values_in(answer: Any, held: list[Any]) -> list[Any]:
    """The values of an answer that no field holds."""
    if answer in held:
        return []
    if isinstance(answer, dict) and answer:
        return [one for part in answer.values() for one in values_in(part, held)]
    return [answer]


def support(findings: Findings, name: str) -> tuple[bool, int, int]:
    field = findings["fields"][name]
    urls = {one["number"]: one["url"] for one in findings["sources"]}
    sites = {
        urls[number].removeprefix("https://").split("/")[0].split(".", 1)[-1]
        for number in field["citations"]
    }
    return not is_hollow(field["value"], NO_ANSWERS), rank(field["confidence"] or ""), len(sites)


@settings(max_examples=MANY)
@given(sessions())
def test_a_follow_up_lowers_the_support_of_no_field(turns: list[Turn]) -> None:
    last = [one for one in turns if one["round"] == turns[-1]["round"]]
    if len(last) > 1 or len(turns) == 1 or last[0]["asked_by"] != "evaluation":
        return
    (before,), (after,) = find_findings(turns[:-1]), find_findings(turns)
    if not before["fields"] or (before["beside"] and is_hollow(before["answer"], NO_ANSWERS)):
        return
    for name in before["fields"]:
        if before["fields"][name]["in_answer"] and not is_hollow(before["answer"], NO_ANSWERS):
            assert name in after["fields"] or not support(before, name)[0]
            if name in after["fields"]:
                assert support(after, name) >= support(before, name), name


@settings(max_examples=MANY)
@given(sessions(), st.randoms())
def test_the_order_of_branches_decides_nothing(turns: list[Turn], random: Any) -> None:
    shuffled = list(turns)
    random.shuffle(shuffled)
    assert find_findings(shuffled) == find_findings(turns)  # the order of a list
    rounds: dict[int, list[Turn]] = {}
    for one in turns:
        rounds.setdefault(one["round"], []).append(one)
    moved: list[Turn] = []
    for asked in rounds.values():
        places = [one["position"] for one in asked]
        moved += [
            cast(Turn, {**one, "position": place})
            for one, place in zip(reversed(asked), places, strict=True)
        ]
    there, here = find_findings(turns)[0], find_findings(moved)[0]
    assert there["answer"] == here["answer"]
    assert as_answers(there) == as_answers(here)


def as_answers(findings: Findings) -> list[str]:
    """What it says, whichever numbers turns and sources have."""
    return sorted(
        json.dumps(
            [
                {
                    name: [
                        field["value"],
                        field["confidence"],
                        field["run_id"],
                        field["agrees"],
                        len(field["others"]),
                    ]
                    for name, field in one["fields"].items()
                },
                one["answer"],
            ],
            sort_keys=True,
        )
        for one in every(findings)
    )


@settings(max_examples=MANY)
@given(sessions())
def test_every_value_has_its_turn_and_nothing_is_invented(turns: list[Turn]) -> None:
    (found,) = find_findings(turns)
    by_position = {one["position"]: one for one in turns}
    for one in every(found):
        for name, field in one["fields"].items():
            for value in (field, *field["others"]):
                said = by_position[value["turn"]]
                assert said["run_id"] == value["run_id"]
                assert value_of(said, name) == value["value"]
                urls = {source["number"]: source["url"] for source in one["sources"]}
                cited = {source["url"] for t in turns for source in t["citations"]}
                assert {urls[number] for number in value["citations"]} <= cited
        held = [field["value"] for field in one["fields"].values() if field["in_answer"]]
        assert values_in(one["answer"], held) == [] or not one["fields"]
    assert json.loads(json.dumps(found)) == found
    assert without_excerpts(found) == found


def value_of(turn: Turn, path: str) -> Any:
    value = turn["content"]
    if path == "output":
        return value
    for name in path.split("."):
        value = value[name]
    return value


@settings(max_examples=MANY)
@given(sessions())
def test_what_a_turn_found_is_the_answer_or_kept_beside_it(turns: list[Turn]) -> None:
    (found,) = find_findings(turns)
    known = [
        (name, value["value"])
        for one in every(found)
        for name, field in one["fields"].items()
        for value in (field, *field["others"])
    ]
    for said in turns:
        content = said["content"]
        for name in content if isinstance(content, dict) else ():
            if name in NAMES and not is_hollow(content[name], NO_ANSWERS):
                assert any(name == n and is_same_value(content[name], value) for n, value in known)


@settings(max_examples=MANY)
@given(sessions(), st.sampled_from(NAMES), st.data())
def test_a_planted_contradiction_is_told_and_another_form_is_none(
    turns: list[Turn], name: str, data: st.DataObject
) -> None:
    one, other = data.draw(st.permutations(FORMS[name]))[:2]
    at = [
        {**turns[0], "content": {name: one[0]}},
        {**turns[0], "content": {name: data.draw(st.sampled_from(other))}},
    ]
    planted = [
        cast(
            Turn,
            {
                **made,
                "position": number,
                "round": number,
                "run_id": f"run_{number}",
                "status": "completed",
            },
        )
        for number, made in enumerate(at)
    ]
    planted[1]["asked_by"] = "evaluation"
    (found,) = find_findings(planted)
    assert [told["field"] for told in contradictions(found)] == [name]
    planted[1]["content"] = {name: data.draw(st.sampled_from(one))}
    (found,) = find_findings(planted)
    assert contradictions(found) == []
    assert found["fields"][name]["supported_by"] == [0, 1]
    assert found["fields"][name]["others"] == []


def test_each_form_is_the_same_and_each_other_value_a_contradiction() -> None:
    for name, lists in FORMS.items():
        every = [(number, form) for number, forms in enumerate(lists) for form in forms]
        for (one, first), (other, second) in combinations(every, 2):
            (found,) = find_findings([turn(0, {name: first}), turn(1, {name: second})])
            assert len(contradictions(found)) == (one != other), (first, second)
            assert len(found["fields"][name]["supported_by"]) == 1 + (one == other)


@settings(max_examples=MANY)
@given(sessions(), st.sampled_from(NAMES), st.data())
def test_a_contradiction_in_any_session_is_told(
    turns: list[Turn], name: str, data: st.DataObject
) -> None:
    one, other = data.draw(st.permutations(FORMS[name]))[:2]
    for values in data.draw(st.permutations([one, other])):
        content = {name: data.draw(st.sampled_from(values))}
        turns = [*turns, turn(len(turns), content, parent=0 if turns else None)]
    found = find_findings(turns)[0]
    told = [
        contradiction for contradiction in contradictions(found) if contradiction["field"] == name
    ]
    assert told
    assert all(len(contradiction["values"]) > 1 for contradiction in contradictions(found))


@settings(max_examples=MANY)
@given(sessions())
def test_a_single_turn_has_the_evidence_that_it_has_itself(turns: list[Turn]) -> None:
    if not isinstance(turns[0]["content"], dict):
        return
    found = last_findings(turns[:1])
    assert found is not None
    evidence = as_evidence(found)
    assert evidence["content"] == turns[0]["content"]
    assert evidence["confidence"] == turns[0]["confidence"]
    cited = {one["url"]: set(one["fields"]) for one in turns[0]["citations"] if one["fields"]}
    assert {one["url"]: set(one["fields"]) for one in evidence["citations"]} == cited


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["unit", "a.b", "a", "0"]), parts, max_size=4
        )
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Equal, also in the order of properties and in kinds of numbers."""
    return json.dumps(one) == json.dumps(other)


def answer_of(turns: list[Turn]) -> Any:
    found = last_findings(turns)
    return None if found is None else found["answer"]


@settings(max_examples=MANY)
@given(JSON, st.sampled_from(["completed", "failed", "cancelled", "running"]))
def test_the_answer_alone_of_one_turn_is_that_of_its_findings(content: Any, status: str) -> None:
    turns = [turn(0, {"earlier": 1}), turn(1, content, asked_by="caller", status=status)]
    assert same(last_answer(turns), answer_of(turns))
    assert last_answer(turns) == (content if status == "completed" else None)
    assert not isinstance(content, dict | list) or last_answer(turns) is not content


@settings(max_examples=MANY)
@given(sessions())
def test_the_answer_alone_is_that_of_the_findings(turns: list[Turn]) -> None:
    for count in range(len(turns) + 1):
        assert same(last_answer(turns[:count]), answer_of(turns[:count]))
