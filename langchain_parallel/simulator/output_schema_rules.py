"""What the API's pages say about output schemas: what is an error, and what only a warning.

Rule: a schema that is let through can be measured and answered; so one that is no JSON schema at all is an
error, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .http_messages import JsonObject
from .problems import Loc, Problem
from .schema_check import is_schema, resolve_ref

OUTPUT_SCHEMA: Loc = ("task_spec", "output_schema", "json_schema")
REFUSED_KEYWORDS = frozenset(
    (
        *("contains", "format", "maxContains", "maxItems", "maxLength", "maxProperties"),
        *("maximum", "minContains", "minItems", "minLength", "minimum", "minProperties"),
        *("multipleOf", "pattern", "patternProperties", "propertyNames", "uniqueItems"),
        *("unevaluatedItems", "unevaluatedProperties"),
    )
)
REDUNDANT_FIELDS = frozenset(
    ("citations", "confidence", "evidence", "reasoning", "source", "sources", "source_urls")
)
_MAX_LEVELS = 5
_MAX_PROPERTIES = 100
_MAX_ENUM_VALUES = 500
_LONG_ENUM = 250
_MAX_LONG_ENUM_CHARACTERS = 7_500
_MAX_NAME_CHARACTERS = 25_000
_MANY_FIELDS = 20
"""More top-level fields than this bring a warning (assumed: the page gives no number)."""
_BRANCHES = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else")
_DEFINITIONS = ("$defs", "definitions")


@dataclass
class _Measures:
    """What was found in one schema."""

    levels: int = 0
    properties: int = 0
    enum_values: int = 0
    characters: int = 0
    keywords: set[str] = field(default_factory=set)
    long_enums: int = 0
    bare_nulls: int = 0
    optional: list[str] = field(default_factory=list)
    open_objects: int = 0
    redundant: set[str] = field(default_factory=set)


def schema_problems(schema: JsonObject) -> Iterator[Problem]:
    """What is an error in an output schema."""
    yield from (Problem(OUTPUT_SCHEMA, message) for message in _errors(schema))


def _errors(schema: JsonObject) -> Iterator[str]:
    if not is_schema(schema):
        yield "is not a JSON schema"
        return
    if "anyOf" in schema:
        yield "anyOf is not allowed at the root"
    root = resolve_ref(schema, schema)
    if root.get("type") != "object" or not root.get("properties"):
        yield "the root must be an object with properties"
    found = _measure(schema)
    for name, count, most in (
        ("levels of objects", found.levels, _MAX_LEVELS),
        ("properties", found.properties, _MAX_PROPERTIES),
        ("enum values", found.enum_values, _MAX_ENUM_VALUES),
        ("characters of names and values", found.characters, _MAX_NAME_CHARACTERS),
    ):
        if count > most:
            yield f"{count} {name}, {most} are allowed"
    if found.long_enums:
        yield f"an enum of more than {_LONG_ENUM} values has over {_MAX_LONG_ENUM_CHARACTERS} characters"
    if found.bare_nulls:
        yield "null is allowed in a union only"
    yield from (f"the keyword {word} is not supported" for word in sorted(found.keywords))


def schema_warnings(schema: JsonObject) -> list[str]:
    """What the API remarks on an output schema that it accepts."""
    found = _measure(schema)
    said = [
        f"Output field '{name}' is redundant: the basis carries it."
        for name in sorted(found.redundant)
    ]
    if found.optional:
        names = ", ".join(f"'{name[:60]}'" for name in found.optional[:5])
        said.append(f"Fields that are not required ({names}): make them required, and nullable.")
    if found.open_objects:
        said.append(f"Objects without additionalProperties: false: {found.open_objects}.")
    fields = len(resolve_ref(schema, schema).get("properties", {}))
    if fields > _MANY_FIELDS:
        said.append(f"{fields} fields are more than recommended.")
    return said


def _measure(schema: JsonObject) -> _Measures:
    """Measure a schema; each definition once for each depth at which it is used.

    A definition that uses itself has no finite depth; the second use within one path counts no further.
    """
    found = _Measures()
    waiting: list[tuple[Any, int, frozenset[str], bool]] = [(schema, 0, frozenset(), False)]
    counted: set[tuple[str, int]] = set()
    while waiting:
        part, levels, path, in_union = waiting.pop()
        if not isinstance(part, dict):
            continue
        if isinstance(ref := part.get("$ref"), str):
            if ref in path or (ref, levels) in counted:
                continue
            counted.add((ref, levels))
            path |= {ref}
            part = resolve_ref(part, schema)
            if not isinstance(part, dict):
                continue
        properties = part.get("properties") or {}
        levels += bool(properties)
        _count(part, properties, found, in_union=in_union)
        found.levels = max(found.levels, levels)
        if levels > _MAX_LEVELS or found.properties > _MAX_PROPERTIES:
            return found
        inner = [(each, False) for each in (*properties.values(), *map(part.get, _SINGLE))]
        inner += [
            (each, word != "prefixItems") for word in _BRANCHES for each in part.get(word, ())
        ]
        waiting += [(each, levels, path, is_branch) for each, is_branch in inner]
    return found


def _count(part: JsonObject, properties: JsonObject, found: _Measures, *, in_union: bool) -> None:
    found.properties += len(properties)
    found.keywords |= REFUSED_KEYWORDS & part.keys()
    found.redundant |= REDUNDANT_FIELDS & properties.keys()
    found.bare_nulls += part.get("type") == "null" and not in_union
    found.optional += [name for name in properties if name not in part.get("required", ())]
    found.open_objects += bool(properties) and part.get("additionalProperties") is not False
    options = part.get("enum") or []
    size = sum(len(_text(option)) for option in options)
    found.enum_values += len(options)
    found.long_enums += len(options) > _LONG_ENUM and size > _MAX_LONG_ENUM_CHARACTERS
    found.characters += size + sum(map(len, properties)) + len(_text(part.get("const", "")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
