"""Stateful research inside agents made with `langchain.agents.create_agent` (extra: `agents`).

ParallelResearchMiddleware      the middleware
sources, cited                  from `[3]` in an answer back to its source
FromResearch, handed_over       typed research as an agent's structured answer
ResearchAgentState, AgentTurn   what it adds to an agent's state, plain JSON
Parked, ParkedHandle            what the interrupt of a parked run holds
"""

from .citing import Cited, Source, cited, sources
from .handover import FromResearch, HandedOver, handed_over
from .middleware import ParallelResearchMiddleware
from .parking import Parked, ParkedHandle
from .state import AgentTurn, ResearchAgentState, turns_of

__all__ = [
    "AgentTurn",
    "Cited",
    "FromResearch",
    "HandedOver",
    "ParallelResearchMiddleware",
    "Parked",
    "ParkedHandle",
    "ResearchAgentState",
    "Source",
    "cited",
    "handed_over",
    "sources",
    "turns_of",
]
