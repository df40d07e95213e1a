"""A JSON schema as plain lines, so that two descriptions of the same thing can be compared.

    TaskRunInput.metadata.*: string
    TaskRunInput.processor: required
    TaskRunInput.task_spec.output_schema<json>.type: string, one of json

Rule: what no line says (titles, descriptions, defaults, what is shown as a password) is no drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
_LIMITS = ("minLength", "maxLength", "pattern", "format", "minimum", "maximum", "maxItems")


def facts(name: str, schema: Schema, root: Schema) -> Iterator[str]:
    """All that a schema says about a value and what is inside it. A `$ref` is looked up in `root`."""
    branches = list(_branches(schema, root))
    objects = [branch for branch in branches if _kind(branch) == "object"]
    if name.endswith((".*", "[]")) and list(map(_kind, branches)) == ["anything"]:
        return
    for branch in branches:
        label = f"<{_tag(branch, root)}>" if len(objects) > 1 and branch in objects else ""
        yield from _facts_of_branch(f"{name}{label}", branch, root)


def _facts_of_branch(name: str, schema: Schema, root: Schema) -> Iterator[str]:
    kind = _kind(schema)
    options = [schema["const"]] if "const" in schema else schema.get("enum", [])
    parts = [kind, *(f"one of {' '.join(map(str, options))}" for _ in options[:1])]
    limits = {word: schema[word] for word in _LIMITS if word in schema}
    limits = {
        w: int(v) if isinstance(v, float) and v.is_integer() else v for w, v in limits.items()
    }
    parts += [f"{word} {value}" for word, value in limits.items() if value != "password"]
    yield f"{name}: {', '.join(parts)}"
    for inner, value in schema.get("properties", {}).items():
        yield from facts(f"{name}.{inner}", value, root)
        if inner in schema.get("required", ()):
            yield f"{name}.{inner}: required"
    if schema.get("additionalProperties") is False:
        yield f"{name}: closed"
    for word, step in (("additionalProperties", ".*"), ("items", "[]")):
        if isinstance(schema.get(word), dict):
            yield from facts(f"{name}{step}", schema[word], root)


def _branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The alternatives of a union, or the one schema that it is; references are followed."""
    while "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    unions = [each for word in ("anyOf", "oneOf") for each in schema.get(word, ())]
    if not unions:
        yield schema
    for each in unions:
        yield from _branches(each, root)


def _kind(schema: Schema) -> str:
    return str(schema.get("type", "anything"))


def _tag(schema: Schema, root: Schema) -> str:
    """What tells an object from the other objects of its union: the constant in its `type`."""
    tag = next(_branches(schema.get("properties", {}).get("type", {}), root))
    return str(tag.get("const", "?"))


def kinds(lines: Iterator[str] | set[str]) -> dict[str, set[str]]:
    """Only which fields there are, and their kinds: `{"TaskRunInput.input": {"object", "string"}}`."""
    found: dict[str, set[str]] = {}
    for line in lines:
        path, _, said = line.partition(": ")
        kind = said.partition(",")[0]
        plain = "".join(
            part.partition(">")[2] if i else part for i, part in enumerate(path.split("<"))
        )
        if kind not in ("required", "closed", "null"):
            found.setdefault(plain, set()).add(kind)
    return found
