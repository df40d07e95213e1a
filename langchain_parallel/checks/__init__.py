"""Checks of an answer against the excerpts of its citations: quotes, numbers, dates, names, and the sources.

Rule: pure and offline. A check says whether an excerpt has what a claim says, never whether it is so.
"""

from .checked_answer import CheckedAnswer, CheckedClaim, check_answer, shorten_checks
from .source_problems import CheckedSource

__all__ = ["CheckedAnswer", "CheckedClaim", "CheckedSource", "check_answer", "shorten_checks"]
