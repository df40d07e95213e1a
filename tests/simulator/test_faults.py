"""Each kind of fault: the client sees the same in process and over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RealClock,
    RunningServer,
    RunScript,
    Simulator,
    serve,
)

from ..webhooks.serving import until
from .helpers import (
    GROUPS,
    KEY,
    RUNS,
    add_runs,
    ahttp_to,
    create,
    error,
    http_to,
    new_group,
    parsed,
)

BODY = {"input": "q", "processor": "lite"}


@dataclass
class Setting:
    simulator: Simulator
    http: httpx.Client
    socket: bool

    def post(self, **options: Any) -> httpx.Response:
        return self.http.post(RUNS, json=BODY, **options)


@pytest.fixture(params=["in process", "socket"])
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    if request.param == "socket":
        with (
            serve(Simulator(RealClock(), latency_scale=0.001)) as server,
            httpx.Client(base_url=server.url, headers=KEY) as http,
        ):
            yield Setting(server.simulator, http, True)
    else:
        simulator = Simulator(ManualClock())
        with http_to(simulator) as http:
            yield Setting(simulator, http, False)


def test_refused(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("refuse"))
    expected = (
        (httpx.ReadError, httpx.RemoteProtocolError) if setting.socket else httpx.ConnectError
    )
    with pytest.raises(expected):
        setting.post()
    assert setting.simulator.runs() == []


@pytest.mark.parametrize(("kind", "processed"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped(setting: Setting, kind: Any, processed: int) -> None:
    setting.simulator.faults.add(Fault(kind))
    with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected without"):
        setting.post()
    assert len(setting.simulator.runs()) == processed
    assert setting.post().status_code == 202


@pytest.mark.parametrize(("kind", "processed"), [("drop_before", 0), ("drop_after", 1)])
def test_reset(setting: Setting, kind: Any, processed: int) -> None:
    setting.simulator.faults.add(Fault(kind, reset=True))
    with pytest.raises(httpx.ReadError):
        setting.post()
    assert len(setting.simulator.runs()) == processed


@pytest.mark.parametrize(("kind", "processed"), [("status_before", 0), ("status_after", 1)])
@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 418])
def test_any_status(setting: Setting, kind: Any, processed: int, status: int) -> None:
    setting.simulator.faults.add(Fault(kind, status=status))
    answer = setting.post()
    assert answer.status_code == status
    assert "simulated fault" in error(answer)["message"]
    assert len(setting.simulator.runs()) == processed


def test_rate_limited_by_seconds(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("rate_limit", seconds=7, times=2))
    answers = [setting.post() for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 202]
    assert answers[0].headers["retry-after"] == "7"
    assert len(setting.simulator.runs()) == 1


def test_rate_limited_by_date(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("rate_limit", seconds=30, as_date=True))
    date = parsedate_to_datetime(setting.post().headers["retry-after"])
    assert 28 <= date.timestamp() - setting.simulator.clock.now() <= 30


def test_payment_required(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("payment_required"))
    assert setting.post().status_code == 402
    assert setting.simulator.runs() == []


def test_slow_head(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_head", seconds=0.4))
    began = setting.simulator.clock.monotonic()
    assert setting.post().status_code == 202
    assert setting.simulator.clock.monotonic() - began >= 0.39
    assert setting.post().status_code == 202
    assert len(setting.simulator.runs()) == 2


def test_a_slow_head_runs_into_the_read_timeout(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_head", seconds=80))
    with pytest.raises(httpx.ReadTimeout):
        setting.post(timeout=0.2)
    assert len(setting.simulator.runs()) == 1


def test_slow_body(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_body", seconds=0.4))
    before = setting.simulator.clock.monotonic()
    assert setting.post().json()["status"] == "queued"
    assert setting.simulator.clock.monotonic() - before >= 0.39


def test_a_slow_body_runs_into_the_read_timeout(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("slow_body", seconds=80))
    with pytest.raises(httpx.ReadTimeout):
        setting.post(timeout=0.1)
    until(lambda: len(setting.simulator.runs()) == 1)  # a server under load may still be at it


@pytest.mark.parametrize("after", [None, 0, 1, 50])
def test_truncated_body(setting: Setting, after: int | None) -> None:
    setting.simulator.faults.add(Fault("truncated_body", after_bytes=after))
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        setting.post()
    assert len(setting.simulator.runs()) == 1


def test_malformed_json(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("malformed_json"))
    answer = setting.post()
    assert answer.status_code == 202
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_wrong_shape(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("wrong_shape"), Fault("wrong_shape", body=["no"]))
    first, second = setting.post(), setting.post()
    assert (first.status_code, first.json()) == (202, {"unexpected": True})
    assert second.json() == ["no"]
    assert len(setting.simulator.runs()) == 2


@pytest.mark.parametrize("processed", [True, False])
def test_hang_into_the_read_timeout(setting: Setting, processed: bool) -> None:
    setting.simulator.faults.add(Fault("hang", seconds=3600, processed=processed))
    before = setting.simulator.clock.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        setting.post(timeout=0.1)
    assert setting.simulator.clock.monotonic() - before < 5
    until(lambda: len(setting.simulator.runs()) == processed)


def test_hang_and_then_answer(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("hang", seconds=0.2))
    before = setting.simulator.clock.monotonic()
    assert setting.post().status_code == 202
    assert setting.simulator.clock.monotonic() - before >= 0.2


def test_unknown_fields(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("unknown_fields", times=None))
    run = setting.post().json()
    assert run["x_unknown"]
    assert run["metadata"] == {}
    path = f"{RUNS}/{run['run_id']}"
    body = setting.http.get(f"{path}/result", timeout=None).json()
    assert body["run"]["x_unknown"]
    assert body["output"]["basis"][0]["citations"][0]["x_unknown"]
    assert "x_unknown" not in body["output"]["content"]
    events = parsed(setting.http.get(f"{path}/events").text)
    assert all(e["x_unknown"] for e in events)


def test_unknown_status(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("unknown_status", unknown="napping"))
    assert setting.post().json()["status"] == "napping"


@pytest.fixture
def events_path(setting: Setting) -> str:
    """The events of a group whose runs are over: the same seven each time."""
    group = new_group(setting.http)
    setting.simulator.scripts.add(RunScript(seconds=0, times=5))
    add_runs(setting.http, group, *"abcde")
    path = f"{GROUPS}/{group}/events"
    assert len(parsed(read(setting, path)[0].decode())) == 7
    return path


def read(setting: Setting, path: str) -> tuple[bytes, bool]:
    """The bytes of a stream, and whether it ended too early."""
    data = b""
    try:
        with setting.http.stream("GET", path) as answer:
            for piece in answer.iter_raw():
                data += piece
    except httpx.RemoteProtocolError:
        return data, True
    return data, False


def test_sse_cut_inside_an_event(setting: Setting, events_path: str) -> None:
    whole, _ = read(setting, events_path)
    for events in (0, 1):
        setting.simulator.faults.add(Fault("sse_cut", after_events=events))
        data, broken = read(setting, events_path)
        assert broken
        assert whole.startswith(data)
        assert data.count(b"\n\n") == events
        assert not data.endswith(b"\n\n")


@pytest.mark.parametrize("size", [0, 1, 7, 300])
def test_sse_cut_after_any_byte(setting: Setting, events_path: str, size: int) -> None:
    whole, _ = read(setting, events_path)
    setting.simulator.faults.add(Fault("sse_cut", after_bytes=size))
    data, broken = read(setting, events_path)
    assert broken
    assert data == whole[:size]


def test_sse_error_event(setting: Setting, events_path: str) -> None:
    setting.simulator.faults.add(Fault("sse_error", after_events=1))
    events = parsed(read(setting, events_path)[0].decode())
    assert [e["type"] for e in events] == ["task_group_status", "error"]


def test_sse_unknown_events_and_heartbeats(setting: Setting, events_path: str) -> None:
    whole, _ = read(setting, events_path)
    setting.simulator.faults.add(Fault("sse_unknown_event"), Fault("sse_comment_heartbeats"))
    kinds = [e["type"] for e in parsed(read(setting, events_path)[0].decode())]
    assert kinds.count("task_run.telepathy") == len(kinds) // 2
    data, broken = read(setting, events_path)
    assert not broken
    assert data.count(b": heartbeat\n\n") == whole.count(b"\n\n")
    assert data.replace(b": heartbeat\n\n", b"") == whole


def test_a_fault_hits_only_the_requests_that_it_matches(setting: Setting) -> None:
    setting.simulator.faults.add(
        Fault("status_before", method="get", path="*/result", status=500),
        Fault("status_before", contains="special", status=501),
        Fault("status_before", method="POST", skip=2, status=502),
    )
    codes = [setting.post().status_code for _ in range(4)]
    assert codes == [202, 202, 502, 202]
    special = {"input": "special", "processor": "lite"}
    assert setting.http.post(RUNS, json=special).status_code == 501
    assert setting.http.get(f"{RUNS}/x/result").status_code == 500
    assert setting.simulator.faults.pending == ()


def test_one_request_gets_one_fault_in_the_order_queued(setting: Setting) -> None:
    setting.simulator.faults.add(Fault("drop_before"), Fault("status_before", status=500))
    with pytest.raises(httpx.RemoteProtocolError):
        setting.post()
    assert setting.post().status_code == 500


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="known: refuse, drop_before"):
        Fault("gremlin")  # type: ignore[arg-type]  # what this test is about


async def test_faults_in_process_async() -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(
        Fault("refuse"), Fault("drop_after"), Fault("truncated_body"), Fault("hang", seconds=99)
    )
    errors = []
    async with ahttp_to(simulator, timeout=5) as http:
        for _ in range(4):
            with pytest.raises(httpx.TransportError) as caught:
                await http.post(RUNS, json=BODY)
            errors.append(caught.type)
    truncated = httpx.RemoteProtocolError
    assert errors == [httpx.ConnectError, truncated, truncated, httpx.ReadTimeout]
    assert len(simulator.runs()) == 3


def test_an_unreachable_server_refuses_and_comes_back(simulator_server: RunningServer) -> None:
    url = f"{simulator_server.url}{RUNS}"
    with simulator_server.unreachable(), pytest.raises(httpx.ConnectError):
        httpx.post(url, json=BODY, headers=KEY)
    assert httpx.post(url, json=BODY, headers=KEY).status_code == 202


def test_dropped_connections_break_requests_under_way(simulator_server: RunningServer) -> None:
    simulator_server.simulator.scripts.add(RunScript("stay_queued"))
    with httpx.Client(base_url=simulator_server.url, headers=KEY) as http:
        run = create(http)
        with http.stream("GET", f"{RUNS}/{run['run_id']}/events") as answer:
            pieces = answer.iter_raw()
            next(pieces)
            simulator_server.drop_connections()
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                list(pieces)
        assert http.get(f"{RUNS}/{run['run_id']}").status_code == 200


def test_the_real_clock_in_process_notices_a_change_while_waiting() -> None:
    import threading

    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript("stay_queued"))
    with http_to(simulator, timeout=20) as http:
        run = create(http)
        timer = threading.Timer(0.1, simulator.settle, [run["run_id"]])
        timer.start()
        before = time.monotonic()
        assert http.get(f"{RUNS}/{run['run_id']}/result").status_code == 200
        assert time.monotonic() - before < 5
        timer.join()


def test_a_wrong_shape_arrives_when_the_response_would(setting: Setting) -> None:
    """The result of an active run is waited for on the server, and only then is its shape wrong."""
    run_id = setting.post().json()["run_id"]
    setting.simulator.faults.add(Fault("wrong_shape", path="*/result"))
    before = setting.simulator.clock.monotonic()
    answer = setting.http.get(f"{RUNS}/{run_id}/result", timeout=None)
    assert (answer.status_code, answer.json()) == (200, {"unexpected": True})
    assert setting.simulator.clock.monotonic() > before
