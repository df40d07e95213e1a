"""A research session from outside: its tree, its report, its continuation in a new thread, its findings as a
quotation in a question, and what earlier sessions have found.
"""

from .._graph.recollections import Recollection
from .quotes import with_findings
from .recall import aforget, arecall, forget, recall
from .report import SessionReport
from .transfer import carry_over
from .tree import InteractionTree
from .tree_nodes import Node, RecordedVerdict

__all__ = [
    "InteractionTree",
    "Node",
    "Recollection",
    "RecordedVerdict",
    "SessionReport",
    "aforget",
    "arecall",
    "carry_over",
    "forget",
    "recall",
    "with_findings",
]
