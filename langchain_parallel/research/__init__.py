"""The research subgraph: a session whose LangGraph checkpoint can be resumed, forked and reviewed."""

from .evaluation import Evaluate, by_evidence
from .graph import create_research_graph
from .state import ResearchInput, ResearchOutput, ResearchState, Turn, Verdict, merge_turns
from .tree import tree_text

__all__ = [
    "Evaluate",
    "ResearchInput",
    "ResearchOutput",
    "ResearchState",
    "Turn",
    "Verdict",
    "by_evidence",
    "create_research_graph",
    "merge_turns",
    "tree_text",
]
