"""What is known of each field of an answer: its confidence, its citations, and whether they are enough.

Rule: there is one notion of an unsupported field, `EvidenceRule`. With its defaults it says which fields a
turn stores as unsupported; with other limits it is what `by_evidence` asks again about.

A field is named by its path in the answer, as the API names it: `revenue`, `executives.0.name`.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

from typing_extensions import TypedDict

from ._core.plain_text import clean, one_line
from ._core.urls import host
from .models import TaskRunResult

TEXT_FIELD = "output"
"""The API's name for the one field of a text answer."""

Confidence: TypeAlias = Literal["low", "medium", "high"]

_UNUSABLE = re.compile(r"[\s<>＜﹤]")
"""What no url may hold."""
_TITLE_CHARS = 100
_WORD_CHARS = 40
_REMARK_CHARS = 60


class Evidence(TypedDict):
    """An answer with its evidence. A turn of a session is one, too."""

    content: Any
    """Text or a JSON object; None without an answer."""
    confidence: dict[str, str]
    """By field, in lower case: `high`, `medium`, `low`."""
    unsupported_fields: list[str]
    citations: list[dict[str, Any]]
    """`number`, `url`, `title`, `fields`; with `excerpts` if they were asked for."""


def evidence_of(
    result: TaskRunResult,
    *,
    excerpts: bool = False,
    cited: list[dict[str, Any]] | None = None,
) -> Evidence:
    """A result's answer and evidence, as plain JSON for a graph's state. `cited`: its citations, where they
    have other numbers.
    """
    fields = list(dict.fromkeys(entry.field for entry in result.output.basis or ()))
    evidence = Evidence(
        content=result.output.content,
        confidence=confidence(result),
        unsupported_fields=fields,  # the whole basis: what the rule has to judge
        citations=citations(result, excerpts=excerpts) if cited is None else cited,
    )
    return {**evidence, "unsupported_fields": list(EvidenceRule().find_unsupported(evidence))}


# --- confidence ----------------------------------------------------------------------------------


def confidence(result: TaskRunResult) -> dict[str, str]:
    """The confidence of each field of the basis that has one, in lower case."""
    found: dict[str, str] = {}
    for entry in result.output.basis or ():
        word = one_line(entry.confidence or "", _WORD_CHARS).lower()
        if word and not is_low(found.get(entry.field, "")):  # of two entries, the low one counts
            found[entry.field] = word
    return found


def rank(word: str) -> int:
    """A confidence as a number: 0 for low, 2 for medium, 3 for high, 1 for what is none of these.

    A word that the API does not document counts by the level in it: `very-low` is low.
    """
    words = re.split(r"[\W_]+", word.lower())
    return 0 if "low" in words else 3 if "high" in words else 2 if "medium" in words else 1


def is_low(word: str) -> bool:
    """Whether a confidence is low, undocumented words such as `very-low` included."""
    return rank(word) == 0


# --- fields --------------------------------------------------------------------------------------


def join_path(path: str, name: object) -> str:
    """`executives` and 0 are `executives.0`."""
    return f"{path}.{name}" if path else str(name)


def with_parents(path: str) -> Iterator[str]:
    """`a.b.0`, then `a.b`, then `a`."""
    yield path
    while path := path.rpartition(".")[0]:
        yield path


def is_within(path: str, field: str) -> bool:
    """Whether it is the field or a part of it: `founders.0` of `founders`."""
    return path == field or path.startswith(f"{field}.")


def value_at(content: Any, path: str) -> Any:
    """The value at `funding.amount` or `founders.0`; None where there is none."""
    if isinstance(content, dict) and path in content:
        return content[path]
    for name in path.split("."):
        if isinstance(content, list) and name.isdecimal() and int(name) < len(content):
            content = content[int(name)]
        elif isinstance(content, dict):
            content = content.get(name)
        else:
            return None
    return content


class Part(NamedTuple):
    """A field of an answer, or a part of one."""

    path: str
    value: Any
    is_heading: bool = False
    """It has citations, and its value is shown by its parts, or is not in the answer."""


