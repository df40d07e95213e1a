"""How deep and how wide a JSON schema is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Size = tuple[int, int]
"""Levels of objects, and properties in all."""


class SchemaSize:
    """Depth and number of properties of a JSON schema, references followed.

    A definition counts wherever it is used. It is measured once, because a few classes that refer to each
    other many times would otherwise take exponential time.

    Attributes:
        root: The schema's root; if that is a reference, what it refers to.
        depth: Levels of objects; an array adds none.
        properties: Fields of all objects together.
        recursive: It refers to itself, and so has no depth.
        missing: References to definitions that it does not hold.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._known: dict[str, Size] = {}
        self._open: set[str] = set()
        self.recursive = False
        self.missing: list[str] = []
        self.depth, self.properties = self._size(schema)
        ref = schema.get("$ref")
        target = self._target(ref) if isinstance(ref, str) else schema
        self.root: Mapping[str, Any] = target if isinstance(target, Mapping) else {}

    def _size(self, schema: Any) -> Size:
        if not isinstance(schema, Mapping):
            return 0, 0
        ref = schema.get("$ref")
        if isinstance(ref, str):
            return self._size_of_reference(ref)
        inner = [self._size(part) for part in _parts(schema)]
        properties = schema.get("properties")
        own = list(properties.values()) if isinstance(properties, Mapping) else []
        below = [self._size(value) for value in own]
        depth = max([d for d, _ in inner] + [1 + d for d, _ in below], default=0)
        return depth, len(own) + sum(n for _, n in (*inner, *below))

    def _size_of_reference(self, ref: str) -> Size:
        if ref in self._open:
            self.recursive = True
            return 0, 0
        if ref not in self._known:
            target = self._target(ref)
            if target is None:
                self.missing.append(ref)
            self._open.add(ref)
            self._known[ref] = self._size(target)
            self._open.discard(ref)
        return self._known[ref]

    def _target(self, ref: str) -> Any:
        if ref == "#":
            return self._schema
        if not ref.startswith("#/"):
            return None
        node: Any = self._schema
        for part in ref[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                node = node.get(name) if isinstance(node, Mapping) else None
        return node


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    items = schema.get("items")  # draft 7 has a list of them where later ones have prefixItems
    yield from items if isinstance(items, list) else [items]
    yield schema.get("additionalProperties")
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        alternatives = schema.get(word)
        yield from alternatives if isinstance(alternatives, list) else ()
