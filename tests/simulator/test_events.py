"""The event stream of one run."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import ManualClock, RunScript, Simulator

from .helpers import RUNS, create, http_to, manual, parsed, stream

Event = dict[str, Any]


def events_of(http: httpx.Client, run: dict[str, object], version: str = "v1") -> list[Event]:
    return stream(http, f"/{version}/tasks/runs/{run['run_id']}/events")


def kinds_of(events: list[Event]) -> list[str]:
    return [e["type"].split(".")[1] for e in events]


def messages_of(events: list[Event]) -> list[Event]:
    return [e for e in events if "message" in e]


def test_state_first_progress_between_and_the_whole_output_last(
    simulator_http: httpx.Client,
) -> None:
    run = create(simulator_http, processor="pro")
    events = events_of(simulator_http, run)
    kinds = [e["type"] for e in events]
    assert kinds[0] == kinds[-1] == "task_run.state"
    assert "task_run.progress_stats" in kinds
    assert any(k.startswith("task_run.progress_msg.") for k in kinds)
    assert "output" not in events[0]
    assert events[-1]["run"]["status"] == "completed"
    assert events[-1]["output"]["content"]
    meters = [e["progress_meter"] for e in events if "progress_meter" in e]
    assert meters == sorted(meters)
    assert 0 < meters[0] < meters[-1] < 100


@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled", "action_required"])
def test_a_run_that_is_not_active_has_one_state_and_nothing_else(
    simulator: Simulator, simulator_http: httpx.Client, outcome: Any
) -> None:
    simulator.scripts.add(RunScript(outcome))
    run = create(simulator_http, processor="pro")
    manual(simulator).advance(10_000)
    for version in ("v1", "v1beta"):
        [event] = events_of(simulator_http, run, version)
        assert (event["type"], event["run"]["status"]) == ("task_run.state", outcome)
        assert ("output" in event) is (outcome == "completed")
        assert event["event_id"] is None


def test_without_events_only_states_come(simulator_http: httpx.Client) -> None:
    for processor, wanted, count in (
        ("pro", False, 2),
        ("base", None, 2),
        ("base", True, 12),
    ):
        run = create(simulator_http, processor=processor, enable_events=wanted)
        assert len(events_of(simulator_http, run)) == count


def test_each_connection_brings_the_messages_so_far_and_the_statistics_of_the_moment(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript(seconds=500))
    run = create(simulator_http, processor="pro")
    manual(simulator).advance(280)
    before = manual(simulator).now()
    early = parsed_so_far(simulator_http, run)
    late = events_of(simulator_http, run)
    assert kinds_of(early) == [
        "state",
        "progress_msg",
        "progress_msg",
        "progress_msg",
        "progress_stats",
    ]
    assert early[0]["run"]["status"] == "running"
    assert early == late[: len(early)]
    assert len(messages_of(late)) == 5
    assert before == manual(simulator).now() - 220


def test_the_stream_closes_after_stream_seconds_with_the_state() -> None:
    simulator = Simulator(ManualClock(), stream_seconds=570)
    simulator.scripts.add(RunScript(seconds=3000))
    with http_to(simulator) as http:
        run = create(http, processor="ultra")
        first = events_of(http, run)
        assert manual(simulator).monotonic() == 570
        assert (first[-1]["type"], first[-1]["run"]["status"]) == ("task_run.state", "running")
        second = events_of(http, run)
        assert messages_of(second)[: len(messages_of(first))] == messages_of(first)
        assert len(messages_of(second)) > len(messages_of(first))


def test_a_run_that_fails_says_so_at_the_end(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript("failed", message="no"))
    last = events_of(simulator_http, create(simulator_http, processor="pro"))[-1]
    assert last["run"]["status"] == "failed"
    assert last["run"]["error"]["message"] == "no"
    assert "output" not in last


def test_settling_ends_a_stream(simulator: Simulator, simulator_http: httpx.Client) -> None:
    simulator.scripts.add(RunScript("stay_queued"))
    run = create(simulator_http, processor="pro")
    assert kinds_of(parsed_so_far(simulator_http, run)) == ["state"]
    simulator.settle(run["run_id"])
    [state] = events_of(simulator_http, run)
    assert state["run"]["status"] == "completed"


def parsed_so_far(http: httpx.Client, run: dict[str, object]) -> list[Event]:
    """Events up to now: the stream is left as soon as it would wait."""
    data = b""
    try:
        with http.stream("GET", f"{RUNS}/{run['run_id']}/events", timeout=0) as answer:
            for chunk in answer.iter_raw():
                data += chunk
    except httpx.ReadTimeout:
        pass
    return parsed(data.decode())


def test_events_mention_the_mcp_servers_of_a_run(simulator_http: httpx.Client) -> None:
    servers = [{"type": "url", "url": "https://mcp.example", "name": "files"}]
    run = create(simulator_http, processor="pro", mcp_servers=servers)
    kinds = [e["type"] for e in events_of(simulator_http, run)]
    assert "task_run.progress_msg.tool_call" in kinds


def test_each_event_arrives_when_it_happens(simulator: Simulator) -> None:
    simulator.scripts.add(RunScript(seconds=100))
    with http_to(simulator, timeout=None) as http:
        run = create(http, processor="pro")
        with http.stream("GET", f"{RUNS}/{run['run_id']}/events") as answer:
            times = [manual(simulator).monotonic() for _ in answer.iter_raw()]
    assert times == sorted(times)
    assert len(set(times)) >= 6
    assert times[-1] == 100
