"""Asking a person, and understanding the answer."""

from .answers import redirected, reviewed, understood
from .asking import until_understood
from .requests import review_request, spend_request
from .shapes import (
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
    "redirected",
    "response_schema",
    "review_request",
    "reviewed",
    "spend_request",
    "understood",
    "until_understood",
]
