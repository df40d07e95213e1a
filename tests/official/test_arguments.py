"""Every name of the official package takes every argument that it documents, and sends it."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

import langchain_parallel
from langchain_parallel import official

from .helpers import OfficialAccount


class Row(BaseModel):
    company: str
    country: str | None = None


class Country(BaseModel):
    capital: str


CLOSED = {"additionalProperties": False}
FIELDS = {"properties": {"capital": {"title": "Capital", "type": "string"}}}
SCHEMA = {**FIELDS, "required": ["capital"], "title": "Country", "type": "object"}
JSON_SHAPE = {"type": "json", "json_schema": SCHEMA}
TEXT_SHAPE = {"type": "text", "description": "Its capital"}


@pytest.mark.grid
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, None),
        ({"task_output_schema": Country}, {**JSON_SHAPE, "json_schema": {**SCHEMA, **CLOSED}}),
        ({"task_output_schema": SCHEMA}, JSON_SHAPE),
        ({"task_output_schema": JSON_SHAPE}, JSON_SHAPE),
        ({"task_output_schema": "Its capital"}, TEXT_SHAPE),
        ({"task_spec": {"output_schema": JSON_SHAPE}}, JSON_SHAPE),
        (
            {"task_spec": {"output_schema": JSON_SHAPE}, "task_output_schema": "no"},
            JSON_SHAPE,
        ),
    ],
)
@pytest.mark.parametrize("follow_up", [False, True])
@pytest.mark.parametrize("servers", [None, [{"name": "files", "url": "https://mcp.example"}]])
def test_a_shape_is_sent_whatever_it_is_given_beside(
    account: OfficialAccount,
    given: dict[str, Any],
    sent: dict[str, Any] | None,
    follow_up: bool,
    servers: Any,
) -> None:
    """The official package refuses or drops several of these: a dict, a class with servers or a follow-up."""
    tool = account.task_run(**given, mcp_servers=servers)
    before = account.task_run().invoke("first")["interaction_id"] if follow_up else None
    result = tool.invoke({"input": "q", "previous_interaction_id": before})
    body = account.sent[-1]
    assert (body.get("task_spec") or {}).get("output_schema") == sent
    assert body.get("previous_interaction_id") == before
    assert [server["name"] for server in body.get("mcp_servers", [])] == (["files"] * bool(servers))
    assert ("parsed" in result["output"]) == (given.get("task_output_schema") is Country)


def test_a_call_of_the_tool_sends_its_arguments(account: OfficialAccount) -> None:
    tool = account.task_run(processor="base", name="research", description="For you")
    assert (tool.name, tool.description, tool.processor) == ("research", "For you", "base")
    assert [*tool.args] == ["input", "previous_interaction_id", "metadata"]
    result = tool.invoke({"input": {"q": 1}, "metadata": {"team": "a", "n": 2}})
    body = account.sent[-1]
    assert (body["input"], body["processor"]) == ({"q": 1}, "base")
    assert {"team": "a", "n": 2.0}.items() <= body["metadata"].items()
    assert result["run"]["metadata"] == {"team": "a", "n": 2.0}


def test_the_input_schema_of_a_spec_is_sent(account: OfficialAccount) -> None:
    spec = official.build_task_spec(output_schema="A sentence", input_schema=Row)
    account.task_run(task_spec=spec).invoke({"input": {"company": "a"}})
    account.group(task_spec=spec).run([{"company": "a"}])
    assert [body["task_spec"] for body in account.sent] == [spec, spec]


def test_a_server_has_all_that_it_is_given() -> None:
    server = official.McpServer(
        name="files",
        url="https://mcp.example/?key=s3cret",
        headers={"Authorization": "Bearer s3cret"},
        allowed_tools=["read"],
    )
    assert "s3cret" not in repr(server)
    assert server.to_sdk() == {
        "type": "url",
        "name": "files",
        "url": "https://mcp.example/?key=s3cret",
        "headers": {"Authorization": "Bearer s3cret"},
        "allowed_tools": ["read"],
    }
    assert official.McpServer(name="a", url="https://b.example").to_sdk() == {
        "type": "url",
        "name": "a",
        "url": "https://b.example",
    }


@pytest.mark.parametrize("key", ["k", SecretStr("k")])
def test_a_key_is_text_or_secret_everywhere(key: Any) -> None:
    where: dict[str, Any] = {"api_key": key, "base_url": "https://api.example"}
    server = official.McpServer(name="a", url="https://b.example")
    made: list[Any] = [
        official.ParallelTaskRunTool(**where),
        official.ParallelDeepResearch(
            **where,
            processor="pro",
            output_schema=Country,
            mcp_servers=[server],
        ),
        official.ParallelTaskGroup(**where, processor="lite", metadata={"a": 1}),
        official.ParallelEnrichment(
            **where,
            output_schema=Country,
            input_schema=Row,
            processor="lite",
            metadata={"a": 1},
        ),
    ]
    assert [one.processor for one in made] == ["lite-fast", "pro", "lite", "lite"]
    assert made[1].mcp_servers == [server]


def test_a_group_sends_its_rows_and_its_metadata(account: OfficialAccount) -> None:
    rows = account.enrichment(output_schema=Country, metadata={"batch": "b"}).invoke(
        ["a", {"company": "b"}, Row(company="c")], timeout=100
    )
    assert [body["input"] for body in account.sent] == ["a", {"company": "b"}, {"company": "c"}]
    assert {body["processor"] for body in account.sent} == {"core-fast"}
    [group] = {row["run"]["taskgroup_id"] for row in rows}
    assert account.client.retrieve_group(group).metadata == {"batch": "b"}
    assert account.group().run([]) == []


@pytest.mark.parametrize(
    ("schema", "shape"),
    [(Country, JSON_SHAPE), (SCHEMA, JSON_SHAPE), ("Its capital", TEXT_SHAPE), (TEXT_SHAPE,) * 2],
)
def test_a_spec_is_made_of_every_form(schema: Any, shape: dict[str, Any]) -> None:
    assert official.build_task_spec(output_schema=schema) == {"output_schema": shape}
    both = official.build_task_spec(output_schema=schema, input_schema=schema)
    assert both == {"output_schema": shape, "input_schema": shape}


def test_a_spec_is_made_of_nothing_else() -> None:
    with pytest.raises(TypeError, match="not int"):
        official.build_task_spec(output_schema=3)


def test_the_basis_is_found_at_both_places_and_read_whatever_it_is() -> None:
    entries = [
        {"field": "a", "citations": [{"url": "u"}], "confidence": "LOW"},
        {"field": "b", "citations": None, "confidence": "high"},
        {"field": ""},
        "odd",
    ]
    expected = {
        "citations_by_field": {"a": [{"url": "u"}], "b": []},
        "low_confidence_fields": ["a"],
        "interaction_id": "i",
    }
    assert official.parse_basis({"basis": entries, "interaction_id": "i"}) == expected
    inside = {"output": {"basis": entries}, "run": {"interaction_id": "i"}}
    assert official.parse_basis(inside) == expected
    assert official.parse_basis({"output": None, "run": {}})["interaction_id"] is None


def test_settings_are_those_of_the_official_package() -> None:
    policy = official.SourcePolicy(
        include_domains=["a.example"],
        exclude_domains=["b.example"],
        after_date="2026-01-31",  # type: ignore[arg-type]  # text is read
    )
    assert policy.after_date == date(2026, 1, 31)
    fetch = official.FetchPolicy(
        max_age_seconds=600, timeout_seconds=1.5, disable_cache_fallback=True
    )
    assert (fetch.max_age_seconds, fetch.disable_cache_fallback) == (600, True)
    assert official.ExcerptSettings(max_chars_per_result=10).max_chars_per_result == 10
    assert official.FullContentSettings(max_chars_per_result=10).max_chars_per_result == 10
    with pytest.raises(ValidationError, match="names 201 domains; at most 200"):
        official.SourcePolicy(include_domains=["a"] * 101, exclude_domains=["b"] * 100)
    with pytest.raises(ValidationError, match="600"):
        official.FetchPolicy(max_age_seconds=599)


@pytest.mark.parametrize("make", [official.ParallelTaskRunTool, official.ParallelTaskGroup])
def test_an_argument_that_is_unknown_is_left_out_with_a_warning(make: Any) -> None:
    with pytest.warns(
        UserWarning, match=r"Parallel\w+ has no argument temperature; it is left out"
    ):
        make(api_key="k", temperature=0.5)


def test_the_name_that_the_official_tool_ignores_is_understood(account: OfficialAccount) -> None:
    account.task_run(output_schema="Its capital").invoke("q")
    assert account.sent[-1]["task_spec"]["output_schema"] == TEXT_SHAPE


ABSENT = {
    "findall": "ParallelFindAllTool FindAllMatchCondition FindAllExcludeEntry ParallelFindAllInput "
    "FindAllWebhook FindAllEventType",
    "monitors": "ParallelMonitor MonitorWebhook MonitorEventType",
}
"""By module of the official package: its public names."""


@pytest.mark.parametrize(
    ("home", "name"), [(home, name) for home, names in ABSENT.items() for name in names.split()]
)
def test_a_name_that_is_only_there_says_so(home: str, name: str) -> None:
    for module in ("", ".official", f".{home}"):
        code = f"from langchain_parallel{module} import {name}"
        with pytest.raises(
            ImportError, match=f"{name} is not in this package.*langchain-parallel<1"
        ):
            exec(code)


def test_a_name_that_is_nowhere_is_no_attribute() -> None:
    assert not hasattr(langchain_parallel, "Elsewhere")
    assert not hasattr(official, "Elsewhere")
    code = "import sys, langchain_parallel as p; p.__dict__.get('x'); hasattr(p, 'x'); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('langchain_core' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
