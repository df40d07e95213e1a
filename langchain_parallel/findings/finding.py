"""What was found of a question, as plain JSON."""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict


class PartEvidence(TypedDict):
    """What is known of a part of a value, such as an element of a list."""

    confidence: str | None
    citations: list[int]


class FoundValue(TypedDict):
    """A value with its evidence."""

    value: Any
    """Any JSON value, as the turn has it. Untrusted."""
    confidence: str | None
    """That of the turn; None where the API gives none."""
    citations: list[int]
    """Numbers of `sources`, of all turns that gave an equal value."""
    turn: int
    """The position of the turn that it is from: of those that gave an equal value, the best supported."""
    run_id: str
    """The run of that turn; empty for a quick turn."""


class Finding(FoundValue):
    """The best-supported value of a field."""

    others: list[FoundValue]
    """The other values that were found, one for each different one, best first; the 20 best, and what
    contradicts in any case.
    """
    agrees: bool
    """False: another value contradicts it, or two others that are more exact contradict each other. What
    differs in form alone, or says less, does not.
    """
    supported_by: list[int]
    """The positions of all turns that gave an equal value."""
    in_answer: bool
    """False for a text beside an object, or the other way round: the answer has no place for it."""
    evidence_of: str
    """The field for which the API gives this evidence: this one, or an object that it is in."""
    parts: NotRequired[dict[str, PartEvidence]]
    """What the turn says of parts of the value, by their paths in it, as `0.name` of a list; of the whole, by
    an empty path.
    """


class Source(TypedDict):
    """An address that is cited."""

    number: int
    """In the whole session."""
    url: str
    title: str | None
    excerpts: NotRequired[list[str]]
    """Where the turns keep them. Untrusted."""


class Findings(TypedDict):
    """What was found of a question: of its first run, its follow-ups and its branches."""

    question: str
    turns: list[int]
    """Positions, of the first run, the follow-ups and the branches; those without an answer included."""
    fields: dict[str, Finding]
    """By path; a text answer is one field, `output`. A list is one field."""
    without_value: dict[str, PartEvidence]
    """Fields of which the API gives evidence and no value, by path."""
    answer: Any
    """Made of the fields, in the shape of the first answer; None where nothing was found."""
    sources: list[Source]
    """All that the fields cite, by number."""
    beside: list[Findings]
    """What branches, or what a person asked, found of something else: each under its own question."""


class Contradiction(TypedDict):
    """A field with values that cannot all be true."""

    field: str
    values: list[FoundValue]
    """The best supported first; only those that contradict it follow, or each other where none does."""
