"""Basis, citations and tool calls; nothing in them looks real."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import httpx
import pytest

from langchain_parallel.simulator import EvidenceSettings, ManualClock, Simulator

from .helpers import RUNS, ask, http_to, result

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "items": {"type": "array", "items": {"type": "string"}},
    },
}
JSON = {"task_spec": {"output_schema": {"type": "json", "json_schema": SCHEMA}}}


def urls(output: dict) -> list[str]:  # type: ignore[type-arg]  # wire JSON
    return [c["url"] for b in output["basis"] for c in b["citations"]]


def test_each_field_has_citations_of_the_configured_size() -> None:
    evidence = EvidenceSettings(citations_per_field=4, excerpts_per_citation=3, excerpt_chars=250)
    with http_to(Simulator(ManualClock(), evidence=evidence)) as http:
        output = ask(http, **JSON)
    for entry in output["basis"]:
        assert len(entry["citations"]) == 4
        assert len({c["url"] for c in entry["citations"]}) == 4
        for citation in entry["citations"]:
            assert [len(e) for e in citation["excerpts"]] == [250] * 3


def test_the_default_size_is_realistic(simulator_http: httpx.Client) -> None:
    [entry] = ask(simulator_http, task_spec={"output_schema": "text"})["basis"]
    assert [len(e) for c in entry["citations"] for e in c["excerpts"]] == [600] * 6


@pytest.mark.parametrize("beta", [{}, {"parallel-beta": "other-beta, field-basis-2025-11-25"}])
def test_array_elements_have_their_own_basis_with_and_without_the_beta(
    simulator_http: httpx.Client, beta: dict[str, str]
) -> None:
    body = {"input": "q", "processor": "lite", **JSON}
    run = simulator_http.post(RUNS, json=body, headers=beta).json()
    fields = [b["field"] for b in result(simulator_http, run)["output"]["basis"]]
    assert fields == ["name", "items", "items.0", "items.1"]


def test_every_confidence_occurs_and_a_field_always_has_the_same() -> None:
    names = [f"field_{n}" for n in range(60)]
    schema = {"type": "object", "properties": {n: {"type": "integer"} for n in names}}
    spec = {"task_spec": {"output_schema": {"type": "json", "json_schema": schema}}}
    with http_to(Simulator(ManualClock())) as http:
        first, second = ([b["confidence"] for b in ask(http, q, **spec)["basis"]] for q in "ab")
    assert set(first) == {"low", "medium", "high"}
    assert 5 <= first.count("low") <= 25
    assert first == second


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({}, ("example.com", "example.org", "example.net", ".example")),
        ({"include_domains": ["a.example", "b.example/path"]}, ("a.example", "b.example")),
        ({"include_domains": [".edu"]}, (".edu",)),
        ({"exclude_domains": ["example.com", ".org", ".example"]}, ("example.net",)),
    ],
)
def test_citations_respect_the_source_policy(
    simulator_http: httpx.Client, policy: dict[str, list[str]], allowed: tuple[str, ...]
) -> None:
    found = urls(ask(simulator_http, source_policy=policy, processor="pro"))
    assert found
    assert all((urlsplit(u).hostname or "").endswith(allowed) for u in found)
    assert all("/simulated/" in u for u in found)


def test_every_text_says_that_it_is_simulated(simulator_http: httpx.Client) -> None:
    for body in ({}, JSON, {"task_spec": {"output_schema": "text"}}):
        output = ask(simulator_http, **body)
        assert "[simulated]" in json.dumps(output["content"])
        for entry in output["basis"]:
            assert entry["reasoning"].startswith("[simulated]")
            for citation in entry["citations"]:
                assert citation["title"].startswith("[simulated]")
                assert all(e.startswith("[simulated") for e in citation["excerpts"])


def test_an_output_has_the_tool_calls_of_mcp_servers(simulator_http: httpx.Client) -> None:
    servers = [
        {"type": "url", "url": "https://mcp.example/a", "name": "files", "allowed_tools": ["read"]},
        {"type": "url", "url": "https://mcp.example/b", "name": "mail"},
    ]
    both = [("files", "read"), ("mail", "search")]
    for processor, expected in (
        ("pro", both),
        ("base", both),
        ("lite", both[:1]),
        ("core", both[:1]),
    ):
        calls = ask(simulator_http, mcp_servers=servers, processor=processor)["mcp_tool_calls"]
        assert [(c["server_name"], c["tool_name"]) for c in calls] == expected
