"""A research session, seen from outside: as a tree of its interactions."""

from .quotes import with_findings
from .report import SessionReport
from .transfer import carry_over
from .tree import InteractionTree
from .tree_nodes import Decision, Node

__all__ = [
    "Decision",
    "InteractionTree",
    "Node",
    "SessionReport",
    "carry_over",
    "with_findings",
]
