"""The benchmarks run, and their claims hold in a tiny form. Tests count; they measure no time."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from benchmarks import (
    figures,
    graphs,
    imports,
    ledger_curve,
    parked,
    parked_graphs,
    parked_stages,
    state_size,
    throughput,
    tokens,
)
from benchmarks.ledger_curve import Case
from benchmarks.report import (
    CITATIONS,
    EXCERPT_CHARS,
    EXCERPTS,
    FIELDS,
    always_answer,
    brief_answer,
    realistic_report,
)
from benchmarks.threads import THREAD, Mode
from benchmarks.wire import Account
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import RunningServer, RunScript

from .cut import exhaustive

TURNS = 8


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    param: Mode = request.param
    return param


# --- imports -------------------------------------------------------------------------------------


def test_an_import_of_the_top_level_is_next_to_nothing() -> None:
    top = {
        "import langchain_parallel": imports.BARE,
        "import pydantic": "import langchain_parallel",
    }
    ours, theirs = imports.import_rows(1, top)
    assert ours["modules"] == theirs["control modules"] < 40
    assert theirs["modules"] > ours["control modules"] == 0


def test_the_large_result_has_the_documented_size() -> None:
    (row,) = imports.render_rows(1)
    assert (row["fields"], row["citations"]) == (124, 610)
    assert row["characters"] <= 24_000 < row["whole"] / 3
    assert all(figures["first ms"] > 0 for figures in imports.object_rows(1))


# --- the report ----------------------------------------------------------------------------------


def test_the_report_has_the_documented_size() -> None:
    basis = realistic_report()["basis"]
    cited = [citation for evidence in basis.values() for citation in evidence["citations"]]
    excerpts = [excerpt for citation in cited for excerpt in citation["excerpts"]]
    assert len(FIELDS) == len(basis) == 20
    assert len({citation["url"] for citation in cited}) == 20 * CITATIONS == 60
    assert len(excerpts) == 60 * EXCERPTS
    assert min(map(len, excerpts)) >= EXCERPT_CHARS
    assert 90_000 < state_size.result_bytes() < 120_000


def test_every_turn_of_a_session_gets_the_same_answer() -> None:
    account = Account(always_answer(brief_answer()))
    client = account.client()
    head, sizes = None, []
    for _ in range(3):
        asked = TaskRunInput(input="What now?", processor="lite", previous_interaction_id=head)
        result = client.wait(client.create(asked).run_id)
        head = result.run.interaction_id
        sizes.append(len(account.raw_result(result.run.run_id)))
    assert len(set(sizes)) == 1


# --- ledger_curve --------------------------------------------------------------------------------


def growth(case: Case) -> tuple[float, float]:
    """The last turn relative to the second, in requests and in bytes. (The first also creates the ledger.)"""
    traffic = ledger_curve.measure(case, TURNS)
    assert [turn.paid for turn in traffic] == [1] * TURNS
    second, last = traffic[1], traffic[-1]
    bytes_of = [turn.sent + turn.received for turn in (second, last)]
    return last.requests / second.requests, bytes_of[1] / bytes_of[0]


@pytest.mark.parametrize("store", [False, exhaustive(True)])
def test_a_turn_of_the_graph_costs_the_same_in_a_longer_session(store: bool, mode: Mode) -> None:
    requests, size = growth(Case("graph", store, False, mode))
    assert requests <= 1
    assert size <= 1.01


@pytest.mark.parametrize("store", [exhaustive(False), True])
def test_a_turn_of_the_tool_costs_the_same_in_a_longer_session(store: bool, mode: Mode) -> None:
    requests, size = growth(Case("tool", store, False, mode))
    assert requests <= 1
    assert size <= 1.01


@pytest.mark.parametrize("what", ["tool", "graph"])
def test_after_a_restart_a_ledger_is_read_once_at_a_kilobyte_a_run(what: str, mode: Mode) -> None:
    """A run can be anywhere in the list, so a new process does not start at its end."""
    traffic = ledger_curve.measure(Case(what, True, True, mode), TURNS)
    assert [turn.paid for turn in traffic] == [1] * TURNS
    second, last = traffic[1], traffic[-1]
    assert last.requests <= second.requests
    assert last.sent + last.received - second.sent - second.received <= 1000 * (TURNS - 2)


# --- state_size ----------------------------------------------------------------------------------


def curve(graph: str, saver: str, turns: int = 4, mode: Mode = "sync") -> state_size.Curve:
    with state_size.SAVERS[saver]() as opened:
        return state_size.measure(state_size.GRAPHS[graph], opened, turns, mode)


@pytest.mark.parametrize("saver", ["sqlite", "memory"])
def test_a_checkpoint_of_the_research_graph_grows_by_a_fifth_of_a_result_each_turn(
    saver: str,
) -> None:
    ours = curve("research graph", saver)
    assert ours.slope <= 0.20 * state_size.result_bytes()
    assert ours.bend <= 1.02


def test_a_checkpoint_grows_alike_in_asynchronous_graphs() -> None:
    blocking, awaited = (curve("research graph", "memory", mode=how) for how in ("sync", "async"))
    assert awaited.last == pytest.approx(blocking.last, rel=0.01)


@pytest.mark.grid
@pytest.mark.parametrize("saver", ["sqlite", "memory"])
@pytest.mark.parametrize(
    "heavier", ["research graph, excerpts kept", "graph with the tool", "whole results in state"]
)
def test_a_graph_with_whole_results_grows_at_least_four_times_as_fast(
    heavier: str, saver: str
) -> None:
    assert curve(heavier, saver, 3).slope >= 4 * curve("research graph", saver, 3).slope


@pytest.mark.parametrize("saver", ["sqlite", "memory"])
def test_with_a_delta_channel_a_turn_writes_the_same_in_a_longer_session(saver: str) -> None:
    plain = curve("research graph", saver).written
    deltas = curve("research graph, DeltaChannel", saver).written
    assert plain[3] > 1.2 * plain[1]
    assert deltas[3] <= 1.01 * deltas[1]


def test_a_delta_channel_loses_no_turn() -> None:
    with state_size.SAVERS["sqlite"]() as saver:
        state_size.measure(graphs.research_with_deltas, saver, 3)
        account = Account(always_answer(realistic_report()))
        graph = graphs.research_with_deltas(account.client()).compile(
            checkpointer=saver.checkpointer
        )
        turns = graph.get_state(THREAD).values["turns"]
    assert [turn["question"][:13] for turn in turns] == [f"Question {n:04}" for n in range(3)]


# --- parked --------------------------------------------------------------------------------------


@pytest.mark.exhaustive
def test_each_parked_thread_is_resumed_once_and_paid_for_once() -> None:
    plan = parked_stages.Plan(parked=40, at_once=4, too_fast=4)
    found = parked.measure("sqlite", plan, (parked_stages.OURS, parked_stages.BARE))
    assert [row["connections"] for row in found["parked"]] == [0, 0]
    end = found["end"]
    assert end["with an answer, by turns"] == {"1": 40}
    assert end["resumed by two webhooks"] == end["evaluated twice"] == 0
    assert end["runs"] == end["runs paid for"] == end["threads paid for"]
    assert end["lost webhooks"] > 0
    assert end["sweep failed"] == 0
    woken = sum(row["woken"] for row in found["rows"] if row["graph"] == parked_stages.OURS)
    assert woken == 40 - end["lost webhooks"]
    sent = end["webhooks"]
    assert sent["genuine 202"] == woken
    assert sent["forged 401"] > 0
    assert sent["duplicate 200"] > 0


async def test_the_control_takes_the_same_steps_and_writes_the_same(
    simulator_server: RunningServer,
) -> None:
    """Otherwise its cost would not be comparable."""

    async def steps(graph: Any, resume: Any) -> tuple[list[str], list[str], int]:
        place = parked_graphs.thread_config("steps")
        await graph.ainvoke(parked_graphs.question("steps"), place, durability="sync")
        (waiting,) = (await graph.aget_state(place)).interrupts
        await resume()
        await graph.ainvoke(Command(resume={waiting.id: {}}), place, durability="sync")
        states = [state async for state in graph.aget_state_history(place)]
        names = [task.name for state in states for task in state.tasks]
        values = states[0].values
        return names, sorted(values), len(json.dumps(values, default=str))

    async def nothing() -> None:
        return None

    async def end() -> None:
        for run in simulator_server.simulator.runs():
            simulator_server.simulator.settle(run["run_id"])

    simulator_server.simulator.scripts.add(RunScript("stay_queued"))
    url = simulator_server.url
    ours, client = parked_graphs.research_graph(url, lambda what, thread_id: None)
    async with client:
        of_ours = await steps(ours.compile(checkpointer=InMemorySaver()), end)
    bare = parked_graphs.bare_graph(url, lambda what, thread_id: None, gets=False)
    of_bare = await steps(bare.compile(checkpointer=InMemorySaver()), nothing)
    assert of_ours[:2] == of_bare[:2]
    assert of_bare[2] == pytest.approx(of_ours[2], rel=0.05)


# --- throughput ----------------------------------------------------------------------------------

RUNS = 6


@pytest.mark.parametrize("name", throughput.WAYS)
def test_every_run_of_a_batch_is_answered_and_paid_for_once(
    name: str, simulator_server: RunningServer
) -> None:
    found = throughput.measure(throughput.WAYS[name], simulator_server, RUNS, 0.01)
    assert found.answered == found.billed == found.paid == RUNS


@pytest.mark.parametrize(
    ("name", "most"),
    # a count, a lookup, the run, its interaction id, its answer; a tool's own ledger needs no lookup
    [("submit + wait, one ledger", 5), ("submit + wait, 20 ledgers", 5), ("tool.abatch", 3)],
)
def test_a_run_of_a_batch_needs_few_requests(
    name: str, most: int, simulator_server: RunningServer
) -> None:
    found = throughput.measure(throughput.WAYS[name], simulator_server, RUNS, 0.01)
    found.kinds.pop("new ledger")
    assert sum(found.kinds.values()) <= most * RUNS


OURS = ("submit + wait, one ledger", "submit + wait, 20 ledgers", "tool.abatch")
MANY = 60


@pytest.mark.parametrize("name", [OURS[0], *map(exhaustive, OURS[1:])])
def test_a_run_receives_the_same_in_a_larger_batch(
    name: str, simulator_server: RunningServer
) -> None:
    way = throughput.WAYS[name]
    few = throughput.measure(way, simulator_server, RUNS, 0.2).received / RUNS
    many = throughput.measure(way, simulator_server, MANY, 0.2).received / MANY
    # Callers with a lookup in one ledger at the same time read each other's runs.
    assert many <= (1.5 if name == "submit + wait, one ledger" else 1.05) * few


@pytest.mark.parametrize("name", [*map(exhaustive, OURS[:-1]), OURS[-1]])
def test_a_batch_opens_about_one_connection_per_run(
    name: str, simulator_server: RunningServer
) -> None:
    found = throughput.measure(throughput.WAYS[name], simulator_server, MANY, 0.2)
    assert (
        found.connections <= 1.8 * MANY
    )  # two each would be a fault; under load one is opened anew


# --- tokens --------------------------------------------------------------------------------------


def test_a_result_costs_a_model_at_most_a_fifth_of_its_raw_json() -> None:
    raw, content = tokens.report_texts()
    assert tokens.by_characters(content) <= tokens.GOAL * tokens.by_characters(raw)


def test_no_answer_no_address_and_no_low_confidence_is_missing() -> None:
    _, content = tokens.report_texts()
    assert tokens.missing_parts(content) == {"answers": [], "urls": [], "low confidence": []}


def test_what_is_missing_is_found() -> None:
    _, content = tokens.report_texts()
    broken = content.replace("pricing: ", "").replace("wire.example", "").replace("Low conf", "")
    lost = tokens.missing_parts(broken)
    assert lost["answers"] == ["pricing"]
    assert len(lost["urls"]) == 20
    assert len(lost["low confidence"]) == 3


# --- the command lines ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ledger_curve", "parked", "state_size", "throughput", "tokens"])
def test_the_figures_kept_name_the_versions_and_no_machine(name: str) -> None:
    kept = json.loads((figures.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert {"python", "langgraph", "langchain-parallel", "httpx"} <= set(kept["versions"])
    assert kept["rows"]
    text = json.dumps(kept)
    assert re.search(r"(?<![\w ])/\w|\\\\|\d+\.\d+\.\d+\.\d+|localhost", text) is None
    assert platform.node() not in text


def test_a_small_run_prints_a_table_and_saves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: Sequence[float] = [file.stat().st_mtime for file in sorted(figures.RESULTS.iterdir())]
    monkeypatch.setattr(sys, "argv", ["tokens", "--small"])
    tokens.main()
    assert "tokens, estimated as characters / 4" in capsys.readouterr().out
    assert kept == [file.stat().st_mtime for file in sorted(figures.RESULTS.iterdir())]
