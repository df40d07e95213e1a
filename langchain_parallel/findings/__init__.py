"""What a session has found: for each field of a question its best-supported value, and what contradicts it.

A pure function of the turns, the same for graph, middleware, report, tree and message.

find_findings, last_findings     of each question; of the last one
Findings, Finding, FoundValue    what was found, of a question, a field, a value
as_evidence                      the answer with its evidence, as renderers and evaluators take it
contradictions                   the fields whose values cannot all be true
without_excerpts                 the same without excerpts, for a graph's state
is_same_value                    whether two values differ in form alone
"""

from .finding import Contradiction, Finding, Findings, FoundValue, PartEvidence, Source
from .sameness import is_same_value
from .session_findings import (
    as_evidence,
    contradictions,
    find_findings,
    last_findings,
    without_excerpts,
)

__all__ = [
    "Contradiction",
    "Finding",
    "Findings",
    "FoundValue",
    "PartEvidence",
    "Source",
    "as_evidence",
    "contradictions",
    "find_findings",
    "is_same_value",
    "last_findings",
    "without_excerpts",
]
