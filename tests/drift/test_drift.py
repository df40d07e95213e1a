"""Our descriptions of the API say what the API's own say, but for what is meant.

The published document is not part of this repository: `OPENAPI_DOCUMENT` names a copy. The official SDK's
types are always there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import models
from langchain_parallel.simulator import request_models

from .__main__ import main, report
from .comparison import CLIENT, REQUESTS, client_drift, monitor_drift, request_drift
from .exceptions import MEANT, MEANT_OF_SDK
from .official_sdk import sdk_document
from .tour import answers

DOCUMENT = Path(os.environ.get("OPENAPI_DOCUMENT", "openapi.json"))


@pytest.mark.skipif(not DOCUMENT.exists(), reason="OPENAPI_DOCUMENT names no copy of the document")
def test_nothing_differs_from_the_published_document_but_what_is_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(DOCUMENT)]) == 0, capsys.readouterr().out


def test_the_clients_and_the_simulators_fields_are_those_of_the_official_sdk() -> None:
    document = sdk_document()
    found = {line for name, model in CLIENT.items() for line in client_drift(document, name, model)}
    tasks = [model for model in REQUESTS if "Chat" not in model.__name__]  # which the SDK lacks
    found |= {line for each in tasks for line in client_drift(document, each.__name__, each)}
    assert report(found, MEANT_OF_SDK) == []


def described(model: Any) -> dict[str, Any]:
    """A document that says of one name what a model of the simulator says."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"components": {"schemas": {**schema.get("$defs", {}), model.__name__: schema}}}


RUN = request_models.TaskRunInput


def test_what_says_the_same_does_not_differ() -> None:
    for model in REQUESTS:
        assert set(request_drift(described(model), model)) == set()


EVENT_TYPES = "TaskRunInput.webhook.event_types[]: string"
CHANGES: dict[str, tuple[tuple[str, ...], Any, list[str]]] = {
    "a new field": (
        ("TaskRunInput", "properties", "priority"),
        {"type": "integer", "minimum": 1},
        ["request, only in the document: TaskRunInput.priority: integer, minimum 1"],
    ),
    "a field inside": (
        ("Webhook", "properties", "retries"),
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        [
            "request, only in the document: TaskRunInput.webhook.retries: integer",
            "request, only in the document: TaskRunInput.webhook.retries: null",
        ],
    ),
    "another type": (
        ("SourcePolicy", "properties", "include_domains", "items"),
        {"type": "object"},
        [
            "request, only in the document: TaskRunInput.source_policy.include_domains[]: object",
            "request, only in the simulator: TaskRunInput.source_policy.include_domains[]: string",
        ],
    ),
    "a field required": (
        ("TaskRunInput", "required"),
        ["processor", "input", "webhook"],
        ["request, only in the document: TaskRunInput.webhook: required"],
    ),
    "another event": (
        ("Webhook", "properties", "event_types", "items"),
        {"type": "string", "enum": ["task_run.status", "task_run.started"]},
        [
            f"request, only in the document: {EVENT_TYPES}, one of task_run.status task_run.started",
            f"request, only in the simulator: {EVENT_TYPES}, one of task_run.status",
        ],
    ),
    "no further fields": (
        ("McpServer", "additionalProperties"),
        False,
        ["request, only in the document: TaskRunInput.mcp_servers[]: closed"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_of_change_is_seen(name: str) -> None:
    place, value, lines = CHANGES[name]
    document = described(RUN)
    parent = document["components"]["schemas"]
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    assert sorted(request_drift(document, RUN)) == lines


def test_a_field_that_the_client_lacks_or_has_alone_is_seen() -> None:
    document = sdk_document()
    fields = document["components"]["schemas"]["TaskRun"]["properties"]
    fields["cost"] = {"type": "number"}
    del fields["warnings"]
    found = {line.partition(": ")[2] for line in client_drift(document, "TaskRun", models.TaskRun)}
    assert {"TaskRun.cost: number", "TaskRun.warnings: array"} <= found


def test_what_monitors_announce_and_the_ids_of_events_are_compared() -> None:
    output = {"oneOf": [{"$ref": "#/x/TaskRunTextOutput"}, {"$ref": "#/x/TaskRunJsonOutput"}]}
    event: Any = {"properties": {"event_id": {"type": "string"}, "output": output}}
    types = ["monitor.event.detected", "monitor.moon.risen"]
    webhook: Any = {"properties": {"event_types": {"items": {"enum": types}}}}
    schemas = {
        "MonitorWebhook": webhook,
        "MonitorEventStreamEvent": event,
        "MonitorSnapshotEvent": {"properties": {"event_id": {"type": "string"}}},
    }
    document: Any = {"components": {"schemas": schemas}}
    assert list(monitor_drift(document)) == []
    types.append("watch.event")
    schemas["MonitorSnapshotEvent"] = {"properties": {}}
    output["oneOf"].pop()
    assert list(monitor_drift(document)) == [
        "monitor, not recognised: watch.event",
        "monitor, without an id to continue from: MonitorSnapshotEvent",
        "monitor, its output is no task's: TaskRunTextOutput",
    ]


def test_only_what_is_not_explained_is_reported_and_so_is_an_explanation_of_nothing() -> None:
    assert report({"a: b", "a: c"}, {"a: b": "reason"}) == ["a: c"]
    assert report({"a: b"}, {"a: *": "r", "d: *": "r"}) == ["explained, and no longer there: d: *"]
    assert all(reason for reason in (*MEANT.values(), *MEANT_OF_SDK.values()))


def test_the_tour_meets_every_kind_of_answer() -> None:
    names = {name for name, _ in answers()}
    asked = {"V1SearchRequest", "V1ExtractRequest"}  # which no call gives back
    assert {*CLIENT, "ErrorResponse", "HTTPValidationError"} - names <= {"ErrorEvent", *asked}


def test_without_a_document_it_says_how_it_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("{", "{}", "[]", '{"components": {"schemas": {}}}'):
        (tmp_path / "odd.json").write_text(text)
        assert main([str(tmp_path / "odd.json")]) == 2
        said = capsys.readouterr().err
        assert "make drift" in said
        assert text == "{" or "no OpenAPI document of the API" in said
    for arguments in ([], [str(tmp_path / "none.json")]):
        assert main(arguments) == 2
        assert "make drift" in capsys.readouterr().err
    assert json.dumps(MEANT)
