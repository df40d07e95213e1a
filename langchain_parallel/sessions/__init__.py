"""A research session from outside: its tree, its report, what has changed since an earlier one, its
continuation in a new thread, its findings as a quotation in a question, and what earlier sessions have found.
"""

from .._graph.recollections import Recollection
from .comparison import (
    ComparedSource,
    ComparedValue,
    FieldComparison,
    QuestionComparison,
    SessionComparison,
)
from .quotes import with_findings
from .recall import aforget, arecall, forget, recall
from .report import SessionReport
from .transfer import carry_over
from .tree import InteractionTree
from .tree_nodes import Node, RecordedVerdict

__all__ = [
    "ComparedSource",
    "ComparedValue",
    "FieldComparison",
    "InteractionTree",
    "Node",
    "QuestionComparison",
    "Recollection",
    "RecordedVerdict",
    "SessionComparison",
    "SessionReport",
    "aforget",
    "arecall",
    "carry_over",
    "forget",
    "recall",
    "with_findings",
]
