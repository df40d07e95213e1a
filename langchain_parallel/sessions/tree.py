"""A research session as a tree of interactions, with the price and the evidence of each turn.

Rule: a tree sends nothing, changes nothing, and shows every turn it was given, inconsistent ones included: a
turn whose parent is not in the session is a root, a circle is cut open, an id given twice belongs to the
first turn that has it. Walks are loops, not recursion: sessions may be thousands of turns deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.plain_text import count
from ..errors import InvalidRequest
from ..findings.question_turns import turns_in
from ..text.format import usd
from ..text.layout import list_within
from ..text.untrusted import harmless
from .tree_html import html_page, notebook_html
from .tree_mermaid import mermaid_text
from .tree_nodes import Links, Node, node_of, position_of, run_of, total_cost_usd
from .tree_text import tree_lines

if TYPE_CHECKING:
    from ..research.state import Turn

_ID_CHARS = 600


@dataclass(frozen=True, eq=False, repr=False)
class InteractionTree:
    """The turns of a session as a tree. Make it with `InteractionTree.of`.

    Iterating gives every node once, parents before children and older ones before younger; `len` counts.
    `print` shows the text view, a notebook the page of `html`.

    Attributes:
        roots: The turns that continued nothing, or nothing that the session holds.
    """

    roots: tuple[Node, ...]
    _nodes: tuple[Node, ...]

    @classmethod
    def of(cls, state_or_turns: Mapping[str, Any] | Iterable[Turn]) -> InteractionTree:
        """The tree of a graph's state or output (its `turns`), or of a list of turns.

        Raises:
            InvalidRequest: It is something else.
        """
        links = Links()
        nodes = [
            node_of(at, turn, links) for at, turn in enumerate(_turns(state_or_turns), start=1)
        ]
        links.parents = _parents(nodes)
        for node in nodes:
            if node.parent:
                links.children.setdefault(node.parent.number, []).append(node)
        roots = tuple(node for node in nodes if node.parent is None)
        ordered = tuple(_walk(roots))
        links.heads = _heads(ordered)
        return cls(roots, ordered)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def heads(self) -> tuple[Node, ...]:
        """The nodes that research can continue from: below their answers there is no other answer."""
        return tuple(node for node in self if node.is_head)

    @property
    def total_cost_usd(self) -> float:
        """USD, as far as prices are known."""
        return total_cost_usd(self)

    def path(self, interaction_id: str) -> tuple[Node, ...]:
        """From a root to the turn with this interaction id.

        Raises:
            InvalidRequest: The session does not hold it.
        """
        own = [node for node in self if node.interaction_id is not None]
        at = min(
            (node for node in own if node.interaction_id == interaction_id),
            key=lambda node: node.number,
            default=None,
        )
        if at is None:
            ids = [harmless(str(node.interaction_id), 100) for node in own]
            asked = harmless(str(interaction_id), 100)
            known = list_within(ids, _ID_CHARS, by=", ") or "no interaction at all"
            raise InvalidRequest(
                [f"There is no interaction {asked!r} in this session."], hint=f"It holds {known}."
            )
        found = [at]
        while parent := found[-1].parent:
            found.append(parent)
        return tuple(reversed(found))

    def text(self, width: int = 120) -> str:
        """One line for each turn, for a terminal of `width` columns, at least 60.

        `●` begins a line of research, `↓` continues the line above it; `*` marks the heads, and `⚠2` a
        turn with two warnings.
        """
        return "\n".join(tree_lines(self._nodes, width)) or "(no turns)"

    def mermaid(self) -> str:
        """A Mermaid flowchart. Renderers stop at 50,000 characters by default."""
        return mermaid_text(self._nodes)

    def html(self, title: str = "Research session") -> str:
        """One page to open and click: no script, no request, every text of the web escaped."""
        return html_page(self._nodes, title)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<InteractionTree: {self._about()}>"

    def _about(self) -> str:
        turns, heads = count(len(self), "turn"), count(len(self.heads), "head")
        return f"{turns}, {heads}, {usd(self.total_cost_usd)}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What notebooks show, the page in a sandbox."""
        return {
            "text/plain": self.text(),
            "text/markdown": f"```text\n{self.text()}\n```",
            "text/html": notebook_html(self.html(), f"{self._about()}, as text", self.text()),
            "text/vnd.mermaid": self.mermaid(),
        }


# --- from turns to a tree -------------------------------------------------------------------------


def _turns(given: object) -> list[Mapping[str, Any]]:
    """The turns in the order of their positions. Of two turns with one run, the later in the list counts."""
    runs = {run_of(turn) or at: turn for at, turn in enumerate(turns_in(given))}
    return [turn for _, turn in sorted(enumerate(runs.values()), key=position_of)]


def _parents(nodes: Sequence[Node]) -> dict[int, Node]:
    """The turn that each one continued, by number. Each circle is cut above its oldest turn."""
    owner = {node.interaction_id: node for node in reversed(nodes) if node.interaction_id}
    found = {node.number: owner.get(node.parent_interaction_id or "") for node in nodes}
    parents = {number: parent for number, parent in found.items() if parent is not None}
    seen: set[int] = set()
    for node in nodes:
        number, way = node.number, []
        while number in parents and number not in seen:
            seen.add(number)
            way.append(number)
            number = parents[number].number
        if number in way:  # the way from there on is a circle
            del parents[min(way[way.index(number) :])]
    return parents


def _walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Parents before children, older before younger."""
    left = list(roots)[::-1]
    while left:
        yield (node := left.pop())
        left.extend(reversed(node.children))


def _heads(ordered: Sequence[Node]) -> frozenset[int]:
    answered_below: set[int] = set()
    heads = set()
    for node in reversed(ordered):  # children before parents
        has_answer = node.answer is not None
        if has_answer and node.number not in answered_below:
            heads.add(node.number)
        if node.parent and (has_answer or node.number in answered_below):
            answered_below.add(node.parent.number)
    return frozenset(heads)
