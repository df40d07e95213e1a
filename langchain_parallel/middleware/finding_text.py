"""A run as text for a model: the first page of its answer, or why there is none."""

from __future__ import annotations

from ..text.untrusted import fenced
from . import agent_messages
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research, is_active
from .pages import page_of


def finding(setup: AgentConfig, research: Research, record: AgentTurn, chars: int) -> str:
    """The first page of a run's answer, or why there is none."""
    changed = agent_messages.changed_by_a_person(record)
    if record["status"] == "completed":
        text = _first_page(setup, research, record, chars)
    elif is_active(record):
        text = agent_messages.under_way(setup, record)
    else:
        text = agent_messages.without_answer(record)
    return "\n".join(filter(None, [changed, text]))


def _first_page(setup: AgentConfig, research: Research, record: AgentTurn, chars: int) -> str:
    page, pages = page_of(record, setup.names, 1, chars)
    rest = next_page_lines(setup, record, 1, pages)
    if pages > 1 and chars != setup.max_chars:  # pages of another size than those that are read
        rest = [f"[cut here; the whole: {setup.names.read}(handle='{record['handle']}')]"]
    return "\n".join([agent_messages.head(record, research), fenced(page), *rest])


def next_page_lines(
    setup: AgentConfig, record: AgentTurn, page: int, pages: int, field: str | None = None
) -> list[str]:
    """How to get the next page, if there is one. The web may have named the field, so the name stays out."""
    if pages == 1:
        return []
    if page == pages:
        return [f"[page {page} of {pages}]"]
    if field:
        return [f"[page {page} of {pages}; the next: the same field with page={page + 1}]"]
    how = f"{setup.names.read}(handle='{record['handle']}', page={page + 1})"
    return [f"[page {page} of {pages}; the next: {how}]"]
