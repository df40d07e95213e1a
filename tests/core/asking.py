"""Requests, and what is found wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_parallel._core import limits
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput, TaskSpec


def ask(input: Any = "Who?", processor: str = "lite", **rest: Any) -> TaskRunInput:
    return TaskRunInput(input=input, processor=processor, **rest)


def answering(schema: Any) -> TaskRunInput:
    return ask(task_spec=TaskSpec(output_schema=schema))


def problems(run: TaskRunInput) -> tuple[str, ...]:
    with pytest.raises(InvalidRequest) as caught:
        limits.check(run)
    assert caught.value.billed is False
    assert "Nothing was sent." in str(caught.value)
    return caught.value.problems


def warned(run: TaskRunInput) -> tuple[str, ...]:
    """What a caller is warned of; the request is sent."""
    return tuple(finding.text for finding in limits.check(run))


def warning(run: TaskRunInput) -> str:
    [only] = warned(run)
    return only


def problem(run: TaskRunInput) -> str:
    [only] = problems(run)
    return only
