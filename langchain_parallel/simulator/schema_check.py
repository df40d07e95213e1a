"""Does a value obey a JSON schema? The library `jsonschema` decides, by draft 2020-12.

It finds the branch of a `oneOf` that fits, and keeps a scripted answer from breaking the caller's schema.
A `$ref` without a target or to itself refuses nothing: the simulator must not fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

try:
    from jsonschema import Draft202012Validator, ValidationError, validators
    from jsonschema.exceptions import SchemaError, UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"{_error}; the simulator needs it: pip install 'langchain-parallel[simulator]'",
        name=_error.name,
    ) from None

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


def is_schema(schema: Schema) -> bool:
    """Whether this is a JSON schema, and not one too deep to be read."""
    return _is_schema(json.dumps(schema))


@lru_cache(maxsize=256)  # it takes milliseconds, and a group's runs share a schema
def _is_schema(text: str) -> bool:
    try:
        Draft202012Validator.check_schema(json.loads(text))
    except (SchemaError, RecursionError):
        return False
    return True


def is_valid(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether `value` obeys `schema`. A `$ref` is looked up in `root`; none is fetched."""
    validator = _Validator(root, registry=_NO_OTHER_SCHEMAS)
    try:
        return bool(validator.evolve(schema=schema).is_valid(value))
    except (UnknownType, Unresolvable, RecursionError):
        return True


def _check_type(parent: Any, kinds: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if value is not None or not schema.get("nullable"):  # OpenAPI's word, which JSON Schema lacks
        yield from Draft202012Validator.VALIDATORS["type"](parent, kinds, value, schema)


def _check_multiple(_: Any, step: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """Unlike the library's own check, it takes 0.3 for a multiple of 0.1."""
    if isinstance(value, (int, float)) and abs(value / step - round(value / step)) >= 1e-9:
        yield ValidationError(f"{value!r} is not a multiple of {step!r}")


_extend: Any = validators.extend  # which its stubs leave untyped
_Validator = _extend(Draft202012Validator, {"type": _check_type, "multipleOf": _check_multiple})
_NO_OTHER_SCHEMAS: Registry[Any] = Registry()
