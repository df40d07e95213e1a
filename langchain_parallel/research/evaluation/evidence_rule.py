"""What evidence is wanted of an answer, and what each of its fields lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from ...text.result import harmless
from ..state import Turn
from .wording import some

Confidence: TypeAlias = Literal["low", "medium", "high"]

RANKS = {"low": 0, "medium": 1, "high": 2}
ALONE = "output"
"""The API's name for the one field of a text answer."""

_SITES_CHARS = 300


class Wanted(NamedTuple):
    """The arguments of `by_evidence`."""

    min_confidence: Confidence
    min_citations: int
    required: tuple[str, ...]
    allowed_domains: tuple[str, ...]
    max_age_days: float | None

    def citations(self) -> str:
        """`at least 2 wanted from example.org`."""
        sites = some(self.allowed_domains, _SITES_CHARS, by=" or ")
        age = f", at most {self.max_age_days:g} days old" if self.max_age_days is not None else ""
        return f"at least {self.min_citations} wanted{sites and f' from {sites}'}{age}"

    def met(self) -> str:
        """What is said of an answer that lacks nothing."""
        if self == Wanted("medium", 1, (), (), None):
            return "Every field is cited, and none has low confidence."
        return "Every field has the evidence that is wanted."


def lacks(turn: Turn, wanted: Wanted) -> dict[str, str]:
    """What each weak field of an answer lacks, in words; those the API calls weak come first."""
    counted = [source["fields"] for source in turn["citations"] if _counts(source, turn, wanted)]
    found = {field: [*_doubt(turn, field, wanted)] for field in _fields(turn)}
    for field, lacking in found.items():
        count = sum(any(_belongs(part, field) for part in parts) for parts in counted)
        if count < wanted.min_citations:
            lacking.append(f"{_citations(count)}, {wanted.citations()}")
    if isinstance(turn["content"], dict):
        for field in wanted.required:
            if _empty(_value(turn["content"], field)):
                found.setdefault(field, []).insert(0, "missing or empty in the answer")
    return {field: ", ".join(lacking) for field, lacking in found.items() if lacking}


def _fields(turn: Turn) -> list[str]:
    """The fields with evidence or without; one whose parts have their own is judged by them."""
    cited = [field for source in turn["citations"] for field in source["fields"]]
    known = dict.fromkeys([*turn["weak_fields"], *turn["confidence"], *cited])
    content = turn["content"]
    top = map(str, content) if isinstance(content, dict) else () if known else (ALONE,)
    plain = [name for name in top if not any(_belongs(field, name) for field in known)]
    return [*known, *plain]


def _belongs(part: str, field: str) -> bool:
    """Whether it is the field or a part of it: `founders.0` of `founders`."""
    return part == field or part.startswith(f"{field}.")


def _doubt(turn: Turn, field: str, wanted: Wanted) -> Iterator[str]:
    word = turn["confidence"].get(field)
    if word and _rank(word) < RANKS[wanted.min_confidence]:
        yield f"confidence {harmless(word, 40)}, at least {wanted.min_confidence} wanted"


def _rank(word: str) -> int:
    """Of a word for confidence, also of one nobody has heard of yet, such as `very-low`."""
    parts = re.split(r"[\W_]+", word.lower())
    return 0 if "low" in parts else 2 if "high" in parts else 1


def _counts(source: dict[str, Any], turn: Turn, wanted: Wanted) -> bool:
    """Whether a citation comes from where it should, and is young enough."""
    sites, most = wanted.allowed_domains, wanted.max_age_days
    host = _host(source["url"])
    if sites and not any(f".{host}".endswith(f".{site}") for site in sites):
        return False
    published = _day(source.get("published"))
    if most is None or published is None:
        return True
    ended = _day(turn["ended_at"]) or _day(turn["started_at"]) or datetime.now(timezone.utc).date()
    return (ended - published).days <= most


def _host(url: str) -> str:
    """Empty where programs disagree about what the host is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or "\\" in url:
        return ""
    return (parts.hostname or "").rstrip(".")


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None


def _value(content: Any, path: str) -> Any:
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


def _empty(value: object) -> bool:
    """0 and False are answers."""
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _citations(count: int) -> str:
    return "1 citation" if count == 1 else f"{count or 'no'} citations"
