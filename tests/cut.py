"""How the suite is cut: `make test` plays one case of every property, `make test-exhaustive` all of them.

Rule: no property is only in the exhaustive part. A grid keeps those of its cases that show something that no
case before them has shown; the others are marked `exhaustive`, and run with pytest's option `--exhaustive`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar
from zlib import crc32

import pytest
from hypothesis import settings

T = TypeVar("T")

EXHAUSTIVE, QUICK = "exhaustive", "quick"
"""The profiles of Hypothesis; `conftest.py` loads one before any test is imported."""


def representatives(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]]) -> list[T]:
    """Enough of the cases to show all that any of them shows: first those that show the most.

    They are taken in an order that looks random and is always the same: in the order of a grid nearly all
    of them would come from its first row.
    """
    scattered = sorted(cases, key=lambda case: crc32(str(case).encode()))
    showing = [(case, set(shows(case))) for case in scattered]
    kept: list[T] = []
    shown: set[Hashable] = set()
    for least in range(max(len(aspects) for _, aspects in showing), 0, -1):
        for case, aspects in showing:
            if len(aspects - shown) >= least:
                kept.append(case)
                shown |= aspects
    return kept


def cut(cases: Iterable[T], shows: Callable[[T], Iterable[Hashable]] | None = None) -> list[Any]:
    """The cases as parameters, all but the representatives (without `shows`: the first) marked.

    A tuple stands for several arguments.
    """
    every = list(cases)
    kept = representatives(every, shows) if shows else every[:1]
    return [_parameter(case) if case in kept else exhaustive(case) for case in every]


def exhaustive(case: object, **more: Any) -> Any:
    """A case that runs in the exhaustive part only."""
    return _parameter(case, marks=pytest.mark.exhaustive, **more)


def _parameter(case: object, **more: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), **more)


def examples(exhaustively: int) -> int:
    """How many examples a property is tried on that is tried on so many `exhaustively`."""
    if settings.get_current_profile_name() == EXHAUSTIVE:
        return exhaustively
    return max(5, exhaustively // 8)
