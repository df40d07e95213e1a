"""Text without what is form alone: case, blanks, typographic marks, hidden characters, accents of Latin
letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from .._core.plain_text import clean

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»‹›", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣", "-"),
        "٫": ".",
        "٬": ",",
        "…": "...",
    }
)
_RAISED = re.compile("[⁰¹²³⁴-⁹]+")
_AROUND = " \t\n.,;:!?\"'()[]<>*_"
_INITIALS = re.compile(r"(?<=\b[^\W\d_])\.(?=[^\W\d_]\b)")
_BETWEEN = re.compile(r"(?<=\w)-(?=\w)|[,;:()\[\]\"!?]|\.(?!\d)")
_NO = "not no non never without nicht kein keine keinen nie ohne ne pas jamais sans nunca sin nao sem nessun"
_NEGATIONS = frozenset(f"{_NO} niet geen не нет без 不 非 没 無 未".split())


def normalize(text: str) -> str:
    """The text in lower case on one line, with ASCII's quotation marks, dashes and digits."""
    line = clean(text)
    if not line.isascii():
        line = line.translate(_TYPOGRAPHIC)
        line = _RAISED.sub(lambda raised: f"^{raised[0]}", line)  # 10² is not 102
        line = "".join(_bare(char) for char in unicodedata.normalize("NFKC", line))
    return " ".join(line.casefold().split()).strip(_AROUND)


def _bare(char: str) -> str:
    """A digit of any script as one of ASCII; a Latin letter without its accent."""
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    apart = unicodedata.normalize("NFD", char)
    return apart[0] if len(apart) > 1 and apart[0].isascii() else char


def words_of(normal: str) -> list[str]:
    """The words of a normalized text; `u.s.` is one, `state-of-the-art` four, `a-` and `c++` as they are."""
    line = _INITIALS.sub("", normal).replace("'", "")
    return _BETWEEN.sub(" ", line).split() or [normal]


def is_part(less: list[str], more: list[str]) -> bool:
    """Whether the words of a text stand in another one, in a row, and nothing there denies them."""
    if not less or len(less) >= len(more):
        return False
    for at in range(len(more) - len(less) + 1):
        if more[at : at + len(less)] == less:
            return not _NEGATIONS.intersection([*more[:at], *more[at + len(less) :]])
    return False


def is_other_spelling(one: list[str], other: list[str]) -> bool:
    """Whether two names differ only in initials or in the order of first and last: `a lovelace`."""
    if len(one) != len(other) or not 2 <= len(one) <= 4:
        return False
    if sorted(one) == sorted(other):
        return True
    return one[-1] == other[-1] and all(map(_abbreviates, one, other))


def _abbreviates(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) == 1 and short.isalpha() and long.startswith(short)


def replacements(one: str, other: str) -> Iterator[tuple[str, str]]:
    """The words in whose place others stand, where two texts have the same form; as they are written."""
    first, second = one.split(), other.split()
    if len(first) != len(second):
        return
    pairs = list(zip(first, second, strict=True))
    changed = [pair for pair in pairs if normalize(pair[0]) != normalize(pair[1])]
    if len(changed) * 2 < len(pairs):
        yield from changed
