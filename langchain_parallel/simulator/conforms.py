"""Does a value obey a JSON schema? The part of the standard that the generator can produce.

Used to pick the one branch of a `oneOf` that fits, and to keep a scripted answer from breaking the
schema a caller asked for. Unknown keywords are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["conforms", "resolve"]

Schema = Any
_Check = Callable[[Any, Any, Schema, Schema], bool]


def resolve(schema: Schema, root: Schema) -> Schema:
    """The schema a local `$ref` points at, with the keywords beside the `$ref` laid over it."""
    for _ in range(20):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        target: Any = root
        for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            target = target.get(name, {}) if isinstance(target, dict) else {}
            if not part:
                target = root
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        schema = {**target, **rest} if isinstance(target, dict) and rest else target
    return {}


def conforms(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether `value` obeys `schema`; `root` is where `$ref` is looked up."""
    schema = resolve(schema, root)
    if isinstance(schema, bool):
        return schema
    return all(
        check(value, schema[key], schema, root) for key, check in _CHECKS.items() if key in schema
    )


def _same(a: Any, b: Any) -> bool:
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return plain and (kind == "number" or value == int(value))
    expected = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, expected.get(kind, object))


def _type(value: Any, kinds: Any, schema: Schema, root: Schema) -> bool:
    if value is None and schema.get("nullable"):
        return True
    return any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _numeric(test: Callable[[float, float], bool]) -> _Check:
    return lambda v, bound, schema, root: not _is(v, "number") or test(v, bound)


def _sized(
    kind: type[str | list[Any] | dict[str, Any]], test: Callable[[int, int], bool]
) -> _Check:
    return lambda v, bound, schema, root: not isinstance(v, kind) or test(len(v), bound)


def _multiple(value: float, step: float) -> bool:
    return abs(value / step - round(value / step)) < 1e-9


def _items(value: Any, items: Schema, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, list):
        return True
    return all(conforms(v, items, root) for v in value[len(schema.get("prefixItems", ())) :])


def _prefix(value: Any, schemas: Any, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, list):
        return True
    return all(conforms(v, s, root) for v, s in zip(value, schemas, strict=False))


def _unique(value: Any, wanted: Any, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, list) or not wanted:
        return True
    return len({json.dumps(v, sort_keys=True) for v in value}) == len(value)


def _properties(value: Any, properties: Any, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    return all(conforms(value[k], s, root) for k, s in properties.items() if k in value)


def _additional(value: Any, extra: Schema, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    return all(conforms(v, extra, root) for k, v in value.items() if k not in known)


_CHECKS: dict[str, _Check] = {
    "type": _type,
    "const": lambda v, const, schema, root: _same(v, const),
    "enum": lambda v, options, schema, root: any(_same(v, o) for o in options),
    "minimum": _numeric(lambda v, b: v >= b),
    "maximum": _numeric(lambda v, b: v <= b),
    "exclusiveMinimum": _numeric(lambda v, b: v > b),
    "exclusiveMaximum": _numeric(lambda v, b: v < b),
    "multipleOf": _numeric(_multiple),
    "minLength": _sized(str, lambda n, b: n >= b),
    "maxLength": _sized(str, lambda n, b: n <= b),
    "pattern": lambda v, p, schema, root: not isinstance(v, str) or bool(re.search(p, v)),
    "minItems": _sized(list, lambda n, b: n >= b),
    "maxItems": _sized(list, lambda n, b: n <= b),
    "uniqueItems": _unique,
    "prefixItems": _prefix,
    "items": _items,
    "minProperties": _sized(dict, lambda n, b: n >= b),
    "maxProperties": _sized(dict, lambda n, b: n <= b),
    "required": lambda v, names, s, r: not isinstance(v, dict) or all(n in v for n in names),
    "properties": _properties,
    "additionalProperties": _additional,
    "allOf": lambda v, options, s, root: all(conforms(v, o, root) for o in options),
    "anyOf": lambda v, options, s, root: any(conforms(v, o, root) for o in options),
    "oneOf": lambda v, options, s, root: sum(conforms(v, o, root) for o in options) == 1,
    "not": lambda v, other, s, root: not conforms(v, other, root),
}
