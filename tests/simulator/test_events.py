"""The event stream of one run."""

from __future__ import annotations

import httpx

from langchain_parallel.simulator import ManualClock, RunScript, Simulator

from .helpers import RUNS, create, http_to, manual, parsed, stream


def events_of(http: httpx.Client, run: dict[str, object], version: str = "v1") -> list[dict]:  # type: ignore[type-arg]  # wire JSON
    return stream(http, f"/{version}/tasks/runs/{run['run_id']}/events")


def test_state_first_progress_between_and_the_whole_output_last(
    simulator_http: httpx.Client,
) -> None:
    run = create(simulator_http, processor="pro")
    events = events_of(simulator_http, run)
    kinds = [e["type"] for e in events]
    assert kinds[0] == kinds[-1] == "task_run.state"
    assert "task_run.progress_stats" in kinds
    assert any(k.startswith("task_run.progress_msg.") for k in kinds)
    assert events[-1]["run"]["status"] == "completed"
    assert events[-1]["output"]["content"]
    meters = [e["progress_meter"] for e in events if "progress_meter" in e]
    assert meters == sorted(meters)
    assert 0 < meters[0] < meters[-1] < 100


def test_the_beta_path_gives_the_same_events(simulator_http: httpx.Client) -> None:
    run = create(simulator_http, processor="pro")
    first = events_of(simulator_http, run)
    assert events_of(simulator_http, run, "v1beta") == first


def test_without_events_only_states_come(simulator_http: httpx.Client) -> None:
    quiet = create(simulator_http, processor="pro", enable_events=False)
    small = create(simulator_http, processor="base")
    loud = create(simulator_http, processor="base", enable_events=True)
    assert {e["type"] for e in events_of(simulator_http, quiet)} == {"task_run.state"}
    assert {e["type"] for e in events_of(simulator_http, small)} == {"task_run.state"}
    assert len(events_of(simulator_http, loud)) > 4


def test_the_stream_closes_after_stream_seconds_and_replays_from_the_start() -> None:
    simulator = Simulator(ManualClock(), stream_seconds=570)
    simulator.scripts.add(RunScript(seconds=3000))
    with http_to(simulator) as http:
        run = create(http, processor="ultra")
        first = events_of(http, run)
        assert manual(simulator).monotonic() == 570
        assert first[-1]["type"] != "task_run.state"
        second = events_of(http, run)
        assert second[: len(first)] == first
        assert len(second) > len(first)


def test_a_run_that_fails_says_so_at_the_end(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript("failed", message="no"))
    last = events_of(simulator_http, create(simulator_http, processor="pro"))[-1]
    assert last["run"]["status"] == "failed"
    assert last["run"]["error"]["message"] == "no"
    assert "output" not in last


def test_settling_ends_an_open_stream_and_keeps_its_events(simulator: Simulator) -> None:
    simulator.scripts.add(RunScript(seconds=500))
    with http_to(simulator) as http:
        run = create(http, processor="pro")
        manual(simulator).advance(200)
        shown = parsed_so_far(http, run)
        simulator.settle(run["run_id"])
        after = events_of(http, run)
        manual(simulator).advance(1000)
        assert events_of(http, run) == after
    assert after[:-1] == shown
    assert after[-1]["run"]["status"] == "completed"


def parsed_so_far(http: httpx.Client, run: dict[str, object]) -> list[dict]:  # type: ignore[type-arg]  # wire JSON
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
    beta = {"parallel-beta": "mcp-server-2025-07-17"}
    body = {"input": "q", "processor": "pro", "mcp_servers": servers}
    run = simulator_http.post(RUNS, json=body, headers=beta).json()
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
