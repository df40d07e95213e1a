"""Stateful research inside agents made with `langchain.agents.create_agent` (extra: `agents`).

ParallelResearchMiddleware      the middleware
AnswerOpenCalls                 answers to calls that a cancelled invocation left open, beside the tool alone
sources, find_citations         from `[3]` in an answer back to its source
UseFinding, structured_finding  typed research as an agent's structured answer
ResearchAgentState, AgentTurn   what it adds to an agent's state, plain JSON
ParkedInterrupt, ParkedRun      what the interrupt of a parked run holds
"""

from .._core import extras as _extras
from ..parked.interrupts import ParkedInterrupt, ParkedRun

with _extras.optional_imports("ParallelResearchMiddleware"):
    from .agent_state import AgentTurn, ResearchAgentState, turns_of
    from .citations import CitationLookup, Source, find_citations, sources
    from .interrupted_calls import AnswerOpenCalls
    from .middleware import ParallelResearchMiddleware
    from .structured import StructuredFinding, UseFinding, structured_finding

__all__ = [
    "AgentTurn",
    "AnswerOpenCalls",
    "CitationLookup",
    "ParallelResearchMiddleware",
    "ParkedInterrupt",
    "ParkedRun",
    "ResearchAgentState",
    "Source",
    "StructuredFinding",
    "UseFinding",
    "find_citations",
    "sources",
    "structured_finding",
    "turns_of",
]
