"""What happens later than a client expects: acceptance, a run's own page, the count of its group."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import Fault, RunningServer, RunScript, Simulator, serve

from ..webhooks.serving import until
from .helpers import GROUPS, KEY, RUNS, add_runs, ahttp_to, create, error, manual, new_group, stream
from .test_faults import Setting, setting

__all__ = ["setting"]
ASK: dict[str, Any] = {"inputs": [{"input": "q", "processor": "lite"}]}


def listed(http: httpx.Client, group: str) -> list[str]:
    return [event["run"]["run_id"] for event in stream(http, f"{GROUPS}/{group}/runs")]


def counted(http: httpx.Client, group: str) -> int:
    count: int = http.get(f"{GROUPS}/{group}").json()["status"]["num_task_runs"]
    return count


# --- slow acceptance ------------------------------------------------------------------------------


def test_the_answer_comes_when_the_request_is_processed(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_acceptance", seconds=0.2))
    before = setting.simulator.clock.monotonic()
    assert setting.post().json()["status"] == "queued"
    assert setting.simulator.clock.monotonic() - before >= 0.2
    assert len(setting.simulator.runs()) == 1


def test_what_a_client_left_is_processed_all_the_same(setting: Setting) -> None:
    group = new_group(setting.http)
    setting.simulator.faults.add(Fault("slow_acceptance", method="POST", seconds=0.6))
    with pytest.raises(httpx.ReadTimeout):
        setting.http.post(f"{GROUPS}/{group}/runs", json=ASK, timeout=0.1)
    assert listed(setting.http, group) == []
    assert counted(setting.http, group) == 0
    if not setting.socket:
        manual(setting.simulator).advance(0.6)
    until(lambda: len(setting.simulator.runs()) == 1)
    assert len(listed(setting.http, group)) == counted(setting.http, group) == 1


async def test_slow_acceptance_in_process_async(simulator: Simulator) -> None:
    simulator.faults.add(Fault("slow_acceptance", seconds=25, times=2))
    async with ahttp_to(simulator, timeout=60) as http:
        assert (await http.post(RUNS, json=ASK["inputs"][0])).status_code == 202
        with pytest.raises(httpx.ReadTimeout):
            await http.post(RUNS, json=ASK["inputs"][0], timeout=5)
    assert len(simulator.runs()) == 1
    manual(simulator).advance(20)
    assert len(simulator.runs()) == 2


def test_it_was_processed_at_its_time_however_late_anybody_looks(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.faults.add(
        Fault("drop_after", acts_after=50), Fault("drop_after", acts_after=20), Fault("drop_after")
    )
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            simulator_http.post(RUNS, json=ASK["inputs"][0])
    manual(simulator).advance(1000)
    third, second, first = (simulator.find_run(run["run_id"]) for run in simulator.runs())
    assert (third.created, second.created, first.created) == (0, 20, 50)
    assert simulator.billing.total_usd == pytest.approx(0.015)


def test_a_refused_late_request_is_refused_then(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_acceptance", seconds=0.1))
    answer = setting.http.post(RUNS, json={"input": "q", "processor": "none"})
    assert answer.status_code == 422
    assert setting.simulator.runs() == []


def test_a_server_that_is_reset_forgets_what_it_had_not_accepted(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_acceptance", seconds=0.4))
    with pytest.raises(httpx.ReadTimeout):
        setting.post(timeout=0.1)
    setting.simulator.reset()
    setting.simulator.clock.sleep(0.5)
    assert setting.simulator.runs() == []


def test_a_killed_client_is_billed(simulator_server: RunningServer) -> None:
    """As above, with a process that is gone, and that nobody asks after."""
    simulator_server.simulator.faults.add(Fault("slow_acceptance", seconds=0.5))
    url, [body] = simulator_server.url + RUNS, ASK["inputs"]
    code = f"import httpx; httpx.post({url!r}, json={body!r}, headers={KEY!r}, timeout=60)"
    process = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: len(simulator_server.simulator.requests) == 1)
    process.kill()
    process.wait()
    assert simulator_server.simulator.runs() == []
    until(lambda: len(simulator_server.simulator.runs()) == 1)


def test_an_open_stream_shows_what_is_accepted_late(simulator_server: RunningServer) -> None:
    simulator = simulator_server.simulator
    simulator.scripts.add(RunScript("stay_queued", contains="slow"))
    with httpx.Client(base_url=simulator_server.url, headers=KEY, timeout=10) as http:
        group = new_group(http)
        add_runs(http, group, "slow")
        simulator.faults.add(Fault("drop_after", method="POST", acts_after=0.2))
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(f"{GROUPS}/{group}/runs", json=ASK)
        with http.stream("GET", f"{GROUPS}/{group}/events") as answer:
            assert any("task_run.state" in line for line in answer.iter_lines())


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_status_before_or_after_acceptance_may_say_when_to_retry(
    setting: Setting, status: int
) -> None:
    setting.simulator.faults.add(
        Fault("status_after", status=status, retry_after=120, acts_after=0.2),
        Fault("status_before", status=status, retry_after=1.5),
    )
    answers = [setting.post(), setting.post()]
    assert [a.status_code for a in answers] == [status, status]
    assert [a.headers["retry-after"] for a in answers] == ["120", "1.5"]
    setting.simulator.clock.sleep(0.25)
    assert len(setting.simulator.runs()) == 1


# --- late runs and counts -------------------------------------------------------------------------


def test_a_late_run_is_listed_but_cannot_be_retrieved(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript(late_run=3, seconds=100))
    group = new_group(simulator_http)
    [run_id] = add_runs(simulator_http, group, "q")["run_ids"]
    assert listed(simulator_http, group) == [run_id]
    paths = [f"{RUNS}/{run_id}{below}" for below in ("", "/input", "/result", "/events")]
    paths.append(f"{GROUPS}/{group}/runs/{run_id}")
    for path in paths:
        answer = simulator_http.get(path)
        assert answer.status_code == 404
        assert error(answer)["message"] == "Run id not found"
    manual(simulator).advance(3)
    assert {simulator_http.get(path, timeout=None).status_code for path in paths} == {200}


@pytest.mark.parametrize(
    ("options", "before"),
    [
        ({"late_commit": 5}, (0, 0)),
        ({"late_count": 5}, (1, 0)),
        ({"late_commit": 5, "late_count": 0}, (0, 1)),
    ],
)
def test_list_and_count_may_be_late_each_by_itself(
    simulator: Simulator, simulator_http: httpx.Client, options: Any, before: tuple[int, int]
) -> None:
    simulator.scripts.add(RunScript(**options))
    group = new_group(simulator_http)
    add_runs(simulator_http, group, "q")
    assert (len(listed(simulator_http, group)), counted(simulator_http, group)) == before
    manual(simulator).advance(5)
    assert (len(listed(simulator_http, group)), counted(simulator_http, group)) == (1, 1)


# --- by hand --------------------------------------------------------------------------------------


def test_the_command_line_takes_faults_scripts_and_the_listing() -> None:
    given = {
        "--fault": '{"kind": "status_before", "status": 418, "times": 1}',
        "--script": '{"late_count": 60, "times": null}',
        "--listing": '{"newest_first": true, "page": 2}',
    }
    options = [part for pair in given.items() for part in pair]
    command = [sys.executable, "-m", "langchain_parallel", "simulator", *options]
    folder = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, headers=KEY) as http:
            assert http.get(RUNS).status_code == 418
            group = new_group(http)
            run_ids = add_runs(http, group, "a", "b", "c")["run_ids"]
            assert listed(http, group) == run_ids[:0:-1]
            assert counted(http, group) == 0
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--fault", '{"kind": "gremlin"}', "unknown fault 'gremlin'"),
        ("--fault", "hang", "Expecting value"),
        ("--listing", '{"pages": 2}', "newest_first, page, most"),
        ("--script", "[1]", "give an object"),
        ("--fault", "{}", "needed: kind"),
    ],
)
def test_the_command_line_refuses_a_wrong_one(
    option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from langchain_parallel.simulator.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main([option, value])
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_the_server_keeps_its_word_over_the_control_endpoints() -> None:
    with serve(Simulator(latency_scale=0)) as server, httpx.Client(base_url=server.url) as http:
        http.headers["x-simulator-token"] = server.control_token
        order = {"kind": "drop_after", "acts_after": 0.1}
        [pending] = http.post("/_simulator/faults", json=order).json()
        assert pending["acts_after"] == 0.1
        http.post("/_simulator/scripts", json={"late_run": 9, "times": None})
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(RUNS, json=ASK["inputs"][0], headers=KEY)
        assert http.get("/_simulator/runs").json() == []
        until(lambda: len(http.get("/_simulator/runs").json()) == 1)
        http.headers.update(KEY)
        assert http.get(f"{RUNS}/{create(http)['run_id']}").status_code == 404
