from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_parallel._core import checks, wire
from langchain_parallel._core.schemas import Measure
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import (
    JsonSchema,
    McpServer,
    SourcePolicy,
    TaskRunInput,
    TaskSpec,
    TextSchema,
    Webhook,
)

PROPERTY = {"type": "string"}


def ask(input: Any = "Who?", processor: str = "lite", **rest: Any) -> TaskRunInput:
    return TaskRunInput(input=input, processor=processor, **rest)


def answering(schema: Any) -> TaskRunInput:
    return ask(task_spec=TaskSpec(output_schema=schema))


def problems(run: TaskRunInput) -> tuple[str, ...]:
    with pytest.raises(InvalidRequest) as caught:
        checks.check(run)
    assert caught.value.billed is False
    assert "Nothing was sent." in str(caught.value)
    return caught.value.problems


def problem(run: TaskRunInput) -> str:
    [only] = problems(run)
    return only


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = PROPERTY
    for _ in range(levels):
        schema = {"type": "object", "properties": {"inner": schema}}
    return schema


@pytest.mark.parametrize("empty", ["", "  \n\t", {}])
def test_an_empty_input_is_refused(empty: Any) -> None:
    assert problem(ask(empty)).startswith("The input is empty; give a question")


def test_input_up_to_the_limit_is_sent_and_one_more_is_counted() -> None:
    assert checks.check(ask("x" * 25_000)) == []
    assert problem(ask("x" * 25_001)) == (
        "Task spec and input hold 25,001 characters together, 1 over the 25,000 allowed; shorten the "
        "input or the schema's descriptions."
    )


def test_the_spec_counts_with_the_input() -> None:
    spec = TaskSpec(output_schema=TextSchema(description="x" * 20_000))
    size = len(json.dumps(wire.payload(ask(task_spec=spec))["task_spec"])) + 6_000
    text = problem(ask("x" * 6_000, task_spec=spec))
    assert f"hold {size:,} characters together, {size - 25_000:,} over" in text


def test_an_object_counts_as_its_json() -> None:
    size = len(json.dumps({"q": "ä" * 25_000}, ensure_ascii=False))
    assert f"hold {size:,} characters" in problem(ask({"q": "ä" * 25_000}))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pro-fats", "did you mean pro-fast"),
        ("ultra9x", "did you mean ultra"),
        ("cora", "did you mean core"),
        ("qqqq", "known are lite, lite-fast, base,"),
    ],
)
def test_an_unknown_processor_is_refused_with_the_nearest_names(name: str, meant: str) -> None:
    text = problem(ask(processor=name))
    assert meant in text
    assert "pass `allow_unknown_processor=True`" in text


def test_a_new_processor_can_be_forced() -> None:
    assert checks.check(ask(processor="zeta"), allow_unknown_processor=True) == []


