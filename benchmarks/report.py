"""Scripted research results for the simulator: a realistic report and a brief answer.

Rule: every text is made up, says so, and uses reserved domains. The turns of a session get answers of one
size, so that answers do not grow with the session. (The simulator's own answers quote the earlier turns.)
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_parallel.simulator import Scenario

_WORDS: tuple[str, ...] = tuple(
    re.findall(
        r"[\w-]+",
        "the of to in and a for that on with its it by from at as has are more an will than their over "
        "said about after which up while also new company market would year under two per first before "
        "its last one where between against million because during half still three within without since "
        "around several both electric cargo bikes vehicles batteries delivery fleet sales growth "
        "production costs prices revenue factory plant customers suppliers cities regulators analysts "
        "quarter share plans report board contract depots riders dealers leasing subsidies charging "
        "models range frame motor warranty insurance parcels logistics warehouse operators carriers "
        "couriers postal retailers households commuters municipal government ministry council agency "
        "permit rules safety recall brakes lithium cells modules software sensors telematics platform "
        "patents licence joint venture stake investors lenders bonds equity funding valuation "
        "shareholders profit loss margin cash debt budget forecast estimate target guidance demand orders "
        "backlog capacity output shifts workforce layoffs hiring union wages training engineers director "
        "chairman founder spokesperson partner rival entrant brand premium discount tariff imports "
        "exports currency inflation interest energy grid hydrogen diesel petrol emissions climate zone "
        "urban rural northern southern coastal regional domestic overseas European Asian German Dutch "
        "Danish French Italian Monday Thursday January April September autumn spring annual monthly "
        "quarterly early recent separate smaller larger cheaper faster heavier lighter stronger weaker "
        "narrow broad open closed public private announced launched opened expanded acquired signed "
        "delayed cancelled approved rejected tested replaced reported expects estimates operates builds "
        "supplies assembles competes relies depends includes offers raised lowered doubled fell rose "
        "reached exceeded missed agreed declined warned confirmed disputed according despite although "
        "however meanwhile roughly nearly almost mostly partly jointly abroad agreement assembly "
        "aluminium axle basket certification chassis competition component consumer corridor deposit "
        "distribution district economy efficiency equipment evidence exposure facility feature gearbox "
        "harbour headquarters industry inspection inventory investment journal kilometre maintenance "
        "management manufacturer measure merger method network obligation payload pedal percentage pilot "
        "policy portfolio procurement programme project province purchase quality railway reliability "
        "repair research reserve resource restructuring schedule segment service shipment standard steel "
        "strategy study subsidiary survey technology tender terminal throughput trailer transition "
        "transport trial turnover upgrade utility vendor volume weight wheel workshop",
    )
)
_WEIGHTS = tuple(1 / (rank + 4) for rank in range(len(_WORDS)))
"""The first words are the most frequent, as in real text (Zipf's law). Repeated filler would need fewer bytes
where it is compressed, and fewer tokens.
"""
_LONG_WORDS = tuple(word for word in _WORDS if len(word) > 4)
_SYLLABLES = tuple(
    re.findall(
        r"\w+",
        "al ber bran cor dal den dor el fen gar han hol jor kel kra lan lin lo mar mer nor os pel quin ra "
        "ros sal sen sol stra tam tor ul van vel vin wal wen yor zel",
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

_OUTLETS = 40


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
    outlets = [f"{_random_name(chance)}.example".lower() for _ in range(_OUTLETS)]
    basis = {name: _random_evidence(chance, name, outlets) for name in FIELDS}
    return {"content": content, "basis": basis}


def _random_object(chance: random.Random) -> dict[str, Any]:
    words = {"name": _random_phrase(chance, 2), "detail": _random_phrase(chance, 6)}
    return {**words, "amount": chance.randint(1_000, 90_000_000)}


def _random_evidence(chance: random.Random, name: str, outlets: Sequence[str]) -> dict[str, Any]:
    return {
        "confidence": "low" if name in LOW_FIELDS else "high",
        "reasoning": f"[simulated] On {name.replace('_', ' ')}: {_random_prose(chance, 320)}",
        "citations": [_random_citation(chance, outlets) for _ in range(CITATIONS)],
    }


def _random_citation(chance: random.Random, outlets: Sequence[str]) -> dict[str, Any]:
    headline, outlet = _random_phrase(chance, 5), chance.choice(outlets)
    year, month = 2020 + chance.randint(0, 5), chance.randint(1, 12)
    slug = f"{chance.choice(_LONG_WORDS)}-{headline}".replace(" ", "-").lower()
    return {
        "url": f"https://{outlet}/{year}/{month:02}/{slug}-{chance.randint(10_000, 99_999)}",
        "title": f"[simulated] {headline} | {outlet}",
        "excerpts": [_random_prose(chance, EXCERPT_CHARS) for _ in range(EXCERPTS)],
    }


def _random_phrase(chance: random.Random, words: int) -> str:
    return " ".join(
        _random_name(chance) if chance.random() < 0.3 else chance.choice(_LONG_WORDS).capitalize()
        for _ in range(words)
    )


def _random_prose(chance: random.Random, chars: int) -> str:
    """Sentences with at least `chars` characters."""
    sentences: list[str] = []
    while sum(map(len, sentences)) < chars:
        words = [_random_word(chance) for _ in range(chance.randint(10, 24))]
        sentences.append(f"{words[0].capitalize()} {' '.join(words[1:])}.")
    return " ".join(sentences)


def _random_word(chance: random.Random) -> str:
    """A word of a sentence: of 25, one is a name and one a number."""
    kind = chance.randrange(25)
    if kind > 1:
        return chance.choices(_WORDS, _WEIGHTS)[0]
    return _random_name(chance) if kind else f"{chance.randint(2, 90_000):,}"


def _random_name(chance: random.Random) -> str:
    return "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 3))).capitalize()


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
