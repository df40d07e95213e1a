"""A finding as text, page by page or field by field.

Rule: nothing is left out in silence. A page says how many there are and how to get the next; addresses are
left to `citing.py`, which knows them by number, unless they are asked for. Every line is harmless, and has
no marks but our own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import InvalidRequest
from ..text.result import fenced, harmless, harmless_lines
from .agent_messages import without_ids
from .agent_state import AgentTurn
from .citations import unmarked, unmarked_json
from .names import Names

SOURCES = "sources"
"""Reads the list of sources with their addresses, unless the answer has a field of that name."""
_ALONE = "output"
_WARNING_CHARS = 300


def page_of(record: AgentTurn, names: Names, page: int, chars: int) -> tuple[str, int]:
    """A page of a finding, and how many there are.

    Raises:
        InvalidRequest: There is no such page.
    """
    return _page(record, document(record, names), page, chars)


def field_of(record: AgentTurn, names: Names, field: str, page: int, chars: int) -> tuple[str, int]:
    """A page of one field with its sources and their addresses, and how many pages there are.

    Raises:
        InvalidRequest: There is no such page.
    """
    if found := _fields(record).get(_plain(field)):
        return _page(record, list(_field(record, names, found)), page, chars)
    lines = [_source(source, names, whole=True) for source in record["citations"]]
    return _page(record, lines or ["There are none."], page, chars)


def no_such_field(record: AgentTurn, field: str, chars: int) -> str:
    """What a model is told of a field that is not there; empty if it is."""
    there = list(dict.fromkeys([*_fields(record), SOURCES]))
    if _plain(field) in there:
        return ""
    names = [*_pieces(unmarked(", ".join(there)), chars)]
    rest = [f"[cut here; there are {len(there)}]"] if len(names) > 1 else []
    head = f"{record['handle']} has no field {harmless(field, 60)!r}. It has these:"
    return "\n".join([head, fenced(names[0]), *rest])


def document(record: AgentTurn, names: Names) -> list[str]:
    """A finding, line by line: what is uncertain, the answer, the sources without their addresses."""
    lines = [*_notes(record), *_answer(record, names)]
    if record["citations"]:
        lines.append(f"Sources (cite as {names.mark(record['citations'][0]['number'])}):")
        lines += [_source(source, names, whole=False) for source in record["citations"]]
    return lines


def _fields(record: AgentTurn) -> dict[str, str]:
    """What can be read by itself, by the name a model sees: the answer's fields, and their parts that have
    sources of their own.
    """
    content = record["content"]
    top = list(content) if isinstance(content, dict) else [_ALONE]
    parts = [f for f in _marks(record, None) if _value_at(content, f) is not None]
    return {_plain(field): field for field in map(str, [*top, *parts])}


# --- lines -----------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text of the web on one line, harmless and without marks."""
    return unmarked(harmless(text))


def _notes(record: AgentTurn) -> Iterator[str]:
    words = record["confidence"]
    low = [field for field, word in words.items() if "low" in word]
    uncited = [field for field in record["weak_fields"] if field not in low]
    if low:
        yield _plain(f"Low confidence: {', '.join(low)}")
    if uncited:
        yield _plain(f"No citations: {', '.join(uncited)}")
    rest = Counter(word for field, word in words.items() if field not in low)
    if rest:
        counts = ", ".join(f"{count} {word}" for word, count in rest.most_common())
        yield _plain(f"Confidence{' otherwise' if low else ''}: {counts}")
    for warning in record["warnings"]:
        yield f"Warning: {harmless(_plain(without_ids(harmless(warning), [record])), _WARNING_CHARS)}"


def _answer(record: AgentTurn, names: Names) -> Iterator[str]:
    content, marks = record["content"], _marks(record, names)
    if not isinstance(content, dict):
        yield from _text(content)
        return
    for name, value in content.items():
        yield from _row(str(name), value, marks)


def _row(name: str, value: object, marks: dict[str, str]) -> Iterator[str]:
    """A field; one whose parts have sources of their own, part by part."""
    parts = any(field.startswith(f"{name}.") for field in marks)
    if not parts or not isinstance(value, dict | list) or not value:
        first, *others = _text(value)
        mark = f" {marks[name]}" if name in marks else ""
        yield from _marked([f"{_plain(name)}: {first}", *others], mark)
        return
    if name in marks:
        yield f"{_plain(name)}: {marks[name]}"
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _row(f"{name}.{key}", part, marks)


def _marked(lines: list[str], mark: str) -> list[str]:
    return [*lines[:-1], lines[-1] + mark]


def _text(value: object) -> list[str]:
    """Text as it is, indented but for its first line; anything else as JSON on one line."""
    is_text = isinstance(value, str) and value.strip()
    first, *others = map(unmarked if is_text else unmarked_json, harmless_lines(value))
    return [first, *(f"  {line}" for line in others)]


def _marks(record: AgentTurn, names: Names | None) -> dict[str, str]:
    """The marks of each field's sources."""
    marks: dict[str, str] = {}
    for source in record["citations"]:
        for field in source["fields"]:
            mark = names.mark(source["number"]) if names else ""
            marks[field] = marks.get(field, "") + mark
    return marks


def _source(source: dict[str, Any], names: Names, *, whole: bool) -> str:
    url, title = harmless(source["url"]), source["title"] or ""
    if unmarked(url) != url:  # this way it still leads there
        url = re.sub(r"[\[\]［］【】]", lambda bracket: quote(bracket[0]), url)
    where = url if whole else _host(url)
    return f"{names.mark(source['number'])} {_plain(f'{where} {title}')}".rstrip()


def _host(url: str) -> str:
    found = re.match(r"[a-z]+://([^/?#\s]+)", url, re.IGNORECASE)
    return found[1] if found else url


def _field(record: AgentTurn, names: Names, field: str) -> Iterator[str]:
    value = _value_at(record["content"], field)
    marks = _marks(record, names)
    yield from _row(field, value, marks)
    if word := record["confidence"].get(field):
        yield _plain(f"Confidence: {word}")
    for source in record["citations"]:
        if any(f == field or f.startswith(f"{field}.") for f in source["fields"]):
            yield _source(source, names, whole=True)


def _value_at(content: Any, field: str) -> Any:
    if not isinstance(content, dict):
        return content if field == _ALONE else None
    if field in content:
        return content[field]
    value: Any = content
    for part in field.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return None
    return value


# --- pages -----------------------------------------------------------------------------------------


def _page(record: AgentTurn, lines: Sequence[str], page: int, chars: int) -> tuple[str, int]:
    pages = list(_pages(lines, chars))
    if not 1 <= page <= len(pages):
        count = f"{len(pages)} page{'s' if len(pages) > 1 else ''}"
        raise InvalidRequest(
            [f"{record['handle']} has {count} here; there is no page {page}."], hint=""
        )
    return pages[page - 1], len(pages)


def _pages(lines: Sequence[str], chars: int) -> Iterator[str]:
    """Whole lines, as many as fit; a line longer than a page is cut between words."""
    here: list[str] = []
    room = chars
    for line in lines:
        for piece in _pieces(line, chars):
            if here and len(piece) + 1 > room:
                yield "\n".join(here)
                here, room = [], chars
            here.append(piece)
            room -= len(piece) + 1
    yield "\n".join(here)


def _pieces(line: str, chars: int) -> Iterator[str]:
    while len(line) > chars:
        at = line.rfind(" ", chars // 2, chars)
        at = chars if at < 0 else at
        yield line[:at]
        line = line[at:].lstrip()
    yield line
