"""Numbers without digits, or as a product: `nine hundred`, `一千二百万`, `minus 5`, `1.2×10^3`."""

from __future__ import annotations

import re
from decimal import Decimal

from .._quantities.number_words import read_number_words

_LONGEST = 80
"""Characters of a text that is one number."""
_MINUS = re.compile(r"(?:minus|negative|moins|menos|минус) (?=\D{0,4}\d)")
_POWER = re.compile(
    r"(-?\d{1,20}(?:[.,]\d{1,20})?)(?:e\+?(-?\d{1,2})|\s?[x×*]\s?10\^(-?\d{1,2}))(?![\w.,])"
)


def in_digits(text: str, normal: str) -> str:
    """A normalized text with its number in digits; as it is if it begins with none.

    Args:
        text: As it was given: a single word with a capital may be a name.
        normal: Normalized.
    """
    if len(normal) > _LONGEST:
        return normal
    if _MINUS.match(normal):
        return _MINUS.sub("-", normal, count=1)
    if power := _POWER.match(normal):
        number = Decimal(power[1].replace(",", ".")).scaleb(int(power[2] or power[3]))
        return f"{number:f}{normal[power.end() :]}"
    if normal[:1].isdecimal():
        return normal
    words = next(read_number_words(normal), None)
    if words is None or words.start or (words.end < 3 and normal.isascii()):
        return normal
    is_name = text[:1].isupper() and words.end == len(normal)
    return normal if is_name else f"{words.value:.0f}{normal[words.end :]}"
