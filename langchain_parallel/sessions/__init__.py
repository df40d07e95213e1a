"""A research session, seen from outside: as a tree of its interactions."""

from .carrying import carry_over
from .nodes import Decision, Node
from .quoting import with_findings
from .report import SessionReport
from .tree import InteractionTree

__all__ = [
    "Decision",
    "InteractionTree",
    "Node",
    "SessionReport",
    "carry_over",
    "with_findings",
]
