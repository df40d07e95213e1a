"""Does a value obey a JSON schema? Covers the part of the standard that `schema_examples` can build.

It finds the branch of a `oneOf` that fits, and keeps a scripted answer from breaking the caller's schema.
Unknown keywords are ignored, so that no schema can make the simulator fail. (A library would be an extra
that users of the in-process simulator have to install; a test compares the results with `jsonschema`.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Schema = Any


def resolve_ref(schema: Schema, root: Schema) -> Schema:
    """Follow a local `$ref`. Keywords beside the `$ref` override those of its target."""
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


def is_valid(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether `value` obeys `schema`. A `$ref` is looked up in `root`."""
    schema = resolve_ref(schema, root)
    if isinstance(schema, bool):
        return schema
    return all(
        check(value, schema[keyword], schema, root)
        for kind, checks in _CHECKS.items()
        if kind == "any" or _has_type(value, kind)
        for keyword, check in checks.items()
        if keyword in schema
    )


def _has_type(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return plain and (kind == "number" or value == int(value))
    expected = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, expected.get(kind, object))


def _has_any_type(value: Any, kinds: Any, schema: Schema, root: Schema) -> bool:
    if value is None and schema.get("nullable"):
        return True
    return any(_has_type(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _additional_properties(value: Any, extra: Schema, schema: Schema, root: Schema) -> bool:
    known = schema.get("properties", {})
    return all(is_valid(v, extra, root) for k, v in value.items() if k not in known)


_CHECKS: dict[str, dict[str, Callable[[Any, Any, Schema, Schema], bool]]] = {
    "any": {
        "type": _has_any_type,
        "const": lambda v, const, schema, root: _canonical(v) == _canonical(const),
        "enum": lambda v, options, schema, root: _canonical(v) in map(_canonical, options),
        "allOf": lambda v, all_of, schema, root: all(is_valid(v, s, root) for s in all_of),
        "anyOf": lambda v, any_of, schema, root: any(is_valid(v, s, root) for s in any_of),
        "oneOf": lambda v, one_of, schema, root: sum(is_valid(v, s, root) for s in one_of) == 1,
        "not": lambda v, other, schema, root: not is_valid(v, other, root),
    },
    "number": {
        "minimum": lambda v, bound, schema, root: v >= bound,
        "maximum": lambda v, bound, schema, root: v <= bound,
        "exclusiveMinimum": lambda v, bound, schema, root: v > bound,
        "exclusiveMaximum": lambda v, bound, schema, root: v < bound,
        "multipleOf": lambda v, step, schema, root: abs(v / step - round(v / step)) < 1e-9,
    },
    "string": {
        "minLength": lambda v, least, schema, root: len(v) >= least,
        "maxLength": lambda v, most, schema, root: len(v) <= most,
        "pattern": lambda v, pattern, schema, root: bool(re.search(pattern, v)),
    },
    "array": {
        "minItems": lambda v, least, schema, root: len(v) >= least,
        "maxItems": lambda v, most, schema, root: len(v) <= most,
        "uniqueItems": lambda v, wanted, schema, root: (
            not wanted or len(set(map(_canonical, v))) == len(v)
        ),
        "prefixItems": lambda v, schemas, schema, root: all(
            is_valid(item, s, root) for item, s in zip(v, schemas, strict=False)
        ),
        "items": lambda v, items, schema, root: all(
            is_valid(item, items, root) for item in v[len(schema.get("prefixItems", ())) :]
        ),
    },
    "object": {
        "minProperties": lambda v, least, schema, root: len(v) >= least,
        "maxProperties": lambda v, most, schema, root: len(v) <= most,
        "required": lambda v, names, schema, root: all(name in v for name in names),
        "properties": lambda v, properties, schema, root: all(
            is_valid(v[name], s, root) for name, s in properties.items() if name in v
        ),
        "additionalProperties": _additional_properties,
    },
}
