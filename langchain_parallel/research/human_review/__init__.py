"""Asking a person, and understanding the answer."""

from .decision import apply_edit, ask_until_valid, parse_answer, verdict_from_decision
from .request import is_about, review_request, spend_request
from .schemas import (
    Action,
    ActionRequest,
    DecisionType,
    Finding,
    HumanAnswer,
    HumanDecision,
    HumanRequest,
    ReviewConfig,
    response_schema,
)

__all__ = [
    "Action",
    "ActionRequest",
    "DecisionType",
    "Finding",
    "HumanAnswer",
    "HumanDecision",
    "HumanRequest",
    "ReviewConfig",
    "apply_edit",
    "ask_until_valid",
    "is_about",
    "parse_answer",
    "response_schema",
    "review_request",
    "spend_request",
    "verdict_from_decision",
]
