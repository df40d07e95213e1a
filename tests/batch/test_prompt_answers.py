"""Answers are handed on soon after their runs have ended, with few requests; no run is awaited for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.batch import BatchProgress, astream_table, stream_table
from langchain_parallel.simulator import Fault, Listing, RunScript

from .tables import QUESTION, Office, companies

SOON = 2.5
"""Seconds from the end of a run to its answer: one of waiting for others, and the way."""


def _delays(office: Office, rows: Any, **options: Any) -> list[float]:
    """Seconds from the end of each run to the moment when its answer was handed on."""
    how: dict[str, Any] = {"in_order": False, "client": office.client(), **options}

    def delay(row: Any) -> float:
        return float(office.clock.monotonic() - office.sim.find_run(row.run_id).ends)

    async def collect() -> list[float]:
        return [delay(row) async for row in astream_table(rows, QUESTION, **how)]

    if office.mode == "async":
        return asyncio.run(collect())
    return [delay(row) for row in stream_table(rows, QUESTION, **how)]


def test_an_answer_beside_runs_that_take_minutes_is_not_kept_waiting(office: Office) -> None:
    for nth, seconds in enumerate((7.0, 100.0, 160.0, 161.0, 400.0)):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=seconds))
    assert max(_delays(office, companies(5))) <= SOON


def test_one_by_one_answers_take_no_more_requests_than_runs_by_themselves(office: Office) -> None:
    for nth in range(60):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=60.0 + 3.0 * nth))
    assert max(_delays(office, companies(60))) <= SOON
    assert len(office.sim.requests) < 2.2 * 60


def test_many_that_end_together_are_read_together(office: Office) -> None:
    for nth in range(200):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=60.0 + nth / 100))
    assert max(_delays(office, companies(200))) <= 16.0
    assert len(office.sim.requests) <= 12


def test_where_all_are_wanted_together_they_are_read_in_bulk(office: Office) -> None:
    for nth in range(200):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=60.0 + nth))
    assert not office.research(companies(200)).errors
    assert len(office.sim.requests) <= 40


def test_a_table_of_short_runs_takes_few_requests_and_follows_its_events_once(
    office: Office,
) -> None:
    for nth in range(200):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=0.5 + nth / 100))
    assert not office.research(companies(200)).errors
    assert len(office.sim.requests) <= 10
    events = [one for one in office.sim.requests if one.path.endswith("/events")]
    assert len(events) == 1


def test_somebody_who_watches_a_table_sees_each_answer_soon(office: Office) -> None:
    for nth in range(3):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=100.0 * (nth + 1)))
    seen: list[tuple[float, int]] = []

    def note(progress: BatchProgress) -> None:
        seen.append((office.clock.monotonic(), progress.answered))

    office.research(companies(3), on_progress=note, in_order=False)
    first = min(time for time, answered in seen if answered == 1)
    assert first < 110.0


# --- runs that a list leaves out -----------------------------------------------------------------


def test_a_run_that_no_list_shows_is_asked_for_by_itself(office: Office) -> None:
    lists = Fault("status_before", method="GET", path="/v1/tasks/groups/*", skip=1, times=None)
    office.sim.scripts.add(RunScript(seconds=30.0, times=None))
    office.sim.faults.add(lists)
    table = office.research(companies(3), timeout=3_600.0)
    assert not table.errors
    assert office.clock.monotonic() < 600.0


def test_a_run_that_a_list_leaves_out_for_ever_still_has_its_answer(office: Office) -> None:
    office.sim.scripts.add(RunScript(seconds=30.0, times=None))

    def shorten(_: BatchProgress) -> None:
        if len(office.sim.all_runs()) == 3:
            office.sim.listing = Listing(most=2)
            office.sim.faults.add(Fault("status_before", path="*/events", status=404, times=None))

    table = office.research(companies(3), on_progress=shorten, timeout=3_600.0)
    assert not table.errors
    assert office.clock.monotonic() < 600.0


@pytest.mark.parametrize("settled", [404, 410])
def test_a_run_that_the_api_knows_no_longer_is_the_error_of_its_row(
    office: Office, settled: int
) -> None:
    office.sim.scripts.add(RunScript(contains="Company 1?", seconds=5_000.0))
    office.sim.scripts.add(RunScript(seconds=30.0, times=None))

    def lose(progress: BatchProgress) -> None:
        if progress.started == 3:
            office.sim.listing = Listing(most=0)
            [run] = [run for run in office.sim.all_runs() if "Company 1?" in run.text]
            path = f"/v1/tasks/runs/{run.run_id}*"
            office.sim.faults.add(Fault("status_before", path=path, status=settled, times=None))

    table = office.research(companies(3), on_progress=lose, timeout=3_600.0)
    [lost] = table.errors
    [run] = [run for run in office.sim.all_runs() if "Company 1?" in run.text]
    assert (lost.run_id, lost.interaction_id) == (run.run_id, run.interaction_id)
    if settled == 404:
        assert isinstance(lost.error, errors.NotFound)
        assert (lost.error.billed, lost.cost_usd) == (None, None)
        assert office.clock.monotonic() < 600.0
    else:
        assert isinstance(lost.error, errors.StillRunning)
    assert office.paid_once()


# --- a list brings again what it has brought before ----------------------------------------------


def test_an_answer_that_names_another_run_is_still_that_of_its_own(office: Office) -> None:
    """What a list repeats is passed over by the run ids in it, and an answer may hold any."""
    [other] = office.research([{"company": "Other"}])
    before = len(office.sim.requests)
    content = {"ceo": "Somebody", "employees": 3, "run_id": other.run_id}
    output = {"type": "json", "content": content, "basis": []}
    office.sim.scripts.add(RunScript(seconds=30.0, times=None, output=output))
    table = office.research(companies(8), processor="base")
    assert [row.values for row in table] == [content] * 8
    assert len({row.run_id for row in table}) == 8
    assert not [one.path for one in office.sim.requests[before:] if one.path.endswith("/result")]


def test_several_groups_are_followed_by_their_events_and_not_by_their_whole_lists(
    office: Office,
) -> None:
    for nth in range(60):
        office.sim.scripts.add(RunScript(contains=f"Company {nth}?", seconds=60.0 + 10.0 * nth))
    rows = [*office.stream(companies(60), in_order=False, chunk_size=20)]
    assert not [row for row in rows if row.error]
    lists = [one for one in office.sim.requests if (one.method, one.path[-5:]) == ("GET", "/runs")]
    assert len(lists) < 40  # a list of each group every ten seconds would be 180
