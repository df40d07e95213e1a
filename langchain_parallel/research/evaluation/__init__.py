"""Judging an answer: is it good enough, and if not, what is to be asked next?

An evaluator is a function of the session's state and its last turn that returns a `Verdict`, or None to
accept; it may be asynchronous. The built-in ones are made by `by_evidence`, `by_model` and `by_person`,
and put together by `first_that_objects`, `all_of` and `at_most`.
"""

from .combined import all_of, at_most, first_that_objects
from .evaluator import Evaluator, Rule, consult, last_round
from .evidence import by_evidence
from .model import by_model
from .person import by_person
from .verdicts import checked, questions_of

__all__ = [
    "Evaluator",
    "Rule",
    "all_of",
    "at_most",
    "by_evidence",
    "by_model",
    "by_person",
    "checked",
    "consult",
    "first_that_objects",
    "last_round",
    "questions_of",
]
