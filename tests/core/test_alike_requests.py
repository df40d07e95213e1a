"""The JSON of requests that differ in question and metadata alone is that which each has by itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from langchain_parallel._core import wire
from langchain_parallel.models import McpServer, SourcePolicy, TaskRunInput, TaskSpec

FIRST = TaskRunInput(
    input="Who?",
    processor="base",
    metadata={"row_id": "1"},
    task_spec=TaskSpec(output_schema="The name"),
    source_policy=SourcePolicy(include_domains=["a.com"]),
    mcp_servers=[McpServer(name="m", url="https://m.com", headers={"k": SecretStr("v-1")})],
)
NEXT: list[dict[str, Any]] = [
    {"input": "What?"},
    {"metadata": {"row_id": "2", "more": "x"}},
    {"metadata": {"row_id": "2", "more": 3}},
    {"metadata": {}},
    {"input": {"firm": "A", "none": None}},
    {"input": "Wer wäre es?"},
    {"input": "half \ud800"},
    {"processor": "core"},
    {"previous_interaction_id": "intr_1"},
    {"task_spec": None},
    {"mcp_servers": [McpServer(name="m", url="https://m.com", headers={"k": SecretStr("v-2")})]},
]


@pytest.mark.parametrize("update", NEXT)
def test_a_request_after_another_has_its_own_json(update: dict[str, Any]) -> None:
    following = FIRST.model_copy(update=update)
    by_itself = wire._payload(following)
    wire.payload(FIRST)
    after = wire.payload(following)
    assert list(after.items()) == list(by_itself.items())
    after.clear()
    assert wire.payload(following) == by_itself


def test_alike_requests_are_dumped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[TaskRunInput] = []
    payload = wire._payload

    def note(run: TaskRunInput) -> dict[str, Any]:
        made.append(run)
        return payload(run)

    monkeypatch.setattr(wire, "_payload", note)
    given: dict[str, Any] = {"processor": "base", "metadata": {"row_id": "1"}}
    first = TaskRunInput(input="Who?", task_spec=TaskSpec(), **given)
    runs = [first.model_copy(update={"input": f"Question {nth}"}) for nth in range(50)]
    assert [wire.payload(run)["input"] for run in runs] == [run.input for run in runs]
    assert len(made) == 1
