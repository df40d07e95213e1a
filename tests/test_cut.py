"""The cut between the two parts of the suite loses nothing that a grid shows."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .cut import either_way, is_exhaustive, representatives

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


@pytest.mark.grid
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("letter", "abc")
def test_a_grid_is_cut(letter: str, number: int, request: pytest.FixtureRequest) -> None:
    here = [item for item in request.session.items if item.name.startswith("test_a_grid_is_cut")]
    if len(here) > 1:  # not one alone, asked for by its name
        assert (len(here) == 9) is is_exhaustive()
