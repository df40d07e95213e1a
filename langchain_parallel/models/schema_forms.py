"""The forms in which callers have a schema, as a JSON schema; and an answer read back in that form.

Rule: what the API refuses in an output schema is said in the field's description instead, so that any model
can be asked for; the answer is validated against the caller's own form. A schema whose root is no object,
such as that of `list[Model]`, becomes the one field `result` of an object, and is taken out of it again.
"""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, TypeGuard, cast

from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic.errors import PydanticUserError
from typing_extensions import (
    NotRequired,
    Required,
    TypedDict,
    get_type_hints,
    is_typeddict,
)

WRAPPED = "result"
"""The field that holds an answer whose own schema is no object."""

FORMS = (
    "Give a pydantic class (of version 1 or 2), a TypedDict, a dataclass, list[…] or Optional[…] of one of "
    "these, a JSON schema as a dict (bare, or in an envelope with json_schema), a text that describes the "
    "answer, or 'auto'."
)

_MAX_SHOWN = 200
_DEFINITIONS = ("$defs", "definitions")
_NAMED = ("properties", "patternProperties", "dependentSchemas", *_DEFINITIONS)
"""Keywords whose value has a schema for each name."""
_NESTED = (
    *(
        "items",
        "prefixItems",
        "additionalItems",
        "additionalProperties",
        "contains",
        "propertyNames",
    ),
    *("unevaluatedItems", "unevaluatedProperties"),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "else"),
)
"""Keywords whose value is a schema, or a list of them."""

_SAYS_SOMETHING = frozenset({"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf"})
_FORMATS = {
    "date": "a date (YYYY-MM-DD)",
    "date-time": "a date and time (ISO 8601)",
    "time": "a time (ISO 8601)",
    "duration": "a duration (ISO 8601)",
    "uri": "a URL",
    "email": "an email address",
    "uuid": "a UUID",
}
_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "multipleOf": "a multiple of {}",
    "minLength": "of length {} or more",
    "maxLength": "of length {} or less",
    "pattern": "a match of the regular expression {}",
    "minItems": "of {} or more items",
    "maxItems": "of {} or fewer items",
    "minProperties": "of {} or more properties",
    "maxProperties": "of {} or fewer properties",
}
_COUNTS = frozenset(word for word in _WORDS if word.startswith(("min", "max"))) - {
    "minimum",
    "maximum",
} | {"minContains", "maxContains"}
_OTHER_WORDS = ("contains", "format", "patternProperties", "propertyNames", "uniqueItems")
KEYWORDS = frozenset(
    {*_WORDS, *_COUNTS, *_OTHER_WORDS, "unevaluatedItems", "unevaluatedProperties"}
)
"""What the API refuses in an output schema (documented 2026-08)."""


def schema_of(form: Any) -> dict[str, Any]:
    """The JSON schema of a class or a type.

    Raises:
        ValueError: It has none.
    """
    if is_v1(form):
        return _with_object_root(form.schema())
    is_form = isinstance(form, type | UnionType) or typing.get_origin(form) is not None
    if not is_form:
        kind = type(form).__name__
        said = f"An instance of {kind} is given; give the class" if _is_class_like(form) else ""
        raise ValueError(f"{said or f'A value of the type {kind} is no schema'}. {FORMS}")
    try:
        schema = _adapter(form).json_schema()
    except (PydanticUserError, NameError, TypeError, AttributeError) as error:
        name = getattr(form, "__name__", str(form))
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{name:.100} has no JSON schema ({reason:.{_MAX_SHOWN}}). {FORMS}"
        ) from None
    if not _SAYS_SOMETHING.intersection(schema):
        raise ValueError(f"{getattr(form, '__name__', str(form)):.100} allows anything. {FORMS}")
    return _with_object_root(schema)


def is_v1(form: object) -> bool:
    """Whether this is a model class of pydantic 1."""
    v1 = sys.modules.get("pydantic.v1")  # whoever has such a class has imported it
    return v1 is not None and is_class(form) and issubclass(form, v1.BaseModel)


def is_class(form: object) -> TypeGuard[type[Any]]:
    """Whether this is a class; before Python 3.11, `list[int]` is an instance of `type` and is none."""
    return isinstance(form, type) and typing.get_origin(form) is None


def _is_class_like(form: object) -> bool:
    return isinstance(form, BaseModel) or is_dataclass(form) or is_v1(type(form))