def parts(content: Any, cited: Collection[str]) -> list[Part]:
    """The answer field by field; a field whose parts have citations of their own, part by part.

    Args:
        content: Text, or a JSON object.
        cited: The fields that have citations. One that is not in the answer comes last.
    """
    split = {parent for path in cited for parent in with_parents(path) if parent != path}
    if isinstance(content, dict):
        tops = content.items()
        found = [part for name, value in tops for part in _parts(str(name), value, cited, split)]
    else:
        found = [Part(TEXT_FIELD, content)]
    seen = {part.path for part in found}
    return [*found, *(Part(path, None, True) for path in cited if path not in seen)]


def _parts(path: str, value: Any, cited: Collection[str], split: set[str]) -> Iterator[Part]:
    if path not in split or not isinstance(value, dict | list) or not value:
        yield Part(path, value)
        return
    if path in cited:
        yield Part(path, value, True)
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _parts(join_path(path, name), part, cited, split)


# --- citations -----------------------------------------------------------------------------------


def citations(result: TaskRunResult, *, excerpts: bool = False) -> list[dict[str, Any]]:
    """The sources in the order of the basis, each url once, numbered from 1.

    A citation without a url cannot be checked, so it is none.

    Args:
        result: The run's.
        excerpts: Also the passages quoted from each source. They are untrusted web text.

    Returns:
        `{"number": 1, "url": …, "title": …, "fields": […]}` each, with `"excerpts": […]` if asked.
        The title is one line of at most 100 characters, or None.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in result.output.basis or ():
        for citation in entry.citations or ():
            if not (url := _usable(citation.url or "")):
                continue
            source = found.get(url)
            if source is None:
                source = {"number": len(found) + 1, "url": url, "title": None, "fields": []}
                found[url] = source
                source.update({"excerpts": []} if excerpts else {})
            if not source["title"]:
                source["title"] = one_line(citation.title or "", _TITLE_CHARS) or None
            if entry.field not in source["fields"]:
                source["fields"].append(entry.field)
            if excerpts:
                texts = [*source["excerpts"], *map(clean, citation.excerpts or ())]
                source["excerpts"] = list(dict.fromkeys(texts))
    return list(found.values())


def numbers_by_field(citations: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The numbers of each field's citations."""
    numbers: dict[str, list[Any]] = {}
    for source in citations:
        for field in source["fields"]:
            numbers.setdefault(field, []).append(source["number"])
    return numbers


def _usable(url: str) -> str:
    """A url, never shortened; characters that no url may hold are percent-encoded."""
    shown = clean(url).strip()
    if not _UNUSABLE.search(shown):
        return shown
    return _UNUSABLE.sub(lambda found: quote(found[0]), shown)


# --- what is not supported -----------------------------------------------------------------------


NO_ANSWERS: tuple[str, ...] = (
    "n/a",
    "n.a.",
    "unknown",
    "not found",
    "not available",
    "no information",
    "no data",
    "no information available",
    "no information found",
    "not applicable",
    "not known",
    "not specified",
    "unbekannt",
    "nicht bekannt",
    "nicht verfügbar",
    "keine angabe",
    "k. a.",
    "k.a.",
    "inconnu",
    "non disponible",
    "desconocido",
    "no disponible",
    "sconosciuto",
    "non noto",
    "desconhecido",
    "não disponível",
    "onbekend",
    "неизвестно",
    "нет данных",
    "不明",
    "未知",
    "暂无",
    "알 수 없음",
    "غير معروف",
    "null",
    "-",
    "\N{EN DASH}",
    "\N{EM DASH}",
    "?",
)
"""Texts that say that there is no answer. Not `none`: that answers how many there are."""


def is_hollow(value: object, no_answers: Collection[str] = ()) -> bool:
    """Whether a value holds nothing at any depth: null, blank text, `{}`, `[{"name": null}]`. 0 and False
    are values.

    Args:
        value: A field's, or a whole answer.
        no_answers: Texts that count as nothing, too; case, dots and brackets around them do not matter.
    """
    words = _bare_words(tuple(no_answers))
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict | list | tuple):
            left += one.values() if isinstance(one, dict) else one
        elif isinstance(one, str):
            if one.strip() and _bare(one) not in words and _before_remark(one) not in words:
                return False
        elif one is not None:
            return False
    return True


