"""The numbers of sources in a conversation: one for one address, which never changes.

Rule: answers come in any order, some at the same time, so each has a range of its own: 1 to 100, 101 to 200
and so on. What is beyond the hundredth source of an answer begins at a multiple of a million.
"""

from __future__ import annotations

from .own_marks import RANGE

_BEYOND = 1_000_000


def number_of(position: int, nth: int) -> int:
    """The number of the nth source, from 1, of the answer at a position, from 0."""
    return position * RANGE + nth if nth <= RANGE else (position + 1) * _BEYOND + nth


def position_of(number: int) -> int:
    """The position of the answer that a number belongs to."""
    return number // _BEYOND - 1 if number > _BEYOND else (number - 1) // RANGE
