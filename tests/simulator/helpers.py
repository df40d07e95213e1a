from __future__ import annotations

import json
from typing import Any

import httpx

from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

KEY = {"x-api-key": "simulated"}
BASE = "http://simulator.example"
RUNS = "/v1/tasks/runs"
GROUPS = "/v1/tasks/groups"
CHAT = "/v1beta/chat/completions"


def manual(simulator: Simulator) -> ManualClock:
    assert isinstance(simulator.clock, ManualClock)
    return simulator.clock


def http_to(simulator: Simulator, **options: Any) -> httpx.Client:
    transport = SimulatorTransport(simulator)
    return httpx.Client(transport=transport, base_url=BASE, headers=KEY, **options)


def ahttp_to(simulator: Simulator, **options: Any) -> httpx.AsyncClient:
    transport = SimulatorTransport(simulator)
    return httpx.AsyncClient(transport=transport, base_url=BASE, headers=KEY, **options)


def create(http: httpx.Client, input: Any = "a question", **body: Any) -> dict[str, Any]:
    answer = http.post(RUNS, json={"input": input, "processor": "lite", **body})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


def result(http: httpx.Client, run: dict[str, Any]) -> dict[str, Any]:
    answer = http.get(f"{RUNS}/{run['run_id']}/result", params={"timeout": 9000}, timeout=None)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ask(http: httpx.Client, input: Any = "a question", **body: Any) -> dict[str, Any]:
    """Create a run, wait for it, and return its output."""
    output: dict[str, Any] = result(http, create(http, input, **body))["output"]
    return output


def new_group(http: httpx.Client) -> str:
    group_id: str = http.post(GROUPS, json={}).json()["taskgroup_id"]
    return group_id


def add_runs(http: httpx.Client, group_id: str, *inputs: Any, **body: Any) -> dict[str, Any]:
    runs = [i if isinstance(i, dict) else {"input": i, "processor": "lite"} for i in inputs]
    answer = http.post(f"{GROUPS}/{group_id}/runs", json={"inputs": runs, **body})
    assert answer.status_code == 200, answer.text
    added: dict[str, Any] = answer.json()
    return added


def parsed(text: str) -> list[dict[str, Any]]:
    """The events of a stream's text."""
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def stream(http: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = http.get(path, params=params, timeout=None)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def listed_errors(answer: httpx.Response) -> list[dict[str, Any]]:
    """What a 422 names in the format that most group calls document."""
    body = answer.json()
    assert list(body) == ["detail"]
    found: list[dict[str, Any]] = body["detail"]
    return found


def error(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert body["type"] == "error"
    inner: dict[str, Any] = body["error"]
    assert inner["ref_id"]
    return inner
