"""A research session, seen from outside: as a tree, as a report, as what a new thread goes on from, and as
findings that a question quotes.
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
