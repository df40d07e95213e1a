"""The turns of a session as a tree of interactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .state import Turn


def tree_text(turns: Iterable[Turn]) -> str:
    """The tree for a terminal: each turn under the one it continued."""
    known = list(turns)
    ids = {turn["interaction_id"] for turn in known}
    roots = [turn for turn in known if turn["parent_interaction_id"] not in ids]
    return "\n".join(line for root in roots for line in _branch(root, known, "", ""))


def _branch(turn: Turn, turns: list[Turn], first: str, rest: str) -> Iterator[str]:
    cost = "?" if turn["cost_usd"] is None else f"${turn['cost_usd']:.3f}"
    state = "" if turn["status"] == "completed" else f", {turn['status']}"
    question = " ".join(turn["question"].split())
    shown = question if len(question) <= 60 else question[:59] + "…"
    yield f"{first}{shown}  ({turn['processor']}, {cost}{state})  {turn['interaction_id']}"
    children = [
        child
        for child in turns
        if child["parent_interaction_id"] == turn["interaction_id"] and child is not turn
    ]
    for index, child in enumerate(children):
        last = index == len(children) - 1
        yield from _branch(
            child, turns, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")
        )
