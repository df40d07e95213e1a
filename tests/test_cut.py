"""The cut between the two parts of the suite loses nothing that a grid shows."""

from __future__ import annotations

import inspect
from itertools import product
from typing import Any

import pytest
from hypothesis import given, is_hypothesis_test
from hypothesis import strategies as st

from .cut import (
    COLLECTED,
    WHOLE,
    Part,
    either_way,
    examples,
    is_exhaustive,
    is_larger,
    left_out,
    representatives,
    rest,
)

cases = st.dictionaries(st.text(max_size=3), st.frozensets(st.integers(0, 9)), min_size=1)


@given(cases)
def test_what_any_case_shows_one_that_is_played_shows(shows: dict[str, frozenset[int]]) -> None:
    kept = representatives(shows, shows.__getitem__)
    assert frozenset().union(*map(shows.__getitem__, kept)) == frozenset().union(*shows.values())


def test_of_a_grid_few_are_played_in_whatever_order_it_comes() -> None:
    grid = list(product("abc", range(4), [True, False]))
    kept = representatives(grid, lambda case: [str(part) for part in case])
    assert 4 <= len(kept) <= 5
    assert kept == representatives(reversed(grid), lambda case: [str(part) for part in case])


def test_a_case_that_differs_in_its_way_of_calling_only_is_played_in_one_way() -> None:
    cells = [{"mode": mode, "n": n} for mode in ("sync", "async") for n in range(6)]
    kept = representatives(cells, lambda cell: either_way(**cell))
    assert sorted(str(cell["n"]) for cell in kept) == list("012345")
    assert {cell["mode"] for cell in kept} == {"sync", "async"}


@given(st.sets(st.text()), st.integers(1, 5))
def test_each_case_is_in_one_part(names: set[str], parts: int) -> None:
    dealt = [Part.of(f"{number}/{parts}") for number in range(1, parts + 1)]
    assert all(sum(part.has(name) for part in dealt) == 1 for name in names)
    with pytest.raises(ValueError, match="/"):
        Part.of(f"{parts + 1}/{parts}")


@pytest.mark.grid
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("letter", "abc")
def test_a_grid_is_cut(letter: str, number: int, request: pytest.FixtureRequest) -> None:
    here = [item for item in request.session.items if item.name.startswith("test_a_grid_is_cut")]
    if (
        len(here) > 1 and request.config.option.part == WHOLE
    ):  # not one alone, asked for by its name
        options = request.config.option
        assert len(here) == (9 if options.exhaustive else 9 - 3 if options.rest else 3)
        assert is_exhaustive() is (options.exhaustive or options.rest)


def test_the_rest_is_what_the_quick_part_leaves_out_and_what_is_larger(
    request: pytest.FixtureRequest,
) -> None:
    every: list[Any] = request.config.stash[COLLECTED]
    quick = {*every} - left_out(every)
    assert quick | rest(every) == {*every}
    assert all(is_larger(item) for item in quick & rest(every))
    assert rest(every) >= {item for item in every if is_hypothesis_test(item.function)}


def test_what_asks_how_much_to_try_is_larger(request: pytest.FixtureRequest) -> None:
    every: list[Any] = request.config.stash[COLLECTED]
    for item in every:
        function = inspect.unwrap(item.function)
        used = [function.__globals__.get(name) for name in function.__code__.co_names]
        asks = (examples in used or is_exhaustive in used) and function.__module__ != __name__
        assert not asks or is_larger(item), f"{item.nodeid} needs @pytest.mark.larger"
