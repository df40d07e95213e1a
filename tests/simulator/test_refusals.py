"""What the server refuses, and how. It never runs or bills a refused request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import ManualClock, Simulator

from .helpers import GROUPS, RUNS, create, error, http_to, manual

OK = {"input": "q", "processor": "lite"}


def server(n: int) -> dict[str, str]:
    return {"type": "url", "url": f"https://mcp.example/{n}", "name": f"s{n}"}


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        inner = {"type": "object", "properties": {"p": inner}}
    return inner


OBJECT = {"type": "object"}
SCHEMA = "task_spec.output_schema.json_schema"
DOMAIN = "source_policy.include_domains.0"
CONNECTORS = "advanced_settings.data_sources"


def with_property(schema: Any) -> dict[str, Any]:
    return {**OBJECT, "properties": {"p": schema}}


def sources(**lists: Any) -> dict[str, Any]:
    return {"advanced_settings": {"data_sources": lists}}


def spec(schema: Any) -> dict[str, Any]:
    return {"task_spec": {"output_schema": {"type": "json", "json_schema": schema}}}


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"input": None}, "input"),
    "empty input": ({"input": " "}, "input"),
    "input of a wrong type": ({"input": 5}, "input"),
    "too long": ({"input": "x" * 25_001}, "input"),
    "too long with spec": ({"input": "x" * 24_990, **spec(deep(1))}, "input"),
    "no processor": ({"processor": None}, "processor"),
    "unknown processor": ({"processor": "hyper"}, "processor"),
    "long metadata key": ({"metadata": {"k" * 17: "v"}}, "metadata"),
    "long metadata value": ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    "metadata of a wrong type": ({"metadata": {"k": ["v"]}}, "metadata.k"),
    "metadata no object": ({"metadata": "k=v"}, "metadata"),
    "too many domains": (
        {"source_policy": {"include_domains": ["a.example"] * 101, "exclude_domains": ["b"] * 100}},
        "source_policy",
    ),
    "not a date": ({"source_policy": {"after_date": "soon"}}, "source_policy.after_date"),
    "11 servers": ({"mcp_servers": [server(n) for n in range(11)]}, "mcp_servers"),
    "server without url": ({"mcp_servers": [{"name": "n"}]}, "mcp_servers.0.url"),
    "unknown interaction": ({"previous_interaction_id": "intr_x"}, "previous_interaction_id"),
    "webhook without url": ({"webhook": {}}, "webhook.url"),
    "events maybe": ({"enable_events": "maybe"}, "enable_events"),
    "spec without output": ({"task_spec": {}}, "task_spec.output_schema"),
    "root not an object": (spec({"type": "array"}), "task_spec.output_schema.json_schema"),
    "root without properties": (spec({"type": "object"}), "task_spec.output_schema.json_schema"),
    "anyOf at the root": (
        spec({**deep(1), "anyOf": [{}]}),
        "task_spec.output_schema.json_schema",
    ),
    "six levels": (spec(deep(6)), "task_spec.output_schema.json_schema"),
    "text that is no schema": (spec("text"), "task_spec.output_schema"),
    "properties as a list": (spec({**OBJECT, "properties": ["p"]}), SCHEMA),
    "an unknown type": (spec(with_property({"type": "text"})), SCHEMA),
    "a reference to a number": (spec(with_property({"$ref": 5})), SCHEMA),
    "a keyword of bounds": (spec(with_property({"type": "array", "minItems": 1})), SCHEMA),
    "a keyword of texts": (spec(with_property({"anyOf": [{"format": "date"}]})), SCHEMA),
    "a keyword in a definition": (
        spec({**with_property({"$ref": "#/$defs/d"}), "$defs": {"d": {"maximum": 1}}}),
        SCHEMA,
    ),
    "null alone": (spec(with_property({"type": "null"})), SCHEMA),
    "501 enum values": (
        spec({**OBJECT, "properties": {n: {"enum": list(range(167))} for n in "abc"}}),
        SCHEMA,
    ),
    "a long enum": (spec(with_property({"enum": [f"{n:031}" for n in range(251)]})), SCHEMA),
    "a long spec": (spec(with_property({"description": "x" * 15_000})), "task_spec"),
    "a scheme": ({"source_policy": {"include_domains": ["https://a.example"]}}, DOMAIN),
    "a port": ({"source_policy": {"include_domains": ["a.example:80"]}}, DOMAIN),
    "a query": ({"source_policy": {"include_domains": ["a.example/b?c=d"]}}, DOMAIN),
    "a wildcard": ({"source_policy": {"include_domains": ["*.org"]}}, DOMAIN),
    "a connector among the paid": (sources(pay_per_use=["pubmed"]), f"{CONNECTORS}.pay_per_use.0"),
    "a connector not there": (sources(free=["books"]), f"{CONNECTORS}.free.0"),
    "a connector with a fast processor": (
        {**sources(free=["pubmed"]), "processor": "pro-fast"},
        CONNECTORS,
    ),
    "a connector like a server": (
        {**sources(free=["npi_registry"]), "mcp_servers": [{"url": "u", "name": "npi_registry"}]},
        f"{CONNECTORS}.free.0",
    ),
    "a memory scope with a space": ({"memory_scope_key": "a b"}, "memory_scope_key"),
    "a memory scope of 129": ({"memory_scope_key": "a" * 129}, "memory_scope_key"),
    "101 properties": (
        spec({"type": "object", "properties": {f"p{n}": {} for n in range(101)}}),
        "task_spec.output_schema.json_schema",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_request_is_422_and_names_the_field(
    simulator: Simulator, simulator_http: httpx.Client, name: str
) -> None:
    change, field = INVALID[name]
    body = {k: v for k, v in {**OK, **change}.items() if v is not None}
    answer = simulator_http.post(RUNS, json=body)
    assert answer.status_code == 422
    locs = [".".join(map(str, e["loc"])) for e in error(answer)["detail"]["errors"]]
    assert any(loc.startswith(f"body.{field}") for loc in locs)
    assert field in error(answer)["message"]
    assert simulator.runs() == []


def test_a_request_at_the_limits_is_accepted(simulator_http: httpx.Client) -> None:
    within: list[dict[str, Any]] = [
        {"input": "x" * 25_000},
        {"metadata": {"k" * 16: "v" * 512, "n": 5, "b": True}},
        {"source_policy": {"include_domains": ["a.example"] * 200}},
        {"source_policy": {"include_domains": ["docs.a.example/3/Lib/", "www.b.example"]}},
        {"source_policy": {"exclude_domains": [".gov", ".co.uk"]}},
        sources(free=["pubmed"], pay_per_use=["carbonarc"]),
        spec(with_property({"enum": [f"{n:030}" for n in range(250)]})),
        spec(with_property({"type": ["string", "null"]})),
        spec(with_property({"anyOf": [{"type": "null"}, {"type": "string"}]})),
        {"mcp_servers": [server(n) for n in range(10)]},
        spec(deep(5)),
    ]
    for body in within:
        answer = simulator_http.post(RUNS, json={**OK, **body})
        assert answer.status_code == 202, answer.text


def test_all_problems_of_a_request_are_named_at_once(simulator_http: httpx.Client) -> None:
    answer = simulator_http.post(RUNS, json={"metadata": {"k" * 17: "v"}})
    assert len(error(answer)["detail"]["errors"]) == 3


def test_a_missing_or_wrong_key_is_401() -> None:
    simulator = Simulator(ManualClock(), api_keys={"right"})
    with http_to(simulator) as http:
        for key, code in (("", 401), ("wrong", 401), ("right", 202)):
            assert http.post(RUNS, json=OK, headers={"x-api-key": key}).status_code == code
        del http.headers["x-api-key"]
        assert http.get(f"{RUNS}/trun_x").status_code == 401
    assert len(simulator.runs()) == 1


def test_by_default_any_key_is_accepted_but_not_a_missing_one(simulator_http: httpx.Client) -> None:
    create(simulator_http)
    del simulator_http.headers["x-api-key"]
    assert simulator_http.post(RUNS, json=OK).status_code == 401


def test_a_processor_not_allowed_is_403() -> None:
    with http_to(Simulator(ManualClock(), processors={"lite"})) as http:
        create(http)
        answer = http.post(RUNS, json={"input": "q", "processor": "ultra"})
    assert answer.status_code == 403
    assert "ultra" in error(answer)["message"]


def test_short_credit_is_402_and_running_tasks_count() -> None:
    simulator = Simulator(ManualClock(), credit_usd=0.25)
    with http_to(simulator) as http:
        create(http, processor="pro")
        create(http, processor="pro")
        answer = http.post(RUNS, json={"input": "q", "processor": "pro"})
        assert answer.status_code == 402
        assert error(answer)["detail"] == {"available_usd": 0.05, "needed_usd": 0.1}
        manual(simulator).advance(1000)
        assert http.post(RUNS, json={"input": "q", "processor": "pro"}).status_code == 402
        create(http, processor="core")
    assert simulator.billing.total_usd == 0.2


def test_a_failed_run_releases_its_credit() -> None:
    from langchain_parallel.simulator import RunScript

    simulator = Simulator(ManualClock(), credit_usd=0.1)
    simulator.scripts.add(RunScript("failed"))
    with http_to(simulator) as http:
        create(http, processor="pro")
        assert http.post(RUNS, json={"input": "q", "processor": "pro"}).status_code == 402
        manual(simulator).advance(1000)
        create(http, processor="pro")


def test_the_quota_is_per_minute() -> None:
    simulator = Simulator(ManualClock(), quota_per_minute=2)
    with http_to(simulator) as http:
        create(http)
        create(http)
        answer = http.post(RUNS, json=OK)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        manual(simulator).advance(60)
        create(http)


def test_an_accepted_request_can_have_warnings(simulator_http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"sources": {"type": "string"}}}
    warnings = create(simulator_http, **spec(schema))["warnings"]
    assert {w["type"] for w in warnings} == {"spec_validation_warning"}
    said = " ".join(w["message"] for w in warnings)
    assert all(w in said for w in ("redundant", "not required", "additionalProperties"))
    [warning] = create(simulator_http, "x" * 15_001, processor="pro")["warnings"]
    assert warning["type"] == "input_validation_warning"
    [warning] = create(simulator_http, advanced_settings={"location": "uk"})["warnings"]
    assert warning["type"] == "input_validation_warning"
    closed = {**deep(1), "required": ["p"], "additionalProperties": False}
    for body in ({}, spec(closed), {"advanced_settings": {"location": "GB"}}):
        assert create(simulator_http, **body)["warnings"] is None


def test_group_metadata_has_the_same_limits(simulator_http: httpx.Client) -> None:
    answer = simulator_http.post(GROUPS, json={"metadata": {"k" * 17: "v"}})
    assert answer.status_code == 422
