"""Texts without what differs from run to run (ids, times, ports), so that a file can have them.

Rule: the same masks hold for pages and notebooks; a text that is shown is cut after its first lines.
"""

from __future__ import annotations

import re

DRAWING = re.compile(r"---\nconfig:|graph |flowchart |sequenceDiagram")
"""How a text begins that Mermaid draws."""
_MOST_LINES = 14
_VARYING = [
    (re.compile(r"\b(trun|intr|tgrp|inter|mon|evt|chatcmpl)_[0-9a-zA-Z-]{6,}"), r"\1_…"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "…"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "2026-…"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "2026-…"),
    (re.compile(r"\b\d+(\.\d+)? s (?=ago|of res)"), "0 s "),
    (re.compile(r">\d+ s</td>"), ">… s</td>"),
    (re.compile(r'nonce="[0-9a-f]+"'), 'nonce="…"'),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:…"),
]


def fixed(text: str) -> str:
    """The whole text with masks for what differs."""
    for varying, mark in _VARYING:
        text = varying.sub(mark, text)
    return text


def mask(text: str) -> str:
    """The text without what differs from run to run; its beginning, if it is long."""
    if not text.strip():
        return ""
    text = fixed(text)
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    if (more := len(lines) - _MOST_LINES) > 1 and not DRAWING.match(text):
        lines[_MOST_LINES:] = [f"… ({more} more lines)"]
    return "".join(f"{line}\n" for line in lines)
