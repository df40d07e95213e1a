"""Task groups: counts, lists, late commits, resumable streams."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import RunScript, Simulator

from .helpers import GROUPS, RUNS, add_runs, create, listed_errors, manual, new_group, stream


@pytest.fixture
def group(simulator_http: httpx.Client) -> str:
    return new_group(simulator_http)


def status(http: httpx.Client, group: str) -> dict[str, Any]:
    body: dict[str, Any] = http.get(f"{GROUPS}/{group}").json()["status"]
    return body


def listed(http: httpx.Client, group: str, **params: Any) -> list[dict[str, Any]]:
    return stream(http, f"{GROUPS}/{group}/runs", **params)


def test_a_new_group_is_empty_and_free(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    assert status(simulator_http, group)["num_task_runs"] == 0
    assert not status(simulator_http, group)["is_active"]
    assert listed(simulator_http, group) == []
    assert simulator.billing.total_usd == simulator.billing.reserved_usd == 0


def test_counts_follow_the_runs(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    simulator.scripts.add(RunScript("failed", contains="bad"), RunScript(contains="ok", seconds=99))
    added = add_runs(simulator_http, group, "bad", "ok")
    assert added["status"]["task_run_status_counts"] == {"queued": 2}
    manual(simulator).advance(70)
    now = status(simulator_http, group)
    assert now["task_run_status_counts"] == {"failed": 1, "running": 1}
    assert now["is_active"]


def test_refresh_status_false_may_be_stale(simulator_http: httpx.Client, group: str) -> None:
    body = {"inputs": [{"input": "q", "processor": "lite"}]}
    path = f"{GROUPS}/{group}/runs"
    answer = simulator_http.post(path, json=body, params={"refresh_status": "false"}).json()
    assert len(answer["run_ids"]) == 1
    assert answer["status"]["num_task_runs"] == 0


def test_the_list_shows_runs_as_they_are_now(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    inputs = [{"input": f"q{n}", "processor": "lite", "metadata": {"key": f"k{n}"}} for n in (1, 2)]
    added = add_runs(simulator_http, group, *inputs)
    bare = listed(simulator_http, group)
    assert [e["run"]["run_id"] for e in bare] == added["run_ids"]
    assert [e["run"]["metadata"] for e in bare] == [{"key": "k1"}, {"key": "k2"}]
    assert {e["run"]["taskgroup_id"] for e in bare} == {group}
    assert all(e["run"]["status"] == "queued" for e in bare)
    assert not any("input" in e or "output" in e for e in bare)
    manual(simulator).advance(200)
    full = listed(simulator_http, group, include_input=True, include_output=True)
    assert [e["input"] for e in full] == inputs
    assert all(e["output"]["content"] for e in full)


def test_the_list_can_be_filtered_and_resumed(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    simulator.scripts.add(RunScript("failed", contains="bad"))
    add_runs(simulator_http, group, "one", "bad", "three")
    manual(simulator).advance(200)
    everything = listed(simulator_http, group)
    failed = listed(simulator_http, group, status="failed")
    assert len({e["event_id"] for e in everything}) == 3
    assert [e["event_id"] for e in failed] == [everything[1]["event_id"]]
    rest = listed(simulator_http, group, last_event_id=everything[0]["event_id"])
    assert rest == everything[1:]


def test_cursors_point_to_the_runs_just_added(simulator_http: httpx.Client, group: str) -> None:
    first = add_runs(simulator_http, group, "one", "two")
    assert first["run_cursor"] is None
    assert first["event_cursor"] is None
    second = add_runs(simulator_http, group, "three")
    new = listed(simulator_http, group, last_event_id=second["run_cursor"])
    assert [e["run"]["run_id"] for e in new] == second["run_ids"]
    events = stream(
        simulator_http, f"{GROUPS}/{group}/events", last_event_id=second["event_cursor"]
    )
    assert events[0]["status"]["num_task_runs"] == 3


def test_a_late_commit_is_retrievable_but_not_listed_nor_counted(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    simulator.scripts.add(RunScript(contains="late", late_commit=8, seconds=4))
    late, soon = add_runs(simulator_http, group, "late", "soon")["run_ids"]
    assert simulator_http.get(f"{RUNS}/{late}").status_code == 200
    assert [e["run"]["run_id"] for e in listed(simulator_http, group)] == [soon]
    assert status(simulator_http, group)["num_task_runs"] == 1
    manual(simulator).advance(8)
    shown = listed(simulator_http, group)
    assert [e["run"]["run_id"] for e in shown] == [soon, late]
    assert shown[-1]["run"]["status"] == "completed"
    assert status(simulator_http, group)["num_task_runs"] == 2


def test_a_late_commit_is_billed_like_any_other(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    simulator.scripts.add(RunScript(late_commit=500, seconds=1))
    [late] = add_runs(simulator_http, group, "late")["run_ids"]
    manual(simulator).advance(1)
    assert [line.run_id for line in simulator.billing.billed_runs()] == [late]


def test_group_events_follow_all_runs_to_their_end(
    simulator_http: httpx.Client, group: str
) -> None:
    added = add_runs(simulator_http, group, "one", "two")
    events = stream(simulator_http, f"{GROUPS}/{group}/events")
    ended = [e["run"]["run_id"] for e in events if e["type"] == "task_run.state"]
    assert sorted(ended) == sorted(added["run_ids"])
    assert events[-1]["type"] == "task_group_status"
    assert events[-1]["status"]["task_run_status_counts"] == {"completed": 2}


def test_group_events_resume_after_any_event(simulator_http: httpx.Client, group: str) -> None:
    add_runs(simulator_http, group, "one", "two", "three")
    path = f"{GROUPS}/{group}/events"
    events = stream(simulator_http, path)
    for n, event in enumerate(events):
        assert stream(simulator_http, path, last_event_id=event["event_id"]) == events[n + 1 :]


def test_an_event_keeps_its_position_when_later_ones_arrive(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    path = f"{GROUPS}/{group}/events"
    simulator.scripts.add(RunScript(seconds=100, contains="long"), RunScript(late_commit=30))
    add_runs(simulator_http, group, "long", "late")
    before = stream(simulator_http, path, timeout=10)
    add_runs(simulator_http, group, "short")
    simulator.settle(before_run(simulator_http, group))
    after = stream(simulator_http, path)
    assert after[: len(before)] == before


def before_run(http: httpx.Client, group: str) -> str:
    run_id: str = listed(http, group)[0]["run"]["run_id"]
    return run_id


def test_group_events_stop_at_their_timeout(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    simulator.scripts.add(RunScript(seconds=1000))
    add_runs(simulator_http, group, "slow")
    stream(simulator_http, f"{GROUPS}/{group}/events", timeout=30)
    assert manual(simulator).monotonic() == 30
    simulator.scripts.add(RunScript("stay_queued"))
    add_runs(simulator_http, group, "never")
    stream(simulator_http, f"{GROUPS}/{group}/events")
    assert manual(simulator).monotonic() == 30 + 3600


def test_an_unknown_event_id_is_refused(simulator_http: httpx.Client, group: str) -> None:
    for tail in ("runs", "events"):
        answer = simulator_http.get(f"{GROUPS}/{group}/{tail}", params={"last_event_id": "nope"})
        assert answer.status_code == 422
        assert listed_errors(answer)[0]["loc"] == ["query", "last_event_id"]


def test_a_run_is_found_only_in_its_own_group(simulator_http: httpx.Client, group: str) -> None:
    [inside] = add_runs(simulator_http, group, "q")["run_ids"]
    outside = create(simulator_http)["run_id"]
    assert simulator_http.get(f"{GROUPS}/{group}/runs/{inside}").json()["taskgroup_id"] == group
    assert simulator_http.get(f"{GROUPS}/{group}/runs/{outside}").status_code == 404
    assert simulator_http.get(f"{GROUPS}/tgrp_nobody").status_code == 404


def test_the_default_spec_is_for_runs_without_one(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    own = {"input": "b", "processor": "lite", "task_spec": {"output_schema": {"type": "auto"}}}
    default = {"output_schema": "one line"}
    add_runs(simulator_http, group, "a", own, default_task_spec=default)
    manual(simulator).advance(200)
    kinds = [e["output"]["type"] for e in listed(simulator_http, group, include_output=True)]
    assert kinds == ["text", "json"]


def test_all_runs_of_a_request_are_accepted_or_none(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    inputs = [{"input": "a", "processor": "lite"}, {"input": "b", "processor": "nosuch"}]
    answer = simulator_http.post(f"{GROUPS}/{group}/runs", json={"inputs": inputs})
    assert answer.status_code == 422
    assert [e["loc"] for e in listed_errors(answer)] == [["body", "inputs", 1, "processor"]]
    assert simulator.runs() == []


@pytest.mark.parametrize("inputs", [[{"input": "q", "processor": "lite"}] * 1001, None])
def test_a_request_holds_up_to_1000_runs(
    simulator_http: httpx.Client, group: str, inputs: object
) -> None:
    answer = simulator_http.post(f"{GROUPS}/{group}/runs", json={"inputs": inputs})
    assert answer.status_code == 422


def test_a_run_that_waited_for_a_person_is_logged_again_when_it_ends(
    simulator: Simulator, simulator_http: httpx.Client, group: str
) -> None:
    path = f"{GROUPS}/{group}/events"
    simulator.scripts.add(RunScript("action_required"))
    [run_id] = add_runs(simulator_http, group, "q")["run_ids"]
    seen = stream(simulator_http, path)
    simulator.settle(run_id)
    after = stream(simulator_http, path, last_event_id=seen[-1]["event_id"])
    assert [e["run"]["status"] for e in after if "run" in e] == ["completed"]
