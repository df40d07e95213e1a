"""A research session from outside: its tree, its report, its continuation in a new thread, its findings as a
quotation in a question.
"""

from .quotes import with_findings
from .report import SessionReport
from .transfer import carry_over
from .tree import InteractionTree
from .tree_nodes import Node, RecordedVerdict

__all__ = [
    "InteractionTree",
    "Node",
    "RecordedVerdict",
    "SessionReport",
    "carry_over",
    "with_findings",
]
