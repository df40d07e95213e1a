"""Variety without randomness: ids and numbers that follow from a key.

Rule: the same seed and the same question give the same answer, in any order and in any thread.
"""

from __future__ import annotations

import hashlib


def hex_id(*key: object, length: int = 32) -> str:
    """The hexadecimal id of `length` (up to 64) characters for this key."""
    return hashlib.sha256("\x1f".join(map(str, key)).encode(errors="surrogatepass")).hexdigest()[
        :length
    ]


def number(*key: object) -> int:
    """The 32-bit number for this key."""
    return int(hex_id(*key, length=8), 16)


def fraction(*key: object) -> float:
    """The number in [0, 1) for this key."""
    return number(*key) / 2**32
