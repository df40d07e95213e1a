"""What a session has found: for each field of a question its best-supported value, and what contradicts it.

A pure function of the turns, the same for graph, middleware, report, tree and message.

find_findings, last_findings     of each question; of the last one
Findings, Finding, FoundValue    what was found, of a question, a field, a value
as_evidence                      the answer with its evidence, as renderers and evaluators take it
contradictions                   the fields whose values cannot all be true
without_excerpts                 the same without excerpts, for a graph's state
is_same_value                    whether two values differ in form alone
"""

import typing

from .._lazy import lazy_names as _lazy_names
from .finding import Contradiction, Finding, Findings, FoundValue, PartEvidence, Source

if typing.TYPE_CHECKING:
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

_MODULES = {
    "is_same_value": "sameness",
    "as_evidence": "session_findings",
    "contradictions": "session_findings",
    "find_findings": "session_findings",
    "last_findings": "session_findings",
    "without_excerpts": "session_findings",
}

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
