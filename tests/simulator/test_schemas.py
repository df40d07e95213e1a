"""An answer obeys the output schema of its request."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_parallel.simulator import Simulator
from langchain_parallel.simulator.schema_check import is_valid
from langchain_parallel.simulator.schema_examples import ExampleBuilder

from .helpers import ask

Schema = dict[str, Any]
NAMES = st.sampled_from(["name", "revenue", "ceo", "founded_on", "items", "tags", "a", "b"])
FORMATS = ["date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "time"]


def bounds(low_key: str, high_key: str, least: int, most: int) -> st.SearchStrategy[Schema]:
    """One bound, both, or none; never an empty range."""
    pairs = st.tuples(st.integers(least, most), st.integers(0, 40))
    return st.one_of(
        st.just({}),
        pairs.map(lambda p: {low_key: p[0]}),
        pairs.map(lambda p: {high_key: p[0]}),
        pairs.map(lambda p: {low_key: p[0], high_key: p[0] + p[1]}),
    )


def typed(kind: str, *parts: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.tuples(*parts).map(
        lambda found: {"type": kind, **{k: v for p in found for k, v in p.items()}}
    )


EXCLUSIVE = st.integers(-50, 50).map(lambda n: {"exclusiveMinimum": n, "exclusiveMaximum": n + 3})
MULTIPLE = st.sampled_from([2, 5, 10, 0.5]).map(lambda n: {"multipleOf": n})
SCALARS = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    typed("string", bounds("minLength", "maxLength", 0, 60)),
    typed("string", st.sampled_from(FORMATS).map(lambda f: {"format": f})),
    typed("integer", bounds("minimum", "maximum", -100, 100)),
    typed(
        "integer",
        st.just({"multipleOf": 5}),
        bounds("minimum", "maximum", -9, 9).filter(lambda b: len(b) < 2),
    ),
    typed("integer", EXCLUSIVE),
    typed("number", bounds("minimum", "maximum", -100, 100)),
    typed("number", EXCLUSIVE),
    typed("number", MULTIPLE, st.sampled_from([{}, {"minimum": -3}, {"maximum": 3}])),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none()), min_size=1, unique=True).map(
        lambda options: {"enum": options}
    ),
    st.one_of(st.text(max_size=8), st.integers(), st.booleans()).map(lambda v: {"const": v}),
    st.just({"type": ["string", "null"]}),
    st.just({}),
)


def nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    lists = typed("array", inner.map(lambda s: {"items": s}), bounds("minItems", "maxItems", 0, 4))
    return st.one_of(
        lists,
        objects(inner),
        inner.map(lambda s: {"anyOf": [s, {"type": "null"}]}),
        inner.map(lambda s: {"anyOf": [{"type": "null"}, s]}),
        inner.map(lambda s: {"allOf": [s]}),
        inner.map(lambda s: {"type": "object", "additionalProperties": s}),
        inner.map(lambda s: {"type": "array", "prefixItems": [s, {"type": "integer"}]}),
    )


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def build(draw: st.DrawFn) -> Schema:
        properties = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
        required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
        closed = draw(st.sampled_from([{}, {"additionalProperties": False}]))
        return {"type": "object", "properties": properties, "required": required, **closed}

    return build()


SCHEMAS = st.recursive(SCALARS, nested, max_leaves=8)


def check(schema: Schema, value: Any) -> None:
    validator = jsonschema.Draft202012Validator
    checker = validator.FORMAT_CHECKER
    validator.check_schema(schema)
    validator(schema, format_checker=checker).validate(value)


def made(schema: Schema, seed: str = "seed") -> Any:
    return ExampleBuilder(
        schema, seed, lambda path: f"[simulated] text at {'.'.join(path)}"
    ).build()


@given(SCHEMAS, st.sampled_from(["a", "b", "c", "d"]))
def test_an_example_obeys_its_schema(schema: Schema, seed: str) -> None:
    check(schema, made(schema, seed))


@given(SCHEMAS, SCHEMAS)
def test_our_own_check_agrees_with_jsonschema(schema: Schema, other: Schema) -> None:
    value = made(other)
    theirs = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert is_valid(value, schema, schema) is theirs


SPECIAL: dict[str, Schema] = {
    "defs": {
        "$defs": {"P": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "type": "object",
        "properties": {"one": {"$ref": "#/$defs/P"}, "all": {"items": {"$ref": "#/$defs/P"}}},
        "required": ["one", "all"],
    },
    "recursive": {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                },
                "required": ["name", "next", "children"],
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/Node",
    },
    "one_of_exactly": {
        "type": "object",
        "properties": {"v": {"oneOf": [{"type": "integer"}, {"type": "number"}]}},
        "required": ["v"],
    },
    "all_of_merged": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}},
            {"properties": {"a": {"maximum": 6}, "b": {"enum": ["x"]}}, "required": ["a", "b"]},
        ]
    },
    "any_of_beside_properties": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    "unique": {
        "type": "array",
        "items": {"enum": ["a", "b", "c"]},
        "uniqueItems": True,
        "minItems": 3,
    },
    "unique_booleans": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"const": 3}], "items": False},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{3}$"},
    "pattern_year": {"type": "string", "pattern": r"^\d{4}$"},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    "short": {"type": "string", "maxLength": 3},
    "long": {"type": "string", "minLength": 300, "maxLength": 301},
    "required_undeclared": {"type": "object", "required": ["x"]},
    "const_null": {"const": None},
}


@pytest.mark.parametrize("name", SPECIAL)
def test_an_example_obeys_an_unusual_schema(name: str) -> None:
    for seed in ("a", "b", "c"):
        check(SPECIAL[name], made(SPECIAL[name], seed))


def test_optional_fields_are_filled_too() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert set(made(schema)) == {"a", "b"}


def test_nullable_fields_get_a_real_value() -> None:
    assert made({"anyOf": [{"type": "null"}, {"type": "string"}]}) is not None
    assert made({"type": ["null", "string"]}) is not None


PLAIN = st.one_of(  # what the API's pages allow in an output schema
    st.sampled_from(["boolean", "string", "integer", "number"]).map(lambda kind: {"type": kind}),
    typed("integer", EXCLUSIVE),
    typed("number", EXCLUSIVE),
    st.lists(st.text(max_size=5), min_size=1, unique=True).map(lambda options: {"enum": options}),
    st.just({"type": ["string", "null"]}),
    st.just({"anyOf": [{"type": "null"}, {"type": "string"}]}),
    st.just({}),
)


@given(objects(PLAIN))
def test_the_api_answers_by_the_schema(schema: Schema) -> None:
    from langchain_parallel.simulator import ManualClock

    from .helpers import http_to

    spec = {"output_schema": {"type": "json", "json_schema": schema}}
    with http_to(Simulator(ManualClock())) as http:
        output = ask(http, "q", task_spec=spec)
    check(schema, output["content"])
    assert [b["field"] for b in output["basis"]] == list(output["content"])


def test_text_is_text_and_auto_brings_its_schema(simulator_http: httpx.Client) -> None:
    for spec in ("one line", {"type": "text", "description": "one line"}):
        output = ask(simulator_http, "q", task_spec={"output_schema": spec})
        assert output["type"] == "text"
        assert isinstance(output["content"], str)
        assert [b["field"] for b in output["basis"]] == ["output"]
    for body in ({}, {"task_spec": {"output_schema": {"type": "auto"}}}):
        output = ask(simulator_http, "q", **body)
        assert output["type"] == "json"
        check(output["output_schema"], output["content"])
