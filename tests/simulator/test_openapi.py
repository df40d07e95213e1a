"""Every response obeys the published OpenAPI document, whose path is in `OPENAPI_DOCUMENT`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from langchain_parallel.simulator import RunScript, Scenario, Simulator

from .helpers import GROUPS, RUNS, add_runs, create, http_to, manual, new_group, result, stream

DOCUMENT = Path(os.environ.get("OPENAPI_DOCUMENT", "openapi.json"))
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="OPENAPI_DOCUMENT does not name the API's document"
)
BETAS = {"parallel-beta": "mcp-server-2025-07-17,field-basis-2025-11-25"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return found


def check(document: dict[str, Any], value: Any, name: str) -> None:
    schema = {**document, "$ref": f"#/components/schemas/{name}"}
    jsonschema.Draft202012Validator(schema).validate(value)


EVENTS = {
    "task_run.state": "TaskRunEvent",
    "task_run.progress_stats": "TaskRunProgressStatsEvent",
    "task_group_status": "TaskGroupStatusEvent",
    "error": "ErrorEvent",
}


def check_events(document: dict[str, Any], events: list[dict[str, Any]]) -> None:
    assert events
    for event in events:
        check(document, event, EVENTS.get(event["type"], "TaskRunProgressMessageEvent"))


FULL = {
    "metadata": {"k": "v"},
    "mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "n"}],
    "source_policy": {"include_domains": ["a.example"]},
    "webhook": {"url": "https://hook.example", "event_types": ["task_run.status"]},
    "advanced_settings": {"location": "us"},
    "enable_events": True,
}


@pytest.mark.parametrize("spec", [None, "text", {"type": "auto"}])
@pytest.mark.parametrize("extra", [{}, FULL])
def test_the_responses_about_a_run(
    document: dict[str, Any], simulator: Simulator, spec: Any, extra: dict[str, Any]
) -> None:
    with http_to(simulator, timeout=None) as http:
        http.headers.update(BETAS)
        body = {**extra, **({"task_spec": {"output_schema": spec}} if spec else {})}
        run = create(http, "q", **body)
        check(document, run, "TaskRun")
        path = f"{RUNS}/{run['run_id']}"
        check(document, http.get(f"{path}/input").json(), "TaskRunInput")
        check_events(document, stream(http, f"{path}/events"))
        check(document, result(http, run), "TaskRunResult")
        check(document, http.get(path).json(), "TaskRun")


def test_the_responses_about_a_group(document: dict[str, Any], simulator: Simulator) -> None:
    with http_to(simulator, timeout=None) as http:
        group = new_group(http)
        check(document, http.get(f"{GROUPS}/{group}").json(), "TaskGroupResponse")
        simulator.scripts.add(RunScript("failed", contains="bad"))
        check(document, add_runs(http, group, "good", "bad"), "TaskGroupRunResponse")
        check(document, add_runs(http, group, "more"), "TaskGroupRunResponse")
        check_events(document, stream(http, f"{GROUPS}/{group}/events"))
        check_events(
            document,
            stream(http, f"{GROUPS}/{group}/runs", include_input=True, include_output=True),
        )


def test_a_failed_run_and_errors(
    document: dict[str, Any], simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript("failed", warnings=("careful",)))
    run = create(simulator_http)
    manual(simulator).advance(100)
    path = f"{RUNS}/{run['run_id']}"
    check(document, simulator_http.get(path).json(), "TaskRun")
    check(document, simulator_http.get(f"{path}/result").json(), "ErrorResponse")
    check(document, simulator_http.post(RUNS, json={}).json(), "ErrorResponse")
    check(document, simulator_http.get("/v1/tasks/runs/none").json(), "ErrorResponse")


def test_the_shipped_scenario(document: dict[str, Any], simulator: Simulator) -> None:
    simulator.scenario = Scenario.builtin()
    with http_to(simulator, timeout=None) as http:
        run = create(http, "Map the competitive landscape", processor="pro")
        check_events(document, stream(http, f"{RUNS}/{run['run_id']}/events"))
        check(document, result(http, run), "TaskRunResult")


def test_every_task_call_of_the_document_is_answered(
    document: dict[str, Any], simulator_http: httpx.Client
) -> None:
    group = new_group(simulator_http)
    run_id = add_runs(simulator_http, group, "q")["run_ids"][0]
    for path, methods in document["paths"].items():
        if "/tasks/" not in path:
            continue
        url = path.replace("{taskgroup_id}", group).replace("{run_id}", run_id)
        for method in methods:
            body: dict[str, Any] = {"json": {}} if method == "post" else {}
            answer = simulator_http.request(method, url, **body)
            assert answer.status_code in ({422, 200} if body else {200}), url
