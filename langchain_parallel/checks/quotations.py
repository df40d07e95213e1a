"""Quotes: finding them in an answer, and word for word in an excerpt.

Rule: letters, digits and their order count; case, blanks, line ends, punctuation and the form of quotation
marks and dashes do not. `…` and `[…]` leave something out, and `[the company]` stands for other words: what
is before and behind must be in one excerpt, in this order.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from .._quantities.letters import has_no_spaces, level

_CLOSED_BY: dict[str, str] = {
    "“": "”“",
    "„": '“”"',
    "”": "”",
    "«": "»",
    "»": "«»",
    "‹": "›",
    "「": "」",
    "『": "』",
    "〝": "〟〞",
    '"': '"',
    "״": "״",
    "‘": "’",
    "‚": "‘’",
    "＂": "＂",
}
_OPENERS = re.compile("[" + "".join(_CLOSED_BY) + "]")
_PAIRED = frozenset("“„«‹「『〝")
"""Marks that open, and never close a quote of their own kind."""
_CLOSERS = {
    opener: re.compile(rf"\n\s*\n\s*|[{closers}]") for opener, closers in _CLOSED_BY.items()
}
_MOST_CHARS = 3_000
_LEAST_WORDS, _LEAST_SIGNS = 3, 6
_GAP = re.compile(r"\[[^\]]{0,80}\]|\([….]{1,3}\)|…|\.{3,}|(?:\. ){2,}\.")
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u00ad]\s*\n\s*(?=[^\W\d_])")
_WORD = re.compile(r"\d+(?:[.,:']\d+)*|(?:[^\W\d_]|[\u0900-\u0dff\u0e31-\u0e4e])+")
_POINTS = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0640]")


class Quotation(NamedTuple):
    """A quote with its marks, and where it stands."""

    text: str
    start: int
    end: int


def find_quotations(text: str) -> list[Quotation]:
    """The quotes of a text that are long enough to be somebody's words: three, or six signs of a script
    without blanks.
    """
    found: list[Quotation] = []
    at = 0
    while opener := _OPENERS.search(text, at):
        start = opener.start()
        at = start + 1
        if not _may_open(text, start):
            continue
        end = _close(text, start)
        if end is None:
            continue
        at = end + 1
        inside = text[start + 1 : end]
        if _is_long(inside):
            found.append(Quotation(text[start : end + 1], start, end + 1))
    return found


def _may_open(text: str, at: int) -> bool:
    """Not an inch, an apostrophe, or the mark within a Hebrew abbreviation."""
    before, behind = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if not behind or (behind.isspace() and text[at] != "«"):
        return False
    is_joined = before.isalnum() and not has_no_spaces(before) and not "가" <= before <= "힣"
    return not (is_joined and text[at] in "\"״‘'”»＂")


def _close(text: str, start: int) -> int | None:
    """Where the quote ends. One of several paragraphs may end at the blank line behind each but the last, if
    the next one begins with the same mark.
    """
    opener, paragraph, within = text[start], 0, 0
    for found in _CLOSERS[opener].finditer(text, start + 1, start + _MOST_CHARS):
        at, behind = found.start(), found.end()
        if found[0].isspace():
            if text[behind : behind + 1] == opener:
                return at
            if opener not in _PAIRED:
                return None
            paragraph = paragraph or behind
            continue
        if paragraph and opener in text[paragraph:behind]:
            return None  # never closed: another quote has begun
        if found[0] == "“" and text[at - 1].isspace() and text[behind : behind + 1].isalnum():
            within += 1  # “He said “yes” to it”
            continue
        if found[0] == "”" and within:
            within -= 1
            continue
        after = text[behind : behind + 1]
        is_within_word = text[at - 1].isalnum() and after.isalnum()
        spaced = has_no_spaces(after or "a") or "가" <= after <= "힣"
        if is_within_word and found[0] in '’"״' and not spaced:
            continue
        return at
    return None


def _is_long(text: str) -> bool:
    signs = sum(has_no_spaces(char) for char in text)
    return signs >= _LEAST_SIGNS or len(_WORD.findall(text)) - signs >= _LEAST_WORDS


# --- word for word -------------------------------------------------------------------------------


def words_of(text: str) -> str:
    """The words of a text, each between blanks; every sign of a script without blanks is one."""
    plain = unicodedata.normalize("NFC", _POINTS.sub("", level(text))).casefold()
    found: list[str] = []
    for word in _WORD.findall(plain):
        found += list(word) if any(map(has_no_spaces, word)) else [word]
    return f" {' '.join(found)} "


def forms_of(excerpt: str) -> list[str]:
    """The words of an excerpt; also without the hyphens at the ends of lines."""
    joined = _HYPHENATED.sub("", excerpt)
    return [words_of(excerpt), *([words_of(joined)] if joined != excerpt else [])]


def is_quoted(quotation: Quotation, excerpts: list[str]) -> bool:
    """Whether a quote is in one of the excerpts, given as `forms_of` makes them."""
    pieces = [
        words for piece in _GAP.split(quotation.text[1:-1]) if (words := words_of(piece)).strip()
    ]
    return any(_has_in_order(excerpt, pieces) for excerpt in excerpts)


def _has_in_order(excerpt: str, pieces: list[str]) -> bool:
    at = 0
    for piece in pieces:
        there = excerpt.find(piece, at)
        if there < 0:
            return False
        at = there + len(piece) - 1
    return True
