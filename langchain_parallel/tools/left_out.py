"""Arguments that a model may leave out, in a schema that every provider and framework takes.

Rule: each argument has a `type`. Several providers refuse `anyOf` with null, so such an argument is shown as
what it is when it is given. Models say that they leave it out in several ways: null, an empty text, "null",
"None". All of them count as left out.
"""

from __future__ import annotations

from copy import copy
from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_core.core_schema import (
    CoreSchema,
    no_info_before_validator_function,
    no_info_wrap_validator_function,
)

_WORDS = frozenset({"", "null", "none"})


def is_left_out(value: object) -> bool:
    """Whether a model means that it gives no value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _WORDS)


class Typed:
    """Marks an argument: each field in it that may be left out has the type that it has when it is given.
    Where null is a value, as in `list[str | None]`, it stays.
    """

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        _type_fields(schema, handler, set())
        return schema


class MayBeLeftOut(Typed):
    """Marks an argument that may be left out: what a model says instead of a value is none, unless it is a
    value of that type.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_wrap_validator_function(self._given_or_none, handler(source))

    def _given_or_none(self, value: Any, validate: Any) -> Any:
        try:
            return validate(value)
        except ValidationError:
            if is_left_out(value):
                return None
            raise

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        _drop_null(schema)
        return schema


def _drop_null(schema: dict[str, Any]) -> None:
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) > 1:
        schema["anyOf"] = kinds
    elif kinds:
        schema |= kinds[0]
    if schema.get("default") is None:
        schema.pop("default", None)  # of no type


def _type_fields(schema: Any, handler: GetJsonSchemaHandler, seen: set[str]) -> None:
    """Drop null from each field below that may be left out, in the classes that it refers to, too."""
    if isinstance(schema, list):
        for one in schema:
            _type_fields(one, handler, seen)
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        _type_fields(handler.resolve_ref_schema({"$ref": reference}), handler, seen)
    fields, required = schema.get("properties"), schema.get("required", ())
    if schema.get("type") == "object" and isinstance(fields, dict):
        for name, field in fields.items():
            if name not in required and field.get("default") is None:
                _drop_null(field)
            _type_fields(field, handler, seen)
    for inside in ("anyOf", "oneOf", "allOf", "items", "prefixItems", "additionalProperties"):
        _type_fields(schema.get(inside), handler, seen)


class LeftOut(MayBeLeftOut):
    """The same for an argument of ours: what a model says instead of a value is `default`."""

    def __init__(self, default: Any = None) -> None:
        self._default = default

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(self._value_or_default, handler(source))

    def _value_or_default(self, value: Any) -> Any:
        return self._default if is_left_out(value) else value


OptionalText: TypeAlias = Annotated[str | None, LeftOut()]


def none(description: str | None = None) -> Any:
    """The default None, which the schema does not show: it is of no type."""
    return Field(default_factory=_none, description=description)


def without_default(field: FieldInfo) -> FieldInfo:
    """A field whose default is None, so that the schema does not show it."""
    shown = copy(field)
    shown.default, shown.default_factory = PydanticUndefined, _none
    return shown


def _none() -> None:
    return None
