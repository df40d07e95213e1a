"""Text of a server made plain: without hidden characters, on one line, no longer than asked.

Rule: a text that is to be shortened is cut before anything searches it, so that its length costs nothing.
"""

from __future__ import annotations

import re

CUT_HERE = " [cut here]"
"""Ends a text of several lines that was cut."""

_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters, and whatever Unicode shows as nothing: bidi, zero width, fillers, variation selectors,
# tags, surrogates. They hide or turn text, or carry text that only a model reads.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_JOINERS = "\u200c\u200d"
_BLANK_BRAILLE = "\u2800"
_RAW_PER_CHAR = 8
"""Characters that are looked at for each one of a text to be cut: hidden ones and blanks may go."""


def clean(text: str) -> str:
    """The text without control and hidden characters; every line end is a newline."""
    if text.isascii() and text.isprintable():  # an address nearly always is
        return text
    return _HIDDEN.sub(_joiner, _LINE_ENDS.sub("\n", text)).replace(_BLANK_BRAILLE, " ")


def _joiner(hidden: re.Match[str]) -> str:
    """What stays of hidden characters: one joiner between letters that are spelt with it, as in Persian and
    emoji.
    """
    joiner = next((char for char in hidden[0] if char in _JOINERS), "")
    around = hidden.string[max(hidden.start() - 1, 0) : hidden.end() + 1]
    is_between = len(around) == len(hidden[0]) + 2 and min(around[0], around[-1]) > "\x7f"
    return joiner if is_between else ""


def one_line(text: str, max_chars: int | None = None) -> str:
    """The text on one line, cleaned."""
    if max_chars is None:
        return " ".join(clean(text).split())
    looked_at = text[: _RAW_PER_CHAR * max(max_chars, 0) + 100]
    line = " ".join(clean(looked_at).split())
    if len(line) <= max_chars and len(looked_at) < len(text):
        line = f"{line[: max_chars - 1].rstrip()}…"
    return cut(line, max_chars)


def count(number: int, one: str, several: str | None = None) -> str:
    """`1 run`, `1,200 runs`; `several` where that is not `one` with an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def cut(text: str, max_chars: int, mark: str = "…") -> str:
    """The text in at most `max_chars` characters; a cut text ends with the mark.

    It is cut after a line, a sentence or a word, unless that would lose a quarter more.
    """
    if len(text) <= max_chars:
        return text
    kept = text[: max(0, max_chars - len(mark))]
    for end in ("\n", ". ", " "):
        if (at := kept.rfind(end)) > len(kept) * 3 // 4:
            kept = kept[: at + len(end)]
            break
    kept = kept.rstrip()
    return kept + mark if kept else ""


def quote_text(text: str, max_chars: int | None = None) -> str:
    """Text of a server on one line, in quotation marks that it cannot close: it reads as data."""
    return f"“{one_line(text, max_chars).translate(_QUOTES)}”"


_QUOTES = str.maketrans('“”„‟«»＂"', "‘’‘‘‘’''")
