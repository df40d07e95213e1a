"""Warnings about requests that break a rule of the API's documentation.

Rule: a warning points at the caller's own line, however many frames of ours and of a framework lie between.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

from .._core.documented_rules import BrokenRule
from ..errors import RequestWarning

_BETWEEN = frozenset(
    {"langchain_parallel", "langchain", "langchain_core", "langgraph", "pydantic", "asyncio"}
    | {"concurrent", "contextlib", "functools", "threading"}
)
"""Packages whose frames stand between a caller's line and a warning."""


def warn(found: Iterable[BrokenRule], said: set[str] | None = None) -> None:
    """Warn of broken rules. `said`: the names of those that need no warning any more; others are added."""
    for one in found:
        name = one.rule.name
        if said is not None and name in said:
            continue
        if said is not None:
            said.add(name)
        warnings.warn(RequestWarning(str(one), name), stacklevel=_level())


def _level() -> int:
    """The stack level, as seen by `warn`, of the nearest frame that is no package's between."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    return level
