"""Four times as many turns are four times the work, counted in calls of functions.

Counted work is the same on every machine; `tests/test_linear_time.py` measures time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from langchain_parallel.findings import find_findings, last_findings, without_excerpts
from langchain_parallel.sessions import (
    InteractionTree,
    SessionComparison,
    SessionReport,
    carry_over,
    with_findings,
)
from langchain_parallel.text.finding_notes import finding_notes

from .building import cite, turn

FEW, MANY = 30, 120
MOST = 1.15 * MANY / FEW
"""A logarithm may be in it, as sorting has; quadratic work would be sixteen times as much."""


def values(n: int) -> dict[str, Any]:
    """Names, numbers and texts, of which a field gets ever new ones."""
    return {
        "name": f"Name {n % 40}",
        "staff": 1_000 + n,
        "founded": f"20{n % 20:02}-0{1 + n % 9}-11",
        "about": f"In turn {n} it was said to be large. " * 4,
        "parts": [f"part {m}" for m in range(n % 7)],
    }


def asked(n: int, **fields: Any) -> Any:
    """A turn of one question."""
    cited = [cite(s, f"https://{n}-{s}.example/", *list(values(n))[s:]) for s in range(3)]
    given = {"content": values(n), "citations": cited, "asked_by": "evaluation" if n else "caller"}
    words = dict.fromkeys(values(n), ("high", "medium", "low")[n % 3])
    return turn(n, **{**given, "confidence": words, **fields})


def one_question(length: int) -> list[Any]:
    """Follow-ups, each after the one before."""
    return [asked(n, parent_interaction_id=f"intr_{n - 1}" if n else None) for n in range(length)]


def joined_branches(length: int) -> list[Any]:
    """Three branches, then a turn that joins them, and so on."""
    turns = [asked(0, parent_interaction_id=None)]
    for n in range(1, length):
        place, head = (n - 1) % 4, f"intr_{(n - 1) // 4 * 4}"
        parent = f"intr_{n - 1}" if place == 3 else head
        turns.append(asked(n, parent_interaction_id=parent, round=n if place == 3 else n - place))
    return turns


def carried(length: int) -> list[Any]:
    """A session that another thread has carried over, and asked on."""
    kept: Any = carry_over({"turns": one_question(length - 1)})
    return [*kept["turns"], asked(length - 1, parent_interaction_id=f"intr_{length - 2}")]


FORMS = (one_question, joined_branches, carried)
WORK: dict[str, Callable[[list[Any]], Any]] = {
    "findings": find_findings,
    "tree": lambda turns: InteractionTree.of(turns).html(),
    "report": lambda turns: SessionReport.of(turns).to_markdown(),
    "audit": lambda turns: SessionReport.of(turns).to_html("audit"),
    "comparison": lambda turns: SessionComparison.of(turns, turns).to_text(),
    "quote": lambda turns: with_findings("Why?", turns, max_chars=10**9),
    "carried over": lambda turns: carry_over({"turns": turns}),
}


def calls(work: Callable[[], Any]) -> int:
    """How often it calls a function, those of the interpreter included."""
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


CASES = [*(("findings", form) for form in FORMS), *((view, joined_branches) for view in WORK)]


@pytest.mark.parametrize(("view", "form"), dict.fromkeys(CASES))
def test_work_grows_with_the_turns(view: str, form: Callable[[int], list[Any]]) -> None:
    few, many = form(FEW), form(MANY)
    WORK[view](few)  # what is worked out once
    assert calls(lambda: WORK[view](many)) < MOST * calls(lambda: WORK[view](few))


def test_findings_of_one_question_are_a_part_of_what_its_turns_take() -> None:
    turns = one_question(500)
    found = last_findings(turns)
    assert found is not None
    kept = without_excerpts(found)
    assert len(json.dumps(kept)) < len(json.dumps(turns)) / 3
    assert max(len(one["others"]) for one in kept["fields"].values()) == 20
    assert len(kept["sources"]) <= sum(len(one["citations"]) for one in turns)
    assert sum(map(len, finding_notes(kept))) < 6_000
