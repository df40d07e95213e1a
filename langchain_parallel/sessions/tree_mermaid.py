"""The tree as a Mermaid flowchart.

Rule: of a turn's texts only letters, digits and blanks are written as they are. Everything else is written
as a character's number, so that no text can end its label, or begin a link, a directive or markup. What
Mermaid itself looks for once it has turned the numbers back (formulas, icons, line ends) is broken up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..text.format import usd
from ..text.untrusted import harmless
from .tree_nodes import Node, kind_of
from .tree_text import state_of, title_of, warning_mark

_QUESTION_CHARS = 60
_NOT_PLAIN = re.compile(r"[^\w ]|_")
_SPLIT = "$:\\"  # as in `$$x$$`, `fa:fa-ban` and a backslash with an n
# Colours of their own for line, box and text, so that they can be read on a light and a dark page.
_STYLES = {
    "root": "fill:#dbe4ff,stroke:#3b5bdb,color:#14213d",
    "followup": "fill:#eef1f6,stroke:#8793a8,color:#14213d",
    "branch": "fill:#e5dbff,stroke:#7048e8,color:#14213d",
    "open": "fill:#fff3bf,stroke:#b08900,color:#3d2f00,stroke-dasharray:4 3",
    "failed": "fill:#ffe3e3,stroke:#c92a2a,color:#5c0f0f,stroke-dasharray:4 3",
    "head": "stroke:#2b8a3e,stroke-width:3px",
}


def mermaid_text(nodes: Sequence[Node]) -> str:
    """A `flowchart TD`: a box for each turn, and an arrow from each turn to those that continued it."""
    lines = [f'n{node.number}["{_label(node)}"]:::{kind_of(node)}' for node in nodes]
    lines += [f"n{node.parent.number} --> n{node.number}" for node in nodes if node.parent]
    lines += [f"class n{node.number} head" for node in nodes if node.is_head]
    lines += [f"classDef {name} {style}" for name, style in _STYLES.items()]
    return "\n  ".join(["flowchart TD", *lines]) + "\n"


def _label(node: Node) -> str:
    facts = (
        harmless(node.processor or "?", 20),
        usd(node.cost_usd, "?"),
        state_of(node) + warning_mark(node),
    )
    question = harmless(title_of(node, _QUESTION_CHARS), 2 * _QUESTION_CHARS)
    # The number first, also because a label that begins like a list is refused as one.
    return f"{node.number} {_escape('· ' + question)}<br/>{_escape(' · '.join(facts))}"


def _escape(text: str) -> str:
    return _NOT_PLAIN.sub(lambda found: _number(found[0]), text)


def _number(char: str) -> str:
    """A character by its number; after some of them, a blank of no width."""
    return f"#{ord(char)};" + ("#8203;" if char in _SPLIT else "")
