"""Text as it looks: what to search where an attacker may choose the letters.

Rule: a skeleton has the length of its text, so what is found in it is found there in the text. It is searched
and never shown, because Unicode's compatibility forms change meanings: m² would become m2.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Letters of other scripts that look like those of Latin, which no normal form of Unicode brings together.
_LOOKALIKES = dict(
    zip("асеһіјорѕтухугвӏԁԛԝαειοκνρτυχγηι", "acehijopstyxyrbldqwaeioknptuxyni", strict=True)
)
_OF_LATIN = re.compile(r"(?:LATIN|INDICATOR)[A-Z ]{0,40} LETTER (?:SMALL CAPITAL )?([A-Z])(?: |$)")


def skeleton(text: str) -> str:
    """The text in lower case, each letter as the one of ASCII that it looks like."""
    if text.isascii():
        return text.lower()
    return text.translate({ord(char): _plain(char) for char in set(text)})


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    base = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    if len(base) != 1:
        base = char
    base = low if len(low := base.lower()) == 1 else base
    if base.isascii():
        return base
    if base in _LOOKALIKES:
        return _LOOKALIKES[base]
    latin = _OF_LATIN.search(unicodedata.name(char, ""))
    return latin[1].lower() if latin else base
