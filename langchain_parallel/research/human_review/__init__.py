"""Asking a person, and understanding the answer."""

from .decision import redirected, reviewed, understood
from .interrupt import ask_until_valid
from .request import review_request, spend_request
from .schemas import (
    Action,
    ActionRequest,
    Decision,
    DecisionType,
    Finding,
    PersonAnswer,
    PersonRequest,
    ReviewConfig,
    response_schema,
)

__all__ = [
    "Action",
    "ActionRequest",
    "Decision",
    "DecisionType",
    "Finding",
    "PersonAnswer",
    "PersonRequest",
    "ReviewConfig",
    "ask_until_valid",
    "redirected",
    "response_schema",
    "review_request",
    "reviewed",
    "spend_request",
    "understood",
]
