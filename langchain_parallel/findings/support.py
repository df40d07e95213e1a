"""How well each value of an answer is supported.

Rule: support is, in this order, the rank of the confidence, how many independent sites are cited, and how
many of their excerpts contain the value. What the API says of a field holds for its parts, and a list is
as good as its weakest element.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from .._core.urls import host
from ..evidence import NO_ANSWERS, TEXT_FIELD, is_hollow, rank, with_parents
from .quantities import number_of
from .question_turns import round_of
from .sameness import Form, form_of
from .wording import normalize

Path: TypeAlias = tuple[str, ...]
"""The way to a value through objects; empty for an answer that is none."""

_SPLIT_LEVELS = 8
"""How deep objects are merged by their properties; what is deeper is one value."""
_QUALIFIERS = frozenset(("currency", "unit", "units", "year", "as_of", "period", "fiscal_year"))
"""Properties that say what the others mean: an object with one of them is one value."""
_EXCERPT_CHARS = 20_000
_SECOND_LEVEL = frozenset(
    ("ac", "co", "com", "edu", "gov", "net", "org", "gob", "gouv", "or", "ne")
)


@dataclass(frozen=True, eq=False)
class Said:
    """A value that a turn gives for a field, with its support. What only a comparison asks for is read when
    it does: most fields have one value.
    """

    path: Path
    value: Any
    place: int
    """The place of its turn in the list of turns."""
    confidence: str | None
    evidence: TurnEvidence = field(repr=False)
    """Of its turn."""
    sources: list[Mapping[str, Any]] = field(repr=False)
    evidence_of: str
    """The field of the turn that the confidence and the citations are given for."""

    @property
    def round(self) -> int:
        """Of its turn."""
        return self.evidence.round

    @property
    def run_id(self) -> str:
        """Of its turn."""
        return self.evidence.run_id

    @property
    def rank(self) -> int:
        """Of its confidence."""
        return rank(self.confidence or "")

    @cached_property
    def is_hollow(self) -> bool:
        """Whether it holds nothing."""
        return is_hollow(self.value, NO_ANSWERS)

    @cached_property
    def form(self) -> Form:
        """The value without what is form alone."""
        return form_of(self.value)

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """What is cited for it."""
        return tuple(dict.fromkeys(source["url"] for source in self.sources))

    @cached_property
    def sites(self) -> frozenset[str]:
        """The independent ones of these."""
        return frozenset(filter(None, map(site_of, self.urls)))

    @cached_property
    def excerpts(self) -> int:
        """How many sources have an excerpt with the value in it."""
        return self.evidence.count_excerpts(self.sources, self.value)


def field_name(path: Path) -> str:
    """The path as the API writes it; that of a text answer is `output`."""
    return ".".join(path) if path else TEXT_FIELD


def has_content(turn: Mapping[str, Any]) -> bool:
    """Whether a turn has an answer, be it a hollow one."""
    return turn.get("status", "completed") == "completed" and turn.get("content") is not None


def values_of(turn: Mapping[str, Any], place: int) -> Iterator[Said]:
    """What a turn says, value by value. A turn without an answer says nothing."""
    if not has_content(turn):
        return
    evidence = TurnEvidence.of(turn)
    for path, value in _split(turn["content"], ()):
        yield evidence.judge(path, value, place)


def _split(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    is_one = len(path) >= _SPLIT_LEVELS or not isinstance(value, dict) or not value
    if is_one or (path and not _QUALIFIERS.isdisjoint(map(str, value))):
        yield path, value
        return
    for name, part in value.items():
        yield from _split(part, (*path, str(name)))


@dataclass
class TurnEvidence:
    """The confidence and the citations of a turn, by field."""

    confidence: Mapping[str, str]
    round: int
    run_id: str
    sources: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """By the fields that are cited."""
    within: dict[str, list[str]] = field(default_factory=dict)
    """The known fields below each path."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """The excerpts by url, normalized when they are first asked for."""

    @classmethod
    def of(cls, turn: Mapping[str, Any]) -> TurnEvidence:
        """The evidence of a turn; what is of another shape than a turn's counts as none."""
        given = turn.get("confidence")
        words = given if isinstance(given, Mapping) else {}
        confidence = {str(name): word for name, word in words.items() if isinstance(word, str)}
        made = cls(confidence, round_of(turn), str(turn.get("run_id") or ""))
        for source in sources_in(turn):
            for name in source.get("fields") or ():
                made.sources.setdefault(str(name), []).append(source)
        for name in dict.fromkeys([*made.sources, *confidence]):
            for parent in with_parents(name):
                made.within.setdefault(parent, []).append(name)
        return made

    def judge(self, path: Path, value: Any, place: int) -> Said:
        """A value with its support."""
        name = field_name(path)
        return Said(
            path=path,
            value=value,
            place=place,
            confidence=self.word_of(name) if path else self._word_of_text(),
            evidence=self,
            sources=self.sources_of(name) if path else self._all_sources(),
            evidence_of=self._field_of(name, path),
        )

    def _field_of(self, name: str, path: Path) -> str:
        """The field itself, or the object that it is in, of which there is evidence."""
        if not path or name in self.within:
            return name
        known = (one for one in with_parents(name) if one in self.confidence or one in self.sources)
        return next(known, path[0])

    def without_value(self, leaves: Collection[str], have: Collection[str]) -> Iterator[str]:
        """The fields of which there is evidence, and that hold no value.

        Args:
            leaves: The fields that have a value.
            have: These, and the objects that they are in.
        """
        for name in dict.fromkeys([*self.sources, *self.confidence]):
            if name not in have and not any(parent in leaves for parent in with_parents(name)):
                yield name

    def word_of(self, name: str) -> str | None:
        """The confidence of a field: its own, that of its parent, or the weakest of its parts'."""
        for known in with_parents(name):
            if known in self.confidence:
                return self.confidence[known]
        words = [self.confidence[n] for n in self.within.get(name, ()) if n in self.confidence]
        return min(words, key=lambda word: (rank(word), word), default=None)

    def sources_of(self, name: str) -> list[Mapping[str, Any]]:
        """What is cited for a field: for itself, its parents and its parts."""
        names = dict.fromkeys([*with_parents(name), *self.within.get(name, ())])
        return [source for known in names for source in self.sources.get(known, ())]

    def parts_of(self, name: str) -> dict[str, tuple[str | None, list[str]]]:
        """What is known of a value and its parts, by their paths in it: confidence and urls."""
        return {
            part[len(name) + 1 :]: (
                self.confidence.get(part),
                list(dict.fromkeys(source["url"] for source in self.sources.get(part, ()))),
            )
            for part in self.within.get(name, ())
        }

    def _word_of_text(self) -> str | None:
        words = [self.confidence.get(TEXT_FIELD)] if TEXT_FIELD in self.confidence else []
        words = words or list(self.confidence.values())
        return min(filter(None, words), key=lambda word: (rank(word), word), default=None)

    def _all_sources(self) -> list[Mapping[str, Any]]:
        return [source for sources in self.sources.values() for source in sources]

    def count_excerpts(self, sources: list[Mapping[str, Any]], value: Any) -> int:
        """How many sources have an excerpt with the value in it."""
        if not any("excerpts" in source for source in sources):
            return 0
        if isinstance(value, int | float) and number_of(value) is not None:
            value = str(value)
        if not isinstance(value, str) or is_hollow(value, NO_ANSWERS):
            return 0
        wanted = normalize(value[:_EXCERPT_CHARS])
        by_url = {source["url"]: source for source in sources}
        return sum(any(wanted in text for text in self._texts(s)) for s in by_url.values())

    def _texts(self, source: Mapping[str, Any]) -> list[str]:
        if source["url"] not in self.texts:
            given = [text for text in source.get("excerpts") or () if isinstance(text, str)]
            self.texts[source["url"]] = [normalize(text[:_EXCERPT_CHARS]) for text in given]
        return self.texts[source["url"]]


def sources_in(turn: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The citations of a turn that have an address."""
    given = turn.get("citations")
    for source in given if isinstance(given, list | tuple) else ():
        if isinstance(source, Mapping) and isinstance(url := source.get("url"), str) and url:
            yield source


def site_of(url: Any) -> str:
    """The site of an address: `www.news.example.co.uk` is `example.co.uk`; empty for what is no address."""
    labels = host(url).split(".") if isinstance(url, str) else []
    if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2:
        return ".".join(labels[-3:])
    return ".".join(labels if labels and labels[-1].isdecimal() else labels[-2:])