def _with_object_root(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, as the one field of an object if it is not one itself."""
    if _is_object(schema):
        return schema
    inner = {name: value for name, value in schema.items() if name not in _DEFINITIONS}
    defs = {name: schema[name] for name in _DEFINITIONS if name in schema}
    return {
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
        **defs,
    }


def _is_object(schema: Mapping[str, Any]) -> bool:
    ref = str(schema.get("$ref", ""))
    for name in _DEFINITIONS:
        if ref.startswith(f"#/{name}/"):
            return _is_object(schema[name][ref.removeprefix(f"#/{name}/")])
    return schema.get("type") == "object" and "anyOf" not in schema


# --- what the API refuses ------------------------------------------------------------------------


def parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    """The schemas directly inside one: the keyword that holds it, its name if it has one, and the schema."""
    for word in (*_NAMED, *_NESTED):
        value = schema.get(word)
        if word in _NAMED:
            named = value.items() if isinstance(value, Mapping) else ()
            yield from ((word, str(name), part) for name, part in named)
        else:
            yield from (
                (word, None, part) for part in (value if isinstance(value, list) else [value])
            )


def acceptable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, in which each keyword that the API refuses is said in the description instead.

    Raises:
        ValueError: Such a keyword counts, and its number is negative.
    """
    return cast("dict[str, Any]", _acceptable(schema))


def close(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a caller's class, without other fields than the class has: the API advises it.

    What says itself which other fields there may be (`dict[str, int]`, `extra="allow"`) stays as it is; so
    does everything where parts add fields to each other (`allOf`), for none of them may be closed.
    """
    return dict(schema) if _adds_up(schema) else cast("dict[str, Any]", _close(schema))


def _adds_up(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    several = schema.get("allOf")
    is_sum = isinstance(several, list) and len(several) > 1
    return is_sum or any(_adds_up(part) for _, _, part in parts(schema))


def _close(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    made = _change_parts(schema, _close)
    if schema.get("type") == "object" and "properties" in schema:
        made.setdefault("additionalProperties", False)
    return made


def _change_parts(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """The schema with each schema directly inside it changed."""
    made: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _NAMED and isinstance(value, Mapping):
            made[word] = {name: change(part) for name, part in value.items()}
        elif word in _NESTED:
            made[word] = [*map(change, value)] if isinstance(value, list) else change(value)
        else:
            made[word] = value
    return made


def _acceptable(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    said = [text for word in schema if word in KEYWORDS for text in _said(word, schema[word])]
    allowed = {word: value for word, value in schema.items() if word not in KEYWORDS}
    kept = _change_parts(allowed, _acceptable)
    if said:
        before = str(kept.get("description", "")).strip()
        must = f"Must be {', '.join(said)}."
        kept["description"] = f"{before} {must}".strip()
    return kept


def _said(word: str, value: Any) -> list[str]:
    if word in _COUNTS and isinstance(value, int | float) and value < 0:
        raise ValueError(
            f"The schema's {word} is {value}; there is no negative number of anything."
        )
    if word == "uniqueItems":
        return ["without repeated items"] if value else []
    if word == "format":
        return [_FORMATS.get(str(value), f"of the format {value}")]
    if word in _WORDS:
        return [_WORDS[word].format(value)]
    return [f"valid for the JSON Schema keyword {word}: {json.dumps(value, default=str)}"]


# --- reading an answer ---------------------------------------------------------------------------


def read_as(form: Any, content: Any) -> Any:
    """An answer's content as a value of the form that asked for it.

    Raises:
        ValueError: It does not fit; pydantic's error, of version 1 or 2, is one.
    """
    if is_class(form) and issubclass(form, BaseModel) and not issubclass(form, RootModel):
        is_text = isinstance(content, str)
        return form.model_validate_json(content) if is_text else form.model_validate(content)
    if isinstance(content, str):
        content = _parse_text(content)
    if _is_wrapped(form, content):
        content = content[WRAPPED]
    return form.parse_obj(content) if is_v1(form) else _adapter(form).validate_python(content)


def _is_wrapped(form: Any, content: Any) -> bool:
    if not isinstance(content, dict) or list(content) != [WRAPPED]:
        return False
    properties = schema_of(form).get("properties") or {}
    schema = None if is_v1(form) else _adapter(form).json_schema()
    return list(properties) == [WRAPPED] and (schema is None or not _is_object(schema))


def _parse_text(text: str) -> Any:
    """The JSON object in a text; the text itself if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


# --- types ---------------------------------------------------------------------------------------


def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_with_current_typeddicts(form))


def _with_current_typeddicts(form: Any) -> Any:
    """The type with `typing_extensions.TypedDict`s: before Python 3.12, pydantic takes no others."""
    if sys.version_info >= (3, 12):
        return form
    if is_typeddict(form):
        hints = get_type_hints(form, include_extras=True)
        fields = {
            name: (Required if name in form.__required_keys__ else NotRequired)[
                _with_current_typeddicts(_bare(hint))
            ]
            for name, hint in hints.items()
        }
        made: Any = TypedDict(form.__name__, fields)  # type: ignore[misc]  # made of what is at hand
        made.__doc__ = form.__doc__
        return made
    origin, args = typing.get_origin(form), typing.get_args(form)
    if origin is typing.Annotated:
        first, *notes = args
        return typing.Annotated.__class_getitem__((_with_current_typeddicts(first), *notes))
    if origin in (list, typing.Union, UnionType):
        changed = tuple(map(_with_current_typeddicts, args))
        either: Any = typing.Union  # of a tuple made here, which `|` does not take
        return list[changed[0]] if origin is list else either[changed]  # type: ignore[valid-type]  # made here
    return form


def _bare(hint: Any) -> Any:
    """A field's type without `Required` and `NotRequired`, which the keys already say."""
    is_marked = typing.get_origin(hint) in (Required, NotRequired)
    return typing.get_args(hint)[0] if is_marked else hint
