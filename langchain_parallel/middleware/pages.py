"""A run as text for a model: its answer page by page or field by field, or the reason why there is none.

Rule: what is left out is named. A page says how many there are and how to get the next. Addresses are left
out unless they are asked for, because `citations.py` knows them by number. Every line is harmless, and has no
citation marks or labels but this package's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._core.plain_text import count
from .._core.urls import host
from ..errors import InvalidRequest
from ..evidence import is_within, numbers_by_field, parts
from ..text.layout import pieces, split_pages
from ..text.own_marks import (
    FROM_THE_WEB,
    json_told_apart,
    name_told_apart,
    source_line,
    told_apart,
    without_marks,
)
from ..text.result import Row, answer_rows, evidence_notes
from ..text.untrusted import fence, harmless, harmless_lines
from .agent_config import AgentConfig
from .agent_messages import changed_by_a_person, head, under_way, without_answer, without_ids
from .agent_state import AgentTurn, Research, is_active
from .chain_findings import chain_lines
from .names import Names

SOURCES = "sources"
"""Reads the list of sources with their addresses, unless the answer has a field of that name."""
_WARNING_CHARS = 300


def finding(agent: AgentConfig, research: Research, record: AgentTurn, chars: int) -> str:
    """The first page of a run's answer, or why there is none."""
    changed = changed_by_a_person(record)
    if record["status"] == "completed":
        text = _first_page(agent, research, record, chars)
    elif is_active(record):
        text = under_way(agent, record)
    else:
        text = without_answer(record)
    return "\n".join(filter(None, [changed, text]))


def _first_page(agent: AgentConfig, research: Research, record: AgentTurn, chars: int) -> str:
    page, pages = page_of(record, research, agent.names, 1, chars)
    rest = next_page_lines(agent, record, 1, pages)
    if pages > 1 and chars != agent.max_chars:  # pages of another size than those that are read
        rest = [f"[cut here; the whole: {agent.names.read}(handle='{record['handle']}')]"]
    return "\n".join([head(record, research), fence(page), *rest])


def next_page_lines(
    agent: AgentConfig, record: AgentTurn, page: int, pages: int, field: str | None = None
) -> list[str]:
    """How to get the next page, if there is one. The web may have named the field, so the name stays out."""
    if pages == 1:
        return []
    if page == pages:
        return [f"[page {page} of {pages}]"]
    if field:
        return [f"[page {page} of {pages}; the next: the same field with page={page + 1}]"]
    how = f"{agent.names.read}(handle='{record['handle']}', page={page + 1})"
    return [f"[page {page} of {pages}; the next: {how}]"]


def page_of(
    record: AgentTurn, research: Research, names: Names, page: int, chars: int
) -> tuple[str, int]:
    """A page of a finding, and how many there are.

    Raises:
        InvalidRequest: There is no such page.
    """
    return _page(record, document(record, names, research), page, chars)


def field_of(record: AgentTurn, names: Names, field: str, page: int, chars: int) -> tuple[str, int]:
    """A page of one field with its sources and their addresses, and how many pages there are.

    Raises:
        InvalidRequest: There is no such page.
    """
    if found := _fields(record).get(_plain(field.removeprefix(FROM_THE_WEB))):
        return _page(record, list(_field(record, names, found)), page, chars)
    lines = [_source(source, names, whole=True) for source in record["citations"]]
    return _page(record, lines or ["There are none."], page, chars)


def no_such_field(record: AgentTurn, field: str, chars: int) -> str:
    """The message that a field does not exist; empty if it does."""
    there = list(dict.fromkeys([*_fields(record), SOURCES]))
    if _plain(field.removeprefix(FROM_THE_WEB)) in there:
        return ""
    names = pieces(without_marks(", ".join(there)), chars)
    rest = [f"[cut here; it has {count(len(there), 'field')}]"] if len(names) > 1 else []
    missing = f"{record['handle']} has no field {harmless(field, 60)!r}. It has these:"
    return "\n".join([missing, fence(names[0]), *rest])


def document(record: AgentTurn, names: Names, research: Research | None = None) -> list[str]:
    """A finding, line by line: what is uncertain, what its chain has found beside it, the answer, the sources
    without their addresses.
    """
    lines = [harmless(note) for note in evidence_notes(record)]
    for warning in record["warnings"]:
        text = without_marks(without_ids(harmless(warning, _WARNING_CHARS), [record]))
        lines.append(f"Warning: {text}")
    lines += chain_lines(record, research or {}, names)
    for row in _rows(record, names):
        lines += str(row).split("\n")
    if record["citations"]:
        lines.append(f"Sources (cite as {names.mark(record['citations'][0]['number'])}):")
        lines += [_source(source, names, whole=False) for source in record["citations"]]
    return lines


def _fields(record: AgentTurn) -> dict[str, str]:
    """What can be read by itself, by the name a model sees: the answer's fields, and their parts that have
    sources of their own.
    """
    content, cited = record["content"], numbers_by_field(record["citations"])
    top = list(map(str, content)) if isinstance(content, dict) else []
    own = [p.path for p in parts(content, cited) if p.value is not None or not p.is_heading]
    return {_plain(field): field for field in dict.fromkeys([*top, *own])}


# --- lines -----------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """A field's name on one line, harmless and without marks."""
    return without_marks(harmless(text))


def _name_of(field: str) -> str:
    return name_told_apart(harmless(field))


def _rows(record: AgentTurn, names: Names) -> list[Row]:
    gap = "\n" if isinstance(record["content"], dict) else "\n  "

    def show(value: object) -> str:
        is_text = isinstance(value, str) and value.strip()
        return gap.join(map(told_apart if is_text else json_told_apart, harmless_lines(value)))

    return answer_rows(record, mark=names.mark, name=_name_of, show=show)


def _source(source: dict[str, Any], names: Names, *, whole: bool) -> str:
    url, title = harmless(source["url"]), harmless(source["title"] or "")
    return source_line(names.mark(source["number"]), url, title, shown="" if whole else host(url))


def _field(record: AgentTurn, names: Names, field: str) -> Iterator[str]:
    for row in _rows(record, names):
        if is_within(row.path, field):
            yield from str(row).split("\n")
    if word := record["confidence"].get(field):
        yield without_marks(harmless(f"Confidence: {word}"))
    for source in record["citations"]:
        if any(is_within(path, field) for path in source["fields"]):
            yield _source(source, names, whole=True)


# --- pages -----------------------------------------------------------------------------------------


def _page(record: AgentTurn, lines: Sequence[str], page: int, chars: int) -> tuple[str, int]:
    pages = list(split_pages(lines, chars))
    if not 1 <= page <= len(pages):
        raise InvalidRequest(
            [f"{record['handle']} has {count(len(pages), 'page')} here; there is no page {page}."],
            hint="",
        )
    return pages[page - 1], len(pages)
