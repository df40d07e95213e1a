"""Several texts in one, no longer than there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def joined(texts: Iterable[str | None], by: str = "; ") -> str:
    """Texts in one, each once, without the empty ones."""
    return by.join(dict.fromkeys(text.strip() for text in texts if text and text.strip()))


def some(items: Sequence[str], room: int, by: str = "; ") -> str:
    """As many items as `room` characters hold, the first one in any case, and how many more there are."""
    used = 0
    for count, item in enumerate(items):
        used += len(item) + len(by)
        if count and used > room:
            return f"{by.join(items[:count])}{by}and {len(items) - count} more"
    return by.join(items)
