from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from langchain_parallel._core import wire
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import (
    AutoSchema,
    McpServer,
    SourcePolicy,
    TaskAdvancedSettings,
    TaskRunInput,
    TaskSpec,
    TextSchema,
    Webhook,
)

FIELD_BASIS = "field-basis-2025-11-25"


def ask(**rest: Any) -> TaskRunInput:
    return TaskRunInput(**{"input": "Who?", "processor": "lite", **rest})


def full() -> TaskRunInput:
    """Every field there is."""
    return ask(
        task_spec=TaskSpec(
            output_schema="a list", input_schema={"type": "object", "properties": {}}
        ),
        previous_interaction_id="intr_1",
        source_policy=SourcePolicy(include_domains=["a.com"], after_date=date(2025, 1, 31)),
        mcp_servers=[McpServer(url="https://m.example", name="m", headers={"A": "s3cret"})],
        metadata={"a": 1},
        enable_events=True,
        webhook=Webhook(url="https://hook.example"),
        advanced_settings=TaskAdvancedSettings(location="de"),
        memory_scope_key="team",
        extra_body={"depth": "deep"},
    )


def test_every_field_is_sent_as_the_api_writes_it() -> None:
    fields = {*TaskRunInput.model_fields} - {"extra_body"} | {"depth"}
    assert fields == set(wire.payload(full()))
    assert wire.payload(full()) == {
        "input": "Who?",
        "processor": "lite",
        "task_spec": {
            "output_schema": {"type": "text", "description": "a list"},
            "input_schema": {"type": "json", "json_schema": {"type": "object", "properties": {}}},
        },
        "previous_interaction_id": "intr_1",
        "source_policy": {"include_domains": ["a.com"], "after_date": "2025-01-31"},
        "mcp_servers": [
            {"type": "url", "url": "https://m.example", "name": "m", "headers": {"A": "s3cret"}}
        ],
        "metadata": {"a": 1},
        "enable_events": True,
        "webhook": {"url": "https://hook.example", "event_types": ["task_run.status"]},
        "advanced_settings": {"location": "de"},
        "memory_scope_key": "team",
        "depth": "deep",
    }


def test_what_is_unset_is_left_out_and_what_a_caller_set_to_null_stays() -> None:
    bare = ask(
        input={"a": None}, source_policy=SourcePolicy(), advanced_settings=TaskAdvancedSettings()
    )
    assert wire.payload(bare) == {"input": {"a": None}, "processor": "lite"}
    assert wire.payload(ask(enable_events=False))["enable_events"] is False


@pytest.mark.parametrize(
    ("rest", "beta"),
    [
        ({}, None),
        ({"enable_events": False}, None),
        ({"enable_events": True}, "events-sse-2025-07-24"),
        ({"webhook": Webhook(url="https://h.example")}, "webhook-2025-08-12"),
        ({"mcp_servers": [McpServer(url="https://m.example", name="m")]}, "mcp-server-2025-07-17"),
    ],
)
def test_betas_follow_from_the_fields_used(rest: dict[str, Any], beta: str | None) -> None:
    expected = ",".join(sorted(filter(None, [beta, FIELD_BASIS])))
    assert wire.create(ask(**rest)).headers["parallel-beta"] == expected
    assert wire.add_runs("tgrp_1", [ask(), ask(**rest)]).headers["parallel-beta"] == expected


def test_only_what_starts_runs_is_paid() -> None:
    assert wire.create(ask()).paid
    assert wire.add_runs("tgrp_1", [ask()]).paid
    free = [wire.create_group({}), wire.get("trun_1"), wire.result("trun_1", seconds=1)]
    assert not any(request.paid for request in free)


def test_no_representation_of_a_request_shows_a_secret() -> None:
    for request in (wire.create(full()), wire.add_runs("tgrp_1", [full()])):
        assert "s3cret" in str(request.body)
        assert "s3cret" not in repr(request)
        assert "hook.example" not in repr(request)
    assert "s3cret" not in repr(full())
    assert "hook.example" not in repr(full())


def test_what_is_listed_of_a_group_goes_into_the_query() -> None:
    query = {"include_input": True, "status": None, "last_event_id": "7"}
    request = wire.stream(wire.get("tgrp_1", "runs", root=wire.GROUPS, query=query))
    assert (request.path, dict(request.query)) == (
        "/v1/tasks/groups/tgrp_1/runs",
        {"include_input": "true", "last_event_id": "7"},
    )
    assert request.headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(("seconds", "asked"), [(0, "1"), (0.4, "1"), (59.6, "60"), (600, "600")])
def test_a_long_poll_outlasts_what_it_asks_for(seconds: float, asked: str) -> None:
    request = wire.result("trun_1", seconds=seconds)
    assert request.query["timeout"] == asked
    assert request.timeout > float(asked)


def test_an_id_cannot_break_out_of_its_path() -> None:
    assert wire.get("../groups/x?y#z").path == "/v1/tasks/runs/..%2Fgroups%2Fx%3Fy%23z"


@pytest.mark.parametrize("wrong", ["", "  ", ".", "..", None, 5, "\ud800", "x" * 70_000])
def test_what_is_no_id_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="is not the id of a run or a task group"):
        wire.get(wrong)


@pytest.mark.parametrize(
    ("given", "envelope"),
    [
        ("auto", AutoSchema()),
        ("a table", TextSchema(description="a table")),
        ({"type": "text", "description": "x"}, TextSchema(description="x")),
        ({"type": "auto"}, AutoSchema()),
    ],
)
def test_every_way_to_write_a_schema_becomes_its_envelope(given: Any, envelope: object) -> None:
    assert TaskSpec(output_schema=given).output_schema == envelope
    assert TaskSpec(input_schema=given).input_schema == envelope


def test_group_metadata_is_sent() -> None:
    assert json.loads(wire.create_group({"a": 1}).body or b"") == {"metadata": {"a": 1}}
    assert wire.create_group({}).body == b"{}"


def test_what_was_changed_in_a_request_since_it_was_sent_is_sent() -> None:
    request = TaskRunInput(
        input="Who?", processor="lite", metadata={"row": "1"}, extra_body={"new": {"depth": 1}}
    )
    assert wire.payload(request)["new"] == {"depth": 1}
    request.extra_body["new"] = {"depth": 2}
    assert wire.payload(request)["new"] == {"depth": 2}
    assert wire.payload(request.model_copy(update={"input": "Where?"}))["new"] == {"depth": 2}
