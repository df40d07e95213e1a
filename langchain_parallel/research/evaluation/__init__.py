"""Judging an answer: is it good enough, and if not, what is to be asked next?

An evaluator is a function of the session's state and its last turn that returns a `Verdict`, or None to
accept; it may be asynchronous. The built-in ones are made by `by_evidence`, `by_model` and `by_person`,
and put together by `first_objection`, `all_of` and `limit_rounds`.
"""

from .combined import all_of, first_objection, limit_rounds
from .evaluator import Evaluator, Rule, consult, last_round
from .evidence_evaluator import by_evidence
from .model_evaluator import by_model
from .person_evaluator import by_person
from .verdicts import checked, questions_of

__all__ = [
    "Evaluator",
    "Rule",
    "all_of",
    "by_evidence",
    "by_model",
    "by_person",
    "checked",
    "consult",
    "first_objection",
    "last_round",
    "limit_rounds",
    "questions_of",
]
