from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_parallel._core import limits
from langchain_parallel._core.json_schema import SchemaSize
from langchain_parallel.models import JsonSchema

from .asking import answering, problem, warned, warning

PROPERTY = {"type": "string"}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = PROPERTY
    for _ in range(levels):
        schema = {"type": "object", "properties": {"inner": schema}}
    return schema


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
    assert "root must be an object (`type: object`) and may not be an `anyOf`" in warning(
        answering(root)
    )


def test_an_object_without_properties_draws_a_warning() -> None:
    assert "no properties; name at least one" in warning(answering({"type": "object"}))


@pytest.mark.parametrize("levels", [1, 5])
def test_five_levels_are_allowed(levels: int) -> None:
    assert limits.check(answering(nested(levels))) == []


@pytest.mark.parametrize("levels", [6, 40])
def test_more_levels_are_counted(levels: int) -> None:
    assert warning(answering(nested(levels))) == (
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
    measure = SchemaSize(JsonSchema(json_schema=Node.model_json_schema()).json_schema)
    assert (measure.depth, measure.properties) == (2, 4 + 4 * 2)
    assert "nests 6 levels deep" in warning(answering(Six))


@pytest.mark.parametrize(
    "recursive", [Looped, Holder, {"type": "object", "properties": {"a": {"$ref": "#"}}}]
)
def test_a_schema_that_refers_to_itself_is_named_as_such(recursive: Any) -> None:
    assert "refers to itself; the API takes at most 5 levels" in warning(answering(recursive))


def test_a_reference_to_nothing_is_named() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/Gone"}}}
    assert "refers to '#/$defs/Gone', which is not in it" in problem(answering(schema))


def test_a_hundred_properties_are_allowed_and_one_more_is_counted() -> None:
    wide = {f"p{i}": PROPERTY for i in range(101)}
    assert "has 101 properties; 100 are allowed" in warning(
        answering({"type": "object", "properties": wide})
    )
    del wide["p0"]
    assert limits.check(answering({"type": "object", "properties": wide})) == []


def test_classes_that_use_one_another_many_times_are_measured_at_once() -> None:
    """Ten fields a level, twelve levels: a trillion uses, too many to visit one by one."""
    defs: dict[str, Any] = {"L0": {"type": "object", "properties": {"x": PROPERTY}}}
    for i in range(1, 12):
        fields = {f"f{j}": {"$ref": f"#/$defs/L{i - 1}"} for j in range(10)}
        defs[f"L{i}"] = {"type": "object", "properties": fields}
    texts = warned(answering({**defs["L11"], "$defs": defs}))
    assert "nests 12 levels deep" in texts[0]
    assert "has 211,111,111,110 properties" in texts[1]


@pytest.mark.parametrize(
    "odd", [{"anyOf": None}, {"anyOf": 5}, {"items": True}, {"$ref": 5}, {"properties": []}]
)
def test_odd_schemas_are_measured_without_a_crash(odd: dict[str, Any]) -> None:
    limits.check(answering({"type": "object", "properties": {"a": odd, "$ref": PROPERTY}}))


def test_fields_that_the_basis_carries_draw_a_warning() -> None:
    schema = {
        "type": "object",
        "properties": {"a": PROPERTY, "sources": PROPERTY, "confidence": PROPERTY},
    }
    assert warning(answering(schema)).startswith(
        "The output schema asks for confidence, sources; the basis"
    )
