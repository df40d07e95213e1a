"""The research subgraph: a session whose LangGraph checkpoint can be resumed, forked and reviewed.

create_research_graph      the graph
by_evidence, by_model, by_person; first_that_objects, all_of, at_most      evaluators
deep_then_fast             a processor for every turn
ResearchState, Turn, Verdict, Budget      what a session is, plain JSON
PersonRequest, PersonAnswer               what an interrupt asks, and what resumes it
"""

from .evaluation import (
    Evaluator,
    all_of,
    at_most,
    by_evidence,
    by_model,
    by_person,
    first_that_objects,
    last_round,
)
from .graph import create_research_graph
from .parking import Parked, ParkedRun
from .people import Decision, PersonAnswer, PersonRequest
from .policy import ProcessorPolicy, deep_then_fast
from .state import (
    Budget,
    Question,
    ResearchInput,
    ResearchOutput,
    ResearchState,
    Turn,
    Verdict,
    merge_turns,
)

__all__ = [
    "Budget",
    "Decision",
    "Evaluator",
    "Parked",
    "ParkedRun",
    "PersonAnswer",
    "PersonRequest",
    "ProcessorPolicy",
    "Question",
    "ResearchInput",
    "ResearchOutput",
    "ResearchState",
    "Turn",
    "Verdict",
    "all_of",
    "at_most",
    "by_evidence",
    "by_model",
    "by_person",
    "create_research_graph",
    "deep_then_fast",
    "first_that_objects",
    "last_round",
    "merge_turns",
]
