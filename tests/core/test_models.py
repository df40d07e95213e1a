from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from langchain_parallel.errors import OutputMismatch
from langchain_parallel.models import (
    FINAL_STATUSES,
    Citation,
    FieldBasis,
    McpServer,
    TaskGroup,
    TaskRun,
    TaskRunInput,
    TaskRunResult,
)

RESULT: dict[str, Any] = {
    "run": {"run_id": "trun_1", "interaction_id": "intr_1", "status": "completed"},
    "output": {"type": "json", "content": {"n": "many"}, "basis": []},
}


class Count(BaseModel):
    n: int


def test_a_paid_answer_can_be_read_however_malformed_its_evidence() -> None:
    """A run cost up to $2.40: a null or a number out of place must not make it unreadable."""
    basis = [
        {
            "field": "n",
            "reasoning": None,
            "confidence": 0.9,
            "citations": [{"title": "T"}],
            "new": 1,
        }
    ]
    odd = {**RESULT, "output": {**RESULT["output"], "basis": basis}, "more": True}
    odd["run"] = {
        **RESULT["run"],
        "processor": None,
        "warnings": [{"message": None}],
        "metadata": None,
    }
    result = TaskRunResult.model_validate(odd)
    [entry] = result.output.basis
    assert entry == FieldBasis(field="n", confidence="0.9", citations=(Citation(title="T"),), new=1)  # type: ignore[call-arg]  # what the API adds is kept
    null = TaskRunResult.model_validate({**RESULT, "output": {**RESULT["output"], "basis": None}})
    assert null.output.basis == ()


def test_a_null_answer_stays_null() -> None:
    empty = {**RESULT, "output": {**RESULT["output"], "content": None}}
    assert TaskRunResult.model_validate(empty).output.content is None


@pytest.mark.parametrize(
    ("status", "is_active", "active"),
    [
        *((status, None, True) for status in ("queued", "running", "cancelling")),
        *((status, True, False) for status in (*sorted(FINAL_STATUSES), "action_required")),
        ("dreaming", None, True),
        ("dreaming", True, True),
        ("dreaming", False, False),
    ],
)
def test_which_runs_count_as_active(status: str, is_active: bool | None, active: bool) -> None:
    assert TaskRun(run_id="trun_1", status=status, is_active=is_active).active is active


def test_a_group_reads_without_its_status() -> None:
    assert (
        TaskGroup.model_validate({"taskgroup_id": "tgrp_1", "status": None}).status.num_task_runs
        == 0
    )


def test_an_answer_that_does_not_fit_says_where_and_is_kept() -> None:
    result = TaskRunResult.model_validate(RESULT)
    with pytest.raises(OutputMismatch) as caught:
        result.parse(Count)
    error = caught.value
    assert "The answer of run trun_1 does not fit Count: n: Input should be a valid integer" in str(
        error
    )
    assert "result.output.content" in error.hint
    assert (error.billed, error.run_id, error.interaction_id) == (True, "trun_1", "intr_1")


@pytest.mark.parametrize("content", [{"n": 3}, '{"n": 3}'])
def test_an_answer_that_fits_is_parsed(content: Any) -> None:
    whole = {**RESULT, "output": {**RESULT["output"], "content": content}}
    assert TaskRunResult.model_validate(whole).parse(Count).n == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"questoin": "?"},
        {"input": 5},
        {"processor": None},
        {"mcp_servers": [{"url": "https://x", "name": "n", "header": {}}]},
        {"advanced_settings": {"loc": "de"}},
        {"webhook": {"url": "https://x", "event_types": "task_run.status"}},
    ],
)
def test_what_a_caller_misspells_does_not_build(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TaskRunInput.model_validate({"input": "x", "processor": "lite", **wrong})


def test_an_error_in_building_repeats_no_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        TaskRunInput.model_validate(
            {
                "input": "x",
                "processor": "lite",
                "mcp_servers": [{"url": "https://s3cret", "headers": "s3cret"}],
            }
        )
    assert "s3cret" not in f"{caught.value}{caught.value!r}"
    server = McpServer(url="https://s3cret", name="n", headers={"a": "s3cret"})
    assert "s3cret" not in f"{server}{server!r}"
