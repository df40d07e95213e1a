"""The excerpts that an answer cites, read once for each set of citations that a field has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from ..evidence import TEXT_FIELD, with_parents
from .figures import FigureIndex
from .proper_names import NameIndex
from .quotations import forms_of


class Passages:
    """The excerpts of some citations."""

    def __init__(self, citations: Iterable[Mapping[str, Any]]) -> None:
        cited = list(citations)
        self.excerpts: list[str] = [
            one for source in cited for one in source.get("excerpts") or () if _is_text(one)
        ]
        titles: list[Any] = [source.get("title") for source in cited]
        self._texts: list[str] = [*self.excerpts, *filter(_is_text, titles)]

    @cached_property
    def forms(self) -> list[str]:
        """Word for word, for quotes."""
        return [form for text in self._texts for form in forms_of(text)]

    @cached_property
    def figures(self) -> FigureIndex:
        """Their numbers and dates."""
        return FigureIndex(self._texts)

    @cached_property
    def names(self) -> NameIndex:
        """Their words, for names."""
        return NameIndex(self._texts)


class PassagesByField:
    """The excerpts for each field: those of its own citations and of the fields that it is a part of."""

    def __init__(self, citations: Iterable[Mapping[str, Any]]) -> None:
        self._cited: list[Mapping[str, Any]] = list(citations)
        self._of: dict[str, set[int]] = {}
        for number, citation in enumerate(self._cited):
            for field in citation.get("fields") or ():
                self._of.setdefault(str(field), set()).add(number)
        self._made: dict[frozenset[int], Passages] = {}

    def of(self, field: str) -> Passages:
        """The excerpts for a field or a part of one."""
        paths = [*with_parents(field)]
        numbers = frozenset(n for path in paths for n in self._of.get(path, ()))
        if not numbers and field != TEXT_FIELD:
            numbers = frozenset(self._of.get(TEXT_FIELD, ()))
        if numbers not in self._made:
            self._made[numbers] = Passages(self._cited[n] for n in sorted(numbers))
        return self._made[numbers]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
