"""What the documentation allows in an output schema.

A definition that is used in several places counts there each time for levels and properties, as the answer
has it each time; names and enum values are counted where they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..models.schema_forms import KEYWORDS, parts
from .documented_rules import BrokenRule, broken
from .json_schema import SchemaSize

MAX_DEPTH = 5
MAX_PROPERTIES = 100
MAX_ENUM_VALUES, LONG_ENUM, MAX_ENUM_CHARACTERS = 500, 250, 7_500
MAX_NAME_CHARACTERS = 25_000
_NAMED = 3
"""How many places a broken rule names."""

BASIS_NAMES = frozenset(
    {"citations", "confidence", "evidence", "reasoning", "source", "sources", "source_urls"}
)
"""Names of answer fields that would repeat what the basis holds."""


def impossible(schema: Mapping[str, Any]) -> Iterator[str]:
    """Why no answer can have this schema."""
    missing = SchemaSize(schema).missing
    if missing:
        yield f"The output schema refers to {missing[0]!r}, which is not in it."


def broken_rules(schema: Mapping[str, Any]) -> Iterator[BrokenRule]:
    """The rules that an output schema breaks."""
    measure = SchemaSize(schema)
    root = measure.root
    yield from _shape(schema, measure)
    nodes = list(_nodes(schema, ()))
    yield from _keywords(nodes)
    yield from _enums(nodes)
    fields = root.get("properties")
    doubled = sorted(BASIS_NAMES.intersection(fields)) if isinstance(fields, Mapping) else []
    if doubled:
        yield broken(
            "schema-basis",
            f"The output schema asks for {', '.join(doubled)}; the basis of every answer carries that "
            "already.",
        )
    yield from _advice(nodes)


def _shape(schema: Mapping[str, Any], measure: SchemaSize) -> Iterator[BrokenRule]:
    if "anyOf" in schema or measure.root.get("type") != "object":
        yield broken(
            "schema-root",
            "The output schema's root must be an object (`type: object`) and may not be an `anyOf`; wrap "
            "it in an object with one property.",
        )
        return
    if not measure.root.get("properties"):
        yield broken(
            "schema-properties",
            "The output schema has no properties; name at least one field of the answer.",
        )
    if measure.recursive:
        yield broken(
            "schema-depth",
            f"The output schema refers to itself; the API takes at most {MAX_DEPTH} levels, so write "
            "them out.",
        )
    elif measure.depth > MAX_DEPTH:
        yield broken(
            "schema-depth",
            f"The output schema nests {measure.depth} levels deep; {MAX_DEPTH} are allowed. Flatten it.",
        )
    if measure.properties > MAX_PROPERTIES:
        yield broken(
            "schema-properties",
            f"The output schema has {measure.properties:,} properties; {MAX_PROPERTIES} are allowed. "
            "Split the question over several runs.",
        )


_Node = tuple[str, Mapping[str, Any], bool]
"""Its path, the schema there, and whether it is one of several alternatives."""


def _nodes(schema: Any, path: tuple[str, ...], is_alternative: bool = False) -> Iterator[_Node]:
    if isinstance(schema, Mapping):
        yield ".".join(path) or "the root", schema, is_alternative
        for word, name, part in parts(schema):
            step = () if name is None else (name,)
            yield from _nodes(part, (*path, *step), word in ("anyOf", "oneOf"))


def _keywords(nodes: list[_Node]) -> Iterator[BrokenRule]:
    used: dict[str, list[str]] = {}
    for path, schema, _ in nodes:
        for word in KEYWORDS.intersection(schema):
            used.setdefault(word, []).append(path)
    for word in sorted(used):
        yield broken(
            "schema-keyword",
            f"The output schema uses `{word}` ({_places(used[word])}), which the API refuses; say it in "
            "the field's description.",
        )
    alone = [path for path, schema, alternative in nodes if _is_null(schema) and not alternative]
    if alone:
        yield broken(
            "schema-null",
            f"The output schema has `null` alone ({_places(alone)}); write it beside another type.",
        )


def _is_null(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in ("null", ["null"])


def _places(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(f"{path:.80}" for path in paths[:_NAMED]) + more


def _enums(nodes: list[_Node]) -> Iterator[BrokenRule]:
    enums = [(p, s["enum"]) for p, s, _ in nodes if isinstance(s.get("enum"), list)]
    total = sum(len(values) for _, values in enums)
    if total > MAX_ENUM_VALUES:
        yield broken(
            "schema-enums",
            f"The enums of the output schema have {total:,} values; {MAX_ENUM_VALUES} are allowed.",
        )
    for path, values in enums:
        size = sum(len(str(value)) for value in values)
        if len(values) > LONG_ENUM and size > MAX_ENUM_CHARACTERS:
            yield broken(
                "schema-enum",
                f"The enum of {path:.80} has {len(values)} values of {size:,} characters; over "
                f"{LONG_ENUM} values may have {MAX_ENUM_CHARACTERS:,}.",
            )
    names = sum(len(str(name)) for _, schema, _ in nodes for name in _properties(schema))
    size = names + sum(len(str(value)) for _, values in enums for value in values)
    if size > MAX_NAME_CHARACTERS:
        yield broken(
            "schema-names",
            f"The names and enum values of the output schema have {size:,} characters; "
            f"{MAX_NAME_CHARACTERS:,} are allowed.",
        )


def _advice(nodes: list[_Node]) -> Iterator[BrokenRule]:
    left_out, is_open = [], []
    for path, schema, _ in nodes:
        required = schema.get("required")
        asked = required if isinstance(required, list) else []
        left_out += [str(name) for name in _properties(schema) if name not in asked]
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            is_open.append(path)
    if left_out:
        yield broken(
            "schema-required",
            f"The output schema does not require {_places(left_out)}; require every property, and let "
            "it be null where it may be missing.",
        )
    if is_open:
        yield broken(
            "schema-closed",
            f"The output schema allows other properties at {_places(is_open)}; write "
            "`additionalProperties: false`.",
        )


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}
