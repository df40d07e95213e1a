"""The research subgraph: a session whose LangGraph checkpoint can be resumed, forked and reviewed.

create_research_graph      the graph
write_turns_once           its turns as deltas in a checkpointer
by_evidence, by_excerpts, by_model, by_person; first_objection, all_of, limit_rounds      evaluators
deep_then_fast, quick_when              a processor for every turn
ResearchContext      options of an assistant or a call
ResearchState, Turn, Verdict, Usage      what a session is, plain JSON
HumanRequest, HumanAnswer               what an interrupt asks, and what resumes it
quota_use, aquota_use                   what is used of a quota over all threads
"""

import typing

from .._graph.quotas import QuotaUse, aquota_use, quota_use
from .._lazy import lazy_names as _lazy_names
from ..parked.interrupts import ParkedInterrupt, ParkedRun
from .call_context import ResearchContext
from .evaluation import (
    Evaluator,
    all_of,
    by_evidence,
    first_objection,
    last_round,
    limit_rounds,
)
from .graph import create_research_graph
from .human_review.schemas import HumanAnswer, HumanDecision, HumanRequest
from .processor_policy import ProcessorPolicy, deep_then_fast, quick_when
from .state import (
    Question,
    ResearchInput,
    ResearchOutput,
    ResearchState,
    Turn,
    Verdict,
    merge_turns,
)
from .turn_deltas import write_turns_once
from .usage import Usage

if typing.TYPE_CHECKING:
    from .evaluation import by_excerpts, by_model, by_person

__all__ = [
    "Evaluator",
    "HumanAnswer",
    "HumanDecision",
    "HumanRequest",
    "ParkedInterrupt",
    "ParkedRun",
    "ProcessorPolicy",
    "Question",
    "QuotaUse",
    "ResearchContext",
    "ResearchInput",
    "ResearchOutput",
    "ResearchState",
    "Turn",
    "Usage",
    "Verdict",
    "all_of",
    "aquota_use",
    "by_evidence",
    "by_excerpts",
    "by_model",
    "by_person",
    "create_research_graph",
    "deep_then_fast",
    "first_objection",
    "last_round",
    "limit_rounds",
    "merge_turns",
    "quick_when",
    "quota_use",
    "write_turns_once",
]

_MODULES = dict.fromkeys(("by_excerpts", "by_model", "by_person"), "evaluation")

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
