"""A run of digits and separators as the numbers that it may mean: 1.234,5; 1,234.5; 1'234.5; 12,34,567."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class Reading(NamedTuple):
    """One number that a text may mean."""

    value: float
    step: float
    """What one unit of its last written digit is worth: 0.1 for `1.2`, 100,000 for `1.2 million`."""


_SEPARATOR = re.compile(r"[.,' _·]")
_MOST_DIGITS = 30
PARTS = "[¼-¾⅐-⅞]"
"""A regular expression of `½` and its kind."""


def read_digits(text: str) -> list[Reading]:
    """The readings of digits with separators, `½` included; see `split_digits`."""
    if text and not text[-1].isdecimal():
        return _read_parts(text)
    return [
        Reading(float(f"{whole}.{fraction or 0}"), 10.0 ** -len(fraction))
        for whole, fraction in split_digits(text)
    ]


def _read_parts(text: str) -> list[Reading]:
    """`1½` as 1.5."""
    part, whole = unicodedata.numeric(text[-1]), read_digits(text[:-1] or "0")
    step = 0.1 if part == 0.5 else 0.01
    return [Reading(one.value + part, step) for one in whole if one.step == 1]


def split_digits(text: str) -> list[tuple[str, str]]:
    """The digits before and behind the point, in each reading, the likelier first; none of what is no
    number, as `1.2.3`.

    Args:
        text: Levelled, beginning and ending with a digit.
    """
    if len(text) > 2 * _MOST_DIGITS:
        return []
    marks = _SEPARATOR.findall(text)
    if not marks:
        return [(text, "")]
    groups = _SEPARATOR.split(text)
    kinds = list(dict.fromkeys(marks))
    if len(kinds) > 2 or (len(kinds) == 2 and (marks.count(kinds[1]) > 1 or marks[-1] != kinds[1])):
        return []
    if len(kinds) == 2:
        whole = groups[:-1]
        is_fine = _are_groups(whole) and kinds[1] in ".,·"
        return [("".join(whole), groups[-1])] if is_fine else []
    found = [("".join(groups), "")] if _are_groups(groups) else []
    if len(marks) == 1 and kinds[0] in ".,·":
        fraction = groups[0], groups[1]
        found = [fraction, *found] if groups[0] == "0" or not found else [*found, fraction]
    return found


def _are_groups(groups: list[str]) -> bool:
    """Whether digits are grouped by three, in the Indian way, or by four, as in East Asia."""
    first, rest = groups[0], groups[1:]
    if not rest:
        return True
    sizes = [len(group) for group in rest]
    if first == "0" or not 1 <= len(first) <= 3:
        return len(first) == 4 and set(sizes) == {4}
    return set(sizes) == {3} or set(sizes) == {4} or (sizes[-1] == 3 and set(sizes[:-1]) == {2})
