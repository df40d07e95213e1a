"""Checks of an answer against the excerpts of its citations: quotes, numbers, dates, names, and the sources.

Rule: pure and offline. A check says whether an excerpt has what a claim says, never whether it is so.
"""

import typing

from .._lazy import lazy_names as _lazy_names
from .checked_claim import CheckedAnswer, CheckedClaim, CheckedSource

if typing.TYPE_CHECKING:
    from .checked_answer import check_answer, shorten_checks

__all__ = ["CheckedAnswer", "CheckedClaim", "CheckedSource", "check_answer", "shorten_checks"]

_MODULES = {
    "check_answer": "checked_answer",
    "shorten_checks": "checked_answer",
}

if not typing.TYPE_CHECKING:  # a type checker would take any misspelt name for one of these
    __getattr__, __dir__ = _lazy_names(__name__, _MODULES)
