"""Builds a value that obeys a JSON schema and is plainly made up.

Supports types, `enum`, `const`, `required`, nested objects, arrays, `$ref`/`$defs`, `anyOf`, `oneOf`,
`allOf`, nullable, formats, numeric and length bounds, `additionalProperties`. For a `pattern` it tries a
list of common strings. It does not support `if`/`then`, `dependentSchemas` and the like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .deterministic_ids import hex_id, number
from .schema_check import is_valid, resolve_ref

Schema = Any
Path = tuple[str, ...]
TextWriter = Callable[[Path], str]
"""Writes the string at this path."""

# From this depth on, optional parts are left out, so that a recursive schema ends.
_OPTIONAL_DEPTH = 6
_MAX_DEPTH = 24  # a schema that requires itself has no finite value

_FORMATS = {
    "date": "2025-06-15",
    "date-time": "2025-06-15T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "simulated@example.com",
    "hostname": "simulated.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uri-reference": "/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "regex": "^simulated$",
    "json-pointer": "/simulated",
}
_PATTERN_STRINGS = (
    *_FORMATS.values(),
    *("2025", "2025-06", "1", "12", "123", "1234", "12345", "123456", "1.5", "42%", "$1", "$1.00"),
    *("A", "AB", "ABC", "ABCD", "ABCDE", "a", "ab", "abc", "abcd", "A1", "AB12", "ABC123", "ab-12"),
    *("simulated", "Simulated", "SIMULATED", "simulated_1", "simulated-1"),
    *("+10000000000", "#000000"),
)


@dataclass(frozen=True)
class ExampleBuilder:
    """Builds values for one root schema; the same ones for the same `seed`."""

    root: Schema
    seed: str
    text: TextWriter

    def build(self, schema: Schema | None = None, path: Path = (), depth: int = 0) -> Any:
        """Build a value for `schema` (the root if None), which stands at `path`."""
        schema = resolve_ref(self.root if schema is None else schema, self.root)
        if not isinstance(schema, dict):
            schema = {}
        if depth > _MAX_DEPTH:
            return None
        value: Any = None
        for option in self._options(schema, depth):
            value = self._plain(option, path, depth)
            if is_valid(value, schema, self.root):
                break
        return value

    def _options(self, schema: Schema, depth: int) -> list[Schema]:
        """The schema without `allOf`, `anyOf` and `oneOf`: one schema for each combination of branches."""
        base = {k: v for k, v in schema.items() if k not in ("allOf", "anyOf", "oneOf")}
        options = [base]
        for part in schema.get("allOf", ()):
            inner = self._options(_as_dict(resolve_ref(part, self.root)), depth)
            options = [_merge(o, i) for o in options for i in inner]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                branches = self._branches(schema[key], depth)
                options = [_merge(o, b) for o in options for b in branches]
        return options

    def _branches(self, alternatives: Sequence[Schema], depth: int) -> list[Schema]:
        """The branches with real values first; at a great depth, `null` first, so that recursion ends."""
        resolved = [_as_dict(resolve_ref(a, self.root)) for a in alternatives]

        def rank(branch: Schema) -> int:
            empty = bool(branch.get("type") == "null")
            return -empty if depth >= _OPTIONAL_DEPTH else empty

        ordered = sorted(resolved, key=rank)
        return [option for branch in ordered for option in self._options(branch, depth)]

    def _plain(self, schema: Schema, path: Path, depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            options = [o for o in schema["enum"] if o is not None] or [None]
            return options[self._pick(path) % len(options)]
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, path, depth)
        if kind == "array":
            return self._array(schema, path, depth)
        if kind == "string":
            return self._string(schema, path)
        if kind in ("integer", "number"):
            return _number(schema, kind == "integer", self._pick(path))
        return self._pick(path) % 2 == 0 if kind == "boolean" else None

    def _pick(self, path: Path) -> int:
        """A number for this path. Neighbours in an array get neighbouring numbers."""
        last = path[-1] if path else ""
        if not last.isdigit():
            return number(self.seed, *path) % 97
        return number(self.seed, *path[:-1]) % 97 + int(last)

    def _object(self, schema: Schema, path: Path, depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        names = [n for n in properties if n in required or depth < _OPTIONAL_DEPTH]
        names += [n for n in required if n not in properties]
        extra = schema.get("additionalProperties", True)
        wanted = int(schema.get("minProperties", 0))
        if not properties and isinstance(extra, dict) and depth < _OPTIONAL_DEPTH:
            wanted = max(wanted, 1)
        names += [n for n in properties if n not in names][: max(wanted - len(names), 0)]
        names += [f"simulated_{i}" for i in range(1, wanted - len(names) + 1)]
        most = int(schema.get("maxProperties", len(names)))
        kept = [n for n in names if n in required]
        kept += [n for n in names if n not in required][: max(most - len(kept), 0)]
        return {
            n: self.build(properties.get(n, _as_dict(extra)), (*path, n), depth + 1)
            for n in names
            if n in kept
        }

    def _array(self, schema: Schema, path: Path, depth: int) -> list[Any]:
        least, first = int(schema.get("minItems", 0)), schema.get("prefixItems", [])
        usual = max(2, len(first)) if depth < _OPTIONAL_DEPTH else 0
        size = min(max(least, usual), int(schema.get("maxItems", 10**6)))
        rest = schema.get("items", {})
        if rest is False:
            size = min(size, len(first))
        schemas = [first[i] if i < len(first) else rest for i in range(size)]
        made = [self.build(s, (*path, str(i)), depth + 1) for i, s in enumerate(schemas)]
        return _distinct(made, least) if schema.get("uniqueItems") else made

    def _string(self, schema: Schema, path: Path) -> str:
        least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 10**6))
        if "pattern" in schema:
            fits = (s for s in _PATTERN_STRINGS if re.search(schema["pattern"], s))
            return next((s for s in fits if least <= len(s) <= most), self.text(path))
        if schema.get("format") in _FORMATS:
            return self._formatted(schema["format"], path)
        text = self.text(path) if most >= 12 else "simulated"
        return text[:most].ljust(least, ".")

    def _formatted(self, name: str, path: Path) -> str:
        """A value of a known format. Elements of an array differ if the format allows it."""
        value = _FORMATS[name]
        if name in ("uri", "url"):
            return f"{value}/{'/'.join(path)}"
        if name == "uuid":
            return f"{value[:-12]}{hex_id(self.seed, *path, length=12)}"
        if name == "email":
            return f"simulated.{hex_id(self.seed, *path, length=6)}@example.com"
        if name in ("date", "date-time"):
            return value.replace("06-15", f"06-{self._pick(path) % 28 + 1:02}")
        return value


def _as_dict(schema: Schema) -> Schema:
    return schema if isinstance(schema, dict) else {}


def _kind(schema: Schema) -> str:
    """The type to build: the stated one, else the one that the other keywords belong to."""
    type_ = schema.get("type")
    if isinstance(type_, list):
        return next((str(k) for k in type_ if k != "null"), "null")
    if type_:
        return str(type_)
    hints = {
        "object": ("properties", "required", "additionalProperties", "minProperties"),
        "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    return next((k for k, keys in hints.items() if any(key in schema for key in keys)), "string")


def _merge(a: Schema, b: Schema) -> Schema:
    """A schema that requires what both require, keyword by keyword."""
    result = dict(a)
    for key, value in b.items():
        result[key] = _merge_keyword(key, result[key], value) if key in result else value
    return result


def _merge_keyword(key: str, a: Any, b: Any) -> Any:
    if key in ("$defs", "definitions"):
        return {**a, **b}
    if key == "properties":
        return {n: _merge_property(a.get(n), b.get(n)) for n in (*a, *(n for n in b if n not in a))}
    if key == "required":
        return [*a, *(n for n in b if n not in a)]
    if key == "enum":
        return [v for v in a if v in b]
    if key == "type":
        return _common_type(a, b)
    if key.startswith(("min", "exclusiveMin")):
        return max(a, b)
    if key.startswith(("max", "exclusiveMax")):
        return min(a, b)
    if key in ("items", "additionalProperties") and isinstance(a, dict) and isinstance(b, dict):
        return {"allOf": [a, b]}
    return b


def _merge_property(a: Schema, b: Schema) -> Schema:
    return {"allOf": [a, b]} if a is not None and b is not None else (b if a is None else a)


def _common_type(a: Any, b: Any) -> Any:
    left, right = ([t] if isinstance(t, str) else list(t) for t in (a, b))
    if {*left, *right} >= {"number", "integer"}:
        return "integer"
    return [t for t in left if t in right] or right


def _number(schema: Schema, whole: bool, pick: int) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf") or (1 if whole else None)
    if step is None:
        return _between(low, high, pick)
    start = math.ceil((low if low is not None else (high - 100 * step if high else 0)) / step)
    if start * step == schema.get("exclusiveMinimum"):
        start += 1
    steps = 100
    if high is not None:
        steps = math.floor(high / step) - start + 1
        steps -= (start + steps - 1) * step == schema.get("exclusiveMaximum")
    value = (start + pick % max(steps, 1)) * step
    return int(value) if float(value).is_integer() and (whole or step == int(step)) else value


def _between(low: float | None, high: float | None, pick: int) -> float:
    """A number strictly between the bounds if possible, so that exclusive bounds hold, too."""
    if low is None and high is None:
        return pick + 0.5
    if low is None or high is None:
        return low + 0.5 + pick if low is not None else (high or 0) - 0.5 - pick
    return low + (high - low) * (pick % 97 + 1) / 99 if high > low else low


def _distinct(values: list[Any], least: int) -> list[Any]:
    """Remove repeats, unless fewer than `least` values would be left."""
    kept: list[Any] = []
    for value in values:
        if value not in kept or (isinstance(value, bool) and not any(v is value for v in kept)):
            kept.append(value)
    return kept if len(kept) >= least else values