@pytest.mark.parametrize(
    "root",
    [
        {"type": "array", "items": PROPERTY},
        {"anyOf": [nested(1), nested(2)]},
        {"anyOf": [nested(1)], "type": "object", "properties": {"a": PROPERTY}},
        {"properties": {"a": PROPERTY}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array"}}},
    ],
)
def test_the_root_of_an_output_schema_is_an_object(root: Mapping[str, Any]) -> None:
    assert "root must be an object (`type: object`) and may not be an `anyOf`" in problem(
        answering(root)
    )


def test_an_object_without_properties_is_refused() -> None:
    assert "no properties; name at least one" in problem(answering({"type": "object"}))


@pytest.mark.parametrize("levels", [1, 5])
def test_five_levels_are_allowed(levels: int) -> None:
    assert checks.check(answering(nested(levels))) == []


@pytest.mark.parametrize("levels", [6, 40])
def test_more_levels_are_counted_and_refused(levels: int) -> None:
    assert problem(answering(nested(levels))) == (
        f"The output schema nests {levels} levels deep; 5 are allowed. Flatten it."
    )


class Leaf(BaseModel):
    a: str
    b: int


class Node(BaseModel):
    leaf: Leaf
    leaves: list[Leaf]
    maybe: Leaf | None
    by_name: dict[str, Leaf]


class Six(BaseModel):
    class Five(BaseModel):
        class Four(BaseModel):
            class Three(BaseModel):
                node: Node

            three: Three

        four: Four

    five: Five


class Looped(BaseModel):
    name: str
    children: list[Looped]


class Holder(BaseModel):
    looped: Looped


def test_references_arrays_unions_and_maps_count_as_what_they_hold() -> None:
    measure = Measure(JsonSchema(json_schema=Node.model_json_schema()).json_schema)
    assert (measure.depth, measure.properties) == (2, 4 + 4 * 2)
    assert "nests 6 levels deep" in problem(answering(Six))


@pytest.mark.parametrize(
    "recursive", [Looped, Holder, {"type": "object", "properties": {"a": {"$ref": "#"}}}]
)
def test_a_schema_that_refers_to_itself_is_refused_as_such(recursive: Any) -> None:
    assert "refers to itself; the API takes at most 5 levels" in problem(answering(recursive))


def test_a_reference_to_nothing_is_named() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/Gone"}}}
    assert "refers to '#/$defs/Gone', which is not in it" in problem(answering(schema))


def test_a_hundred_properties_are_allowed_and_one_more_is_counted() -> None:
    wide = {f"p{i}": PROPERTY for i in range(101)}
    assert "has 101 properties; 100 are allowed" in problem(
        answering({"type": "object", "properties": wide})
    )
    del wide["p0"]
    assert checks.check(answering({"type": "object", "properties": wide})) == []


def test_classes_that_use_one_another_many_times_are_measured_at_once() -> None:
    """Ten fields a level, twelve levels: a trillion uses, which nobody should walk through."""
    defs: dict[str, Any] = {"L0": {"type": "object", "properties": {"x": PROPERTY}}}
    for i in range(1, 12):
        fields = {f"f{j}": {"$ref": f"#/$defs/L{i - 1}"} for j in range(10)}
        defs[f"L{i}"] = {"type": "object", "properties": fields}
    texts = problems(answering({**defs["L11"], "$defs": defs}))
    assert "nests 12 levels deep" in texts[0]
    assert "has 211,111,111,110 properties" in texts[1]


@pytest.mark.parametrize(
    "odd", [{"anyOf": None}, {"anyOf": 5}, {"items": True}, {"$ref": 5}, {"properties": []}]
)
def test_odd_schemas_are_measured_without_a_crash(odd: dict[str, Any]) -> None:
    checks.check(answering({"type": "object", "properties": {"a": odd, "$ref": PROPERTY}}))


def test_fields_that_the_basis_carries_draw_a_remark() -> None:
    schema = {
        "type": "object",
        "properties": {"a": PROPERTY, "sources": PROPERTY, "confidence": PROPERTY},
    }
    [remark] = checks.check(answering(schema))
    assert remark.startswith("The output schema asks for confidence, sources; the basis")


@pytest.mark.parametrize(("processor", "remarks"), [("pro", 1), ("ultra8x-fast", 1), ("core2x", 0)])
def test_a_long_input_for_deep_research_draws_a_remark(processor: str, remarks: int) -> None:
    found = checks.check(ask("x" * 15_001, processor))
    assert len(found) == remarks
    assert all("holds 15,001 characters; for deep research" in remark for remark in found)
    assert checks.check(ask("x" * 15_000, processor)) == []


def test_metadata_limits_are_counted() -> None:
    assert checks.check(ask(metadata={"k" * 16: "v" * 512, "n": 1.5, "b": True})) == []
    assert problems(ask(metadata={"k" * 17: "v" * 513})) == (
        f"Metadata key '{'k' * 17}' has 17 characters; 16 are allowed.",
        f"The metadata value of '{'k' * 17}' has 513 characters; 512 are allowed.",
    )
    with pytest.raises(InvalidRequest, match="17 characters; 16 are allowed"):
        checks.group_metadata({"k" * 17: 1})


def test_domains_count_together() -> None:
    half = [f"a{i}.com" for i in range(100)]
    assert (
        checks.check(ask(source_policy=SourcePolicy(include_domains=half, exclude_domains=half)))
        == []
    )
    policy = SourcePolicy(include_domains=half, exclude_domains=[*half, ".gov"])
    assert "names 201 domains (included and excluded together); 200 are" in problem(
        ask(source_policy=policy)
    )


@pytest.mark.parametrize("wrong", ["https://example.com", "example.com/news", "", "a b.com", " "])
def test_what_is_no_domain_is_named(wrong: str) -> None:
    text = problem(ask(source_policy=SourcePolicy(exclude_domains=["example.com", ".gov", wrong])))
    assert text.startswith(f"{wrong!r} is not a domain; write `example.com`")


def test_mcp_servers_are_counted() -> None:
    servers = [McpServer(url="https://mcp.example", name=f"s{i}") for i in range(11)]
    assert checks.check(ask(mcp_servers=servers[:10])) == []
    assert problem(ask(mcp_servers=servers)) == "11 MCP servers are given; 10 are allowed."


@pytest.mark.parametrize(
    "url", ["mcp.example?key=s3cret", "ftp://s3cret", "https://", "https://[s3cret"]
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    texts = problems(ask(mcp_servers=[McpServer(url=url, name="files")], webhook=Webhook(url=url)))
    assert texts == (
        "The URL of MCP server 'files' is no http(s) address.",
        "The webhook's URL is no http(s) address.",
    )


@pytest.mark.parametrize(
    ("input", "text"),
    [
        ("half a \ud83d", "lone surrogate"),
        ({"q": "\ud83d"}, "lone surrogate"),
        ({"q": float("nan")}, "NaN or an infinity"),
        ({"q": [float("inf")]}, "NaN or an infinity"),
    ],
)
def test_what_json_cannot_hold_is_refused(input: Any, text: str) -> None:
    assert text in problem(ask(input))


def test_a_blank_interaction_id_is_refused() -> None:
    assert "previous_interaction_id is empty; leave it out" in problem(
        ask(previous_interaction_id=" ")
    )


def test_all_faults_are_told_at_once() -> None:
    assert len(problems(ask("", "nope", metadata={"k" * 17: 1}, previous_interaction_id=""))) == 4


@pytest.mark.parametrize(("size", "ok"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_a_batch_holds_from_one_to_a_thousand_runs(size: int, ok: bool) -> None:
    runs = [ask()] * size
    if ok:
        assert checks.batch(runs) is runs
    else:
        with pytest.raises(InvalidRequest, match=f"{size} runs are given; from 1 to 1,000"):
            checks.batch(runs)


@pytest.mark.parametrize("wrong", [-1, float("nan"), None, "5"])
def test_a_timeout_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="give seconds, from 0 up"):
        checks.seconds(wrong)
    assert checks.seconds(float("inf")) == float("inf")
