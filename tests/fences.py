"""Fences around untrusted text, as a reader of a text finds them."""

from __future__ import annotations

import re

_FENCED = re.compile(
    r'<research_output untrusted="true" nonce="([0-9a-f]{16})">\n(?:(.*?)\n)?</research_output nonce="\1">',
    re.DOTALL,
)


def inside(text: str) -> list[str]:
    """What stands inside the fences of a text."""
    return [found[2] or "" for found in _FENCED.finditer(text)]


def outside(text: str) -> str:
    """The text without its fences."""
    return _FENCED.sub("", text)


def without_nonces(text: str) -> str:
    """The text with the same nonce in each tag, so that a whole text can be compared."""
    return re.sub(r' nonce="[0-9a-f]{16}"', "", text)
