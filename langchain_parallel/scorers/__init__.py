"""Scores of stored research, for experiments: LangSmith's `evaluate` and openevals take each as an evaluator.

Rule: a scorer looks at what is stored. It sends nothing, costs nothing and changes nothing. (What decides in
a session whether an answer will do is an evaluator of `langchain_parallel.research.evaluation`.)

support                  share of the fields whose value is well supported
coverage                 share of the fields asked for that have a value
groundedness             share of the claims that are in the excerpts of their citations
citation_validity        share of the citations that have a usable address of their own
consistency              share of the fields whose values do not contradict each other
correctness              share of the expected values that were found
cost_per_supported_field USD
score_session            all of these
example_sessions         a small dataset of good and flawed sessions
"""

import typing

from .._lazy import lazy_names as _lazy_names

if typing.TYPE_CHECKING:
    from .example_dataset import ExampleSession, example_sessions
    from .session_scores import (
        Score,
        citation_validity,
        consistency,
        correctness,
        cost_per_supported_field,
        coverage,
        groundedness,
        score_session,
        support,
    )
    from .stored_sessions import Scored

__all__ = [
    "ExampleSession",
    "Score",
    "Scored",
    "citation_validity",
    "consistency",
    "correctness",
    "cost_per_supported_field",
    "coverage",
    "example_sessions",
    "groundedness",
    "score_session",
    "support",
]

_MODULES = {
    "ExampleSession": "example_dataset",
    "example_sessions": "example_dataset",
    "Score": "session_scores",
    "Scored": "stored_sessions",
    "citation_validity": "session_scores",
    "consistency": "session_scores",
    "correctness": "session_scores",
    "cost_per_supported_field": "session_scores",
    "coverage": "session_scores",
    "groundedness": "session_scores",
    "score_session": "session_scores",
    "support": "session_scores",
}

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
