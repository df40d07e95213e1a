"""An answer as HTML: text as text, objects as tables, each field with its confidence and sources.

Rule: texts of the web become HTML through `web_html.py` alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from ..evidence import TEXT_FIELD, Evidence, join_path, numbers_by_field, rank, with_parents
from .untrusted import harmless
from .web_html import safe, text_html, web_html, web_link

_DEPTH = 5
"""Tables in tables; what is deeper is shown as JSON."""
_COLUMNS = 6
_CLASSES = {0: "low", 2: "medium", 3: "high"}
"""Of the style sheet, by rank."""


def word(confidence: str) -> str:
    """A confidence in its colour."""
    kind = _CLASSES.get(rank(confidence), "")
    return f'<b class="word {kind}">{escape(harmless(confidence, 20))}</b>'


def answer_html(
    evidence: Evidence,
    *,
    mark: Callable[[Any], str] = lambda number: f"[{safe(number)}]",
    note: Callable[[str], str] = lambda field: "",
) -> str:
    """The answer, then the evidence of fields that have no row of their own.

    Args:
        evidence: The answer's.
        mark: Writes a citation's number, as HTML.
        note: What else is to be said of a field, as HTML.
    """
    return _AnswerHtml(evidence, mark, note).html()


def sources_html(citations: Sequence[Mapping[str, Any]]) -> str:
    """The sources with their numbers; empty without any."""
    items = "".join(_source(source, at) for at, source in enumerate(citations, start=1))
    return f'<h3>Sources</h3><ol class="sources">{items}</ol>' if items else ""


def _source(source: Mapping[str, Any], at: int) -> str:
    number, url = source.get("number"), str(source.get("url") or "")
    number = number if isinstance(number, int) and abs(number) < 1e6 else at
    return f'<li value="{number}">{web_link(url, str(source.get("title") or ""))}</li>'


class _AnswerHtml:
    """An answer, written field by field."""

    def __init__(
        self, evidence: Evidence, mark: Callable[[Any], str], note: Callable[[str], str]
    ) -> None:
        self._content = evidence["content"]
        self._confidence = evidence["confidence"]
        self._unsupported = frozenset(evidence["unsupported_fields"])
        self._numbers = numbers_by_field(evidence["citations"])
        self._mark, self._note = mark, note
        known = (*self._confidence, *evidence["unsupported_fields"], *self._numbers)
        self._left = dict.fromkeys(known)
        self._below: dict[str, list[str]] = {}
        for known_path in self._left:
            for parent in with_parents(known_path):
                self._below.setdefault(parent, []).append(known_path)

    def html(self) -> str:
        body = self._block(self._content, "", 0)
        if not (isinstance(self._content, Mapping | list) and self._content):
            body += self._evidence(TEXT_FIELD, before="Confidence and sources: ")
        rest = [f"<li>{safe(field)} {self._evidence(field)}</li>" for field in list(self._left)]
        if rest:
            body += f'<h3>Evidence for parts</h3><ul class="parts">{"".join(rest)}</ul>'
        return body

    def _evidence(self, *paths: str, before: str = "") -> str:
        """What is known of fields, once."""
        left = [path for path in paths if path in self._left]
        if not left:
            return ""
        for path in left:
            del self._left[path]
        words = dict.fromkeys(filter(None, map(self._confidence.get, left)))
        numbers = dict.fromkeys(n for path in left for n in self._numbers.get(path, ()))
        is_bad = not self._unsupported.isdisjoint(left)
        bad = '<span class="bad">unsupported</span>' if is_bad else ""
        notes = dict.fromkeys(map(self._note, left))
        parts = (*map(word, words), "".join(map(self._mark, numbers)), bad, *notes)
        return f' <span class="evidence">{before}{" ".join(filter(None, parts))}</span>'

    def _block(self, value: Any, path: str, depth: int) -> str:
        nested = isinstance(value, Mapping | list | tuple) and bool(value)
        if nested and depth >= _DEPTH:
            return text_html(_json(value))
        if isinstance(value, Mapping) and value:
            return self._fields(value, path, depth)
        if nested:
            return self._columns(value, path) or self._list(value, path, depth)
        if value is None or value == "":
            return '<span class="none">—</span>'
        if isinstance(value, str) and (not path or "\n" in value):
            return web_html(value)
        return text_html(value if isinstance(value, str) else _json(value))

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

    def _columns(self, value: Sequence[Any], path: str) -> str:
        """A table of objects that all have the same few flat fields; empty if they have not."""
        names = column_names(value)
        if not names:
            return ""
        below = [self._below.get(join_path(path, at), ()) for at in range(len(value))]
        known = [self._evidence(*paths) for paths in below]
        head = "".join(f'<th scope="col">{_name(name)}</th>' for name in names)
        head += '<th scope="col">Evidence</th>' if any(known) else ""
        rows = (
            "".join(f"<td>{self._block(row[name], path, _DEPTH)}</td>" for name in names)
            + (f"<td>{about}</td>" if any(known) else "")
            for row, about in zip(value, known, strict=True)
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        table = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'<div class="scroll"><table>{table}</table></div>'


def _name(field: object) -> str:
    """A field's name; a browser may break the line after an underscore."""
    return safe(field).replace("_", "_<wbr>")


def column_names(value: Sequence[Any]) -> list[Any]:
    """The fields of objects that all have the same few flat ones, to be shown in one table; else none."""
    names = list(value[0]) if value and isinstance(value[0], Mapping) else []
    if not 0 < len(names) <= _COLUMNS or len(value) < 2:
        return []
    return names if all(_is_flat(row, names) for row in value) else []


def _is_flat(row: object, names: list[Any]) -> bool:
    if not isinstance(row, Mapping) or list(row) != names:
        return False
    return not any(isinstance(part, Mapping | list | tuple) for part in row.values())


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError, TypeError):  # a circle, or thousands of levels
        return "(nested too deeply to be shown)"
