"""What checks find, as plain JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

Support: TypeAlias = Literal["supported", "not_found", "no_excerpt"]
Problem: TypeAlias = Literal["no_address", "repeated", "excluded"]


class CheckedSource(TypedDict):
    """Something wrong with a citation's address."""

    number: int
    """The citation's, in its answer."""
    url: str
    """At most 300 characters. Untrusted."""
    problem: Problem
    """`no_address`: it is none that a browser opens. `repeated`: the page of an earlier citation, perhaps in
    another form. `excluded`: the source policy does not allow its host.
    """
    same_as: NotRequired[int]
    """Of a repeated one: the number of the earlier citation."""


class CheckedClaim(TypedDict):
    """A sentence or a value of an answer, and whether the excerpts of its citations have what it says."""

    field: str
    """Its path in the answer; `output` in a text answer."""
    text: str
    """On one line, at most 300 characters. Untrusted."""
    support: Support
    """`not_found`: something in it is in no excerpt. `no_excerpt`: its citations have no excerpts."""
    not_found: list[str]
    """The quotes, numbers, dates and names that are in no excerpt, as the claim writes them; at most 10."""


class CheckedAnswer(TypedDict):
    """What the checks of an answer found. Plain JSON."""

    claims: list[CheckedClaim]
    """In the order of the answer. A turn of a session keeps only the first 25 of those not found."""
    sources: list[CheckedSource]
    """Citations with a fault; a turn keeps the first 25."""
    supported: int
    """How many claims are; also of those that a turn does not keep."""
    not_found: int
    no_excerpt: int
