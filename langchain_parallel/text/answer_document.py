"""An answer as Markdown to be read: a text as the Markdown it is, objects as tables and lists, each field
with its confidence and the marks of its sources.

Rule: texts of the web go through `unmarked_line`, `rewrite_markdown` or `json_lines`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ..evidence import TEXT_FIELD, Evidence, join_path, numbers_by_field, with_parents
from .answer_html import column_names
from .markdown import json_lines, table_lines, unmarked_line
from .markdown_writer import rewrite_markdown
from .untrusted import compact_json

_DEPTH = 4
"""Lists in lists; what is deeper is shown as JSON."""
_CELL_CHARS = 160
"""A longer text gets a paragraph of its own."""
_NOTHING = "—"


def answer_document(
    evidence: Evidence, *, mark: Callable[[Any], str], note: Callable[[str], str]
) -> Iterator[str]:
    """The lines of the answer, an empty one first.

    Args:
        evidence: The answer's.
        mark: Writes a citation's number.
        note: What else is to be said of a field, in words of ours.
    """
    return _AnswerDocument(evidence, mark, note).lines()


class _AnswerDocument:
    def __init__(
        self, evidence: Evidence, mark: Callable[[Any], str], note: Callable[[str], str]
    ) -> None:
        self._content, self._confidence = evidence["content"], evidence["confidence"]
        self._unsupported = frozenset(evidence["unsupported_fields"])
        self._numbers = numbers_by_field(evidence["citations"])
        self._mark, self._note = mark, note
        known = (*self._confidence, *evidence["unsupported_fields"], *self._numbers)
        self._left = dict.fromkeys(known)
        self._below: dict[str, list[str]] = {}
        for path in self._left:
            for parent in with_parents(path):
                self._below.setdefault(parent, []).append(path)

    def lines(self) -> Iterator[str]:
        content = self._content
        if isinstance(content, Mapping) and content:
            yield from self._fields(content)
        else:
            path = "" if isinstance(content, list) else TEXT_FIELD
            yield ""
            yield from self._block(content, path, 0)
            if about := self._evidence(TEXT_FIELD):
                yield from ("", about)
        if rest := [f"- {_name(field)}: {self._evidence(field)}" for field in list(self._left)]:
            yield from ("", "Evidence for parts:", "", *rest)

    # --- what is known of a field ---

    def _evidence(self, path: str) -> str:
        """What is known of a field, once."""
        words, marks = self._take(path)
        return " ".join(filter(None, [words, marks]))

    def _take(self, *paths: str) -> tuple[str, str]:
        left = [path for path in paths if path in self._left]
        for path in left:
            del self._left[path]
        words = dict.fromkeys(word for path in left for word in self._words(path))
        numbers = dict.fromkeys(n for path in left for n in self._numbers.get(path, ()))
        return ", ".join(words), " ".join(map(self._mark, numbers))

    def _words(self, path: str) -> Iterator[str]:
        if confidence := self._confidence.get(path):
            yield unmarked_line(confidence)
        if path in self._unsupported:
            yield "⚠ unsupported"
        if note := self._note(path):
            yield note

    # --- objects ---

    def _fields(self, value: Mapping[Any, Any]) -> Iterator[str]:
        """Short values that follow each other in a table, each other one below its name."""
        for short, group in groupby(value.items(), lambda item: _is_short(item[1])):
            fields = list(group)
            if short:
                yield from ("", *self._table(fields))
                continue
            for name, part in fields:
                about = self._evidence(str(name))
                yield from ("", f"**{_name(name)}**" + (f" · {about}" if about else ""))
                yield from ("", *self._block(part, str(name), 1))

    def _table(self, fields: Iterable[tuple[Any, Any]]) -> Iterator[str]:
        rows = (
            (f"**{_name(name)}**", _cell(part), *self._take(*self._below.get(str(name), ())))
            for name, part in fields
        )
        return table_lines(("Field", "Answer", "Confidence", "Sources"), rows)

    # --- values ---

    def _block(self, value: Any, path: str, depth: int) -> Iterator[str]:
        nested = isinstance(value, Mapping | list | tuple) and bool(value)
        if nested and depth >= _DEPTH:
            yield from ("```json", *json_lines(value), "```")
        elif isinstance(value, Mapping) and value:
            yield from self._items(value.items(), path, depth, "- ")
        elif nested:
            yield from self._rows(value, path) or self._list(value, path, depth)
        elif isinstance(value, str) and value.strip():
            yield from text_lines(value, is_markdown=not depth or "\n" in value)
        else:
            yield _cell(value)

    def _items(
        self, items: Iterable[tuple[Any, Any]], path: str, depth: int, mark: str
    ) -> Iterator[str]:
        for name, part in items:
            inner = join_path(path, name)
            about = self._evidence(inner)
            after = f" · {about}" if about else ""
            if _is_short(part):
                yield f"{mark}{_name(name)}: {_cell(part)}{after}"
            else:
                yield f"{mark}{_name(name)}:{after}"
                yield from _indent(["", *self._block(part, inner, depth + 1)], len(mark))

    def _list(self, value: Sequence[Any], path: str, depth: int) -> Iterator[str]:
        for at, part in enumerate(value):
            inner = join_path(path, at)
            about = self._evidence(inner)
            after = f" · {about}" if about else ""
            if _is_short(part):
                yield f"- {_cell(part)}{after}"
            else:
                yield f"- {at + 1}\\.{after}"
                yield from _indent(["", *self._block(part, inner, depth + 1)], 2)

    def _rows(self, value: Sequence[Any], path: str) -> list[str]:
        """A table of objects that all have the same few short fields; none if they have not."""
        names = column_names(value)
        if not names or not all(_is_short(part) for row in value for part in row.values()):
            return []
        known = [self._take(*self._below.get(join_path(path, at), ())) for at in range(len(value))]
        rows = [[_cell(row[name]) for name in names] for row in value]
        head = list(map(_name, names))
        if any(map(any, known)):
            head += ["Confidence", "Sources"]
            rows = [[*row, *more] for row, more in zip(rows, known, strict=True)]
        return list(table_lines(head, rows))


def text_lines(text: str, *, is_markdown: bool = True) -> Iterator[str]:
    """A text of the web as the Markdown it is, where that can be read; else each line as a paragraph."""
    written = rewrite_markdown(text) if is_markdown else None
    if written is not None:
        yield from written.split("\n")
        return
    for nth, line in enumerate(filter(None, map(unmarked_line, text.splitlines()))):
        yield from ("", line) if nth else (line,)


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _CELL_CHARS and "\n" not in value.strip()
    return not (isinstance(value, Mapping | list | tuple) and value)


def _cell(value: object) -> str:
    if value is None or value == "" or (isinstance(value, Mapping | list | tuple) and not value):
        return _NOTHING
    return unmarked_line(value if isinstance(value, str) else compact_json(value)) or _NOTHING


def _name(name: object) -> str:
    return unmarked_line(str(name)) or _NOTHING


def _indent(lines: Iterable[str], by: int) -> Iterator[str]:
    return (f"{' ' * by}{line}" if line else "" for line in lines)
