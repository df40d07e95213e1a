from __future__ import annotations

import pytest

from langchain_parallel.processors import PROCESSORS, price_usd

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
def test_a_fast_processor_is_faster(name: str) -> None:
    plain, fast = PROCESSORS[name].seconds, PROCESSORS[f"{name}-fast"].seconds
    assert plain[0] < plain[1]
    assert plain[0] / 5 <= fast[0] <= plain[0] / 3
    assert plain[1] / 5 <= fast[1] <= plain[1] / 3


def test_an_unknown_price_is_unknown() -> None:
    assert price_usd("zeta") is None
    assert price_usd("lite") == 0.005


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PROCESSORS["mine"] = PROCESSORS["lite"]  # type: ignore[index]  # what is tested