@functools.lru_cache(maxsize=64)
def _bare_words(no_answers: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_bare, no_answers))


def _before_remark(text: str) -> str | None:
    """`unknown` of `Unknown (a private company)`; None without a remark."""
    before, bracket, _ = text[:_REMARK_CHARS].partition(" (")
    word = _bare(before) if bracket and text.rstrip(" .").endswith(")") else ""
    return word if word[:1].isalpha() else None


def _bare(text: str) -> str:
    # A text of more words is no such word, and may have millions.
    return " ".join(text.split(None, 50)).casefold().strip(" .!()[]<>'\"")


class Lack(NamedTuple):
    """What evidence a field lacks."""

    value: bool = False
    """It is missing in the answer, or empty."""
    confidence: str | None = None
    """Its confidence, which is too low."""
    citations: int | None = None
    """The number of its citations, which are too few."""


_LEAST_RANK = {"low": 0, "medium": 1, "high": 3}
"""The least rank that is enough. An unknown word is enough for medium: it may be a good one, and asking again
costs money.
"""


@dataclass(frozen=True)
class EvidenceRule:
    """How much evidence a field needs. The defaults are the rule of `unsupported_fields` in a turn."""

    min_confidence: Confidence = "medium"
    min_citations: int = 1
    required: tuple[str, ...] = ()
    """Fields that must be in an answer that is an object."""
    allowed_domains: tuple[str, ...] = ()
    """Citations of other hosts do not count; in lower case, without a dot at either end."""
    no_answers: tuple[str, ...] = NO_ANSWERS
    """Values that count as missing."""

    def find_unsupported(self, evidence: Evidence) -> dict[str, Lack]:
        """What each unsupported field lacks; required fields that are missing come last. If no field
        lacks anything and yet the whole answer holds nothing, that is `output`, which is then empty.
        """
        found: dict[str, Lack] = {}
        allowed = [source for source in evidence["citations"] if self._is_allowed(source["url"])]
        counts = _count_citations(allowed)
        least = _LEAST_RANK[self.min_confidence]
        for field in _fields(evidence):
            word, count = evidence["confidence"].get(field), counts[field]
            lack = Lack(
                confidence=word if word and rank(word) < least else None,
                citations=count if count < self.min_citations else None,
            )
            if lack != Lack():
                found[field] = lack
        content = evidence["content"]
        missing = [
            field
            for field in self.required
            if isinstance(content, dict) and is_hollow(value_at(content, field), self.no_answers)
        ]
        if not missing and not found.keys() - {TEXT_FIELD} and is_hollow(content, self.no_answers):
            missing = [TEXT_FIELD]
        for field in missing:
            found[field] = found.get(field, Lack())._replace(value=True)
        return found

    def _is_allowed(self, url: str) -> bool:
        if not self.allowed_domains:
            return True
        name = f".{host(url)}"
        return any(name.endswith(f".{site}") for site in self.allowed_domains)


def _count_citations(citations: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """By field, its citations, those of its parts included."""
    counts: Counter[str] = Counter()
    for source in citations:
        for path in {path for field in source["fields"] for path in with_parents(field)}:
            counts[path] += 1
    return counts


def _fields(evidence: Evidence) -> list[str]:
    """Every known field. A field of the answer whose parts have evidence is judged by its parts."""
    cited = [field for source in evidence["citations"] for field in source["fields"]]
    known = dict.fromkeys([*evidence["unsupported_fields"], *evidence["confidence"], *cited])
    named = {path for field in known for path in with_parents(field)}
    content = evidence["content"]
    top = map(str, content) if isinstance(content, dict) else () if known else (TEXT_FIELD,)
    return [*known, *(name for name in top if name not in named)]


def uncited_fields(evidence: Evidence) -> list[str]:
    """The unsupported fields that have no citation, nor has any of their parts."""
    counts = _count_citations(evidence["citations"])
    return [field for field in evidence["unsupported_fields"] if not counts[field]]
