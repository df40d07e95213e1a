"""What an answer says: each value of it, and a text sentence by sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ..evidence import TEXT_FIELD, join_path


class Value(NamedTuple):
    """A text or a number of an answer, by its path."""

    field: str
    text: str
    is_number: bool = False


class Statement(NamedTuple):
    """A part of a text: a sentence, or a line of a list or a table."""

    start: int
    end: int


_ENDS = re.compile(
    r"\n+|(?<=[。！？｡])(?![”’」』\"）)])|(?<=[.!?؟।…])[\"”’»)\]]*[ \t]+(?=[^\W\d_a-zа-яα-ω]|[\"“„«(\[])"
)
_GREATEST = 10**30
_ORDINAL = re.compile(r"(?<![\d.,])\d{1,2}\.$|(?<!\w)[^\W\d_]\.$")


def read_values(content: Any) -> Iterator[Value]:
    """The texts and numbers of an answer, in its order, each with its path."""
    left = [(TEXT_FIELD if not isinstance(content, dict | list) else "", content)]
    while left:
        path, one = left.pop()
        if isinstance(one, dict):
            left += [(join_path(path, name), part) for name, part in reversed(one.items())]
        elif isinstance(one, list):
            left += [(join_path(path, n), part) for n, part in reversed([*enumerate(one)])]
        elif isinstance(one, str):
            yield Value(path or TEXT_FIELD, one)
        elif isinstance(one, int | float) and not isinstance(one, bool) and (number := _write(one)):
            yield Value(path or TEXT_FIELD, number, True)


def _write(number: float) -> str:
    """In digits; empty for one that no text spells out, such as 1e300."""
    if not math.isfinite(number) or abs(number) > _GREATEST:
        return ""
    return f"{Decimal(repr(number)):f}"


def split_statements(text: str, whole: list[tuple[int, int]]) -> list[Statement]:
    """A text in sentences, none of which ends within a part that has to stay whole.

    Args:
        text: Any.
        whole: Beginnings and ends of quotes, dates and names, in order.
    """
    found: list[Statement] = []
    start, at = 0, 0
    for end in _ENDS.finditer(text):
        while at < len(whole) and whole[at][1] <= end.start():
            at += 1
        is_inside = at < len(whole) and whole[at][0] < end.start()
        is_ordinal = bool(_ORDINAL.search(text[max(start, end.start() - 4) : end.start()]))
        if "\n" not in end[0] and (is_inside or is_ordinal):
            continue
        if text[start : end.start()].strip():
            found.append(Statement(start, end.end()))
        start = end.end()
    if text[start:].strip():
        found.append(Statement(start, len(text)))
    return found
