"""The request log: complete, and free of secrets."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from langchain_parallel.simulator import Fault, ManualClock, Request, Simulator

from .helpers import GROUPS, RUNS, add_runs, create, http_to, manual, new_group, stream

SECRET = "very-secret-token"
SERVER = {
    "type": "url",
    "url": "https://mcp.example",
    "name": "files",
    "headers": {"Authorization": f"Bearer {SECRET}"},
}
BODY = {"input": "q", "processor": "lite", "mcp_servers": [SERVER]}
BETA = {"parallel-beta": "mcp-server-2025-07-17"}


def test_each_request_is_logged_with_its_outcome(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = create(simulator_http)
    manual(simulator).advance(5)
    simulator.faults.add(Fault("status_before", status=503), Fault("drop_before"))
    simulator_http.get(f"{RUNS}/{run['run_id']}", params={"a": "b"})
    with pytest.raises(httpx.RemoteProtocolError):
        simulator_http.get(f"{RUNS}/{run['run_id']}")
    first, second, third = simulator.requests
    assert (first.method, first.path, first.status) == ("POST", RUNS, 202)
    assert first.body == {"input": "a question", "processor": "lite"}
    assert (second.query, second.at) == ({"a": "b"}, 5.0)
    assert (second.status, second.fault) == (503, "status_before")
    assert (third.status, third.fault) == (None, "drop_before")


def test_no_secret_is_stored_anywhere(simulator: Simulator) -> None:
    with http_to(simulator) as http:
        http.headers["x-api-key"] = SECRET
        http.headers["authorization"] = f"Bearer {SECRET}"
        run = http.post(RUNS, json=BODY, headers=BETA).json()
        group = new_group(http)
        http.post(f"{GROUPS}/{group}/runs", json={"inputs": [BODY]}, headers=BETA)
        http.post(f"{GROUPS}/{group}/runs", json={"default": {"x": [SERVER]}}, headers=BETA)
        for odd in ({"headers": SERVER["headers"]}, [{"name": [SECRET]}], SECRET, {"url": SECRET}):
            http.post(RUNS, json={"input": "q", "mcp_servers": odd, "webhook": odd})
        given = http.get(f"{RUNS}/{run['run_id']}/input").json()
        shown = [
            given,
            http.get(f"{RUNS}/{run['run_id']}/result", timeout=None).json(),
            stream(http, f"{GROUPS}/{group}/runs", include_input=True, include_output=True),
            http.get("/_simulator/requests").json(),
            simulator.runs(),
        ]
    assert given["mcp_servers"] == [{k: v for k, v in SERVER.items() if k != "headers"}]
    assert SECRET not in json.dumps(shown)
    assert SECRET not in repr(simulator.requests)
    assert SECRET not in repr(vars(simulator))
    assert any("***" in str(entry.body) for entry in simulator.requests)


def test_a_request_and_a_simulator_print_no_secret() -> None:
    request = Request("GET", "/v1", {}, {"x-api-key": SECRET}, SECRET.encode())
    simulator = Simulator(ManualClock(), api_keys={SECRET})
    assert SECRET not in repr(request) + repr(simulator)


def test_a_body_that_is_not_json_is_not_stored(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator_http.post(RUNS, content=f"key={SECRET}".encode())
    assert SECRET not in repr(simulator.requests)


def test_reset_removes_everything(simulator: Simulator, simulator_http: httpx.Client) -> None:
    run = create(simulator_http)
    add_runs(simulator_http, new_group(simulator_http), "q")
    simulator.faults.add(Fault("drop_before"))
    simulator.reset()
    assert (simulator.requests, simulator.runs(), simulator.faults.pending) == ([], [], ())
    again = create(simulator_http)
    assert again["run_id"] != run["run_id"]
    assert simulator_http.get(f"{RUNS}/{run['run_id']}").status_code == 404


def test_the_simulator_imports_nothing_else_of_the_package() -> None:
    import langchain_parallel.simulator

    folder = Path(langchain_parallel.simulator.__file__).parent
    for file in folder.rglob("*.py"):
        code = file.read_text().split('"""', 2)[2]
        assert "langchain_parallel" not in code.replace('"langchain_parallel.simulator"', "")
