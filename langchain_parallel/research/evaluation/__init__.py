"""Judging an answer: is it good enough, and if not, what is to be asked next?

An evaluator is a function of the session's state and its last turn that returns a `Verdict`, or None to
accept; it may be asynchronous. `by_evidence`, `by_excerpts`, `by_model` and `by_person` make the built-in
ones, and `first_objection`, `all_of` and `limit_rounds` combine several.

To add one: write a module with a `BuiltInEvaluator` and the function that makes it, and export that here.
"""

import typing

from ..._lazy import lazy_names as _lazy_names
from ...evidence import NO_ANSWERS
from .combined import all_of, first_objection, limit_rounds
from .evaluator import BuiltInEvaluator, Evaluator, consult, last_round
from .evidence_evaluator import by_evidence
from .verdicts import check_verdict, questions_of

if typing.TYPE_CHECKING:
    from .excerpt_evaluator import by_excerpts
    from .model_evaluator import by_model
    from .person_evaluator import by_person

__all__ = [
    "NO_ANSWERS",
    "BuiltInEvaluator",
    "Evaluator",
    "all_of",
    "by_evidence",
    "by_excerpts",
    "by_model",
    "by_person",
    "check_verdict",
    "consult",
    "first_objection",
    "last_round",
    "limit_rounds",
    "questions_of",
]

_MODULES = {
    "by_excerpts": "excerpt_evaluator",
    "by_model": "model_evaluator",
    "by_person": "person_evaluator",
}

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
