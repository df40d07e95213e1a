"""A run as a model is told of it: its answer's first page, or that there is none (yet)."""

from __future__ import annotations

from ..rendering import fenced
from . import words
from .reading import page_of
from .setup import Setup
from .state import AgentTurn, Research, is_active


def finding(setup: Setup, research: Research, record: AgentTurn, chars: int) -> str:
    """A run as it stands: its answer's first page, or that there is none (yet)."""
    changed = words.changed_by_a_person(record)
    if record["status"] == "completed":
        text = _first_page(setup, research, record, chars)
    elif is_active(record):
        text = words.under_way(setup, record)
    else:
        text = words.without_answer(record)
    return "\n".join(filter(None, [changed, text]))


def _first_page(setup: Setup, research: Research, record: AgentTurn, chars: int) -> str:
    page, pages = page_of(record, setup.names, 1, chars)
    rest = rest_of(setup, record, 1, pages)
    if pages > 1 and chars != setup.page_chars:  # pages of another size than those that are read
        rest = [f"[cut here; the whole: {setup.names.read}(handle='{record['handle']}')]"]
    return "\n".join([words.head(record, research), fenced(page), *rest])


def rest_of(
    setup: Setup, record: AgentTurn, page: int, pages: int, field: str | None = None
) -> list[str]:
    """How to get the next page, if there is one. The web may have named the field: it stays out of this."""
    if pages == 1:
        return []
    if page == pages:
        return [f"[page {page} of {pages}]"]
    if field:
        return [f"[page {page} of {pages}; the next: the same field with page={page + 1}]"]
    how = f"{setup.names.read}(handle='{record['handle']}', page={page + 1})"
    return [f"[page {page} of {pages}; the next: {how}]"]
