"""Scripted research results for the simulator: a realistic report and a brief answer.

Rule: every text is made up, says so, and uses reserved domains. The turns of a session get answers of one
size, so that answers do not grow with the session. (The simulator's own answers quote the earlier turns.)
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_parallel.simulator import Scenario

_WORDS = tuple(
    re.findall(
        r"\w+",
        "according analysts annual battery before between board capacity carriers cities company contract "
        "costs customers delivery demand depots director estimates expects factory figures fleet freight "
        "growth half large later launch lower makers market margin models months operators orders over plans "
        "plant prices production quarter range regional regulators report revenue riders rival sales second "
        "service several share since sites smaller spokesperson suppliers their third units vehicles volume "
        "warehouse which while with year",
    )
)
_PROSE = (
    *("business_model", "product_strategy", "technology", "regulatory_status", "safety_record"),
    *("expansion_plans", "major_risks", "pricing", "partnerships", "recent_news"),
)
_LISTS = ("executives", "main_suppliers", "competitors", "markets_served")
_NUMBERS = ("founded_year", "employee_count", "annual_revenue_usd", "units_sold")
_OBJECTS = ("funding_rounds", "product_lines")
FIELDS = (*_NUMBERS, *_LISTS, *_OBJECTS, *_PROSE)
LOW_FIELDS = ("employee_count", "annual_revenue_usd", "main_suppliers")
CITATIONS, EXCERPTS, EXCERPT_CHARS = 3, 2, 600
"""Citations for each field, excerpts for each citation, and the least length of an excerpt."""

_OUTLETS = ("wire.example", "industry-review.example", "daily-business.example")


def realistic_report() -> dict[str, Any]:
    """Content and basis of a report on a company: 20 fields, 3 citations each, 2 excerpts each of
    600 characters and more; about 100 kB as JSON.
    """
    chance = random.Random(20)
    content: dict[str, Any] = {name: chance.randint(1_000, 900_000) for name in _NUMBERS}
    # As text, because each element of a list would get its own evidence.
    content |= {name: ", ".join(_random_phrase(chance, 2) for _ in range(6)) for name in _LISTS}
    content |= {
        name: {"first": _random_object(chance), "last": _random_object(chance)} for name in _OBJECTS
    }
    content |= {name: _random_prose(chance, 380) for name in _PROSE}
    return {"content": content, "basis": {name: _random_evidence(chance, name) for name in FIELDS}}


def _random_object(chance: random.Random) -> dict[str, Any]:
    words = {"name": _random_phrase(chance, 2), "detail": _random_phrase(chance, 6)}
    return {**words, "amount": chance.randint(1_000, 90_000_000)}


def _random_evidence(chance: random.Random, name: str) -> dict[str, Any]:
    return {
        "confidence": "low" if name in LOW_FIELDS else "high",
        "reasoning": f"[simulated] On {name.replace('_', ' ')}: {_random_prose(chance, 320)}",
        "citations": [_random_citation(chance, name, number) for number in range(CITATIONS)],
    }


def _random_citation(chance: random.Random, name: str, number: int) -> dict[str, Any]:
    slug = f"{name} {_random_phrase(chance, 4)}".replace("_", " ").replace(" ", "-").lower()
    year, month = 2020 + chance.randint(0, 5), chance.randint(1, 12)
    return {
        "url": f"https://{_OUTLETS[number]}/{year}/{month:02}/{slug}-{chance.randint(10_000, 99_999)}",
        "title": f"[simulated] {_random_phrase(chance, 5)} | {_OUTLETS[number]}",
        "excerpts": [_random_prose(chance, EXCERPT_CHARS) for _ in range(EXCERPTS)],
    }


def _random_phrase(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(_WORDS).capitalize() for _ in range(words))


def _random_prose(chance: random.Random, chars: int) -> str:
    """Sentences with at least `chars` characters. The words vary as in real text, because repeated filler
    would need fewer tokens.
    """
    sentences: list[str] = []
    while sum(map(len, sentences)) < chars:
        words = [chance.choice(_WORDS) for _ in range(chance.randint(8, 18))]
        sentences.append(f"{' '.join(words).capitalize()}.")
    return " ".join(sentences)


def with_other_pages(report: dict[str, Any], number: int) -> dict[str, Any]:
    """The same report, citing other pages: as many bytes, and no address of the first one."""
    basis: dict[str, Any] = {}
    for name, evidence in report["basis"].items():
        cited = [{**one, "url": f"{one['url'][:-5]}{number:05}"} for one in evidence["citations"]]
        basis[name] = {**evidence, "citations": cited}
    return {**report, "basis": basis}


def brief_answer() -> dict[str, Any]:
    """Content and basis of a small answer: one field, one citation."""
    citation = {"url": "https://wire.example/brief", "title": "[simulated] Brief", "excerpts": []}
    evidence = {"confidence": "high", "reasoning": "[simulated] Brief.", "citations": [citation]}
    return {"content": {"answer": "[simulated] A brief answer."}, "basis": {"answer": evidence}}


def always_answer(answer: dict[str, Any]) -> Scenario:
    """A scenario that gives this answer and the same progress to every question."""
    return answer_each({"": answer})


def answer_each(answers: dict[str, dict[str, Any]]) -> Scenario:
    """The same, with an answer for the questions that contain each text."""
    from langchain_parallel.simulator import Scenario  # which takes a while to load

    progress = [{"type": "search", "message": "[simulated] Searching"}]
    turns = [{"match": text, "progress": progress, **one} for text, one in answers.items()]
    return Scenario.parse({"turns": turns})
