from __future__ import annotations

import pytest

from langchain_parallel.processors import PROCESSORS, costs_more, nearest_listed, price_usd

PRICES = {
    "lite": 5, "base": 10, "core": 25, "core2x": 50, "pro": 100, "ultra": 300, "ultra2x": 600,
    "ultra4x": 1200, "ultra8x": 2400,
}  # fmt: skip


def test_prices_are_the_documented_ones_and_fast_costs_the_same() -> None:
    assert {name: round(p.usd * 1000, 6) for name, p in PROCESSORS.items()} == {
        **PRICES,
        **{f"{name}-fast": price for name, price in PRICES.items()},
    }


def test_deep_research_begins_at_pro() -> None:
    assert {name for name, p in PROCESSORS.items() if p.deep} == {
        name for name in PROCESSORS if name.startswith(("pro", "ultra"))
    }


@pytest.mark.parametrize("name", PRICES)
def test_a_fast_processor_is_faster_and_its_times_are_its_own(name: str) -> None:
    plain, fast = PROCESSORS[name], PROCESSORS[f"{name}-fast"]
    assert plain.seconds[0] < plain.seconds[1]
    assert fast.seconds[0] <= plain.seconds[0]
    assert fast.seconds[1] < plain.seconds[1]
    assert (plain.is_listed, fast.is_listed) == (True, False)
    assert (fast.p50, fast.p90) == (None, None)


@pytest.mark.parametrize("name", PRICES)
def test_half_of_all_runs_and_nine_of_ten_are_done_within_the_usual_times(name: str) -> None:
    known = PROCESSORS[name]
    assert known.p50 is not None
    assert known.p90 is not None
    assert known.seconds[0] <= known.p50 < known.p90 <= known.seconds[1]


@pytest.mark.parametrize(
    ("refused", "near"),
    [
        ("pro-fast", "pro"),
        ("ultra8x-fast", "ultra8x"),
        ("pro", "core2x"),
        ("lite", None),
        ("lite-fast", "lite"),
        ("core9x", "core2x"),
        ("prro-fast", "pro"),
        ("qqqq", None),
    ],
)
def test_the_nearest_listed_processor_costs_no_more(refused: str, near: str | None) -> None:
    assert nearest_listed(refused) == near
    if near is not None and refused in PROCESSORS:
        assert PROCESSORS[near].is_listed
        assert not costs_more(near, than=refused)


def test_an_unknown_price_is_unknown() -> None:
    assert price_usd("zeta") is None
    assert price_usd("lite") == 0.005


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PROCESSORS["mine"] = PROCESSORS["lite"]  # type: ignore[index]  # what is tested
