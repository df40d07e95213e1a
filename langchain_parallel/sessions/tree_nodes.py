"""One turn of a session's tree: the data behind all views.

Rule: what a turn lacks, or has in a wrong shape, is empty here. No turn is refused: every turn in a state was
paid for and has to be shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.timestamps import elapsed_seconds
from ..evidence import rank
from ..findings import Findings, find_findings

_WITHOUT_ANSWER = ("failed", "cancelled", "refused", "declined", "withheld", "lost")


@dataclass(frozen=True)
class RecordedVerdict:
    """What was decided about an answer."""

    action: str
    """`accept`, `follow_up`, `branch`, `stop`."""
    reason: str = ""
    decided_by: str = "evaluation"
    """`evaluation` or `person`."""


@dataclass(frozen=True, eq=False)
class Node:
    """One turn in the tree. Texts from the web are raw; the views escape them."""

    number: int
    """Position in the session, starting at 1."""
    question: str
    asked_by: str
    """`caller`, `evaluation` or `person`."""
    processor: str
    status: str
    answer: Any
    """Text or a JSON object as the turn has it; None without an answer."""
    confidence: Mapping[str, str]
    """By field: `high`, `medium`, `low`."""
    unsupported_fields: tuple[str, ...]
    citations: tuple[Mapping[str, Any], ...]
    """`number`, `url`, `title`, `fields`."""
    warnings: tuple[str, ...]
    error: str | None
    cost_usd: float | None
    """None where the price is not known."""
    started_at: str | None
    """RFC 3339, like `ended_at`."""
    ended_at: str | None
    verdict: RecordedVerdict | None
    parent_interaction_id: str | None
    """The interaction it continued, also where the session does not hold it."""
    interaction_id: str | None
    run_id: str | None
    _links: Links = field(repr=False)

    @property
    def parent(self) -> Node | None:
        """The turn it continued; None for a root."""
        return self._links.parents.get(self.number)

    @property
    def children(self) -> tuple[Node, ...]:
        """The turns that continued it, oldest first."""
        return tuple(self._links.children.get(self.number, ()))

    @property
    def continues(self) -> str | None:
        """For a root: the interaction it continued, which this session does not hold."""
        return None if self.parent else self.parent_interaction_id

    @property
    def is_branch(self) -> bool:
        """Whether it is one of several turns that continued the same one."""
        return self.parent is not None and len(self.parent.children) > 1

    @property
    def findings(self) -> list[Findings]:
        """What is known at this interaction: what the way to it has found, question by question.

        Positions of turns in it are numbers of nodes. Linear in the length of the way.
        """
        way, node = [self], self.parent
        while node is not None:
            way.append(node)
            node = node.parent
        return find_findings([_turn_of(one) for one in reversed(way)])

    @property
    def is_head(self) -> bool:
        """Whether it has an answer, and nothing below it has one."""
        return self.number in self._links.heads

    @property
    def lowest_confidence(self) -> str | None:
        """The weakest word in `confidence`; None if there is none."""
        return min(self.confidence.values(), key=rank, default=None)

    @property
    def confidence_counts(self) -> dict[str, int]:
        """How many fields have which confidence, the strongest first."""
        counts = Counter(self.confidence.values())
        return {word: counts[word] for word in sorted(counts, key=lambda w: (-rank(w), w))}

    @property
    def seconds(self) -> float | None:
        """From when the run was made until it was last changed; None if either is unknown."""
        return elapsed_seconds(self.started_at, self.ended_at)


@dataclass
class Links:
    """Parents and children by number. Nodes point here, so that no node holds another."""

    parents: dict[int, Node] = field(default_factory=dict)
    children: dict[int, list[Node]] = field(default_factory=dict)
    heads: frozenset[int] = frozenset()


def _turn_of(node: Node) -> dict[str, Any]:
    """A node as a turn, with what its findings are made of."""
    return {
        "position": node.number,
        "question": node.question,
        "asked_by": node.asked_by,
        "status": "completed" if node.answer is not None else node.status,
        "content": node.answer,
        "confidence": node.confidence,
        "citations": node.citations,
        "parent_interaction_id": node.parent_interaction_id,
        "interaction_id": node.interaction_id,
        "run_id": node.run_id,
    }


def kind_of(node: Node) -> str:
    """`failed` or `open` without an answer; else `root`, `branch` or `followup`."""
    if node.answer is None:
        return "failed" if node.status in _WITHOUT_ANSWER else "open"
    if node.parent is None:
        return "root"
    return "branch" if node.is_branch else "followup"


def total_cost_usd(nodes: Iterable[Node]) -> float:
    """USD, as far as prices are known."""
    return round(sum(node.cost_usd or 0.0 for node in nodes), 6)


# --- from turns to nodes -------------------------------------------------------------------------


def node_of(number: int, turn: Mapping[str, Any], links: Links) -> Node:
    """A turn as a node."""
    words = turn.get("confidence")
    return Node(
        number=number,
        question=_text(turn, "question") or "",
        asked_by=_text(turn, "asked_by") or "caller",
        processor=_text(turn, "processor") or "",
        status=_text(turn, "status") or "",
        answer=turn.get("content"),
        confidence={str(k): str(v) for k, v in words.items()} if isinstance(words, Mapping) else {},
        unsupported_fields=tuple(map(str, _items(turn, "unsupported_fields"))),
        citations=tuple(_citations(turn)),
        warnings=tuple(map(str, _items(turn, "warnings"))),
        error=_text(turn, "error"),
        cost_usd=_number(turn.get("cost_usd")),
        started_at=_text(turn, "started_at"),
        ended_at=_text(turn, "ended_at"),
        verdict=_verdict(turn.get("verdict")),
        parent_interaction_id=_text(turn, "parent_interaction_id"),
        interaction_id=_text(turn, "interaction_id"),
        run_id=_text(turn, "run_id"),
        _links=links,
    )


def run_of(turn: Mapping[str, Any]) -> str | None:
    """The id that a turn is recognised by: its run, or its key where no run was started."""
    return _text(turn, "run_id") or _text(turn, "key")


def position_of(turn: tuple[int, Mapping[str, Any]]) -> float:
    """The turn's position in its session, or else its index in the list."""
    position = _number(turn[1].get("position"))
    return turn[0] if position is None else position


def _citations(turn: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for at, citation in enumerate(_items(turn, "citations"), start=1):
        if isinstance(citation, Mapping):
            fields = [str(field) for field in _items(citation, "fields")]
            yield {**citation, "number": citation.get("number", at), "fields": fields}


def _verdict(verdict: object) -> RecordedVerdict | None:
    if not isinstance(verdict, Mapping) or not verdict:
        return None
    decided_by = "person" if verdict.get("decided_by") == "person" else "evaluation"
    return RecordedVerdict(
        _text(verdict, "action") or "", _text(verdict, "reason") or "", decided_by
    )


def _text(turn: Mapping[str, Any], name: str) -> str | None:
    value = turn.get(name)
    return value if isinstance(value, str) and value else None


def _items(turn: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = turn.get(name)
    return value if isinstance(value, list | tuple) else ()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None
