"""The rules of the API's documentation, and which of them a request breaks.

Such a request is sent all the same, with a `RequestWarning` (`langchain_parallel.errors`) that names the rule
and its date; with `strict=True`, of a client or of `RequestOptions`, it is refused instead.
"""

from __future__ import annotations

from ._core import request_rules, web_limits
from ._core.documented_rules import RULES, BrokenRule, Rule
from .models import ExtractRequest, SearchRequest, TaskRunInput

__all__ = ["RULES", "BrokenRule", "Rule", "broken_rules"]


def broken_rules(request: TaskRunInput | SearchRequest | ExtractRequest) -> tuple[BrokenRule, ...]:
    """Every rule that a request breaks, those included of which no warning is given. Sends nothing."""
    if isinstance(request, SearchRequest | ExtractRequest):
        return tuple(web_limits.broken_rules(request))
    return tuple(request_rules.broken_rules(request))
