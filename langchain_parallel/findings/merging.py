"""The best-supported value of each field, and the answer that is made of them.

Rule: objects are merged property by property, as deep as they go; a list is one value, because
`executives.0` is somebody else in another turn. An object that names a currency, a unit or a year is one
value, too: an amount is never joined with the currency of another one.

Rule: a value is chosen by the support of all turns that gave an equal one, then by how much it says (a
text or a list of less than half the length says less), then by recency. Values that hold nothing are
chosen only where there is no other. So a later turn never lowers the support of a field. The order of
branches decides nothing.

Rule: where one turn has an object and another one a text, the answer has the form that came first, and the
other value is kept as a field that is not in the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .finding import Finding, FoundValue, PartEvidence
from .sameness import find_against, group_forms, write
from .support import Path, Said, field_name

_MOST_OTHERS = 20
"""Other values of a field."""
_MOST_AGAINST = 2
"""Those of them that contradict, and that are kept however little supports them."""


class Merged(NamedTuple):
    """The fields of a strand, and its answer."""

    fields: dict[str, Finding]
    answer: Any


class Value(NamedTuple):
    """A value with all that supports it."""

    said: Sequence[Said]
    best: Said

    @property
    def support(self) -> tuple[int, int, int]:
        """What it is chosen by, before recency."""
        sites = frozenset[str]().union(*(one.sites for one in self.said))
        return self.best.rank, len(sites), max(one.excerpts for one in self.said)

    @property
    def size(self) -> int:
        """Of a text, in characters; of a list, in elements."""
        form = self.best.form
        is_long = form.is_prose or form.kind in ("list", "object")
        is_sized = is_long and isinstance(form.value, str | list | dict)
        return len(form.value) if is_sized else 0

    @property
    def urls(self) -> list[str]:
        """All that is cited for it: first by the best turn."""
        later = sorted(self.said, key=lambda one: (one.round, one.urls, one.run_id))
        return [url for one in (self.best, *later) for url in one.urls]

    @property
    def last_round(self) -> int:
        """The last round in which it was found."""
        return max(one.round for one in self.said)


@dataclass
class _Node:
    """A place in the answers: values that turns have there, and the properties of objects."""

    said: list[Said] = field(default_factory=list)
    parts: dict[str, _Node] = field(default_factory=dict)

    def first_own(self, *, hollow: bool = False) -> float:
        """The round of the first value here, of those that hold something."""
        return min((one.round for one in self.said if hollow or not one.is_hollow), default=_NEVER)

    def first_part(self, *, hollow: bool = False) -> float:
        """The same below it."""
        below = (
            min(part.first_own(hollow=hollow), part.first_part(hollow=hollow))
            for part in self.parts.values()
        )
        return min(below, default=_NEVER)


_NEVER = float("inf")


def merge(values: Sequence[Said], turns: Sequence[Any], number: Callable[[str], int]) -> Merged:
    """The best of what turns say of the same thing.

    Args:
        values: What they say.
        turns: All turns, by the places in `values`.
        number: Of an address, in the session.
    """
    root, names = _Node(), _names({value.path for value in values})
    for value in values:
        node = root
        for name in value.path:
            node = node.parts.setdefault(name, _Node())
        node.said.append(value)
    fields: dict[str, Finding] = {}
    maker = _Maker(turns, number, names, fields)
    return Merged(fields, maker.answer_at(root, in_answer=True))


def _names(paths: set[Path]) -> dict[Path, str]:
    """A name for each path. Of two that would have the same, the longer one is written as JSON."""
    names, taken = dict[Path, str](), set[str]()
    for path in sorted(paths, key=lambda path: (len(path), path)):
        name = field_name(path)
        names[path] = json.dumps(path, ensure_ascii=False) if name in taken else name
        taken.add(names[path])
    return names


@dataclass
class _Maker:
    turns: Sequence[Any]
    number: Callable[[str], int]
    names: dict[Path, str]
    fields: dict[str, Finding]

    def answer_at(self, node: _Node, *, in_answer: bool) -> Any:
        """What the answer has at a place; its fields are written down."""
        own = [one for one in node.said if not one.is_hollow]
        own_first, part_first = node.first_own(), node.first_part()
        if not own and part_first == _NEVER:
            own_first, part_first = node.first_own(hollow=True), node.first_part(hollow=True)
        is_object = bool(node.parts) and part_first <= own_first
        value: Any = None
        if node.said and (own or not is_object):
            value = self._find(own or node.said, in_answer=in_answer and not is_object)
        if node.parts and (is_object or part_first < _NEVER):
            inside = in_answer and is_object
            parts = {name: self.answer_at(p, in_answer=inside) for name, p in node.parts.items()}
            value = parts if is_object else value
        return value

    def _find(self, said: list[Said], *, in_answer: bool) -> Any:
        """Write down the finding of a field, and return its value."""
        first, *others = values_by_support(said)
        found = self._describe(first)
        forms = (other.best.form for other in others)
        against = find_against(first.best.form, list(forms), _MOST_AGAINST) if others else []
        finding = Finding(
            value=found["value"],
            confidence=found["confidence"],
            citations=found["citations"],
            turn=found["turn"],
            run_id=found["run_id"],
            others=list(map(self._describe, _others_to_keep(others, against))),
            agrees=not against,
            supported_by=sorted({self._position(one) for one in first.said}),
            in_answer=in_answer,
            evidence_of=first.best.evidence_of,
        )
        if parts := self._parts(first.best):
            finding["parts"] = parts
        self.fields[self.names[first.best.path]] = finding
        return found["value"]

    def _describe(self, value: Value) -> FoundValue:
        best, turn = value.best, self.turns[value.best.place]
        return FoundValue(
            value=best.value,
            confidence=best.confidence,
            citations=list(dict.fromkeys(map(self.number, value.urls))),
            turn=self._position(best),
            run_id=turn.get("run_id") or "",
        )

    def _position(self, said: Said) -> int:
        return self.turns[said.place].get("position", said.place)  # type: ignore[no-any-return]

    def _parts(self, best: Said) -> dict[str, PartEvidence]:
        if not best.path or not isinstance(best.value, list | dict):
            return {}
        parts = best.evidence.parts_of(field_name(best.path))
        if parts.keys() <= {""}:
            return {}
        return {
            name: PartEvidence(confidence=word, citations=list(map(self.number, urls)))
            for name, (word, urls) in parts.items()
        }


def _others_to_keep(others: Sequence[Value], against: Sequence[int]) -> list[Value]:
    """The best of the other values, and those that contradict."""
    least = [place for place in against if place >= _MOST_OTHERS]
    return [*others[: _MOST_OTHERS - len(least)], *(others[place] for place in least)]


def values_by_support(said: Sequence[Said]) -> list[Value]:
    """The different values of a field, the best supported first."""
    if len(said) == 1:
        return [Value(said, said[0])]
    ordered = sorted(said, key=lambda one: (one.round, write(one.value)))
    groups: dict[int, list[Said]] = {}
    for group, one in zip(group_forms([one.form for one in ordered]), ordered, strict=True):
        groups.setdefault(group, []).append(one)
    values = list(map(_value, groups.values()))
    most = max(value.size for value in values)

    def order(value: Value) -> tuple[Any, ...]:
        return *value.support, value.size * 2 >= most, value.last_round, write(value.best.value)

    return sorted(values, key=order, reverse=True)


def _value(said: list[Said]) -> Value:
    """Of equal ones, the earliest first. With the same support the type that came first stays: 1200, and not
    `1.2k`.
    """
    kind = type(said[0].value)

    def order(one: Said) -> tuple[Any, ...]:
        return (
            one.rank,
            len(one.sites),
            one.excerpts,
            isinstance(one.value, kind),
            one.round,
            write(one.value),
            one.urls,
            one.run_id,
        )

    return Value(said, max(said, key=order))
