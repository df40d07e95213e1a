"""An answer reads the same, whether or not it was looked through for what no store takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel._core import payloads
from langchain_parallel._core.json_text import MAX_DEPTH
from langchain_parallel.models import TaskRun, TaskRunResult

SCALARS = st.none() | st.booleans() | st.integers() | st.floats()
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(["", "é", "\0", "\ud800"])
VALUES = st.recursive(
    SCALARS | TEXTS | st.integers(2**62, 2**65),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_storable_is_what_would_not_be_changed(value: Any) -> None:
    parsed = payloads.parse(json.dumps(value))
    kept, changes = payloads.storable(parsed)
    assert payloads._is_storable(parsed) is not bool(changes)
    assert not payloads._is_storable(parsed) or kept == parsed


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 3 * MAX_DEPTH])
def test_what_is_deep_is_not_taken_for_storable(depth: int) -> None:
    value = payloads.parse("[" * depth + "]" * depth)
    assert payloads._is_storable(value) is not bool(payloads.storable(value)[1])


@pytest.mark.parametrize("odd", [{}, {"x": "\0"}, {"x": 2**70}])
@pytest.mark.parametrize("interaction_id", [None, " ", "trun_1"])
def test_a_run_reads_the_same_beside_something_odd(
    odd: dict[str, Any], interaction_id: str | None
) -> None:
    run = {"run_id": "trun_1", "status": "completed", "interaction_id": interaction_id, **odd}
    assert payloads.read(TaskRun, dict(run)).interaction_id == (
        (interaction_id or "").strip() or None
    )
    result = {"run": run, "output": {"type": "text", "content": "Yes.", "basis": "none"}}
    read = payloads.read(TaskRunResult, result)
    assert (read.run.run_id, read.output.content, read.output.basis) == ("trun_1", "Yes.", ())


@pytest.mark.parametrize("run_id", ["", "a/b", "x" * 501])
def test_a_run_without_an_id_to_ask_for_it_by_is_none(run_id: str) -> None:
    with pytest.raises(ValueError, match="id"):
        payloads.read(TaskRun, {"run_id": run_id, "status": "queued"})
