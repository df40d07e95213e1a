"""An answer as HTML: text as text, objects as tables, each field with its confidence and sources.

Rule: texts of the web become HTML through `safe` and `lines` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..evidence import TEXT_FIELD, join_path, numbers_by_field, rank
from ..text.untrusted import harmless
from .tree_nodes import Node

_DEPTH = 5
"""Tables in tables; what is deeper is shown as JSON."""
_COLUMNS = 6
_CLASSES = {0: "low", 2: "medium", 3: "high"}
"""Of the style sheet, by rank."""


def safe(text: object) -> str:
    """Text on one line, fit for an element or a quoted attribute."""
    return escape(harmless(str(text)))


def lines(text: str) -> str:
    """Text with its line ends and indents, fit for an element."""
    found = [(line, len(line) - len(line.lstrip(" "))) for line in text.splitlines()]
    return "\n".join(" " * min(indent, 40) + safe(line) for line, indent in found)


def _name(field: object) -> str:
    """A field's name; a browser may break the line after an underscore."""
    return safe(field).replace("_", "_<wbr>")


def word(confidence: str) -> str:
    """A confidence in its colour."""
    kind = _CLASSES.get(rank(confidence), "")
    return f'<b class="word {kind}">{escape(harmless(confidence, 20))}</b>'


class Answer:
    """The answer of one node, written field by field."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._numbers = numbers_by_field(node.citations)
        known = (*node.confidence, *node.unsupported_fields, *self._numbers)
        self._left = dict.fromkeys(known)

    def html(self) -> str:
        """The answer, then the evidence of fields that have no row of their own."""
        content = self._node.answer
        body = self._block(content, "", 0)
        if not (isinstance(content, Mapping | list) and content):
            body += self._evidence(TEXT_FIELD)
        rest = [f"<li>{safe(field)} {self._evidence(field)}</li>" for field in list(self._left)]
        if rest:
            body += f'<h3>Evidence for parts</h3><ul class="parts">{"".join(rest)}</ul>'
        return f"<h3>Answer</h3>{body}"

    def _evidence(self, path: str) -> str:
        """What is known of a field, once."""
        if path not in self._left:
            return ""
        del self._left[path]
        confidence = self._node.confidence.get(path)
        marks = "".join(f"[{safe(number)}]" for number in self._numbers.get(path, ()))
        unsupported = path in self._node.unsupported_fields
        bad = '<span class="bad">unsupported</span>' if unsupported else ""
        parts = (word(confidence) if confidence else "", marks, bad)
        return f'<span class="evidence">{" ".join(filter(None, parts))}</span>'

    def _block(self, value: Any, path: str, depth: int) -> str:
        nested = isinstance(value, Mapping | list | tuple) and bool(value)
        if nested and depth >= _DEPTH:
            return f'<p class="text">{lines(_json(value))}</p>'
        if isinstance(value, Mapping) and value:
            return self._fields(value, path, depth)
        if nested:
            return self._columns(value) or self._list(value, path, depth)
        if value is None or value == "":
            return '<span class="none">—</span>'
        text = value if isinstance(value, str) else _json(value)
        return f'<p class="text" dir="auto">{lines(text)}</p>'

    def _fields(self, value: Mapping[Any, Any], path: str, depth: int) -> str:
        rows = (
            f'<tr><th scope="row">{_name(name)}{self._evidence(inner)}</th>'
            f"<td>{self._block(part, inner, depth + 1)}</td></tr>"
            for name, part in value.items()
            for inner in [join_path(path, name)]
        )
        return f'<table class="fields"><tbody>{"".join(rows)}</tbody></table>'

    def _list(self, value: Sequence[Any], path: str, depth: int) -> str:
        items = (
            f"<li>{self._block(part, inner, depth + 1)}{self._evidence(inner)}</li>"
            for at, part in enumerate(value)
            for inner in [join_path(path, at)]
        )
        return f'<ol class="items">{"".join(items)}</ol>'

    def _columns(self, value: Sequence[Any]) -> str:
        """A table of objects that all have the same few flat fields; empty if they have not."""
        names = list(value[0]) if isinstance(value[0], Mapping) else []
        if (
            not 0 < len(names) <= _COLUMNS
            or len(value) < 2
            or not all(_flat(v, names) for v in value)
        ):
            return ""
        head = "".join(f'<th scope="col">{_name(name)}</th>' for name in names)
        rows = (
            "<tr>" + "".join(f"<td>{self._block(row[n], '', _DEPTH)}</td>" for n in names) + "</tr>"
            for row in value
        )
        table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        return f'<div class="scroll"><table>{table}</table></div>'


def _flat(row: object, names: list[Any]) -> bool:
    if not isinstance(row, Mapping) or list(row) != names:
        return False
    return not any(isinstance(part, Mapping | list | tuple) for part in row.values())


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError, TypeError):  # a circle, or thousands of levels
        return "(nested too deeply to be shown)"
