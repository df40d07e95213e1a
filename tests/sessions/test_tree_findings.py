"""A node says what is known at its interaction: what the way from its root to it has found."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given

from langchain_parallel.findings import contradictions, find_findings
from langchain_parallel.sessions import InteractionTree

from .building import some, turn, turns


def child(position: int, parent: int, **more: Any) -> Any:
    return turn(position, parent_interaction_id=f"intr_{parent}", asked_by="evaluation", **more)


def test_a_node_knows_what_its_ancestors_have_found_and_its_siblings_have_not() -> None:
    session = [
        turn(0, content={"ceo": "Jane", "staff": None}, confidence={}),
        child(1, 0, content={"ceo": "unknown", "staff": 12}, confidence={}),
        child(2, 0, content={"ceo": "John", "staff": None}, confidence={}),
    ]
    root, left, right = InteractionTree.of(session)
    (known,) = left.findings
    assert known["answer"] == {"ceo": "Jane", "staff": 12}
    assert known["fields"]["ceo"]["turn"] == root.number
    assert known["fields"]["staff"]["run_id"] == left.run_id
    assert contradictions(known) == []
    (told,) = contradictions(right.findings[0])
    assert [value["value"] for value in told["values"]] == ["John", "Jane"]
    assert [one["answer"] for one in root.findings] == [{"ceo": "Jane", "staff": None}]


def test_the_last_node_of_a_line_knows_what_the_session_has_found() -> None:
    session = [turn(0), *(child(n, n - 1, content={f"f{n % 7}": n}) for n in range(1, 30))]
    *_, last = InteractionTree.of(session)
    (here,), (whole,) = last.findings, find_findings(session)
    assert here["answer"] == whole["answer"]
    assert here["sources"] == whole["sources"]


@some
@given(turns)
def test_any_turns_have_findings(given: Any) -> None:
    for node in InteractionTree.of(given):
        assert all(isinstance(one["fields"], dict) for one in node.findings)


def test_it_takes_linear_time() -> None:
    def seconds(length: int) -> float:
        session = [turn(0), *(child(n, n - 1, content={"x": n % 9}) for n in range(1, length))]
        *_, last = InteractionTree.of(session)
        began = time.process_time()
        assert last.findings
        return time.process_time() - began

    assert min(seconds(2_000) for _ in range(2)) < 12 * max(
        min(seconds(500) for _ in range(2)), 0.01
    )
