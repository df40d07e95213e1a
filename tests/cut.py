"""How the suite is cut: `make test` runs some cases of every property, `make test-exhaustive` all of them,
and `make test-rest` those that the first leaves out.

Rule: no property is in the exhaustive part only. What makes a test expensive is its grid, so

    @pytest.mark.grid               plays enough cases to have each value of each parameter once
    @pytest.mark.grid("face")       the same for the values of the parameters that are named
    @pytest.mark.grid(shows=parts)  the same for whatever `parts`, given the parameters, finds in a case
    exhaustive(value)               is a parameter whose case, like a test with the mark, needs no showing
    @pytest.mark.larger             tries more in each case, exhaustively, as properties of Hypothesis do

unless pytest is given `--exhaustive`. Fixtures with parameters count as parameters. With `--rest` it runs
what it leaves out otherwise, and again what is larger, so that both runs are what `--exhaustive` is.
`--part 2/3` runs the second of three equal parts of whatever is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import pytest
from hypothesis import is_hypothesis_test, settings

T = TypeVar("T")

EXHAUSTIVE, QUICK = "exhaustive", "quick"
"""The profiles of Hypothesis; `conftest.py` loads one before any test is imported."""
COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""All that pytest had collected before anything was left out."""


class Part(NamedTuple):
    """One of equal parts of the cases, which are dealt out by their names."""

    number: int
    of_all: int

    @classmethod
    def of(cls, text: str) -> Part:
        """From `2/3`."""
        number, _, of_all = text.partition("/")
        part = cls(int(number), int(of_all))
        if not 1 <= part.number <= part.of_all:
            raise ValueError(text)
        return part

    def has(self, name: str) -> bool:
        """Whether the case of this name is in it."""
        return crc32(name.encode()) % self.of_all == self.number - 1


WHOLE = Part(1, 1)


def rest(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Those of which the quick part runs nothing, or less."""
    items = list(items)
    return left_out(items) | {item for item in items if is_larger(item)}


def is_larger(item: Any) -> bool:
    """Whether a test tries more when it runs exhaustively."""
    return item.get_closest_marker("larger") is not None or is_hypothesis_test(item.function)


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Those that run in the exhaustive part only."""
    out, grids = set(), defaultdict(list)
    for item in items:
        if item.get_closest_marker("exhaustive"):
            out.add(item)
        elif item.get_closest_marker("grid"):
            grids[item.nodeid.partition("[")[0]].append(item)
    for cases in grids.values():
        out |= set(cases) - set(representatives(cases, _shows))
    return out


def _shows(item: Any) -> Iterable[Hashable]:
    mark, spec = item.get_closest_marker("grid"), item.callspec
    if "shows" in mark.kwargs:
        found: Iterable[Hashable] = mark.kwargs["shows"](**spec.params)
        return found
    return [(name, repr(spec.params[name])) for name in mark.args or spec.params]


def either_way(**parameters: object) -> list[object]:
    """What a case shows where each combination is to be played, be it blocking or awaited."""
    ways = [parameters.pop(name) for name in ("mode", "how") if name in parameters]
    return [*ways, repr(sorted(parameters.items()))]


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


def exhaustive(*values: object, **more: Any) -> Any:
    """A parameter of the exhaustive part."""
    return pytest.param(*values, marks=pytest.mark.exhaustive, **more)


def is_exhaustive() -> bool:
    """Whether all cases are run."""
    return settings.get_current_profile_name() == EXHAUSTIVE


def examples(exhaustively: int) -> int:
    """The number of examples for a property that has `exhaustively` many in the exhaustive part."""
    return exhaustively if is_exhaustive() else max(10, exhaustively // 4)
