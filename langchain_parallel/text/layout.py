"""Fits several texts into a number of characters; `cut` of `_core.plain_text` shortens a single one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap


def join_unique(texts: Iterable[str | None], by: str = "; ") -> str:
    """The texts joined, each once, without the empty ones."""
    return by.join(dict.fromkeys(text.strip() for text in texts if text and text.strip()))


def list_within(items: Sequence[str], room: int, by: str = "; ") -> str:
    """As many whole items as fit into `room` characters, and how many more there are."""
    whole = by.join(items)
    if len(whole) <= room:
        return whole
    kept = items[: count_within(items, room - len(f"and {len(items):,} more"), len(by))]
    more = f"{len(items) - len(kept):,} more"
    return by.join([*kept, f"and {more}"]) if kept else more


def count_within(items: Sequence[str], room: int, gap: int = 1) -> int:
    """The number of whole items, from the first one on, that `room` holds, each followed by a gap."""
    for count, item in enumerate(items):
        room -= len(item) + gap
        if room < 0:
            return count
    return len(items)


def shares(lengths: Sequence[int], room: int) -> list[int]:
    """The room for each text: as much as it needs, or else as much as the others get."""
    given = [0] * len(lengths)
    for done, index in enumerate(sorted(range(len(lengths)), key=lambda n: lengths[n])):
        given[index] = min(lengths[index], room // (len(lengths) - done))
        room -= given[index]
    return given


def split_pages(lines: Sequence[str], chars: int) -> Iterator[str]:
    """Whole lines, as many as fit a page of so many characters; only a longer line is cut."""
    here: list[str] = []
    room = chars
    for line in lines:
        for piece in pieces(line, chars):
            if here and len(piece) + 1 > room:
                yield "\n".join(here)
                here, room = [], chars
            here.append(piece)
            room -= len(piece) + 1
    yield "\n".join(here)


def pieces(line: str, chars: int) -> list[str]:
    """A line, cut between words into pieces of this length."""
    return [line] if len(line) <= chars else wrap(line, chars, break_on_hyphens=False)
