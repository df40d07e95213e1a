"""Pages that a search has found, or an extraction has read, as a model should read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._core.plain_text import CUT_HERE, clean, count, cut, one_line
from .layout import count_within, shares
from .own_marks import source_line, told_apart, without_marks
from .result import MIN_CHARS
from .untrusted import fence

_TITLE_CHARS = 200
_NOTE_CHARS = 300
_CUT_LINE_CHARS = 120
"""More than the longest line that says what was left out."""


class Page(NamedTuple):
    """A page with its citation number. Its texts are untrusted."""

    number: int
    url: str
    title: str = ""
    date: str = ""
    texts: Sequence[str] = ()


def render_pages(
    about: str, pages: Sequence[Page], notes: Sequence[str] = (), *, max_chars: int | None
) -> str:
    """The pages between the fence's tags, each under its number, then the notes.

    Under a cap the longest texts give way first, then the pages from the end. A line says what was left out.

    Args:
        about: What this is, in a sentence.
        pages: Their order is kept.
        notes: Warnings and errors of the API, which are untrusted, too.
        max_chars: The most characters to return; None for no cap. Less than `MIN_CHARS` counts as that.
    """
    heads = [source_line(f"[{p.number}]", *_head(p)) + _date(p) for p in pages]
    bodies = [_body(page) for page in pages]
    told = [without_marks(one_line(note, _NOTE_CHARS)) for note in notes]
    whole = fence(_join(heads, bodies, told), about)
    if max_chars is None or len(whole) <= max(max_chars, MIN_CHARS):
        return whole
    room = max(max_chars, MIN_CHARS) - len(fence("", about)) - _CUT_LINE_CHARS
    told = told[: count_within(told, room // 4)]
    room -= sum(len(note) + 1 for note in told)
    kept = heads[: count_within(heads, room // 2)]
    room -= sum(len(head) + 2 for head in kept)
    rooms = shares([len(body) for body in bodies[: len(kept)]], max(room, 0))
    cut_bodies = [cut(body, most, CUT_HERE) for body, most in zip(bodies, rooms, strict=False)]
    lost = sum(map(len, bodies)) - sum(len(body.removesuffix(CUT_HERE)) for body in cut_bodies)
    left_out = [f"{lost:,} of {count(sum(map(len, bodies)), 'character')}"] if lost else []
    if len(kept) < len(pages):
        left_out.insert(0, f"{len(pages) - len(kept)} of {count(len(pages), 'page')}")
    said = f"[cut here] Left out: {', '.join(left_out)}" if left_out else ""
    return "\n".join(filter(None, [fence(_join(kept, cut_bodies, told), about), said]))


def _head(page: Page) -> tuple[str, str]:
    return one_line(page.url), one_line(page.title, _TITLE_CHARS)


def _date(page: Page) -> str:
    return f" ({without_marks(one_line(page.date, 40))})" if page.date else ""


def _body(page: Page) -> str:
    """The texts, indented, so that no line of them looks like a page's own."""
    text = "\n\n".join(told_apart(clean(text)) for text in page.texts if text.strip())
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n")) if text else ""


def _join(heads: Sequence[str], bodies: Sequence[str], notes: Sequence[str]) -> str:
    pages = [part for pair in zip(heads, bodies, strict=True) for part in pair if part]
    return "\n".join([*pages, *notes]) or "Nothing was found."
