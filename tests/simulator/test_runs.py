"""One run from creation to result, waiting included."""

from __future__ import annotations

import httpx
import pytest

from langchain_parallel.processors import PROCESSORS
from langchain_parallel.simulator import ManualClock, RunScript, Simulator
from langchain_parallel.simulator.pricing import duration

from .helpers import GROUPS, RUNS, ahttp_to, ask, create, error, http_to, manual, result


def test_a_run_is_queued_then_running_then_completed(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = create(simulator_http, processor="ultra8x")
    path = f"{RUNS}/{run['run_id']}"
    assert (run["status"], run["is_active"]) == ("queued", True)
    manual(simulator).advance(10)
    assert simulator_http.get(path).json()["status"] == "running"
    manual(simulator).advance(7200)
    done = simulator_http.get(path).json()
    assert (done["status"], done["is_active"]) == ("completed", False)
    assert done["modified_at"] > done["created_at"]


def test_the_interaction_id_equals_the_run_id_only_with_equal_ids() -> None:
    for equal in (False, True):
        with http_to(Simulator(ManualClock(), equal_ids=equal)) as http:
            run = create(http)
            assert (run["interaction_id"] == run["run_id"]) is equal


def test_result_blocks_for_its_timeout_and_then_says_408(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = create(simulator_http, processor="ultra8x")
    answer = simulator_http.get(
        f"{RUNS}/{run['run_id']}/result", params={"timeout": 30}, timeout=None
    )
    assert answer.status_code == 408
    assert error(answer)["detail"] == {"run_id": run["run_id"], "status": "running"}
    assert manual(simulator).monotonic() == 30


def test_result_answers_as_soon_as_the_run_is_over(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript(seconds=42))
    body = result(simulator_http, create(simulator_http))
    assert manual(simulator).monotonic() == 42
    assert body["run"]["status"] == "completed"


def test_a_read_timeout_shorter_than_the_wait_is_raised(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = create(simulator_http, processor="ultra8x")
    with pytest.raises(httpx.ReadTimeout) as caught:
        simulator_http.get(f"{RUNS}/{run['run_id']}/result", timeout=5)
    assert manual(simulator).monotonic() == 5
    assert caught.value.request.url.path.endswith("/result")


async def test_the_same_transport_works_async(simulator: Simulator) -> None:
    async with ahttp_to(simulator) as http:
        run = (await http.post(RUNS, json={"input": "q", "processor": "pro"})).json()
        path = f"{RUNS}/{run['run_id']}"
        with pytest.raises(httpx.ReadTimeout):
            await http.get(f"{path}/result", timeout=5)
        answer = await http.get(f"{path}/result", timeout=None)
        assert answer.json()["output"]["type"] == "json"
        text = (await http.get(f"{path}/events")).text
        assert text.count("task_run.state") >= 2


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (RunScript("failed", message="out of luck", ref_id="ref-7"), "failed", 404),
        (RunScript("cancelled"), "cancelled", 404),
        (RunScript("action_required"), "action_required", 404),
        (RunScript("stay_queued"), "queued", 408),
        (RunScript(unknown_status="daydreaming"), "daydreaming", 404),
    ],
)
def test_a_script_decides_how_a_run_ends(
    simulator: Simulator, simulator_http: httpx.Client, script: RunScript, status: str, code: int
) -> None:
    simulator.scripts.add(script)
    run = create(simulator_http)
    answer = simulator_http.get(f"{RUNS}/{run['run_id']}/result", timeout=None)
    assert answer.status_code == code
    seen = simulator_http.get(f"{RUNS}/{run['run_id']}").json()
    assert seen["status"] == status
    assert seen["is_active"] is (status == "queued")
    if status == "failed":
        assert seen["error"] == {"ref_id": "ref-7", "message": "out of luck", "detail": None}
        assert error(answer)["message"] == "out of luck"
        assert error(answer)["ref_id"] == "ref-7"


def test_a_script_acts_only_on_the_runs_that_it_matches(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript("failed", contains="doomed", processor="base", skip=1))
    plan = [("doomed", "lite"), ("fine", "base"), ("doomed", "base"), ("doomed", "base")]
    runs = [create(simulator_http, text, processor=p) for text, p in [*plan, ("doomed", "base")]]
    manual(simulator).advance(1000)
    shown = [simulator_http.get(f"{RUNS}/{r['run_id']}").json()["status"] for r in runs]
    assert shown == ["completed", "completed", "completed", "failed", "completed"]


def test_warnings_are_on_the_run(simulator: Simulator, simulator_http: httpx.Client) -> None:
    simulator.scripts.add(RunScript(warnings=("look out",)))
    assert create(simulator_http)["warnings"] == [{"type": "warning", "message": "look out"}]


def test_settle_ends_a_run_now(simulator: Simulator, simulator_http: httpx.Client) -> None:
    simulator.scripts.add(RunScript("stay_queued", times=2))
    good, bad = create(simulator_http), create(simulator_http)
    simulator.settle(good["run_id"])
    simulator.settle(bad["run_id"], "failed", "gave up")
    assert result(simulator_http, good)["output"]["content"]
    assert simulator_http.get(f"{RUNS}/{bad['run_id']}").json()["error"]["message"] == "gave up"


def test_latency_scale_multiplies_durations_and_nothing_else() -> None:
    ends = {}
    for scale in (1.0, 0.1):
        simulator = Simulator(ManualClock(), latency_scale=scale)
        with http_to(simulator) as http:
            outputs = [ask(http, "q", processor="pro")]
            ends[scale] = (manual(simulator).monotonic(), outputs)
    assert ends[0.1][0] == pytest.approx(ends[1.0][0] / 10)
    assert ends[0.1][1] == ends[1.0][1]


@pytest.mark.parametrize("name", PROCESSORS)
def test_runs_take_as_long_as_the_public_table_says(name: str) -> None:
    known = PROCESSORS[name]
    times = [duration(name, n) for n in range(400)]
    least, most = known.seconds
    assert least <= min(times) < max(times) <= most
    assert max(times) - min(times) > 0.9 * (most - least)
    assert len({duration(name, "the same") for _ in range(3)}) == 1
    for share, seconds in ((0.5, known.p50), (0.9, known.p90)):
        if seconds is not None:
            done = sum(time <= seconds for time in times) / len(times)
            assert done == pytest.approx(share, abs=0.07)


def test_a_runs_time_is_one_of_its_processors(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    ask(simulator_http, processor="lite-fast")
    assert 10 <= manual(simulator).monotonic() <= 20


def test_answers_follow_from_the_seed() -> None:
    def story(seed: int) -> object:
        with http_to(Simulator(ManualClock(), seed=seed)) as http:
            return result(http, create(http, "q", processor="pro"))

    assert story(1) == story(1)
    assert story(1) != story(2)


@pytest.mark.parametrize("tail", ["", "/input", "/result", "/events"])
def test_an_unknown_run_is_404(simulator_http: httpx.Client, tail: str) -> None:
    answer = simulator_http.get(f"{RUNS}/trun_nobody{tail}")
    assert answer.status_code == 404
    assert error(answer)["message"] == "Run id not found"


def test_an_unknown_path_is_404(simulator_http: httpx.Client) -> None:
    assert simulator_http.get("/v1/nothing").status_code == 404
    for method, path, allow in (("DELETE", RUNS, "POST"), ("PUT", f"{GROUPS}/x/runs", "GET, POST")):
        answer = simulator_http.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)


def test_the_input_of_a_run_is_returned_as_sent(simulator_http: httpx.Client) -> None:
    body = {"metadata": {"k": "v"}, "memory_scope_key": "m", "source_policy": {"after_date": None}}
    run = create(simulator_http, {"country": "Nowhere"}, **body)
    given = simulator_http.get(f"{RUNS}/{run['run_id']}/input").json()
    assert given == {"input": {"country": "Nowhere"}, "processor": "lite", **body}
