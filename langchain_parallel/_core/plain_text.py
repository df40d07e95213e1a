"""Text of a server made plain: without hidden characters, on one line, no longer than asked."""

from __future__ import annotations

import re

CUT_HERE = " [cut here]"
"""Ends a text of several lines that was cut."""

_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters, and invisible ones that hide or turn text: bidi, zero width, tags, surrogates.
# The joiners U+200C and U+200D stay, Persian and emoji are spelt with them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """The text without control and hidden characters; every line end is a newline."""
    return _HIDDEN.sub("", _LINE_ENDS.sub("\n", text))


def one_line(text: str, max_chars: int | None = None) -> str:
    """The text on one line, cleaned."""
    line = " ".join(clean(text).split())
    return line if max_chars is None else cut(line, max_chars)


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
