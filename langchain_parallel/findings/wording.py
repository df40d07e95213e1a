"""Text without what is form alone: case, blanks, typographic marks, hidden characters, accents of Latin
letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from .._core.plain_text import clean
from .._quantities.digit_groups import PARTS

_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»‹›「」『』〝〟", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣", "-"),
        "٫": ".",
        "٬": ",",
        "…": "...",
    }
)
_RAISED = re.compile("[⁰¹²³⁴-⁹]+")
_PARTS = re.compile(rf"(\d{{0,12}})\s?({PARTS})")
_STROKES = str.maketrans({"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ı": "i"})
"""Letters that have no form without their stroke."""
_AROUND = " \t\n.,;:!?\"'()[]<>*_"
_BOUND = re.compile(r"[<>]=?\s?(?:[^\w\s]\s?)?\d")
"""The begin of `> 1,000`."""
_INITIALS = re.compile(r"(?<=\b[^\W\d_])\.(?=[^\W\d_]\b)")
_BETWEEN = re.compile(r"(?<=\w)-(?=\w)|[,;:()\[\]\"!?]|\.(?!\d)")
_NO = "not no non never without nicht kein keine keinen nie ohne ne pas jamais sans nunca sin nao sem nessun"
_NEGATIONS = frozenset(f"{_NO} niet geen не нет без 不 非 没 無 未".split())
_WRITTEN_OUT: dict[str, str] = {
    "&": "and",
    "ave": "avenue",
    "co": "company",
    "corp": "corporation",
    "inc": "incorporated",
    "ltd": "limited",
    "st": "street",
    "str": "strasse",
}
"""Abbreviations in the names of companies and streets."""
_AROUND_NAMES = "dr prof professor mr mrs ms sir dame herr frau mme phd mba cfa"
_TITLES = frozenset(_AROUND_NAMES.split())
"""What stands around a person's name, and says nothing of who it is."""
_SMALL = "of the and for de la du des der die das und y e et"
_LEFT_OUT = frozenset(_SMALL.split())
"""Words that have no letter in an acronym."""


def normalize(text: str) -> str:
    """The text in lower case on one line, with ASCII's quotation marks, dashes and digits."""
    line = clean(text)
    if not line.isascii():
        line = line.translate(_TYPOGRAPHIC)
        line = _PARTS.sub(_with_part, line.translate(_STROKES))  # 1½ is not 11/2
        line = _RAISED.sub(lambda raised: f"^{raised[0]}", line)  # 10² is not 102
        line = "".join(_bare(char) for char in unicodedata.normalize("NFKC", line))
    line = " ".join(line.casefold().split())
    bound = line[0] if _BOUND.match(line) else ""
    return bound + line.strip(_AROUND)


def _with_part(found: re.Match[str]) -> str:
    """`1½` as 1.5."""
    part = f"{unicodedata.numeric(found[2]):.3g}"
    return f"{found[1] or 0}{part.removeprefix('0')}"


def _bare(char: str) -> str:
    """A digit of any script as one of ASCII; a Latin letter without its accent."""
    if char.isascii():
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    apart = unicodedata.normalize("NFD", char)
    return apart[0] if len(apart) > 1 and apart[0].isascii() else char


def words_of(normal: str) -> list[str]:
    """The words of a normalized text; `u.s.` is one, `state-of-the-art` four, `a-` and `c++` as they are.
    Some abbreviations are written out.
    """
    line = _INITIALS.sub("", normal).replace("'", "")
    return list(map(_written_out, _BETWEEN.sub(" ", line).split())) or [normal]


def _written_out(word: str) -> str:
    if word.endswith("str") and len(word) > len("instr"):
        return f"{word}asse"
    return _WRITTEN_OUT.get(word, word)


def is_part(less: list[str], more: list[str]) -> bool:
    """Whether the words of a text stand in another one, in a row, and nothing there denies them."""
    if not less or len(less) >= len(more):
        return False
    for at in range(len(more) - len(less) + 1):
        if more[at : at + len(less)] == less:
            return not _NEGATIONS.intersection([*more[:at], *more[at + len(less) :]])
    return False


def is_other_spelling(one: list[str], other: list[str]) -> bool:
    """Whether two names differ only in initials, in titles, in the order of first and last, or in how an
    umlaut is written: `a lovelace`, `dr ada lovelace`, `ada k lovelace`, `mueller`.
    """
    one, other = _bare_name(one), _bare_name(other)
    if len(one) > len(other):
        one, other = other, one
    if not one or len(other) > _NAME_WORDS:
        return False
    if sorted(one) == sorted(other):
        return True
    if len(one) < 2 or one[-1] != other[-1]:
        return False
    if len(one) < len(other):
        return one == [other[0], *(word for word in other[1:-1] if len(word) > 1), other[-1]]
    return all(map(_abbreviates, one, other))


_NAME_WORDS = 5


def _bare_name(words: list[str]) -> list[str]:
    kept = [word for word in words if word not in _TITLES] or words
    return [re.sub("([aou])e", r"\1", word) for word in kept]


def is_acronym(short: object, words: list[str]) -> bool:
    """Whether a text in capitals has the first letters of these words: `CEO`, `U.S.A.`."""
    letters = short.replace(".", "").strip() if isinstance(short, str) else ""
    if not (2 <= len(letters) <= 6 and letters.isalpha() and letters.isupper()):
        return False
    chosen = [word for word in words if word not in _LEFT_OUT]
    return letters.casefold() in {"".join(word[0] for word in some) for some in (words, chosen)}


def denies(one: list[str], other: list[str]) -> bool:
    """Whether two texts have the same words, but that one of them denies it."""
    first, second = ([word for word in words if word not in _NEGATIONS] for words in (one, other))
    return first == second and len(one) != len(other)


def _abbreviates(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) == 1 and short.isalpha() and long.startswith(short)


def all_replaced(one: str, other: str, is_marked: Callable[[str], bool]) -> bool:
    """Whether two texts have the same form, and other words of this sort stand in some places of it, fewer
    than half. Words are given as they are written.
    """
    first, second, changed = one.split(), other.split(), 0
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        if a == b or normalize(a) == normalize(b):
            continue
        changed += 1
        if changed * 2 >= len(first) or not (is_marked(a) and is_marked(b)):
            return False
    return changed > 0
