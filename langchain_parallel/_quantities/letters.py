"""Characters of one meaning in one form: digits of all scripts, widths, quotes, dashes, blanks.

Rule: one character stays one character, so that a place in a levelled text is the same place in the text.
"""

from __future__ import annotations

import unicodedata

_SAME: dict[str, str] = {
    **dict.fromkeys("’‘ʼ′‵`´＇", "'"),
    **dict.fromkeys("‐‑‒–—―−﹣－⁃", "-"),
    **dict.fromkeys("～〜∼", "~"),
    **dict.fromkeys("٫", "."),
    **dict.fromkeys("٬，﹐", ","),
    "٪": "%",
    "،": ",",
    "·": "·",
}
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


class _Table(dict[int, str]):
    """What each character becomes, worked out once."""

    def __missing__(self, code: int) -> str:
        self[code] = made = _level_char(chr(code))
        return made


def _level_char(char: str) -> str:
    if char in _SAME:
        return _SAME[char]
    if char in _SUPERSCRIPTS:  # a footnote's mark or a power, not a further digit
        return "^"
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    if char.isspace():
        return char if char in "\n\t" else " "
    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) == 1 else char


_LEVELLED: dict[int, str] = _Table()


def level(text: str) -> str:
    """The text with ASCII digits, straight apostrophes, plain blanks, narrow letters; as long as before."""
    return text.translate(_LEVELLED)


def without_marks(text: str) -> str:
    """Without accents, points and other marks on letters, in lower case: for comparing names and words."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFKD", text)
    return "".join(c for c in split if not unicodedata.combining(c)).replace("ـ", "").casefold()


def has_no_spaces(char: str) -> bool:
    """Whether it is of a script that writes words without blanks between them: Chinese, Japanese, Thai."""
    code = ord(char)
    return (
        0x0E00 <= code <= 0x0EFF
        or 0x3040 <= code <= 0x30FF
        or 0x3400 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )
