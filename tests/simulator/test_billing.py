"""Money: what is billed, reserved or free."""

from __future__ import annotations

import httpx
import pytest

from langchain_parallel.simulator import RunScript, Simulator
from langchain_parallel.simulator.pricing import PROCESSORS

from .helpers import RUNS, ask, create, manual

USD_PER_1000 = {
    "lite": 5,
    "base": 10,
    "core": 25,
    "core2x": 50,
    "pro": 100,
    "ultra": 300,
    "ultra2x": 600,
    "ultra4x": 1200,
    "ultra8x": 2400,
}


@pytest.mark.parametrize("name", USD_PER_1000)
@pytest.mark.parametrize("suffix", ["", "-fast"])
def test_a_completed_run_costs_its_processors_price(
    simulator: Simulator, simulator_http: httpx.Client, name: str, suffix: str
) -> None:
    ask(simulator_http, processor=name + suffix)
    assert simulator.billing.total_usd == pytest.approx(USD_PER_1000[name] / 1000)


def test_every_processor_is_in_the_table() -> None:
    assert set(PROCESSORS) == {n + s for n in USD_PER_1000 for s in ("", "-fast")}


def test_an_active_run_is_reserved_but_not_billed(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = create(simulator_http, processor="pro", metadata={"key": "abc"})
    bill = simulator.billing
    assert (bill.total_usd, bill.reserved_usd) == (0, 0.1)
    manual(simulator).advance(1000)
    assert (bill.total_usd, bill.reserved_usd) == (0.1, 0)
    [line] = bill.billed_runs()
    assert line.run_id == run["run_id"]
    assert line.interaction_id == run["interaction_id"]
    assert (line.processor, line.usd, line.metadata) == ("pro", 0.1, {"key": "abc"})


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "action_required"])
def test_a_run_that_does_not_complete_is_free(
    simulator: Simulator, simulator_http: httpx.Client, outcome: str
) -> None:
    simulator.scripts.add(RunScript(outcome))  # type: ignore[arg-type]  # a parameter, checked above
    create(simulator_http)
    manual(simulator).advance(1000)
    assert (simulator.billing.total_usd, simulator.billing.reserved_usd) == (0, 0)


def test_reading_costs_nothing(simulator: Simulator, simulator_http: httpx.Client) -> None:
    run = create(simulator_http)
    for _ in range(3):
        for tail in ("", "/input", "/result", "/events"):
            simulator_http.get(f"{RUNS}/{run['run_id']}{tail}")
    assert len(simulator.billing.billed_runs()) == 1
