"""The tree for a terminal: always one line for each turn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from ..text.format import usd
from ..text.untrusted import harmless
from .tree_nodes import Node

MIN_WIDTH = 60
"""Columns. The least there is for a question beside its processor, price and confidence."""

_LANES = 24
_BELOW = {"├": "│", "└": " "}
_DRAWN = {"│": "│ ", " ": "  ", "├": "├─", "└": "└─"}
_GAP = "  "
_LEAST_WITH_IDS = 24  # columns for a question
_MOST = {"processor": 14, "money": 9, "state": 16}


# --- texts that all views share ------------------------------------------------------------------


def state_of(node: Node) -> str:
    """The lowest confidence and the number of fields with it; without an answer, the run's status."""
    word = node.lowest_confidence
    if node.answer is None or word is None:
        return harmless(node.status or "unknown", 30)
    few, fields = node.confidence_counts[word], len(node.confidence)
    return harmless(word, 20) + (f" in {few}/{fields}" if few < fields else "")


def warning_mark(node: Node) -> str:
    """A mark with the number of warnings; a page, a report and the node itself say what they are."""
    return f" ⚠{len(node.warnings):,}" if node.warnings else ""


def title_of(node: Node, max_chars: int) -> str:
    """The question on one line; for a root, also what it continues."""
    before = f"(continues {harmless(node.continues, 80)}) " if node.continues else ""
    return before + harmless(node.question or "(no question)", max_chars)


# --- lines ---------------------------------------------------------------------------------------


def lanes(nodes: Sequence[Node]) -> Iterator[tuple[Node, str, str]]:
    """Each node with what is drawn before it, a character a lane, and its own mark.

    Only branches are indented: what continues a turn stands below it in the same lane, marked `↓`. Of
    deeply branched nodes the innermost 24 lanes are kept.
    """
    left = [(node, "", "●") for node in reversed(nodes) if node.parent is None]
    while left:
        node, before, mark = left.pop()
        yield node, before, mark
        under = before[:-1] + _BELOW.get(before[-1:], before[-1:])
        children = node.children
        if len(children) == 1:
            left.append((children[0], under, "↓"))
            continue
        for child in reversed(children):
            lane = "└" if child is children[-1] else "├"
            left.append((child, (under + lane)[-_LANES:], "●"))


def tree_lines(nodes: Sequence[Node], width: int) -> Iterator[str]:
    """One line a node, in columns that fit into `width`; ids only where there is room for all."""
    width = max(width, MIN_WIDTH)
    facts = {node: _facts(node) for node in nodes}
    ends = [max(map(_cells, column)) for column in zip(*facts.values(), strict=True)]
    ids = max((_cells(_id(node)) for node in nodes), default=0)
    room = width - sum(ends) - len(_GAP) * len(ends)
    with_ids = room - ids - len(_GAP) >= _LEAST_WITH_IDS
    room -= (ids + len(_GAP)) if with_ids else 0
    for node, before, mark in lanes(nodes):
        what = f"{_draw(before, width // 8)}{mark} {title_of(node, 4 * width)}"
        columns = [_fit(text, end) for text, end in zip(facts[node], ends, strict=True)]
        line = _GAP.join([_fit(what, room), *columns, *([_id(node)] if with_ids else [])])
        yield line.rstrip()


def _facts(node: Node) -> tuple[str, ...]:
    return (
        harmless(node.processor or "?", _MOST["processor"]),
        _cut_columns(usd(node.cost_usd, "?"), _MOST["money"]),
        _cut_columns(state_of(node), _MOST["state"])
        + warning_mark(node)
        + (" *" if node.is_head else ""),
    )


def _id(node: Node) -> str:
    return harmless(node.interaction_id or "", 64)


def _draw(before: str, most: int) -> str:
    cut = len(before) > most
    return ("… " if cut else "") + "".join(_DRAWN[lane] for lane in before[-most:])


# --- columns of a terminal -----------------------------------------------------------------------


def _cells(text: str) -> int:
    """The columns that a terminal gives to a text."""
    return sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut_columns(text: str, most: int) -> str:
    """The text in at most `most` columns, which `cut` of `plain_text` could not count."""
    if _cells(text) <= most:
        return text
    room, kept = most - 1, []
    for char in text:
        room -= _cell(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def _fit(text: str, width: int) -> str:
    """The text in exactly `width` columns."""
    cut = _cut_columns(text, width)
    return cut + " " * (width - _cells(cut))
