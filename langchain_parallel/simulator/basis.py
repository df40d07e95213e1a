"""The evidence of an answer: for each field its citations, reasoning and confidence.

Rule: nothing here looks like a real source. Addresses use reserved example domains or, if a source policy
names domains, a path that says "simulated". Every text starts with that word, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .deterministic_ids import fraction, hex_id, number
from .http_messages import JsonObject
from .simulated_run import Run

_RESERVED = ("example.com", "example.org", "example.net", "sources.example", "simulated.example")
_FILLER = "This passage is filler made by the simulator and reports no fact. "


@dataclass(frozen=True)
class EvidenceSettings:
    """How much evidence an answer has, and how good it is.

    Args:
        excerpt_chars: Characters of each excerpt.
        low_confidence: Share of fields (0–1) with low confidence until a follow-up mentions them.
        low_fields: Fields that always have low confidence until a follow-up mentions them.
        uncited_fields: Fields without citations until a follow-up mentions them.
    """

    citations_per_field: int = 3
    excerpts_per_citation: int = 2
    excerpt_chars: int = 600
    low_confidence: float = 0.25
    low_fields: frozenset[str] = frozenset()
    uncited_fields: frozenset[str] = frozenset()


def basis_for(run: Run, content: Any, settings: EvidenceSettings, seed: int) -> list[JsonObject]:
    """One entry per top-level field (`output` for text), and one per element of those that are arrays."""
    if isinstance(content, str):
        return [_entry(run, "output", settings, seed)]
    lists = {n: v for n, v in content.items() if isinstance(v, list)}
    fields = [*content, *(f"{n}.{i}" for n, v in lists.items() for i in range(len(v)))]
    return [_entry(run, name, settings, seed) for name in fields]


def _entry(run: Run, name: str, settings: EvidenceSettings, seed: int) -> JsonObject:
    top = name.split(".", 1)[0]
    again = run.previous is not None and mentions(run.text, top)
    cited = again or top not in settings.uncited_fields
    entry = {
        "field": name,
        "citations": _citations(run, name, settings, seed) if cited else [],
        "reasoning": _reasoning(run, name),
        "confidence": "high" if again else _confidence(top, settings, seed),
    }
    scripted = run.turn.basis.get(name) if run.turn else None
    return {**entry, **(scripted or {})}


def mentions(text: str, name: str) -> bool:
    """Whether a question mentions a field, as written or with spaces for underscores."""
    return name.lower() in text.lower() or name.lower().replace("_", " ") in text.lower()


def _confidence(name: str, settings: EvidenceSettings, seed: int) -> str:
    share = fraction("confidence", seed, name)
    if name in settings.low_fields or share < settings.low_confidence:
        return "low"
    return "medium" if share < (1 + settings.low_confidence) / 2 else "high"


def _reasoning(run: Run, name: str) -> str:
    start = f"[simulated] '{name}' is placeholder content; no source was read."
    earlier = run.ancestors()
    if not earlier:
        return start
    questions = "; ".join(quote(r.text) for r in earlier)
    return f"{start} Builds on {count_turns(earlier)}, which asked: {questions}."


def quote(text: str, limit: int = 90) -> str:
    """A text in quotation marks, cut to `limit` characters."""
    return f'"{text if len(text) <= limit else text[: limit - 1] + "…"}"'


def count_turns(earlier: Sequence[Run]) -> str:
    """Say how many earlier turns there are."""
    return f"{len(earlier)} earlier turn{'' if len(earlier) == 1 else 's'}"


def _citations(run: Run, name: str, settings: EvidenceSettings, seed: int) -> list[JsonObject]:
    key = (seed, run.text, name)
    urls = citation_urls(run.request.get("source_policy") or {}, settings.citations_per_field, *key)
    return [
        {
            "url": url,
            "title": f"[simulated] Source {i} for {name}",
            "excerpts": [
                _excerpt(settings.excerpt_chars, i, n, *key)
                for n in range(1, settings.excerpts_per_citation + 1)
            ],
        }
        for i, url in enumerate(urls, 1)
    ]


def _excerpt(size: int, *key: object) -> str:
    start = f"[simulated excerpt {hex_id('excerpt', *key, length=8)}] "
    return (start + _FILLER * (size // len(_FILLER) + 1))[:size]


def citation_urls(policy: JsonObject, count: int, *key: object) -> list[str]:
    """`count` different addresses that obey the source policy."""
    domains = _allowed_domains(policy)
    start = number("domain", *key)
    return [
        f"https://{domains[(start + i) % len(domains)]}/simulated/{hex_id(i, *key, length=10)}"
        for i in range(count)
    ]


def _allowed_domains(policy: JsonObject) -> Sequence[str]:
    """The included domains, else the reserved ones without the excluded ones."""
    if included := policy.get("include_domains"):
        return [f"example{d}" if d.startswith(".") else d.strip("/") for d in included]
    excluded = [d.lstrip(".") for d in policy.get("exclude_domains") or ()]
    kept = [r for r in _RESERVED if not any(f".{r}".endswith(f".{d}") for d in excluded)]
    return kept or ["simulated.invalid"]
