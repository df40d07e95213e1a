"""The words of a follow-up: what is known already, what contradicts itself, and in which language to answer.

Rule: values, addresses and questions were written elsewhere. Each is quoted on one line, made harmless, and
cut; so are the lists of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..._core.plain_text import quote_text
from ...evidence import NO_ANSWERS, TEXT_FIELD, is_hollow, with_parents
from ...findings import Contradiction, Findings
from ...text.layout import list_within
from ...text.untrusted import compact_json, harmless

_NAME_CHARS, _VALUE_CHARS, _QUESTION_CHARS, _URL_CHARS = 100, 120, 300, 200
_KNOWN_CHARS, _CONTRADICTIONS_CHARS = 1_200, 2_000
_VALUES, _SOURCES = 3, 2


def known_text(findings: Findings, asked: Collection[str]) -> str:
    """What is found and need not be repeated; empty where that is nothing, or where the answer is a text.

    Args:
        findings: Of the question.
        asked: The fields that are asked about.
    """
    wanted = set(asked)
    around = {parent for field in asked for parent in with_parents(field)}
    known = [
        f"{harmless(name, _NAME_CHARS)}: {shown_value(one['value'])}"
        for name, one in findings["fields"].items()
        if name != TEXT_FIELD
        and not is_hollow(one["value"], NO_ANSWERS)
        and name not in around
        and wanted.isdisjoint(with_parents(name))
    ]
    if not known:
        return ""
    return f"Already found, and not to be repeated: {list_within(known, _KNOWN_CHARS)}."


def contradictions_text(found: list[Contradiction], findings: Findings) -> str:
    """The question which of several values is right, with their sources; empty without any."""
    if not found:
        return ""
    urls = {source["number"]: source["url"] for source in findings["sources"]}
    listed = [contradiction_text(one, urls) for one in found]
    return (
        f"The sources contradict each other about {list_within(listed, _CONTRADICTIONS_CHARS)}. Find out "
        "which value is right, and as of when or for what each of them holds."
    )


def contradiction_text(one: Contradiction, urls: dict[int, str] | None = None) -> str:
    """`size: “40 bn” (https://a.example) or “50 bn” (https://b.example)`."""
    values = []
    for value in one["values"][:_VALUES]:
        cited = [(urls or {}).get(number) for number in value["citations"][:_SOURCES]]
        sources = ", ".join(harmless(url, _URL_CHARS) for url in cited if url)
        values.append(shown_value(value["value"]) + (sources and f" ({sources})"))
    return f"{harmless(one['field'], _NAME_CHARS)}: {' or '.join(values)}"


def language_text(question: str) -> str:
    """The request to answer in the language of the question that all began with."""
    quoted = harmless(quote_text(question, _QUESTION_CHARS))
    return f"The question that this belongs to is {quoted}: answer in its language."


def shown_value(value: Any) -> str:
    """A value in quotation marks, on one line."""
    text = value if isinstance(value, str) else compact_json(value)
    return harmless(quote_text(text, _VALUE_CHARS))
