"""Arguments that a model may leave out, in a schema that every provider and framework takes.

Rule: each argument has a `type`. Several providers refuse `anyOf` with null, so such an argument is shown as
what it is when it is given. Models say that they leave it out in several ways: null, an empty text, "null",
"None". All of them count as left out.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

_WORDS = frozenset({"", "null", "none"})


def is_left_out(value: object) -> bool:
    """Whether a model means that it gives no value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _WORDS)


class Typed:
    """Marks an optional argument: its schema has the type that it has when it is given."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = dict(handler(core_schema))
        kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del schema["anyOf"]
            schema |= kinds[0]
        return schema


class LeftOut(Typed):
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


def _none() -> None:
    return None
