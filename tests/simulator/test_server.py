"""The server: control over HTTP, many clients at once, and the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from langchain_parallel.simulator import ManualClock, RunningServer, RunScript, Simulator, serve
from langchain_parallel.simulator.__main__ import main as command
from langchain_parallel.simulator.access import Access

from .helpers import GROUPS, KEY, RUNS, add_runs, create, http_to, new_group, result


@pytest.fixture
def http(simulator_server: RunningServer) -> httpx.Client:  # type: ignore[misc]  # a generator
    token = {"x-simulator-token": simulator_server.control_token}
    with httpx.Client(base_url=simulator_server.url, headers={**KEY, **token}) as http:
        yield http


def test_faults_can_be_added_from_another_process(http: httpx.Client) -> None:
    control = "/_simulator/faults"
    added = http.post(control, json={"kind": "status_before", "status": 500}).json()
    assert [f["kind"] for f in added] == ["status_before"]
    http.post(control, json=[{"kind": "drop_before"}, {"kind": "refuse"}])
    assert http.get(f"{RUNS}/x").status_code == 500
    assert [f["kind"] for f in http.get(control).json()] == ["drop_before", "refuse"]
    assert http.delete(control).json() == []
    assert http.get(f"{RUNS}/x").status_code == 404


def test_scripts_billing_requests_and_reset_too(http: httpx.Client) -> None:
    http.post("/_simulator/scripts", json={"outcome": "stay_queued", "warnings": ["w"]})
    run = create(http, processor="pro")
    bill = http.get("/_simulator/billing").json()
    assert (bill["total_usd"], bill["reserved_usd"]) == (0, 0.1)
    http.post("/_simulator/settle", json={"run_id": run["run_id"]})
    bill = http.get("/_simulator/billing").json()
    assert [line["run_id"] for line in bill["billed"]] == [run["run_id"]]
    assert [e["path"] for e in http.get("/_simulator/requests").json()] == [RUNS]
    assert len(http.get("/_simulator/runs").json()) == 1
    http.post("/_simulator/reset")
    assert http.get("/_simulator/runs").json() == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("faults", {"kind": "gremlin"}, 422),
        ("faults", {"kind": "hang", "colour": "red"}, 422),
        ("faults", "hang", 422),
        ("faults", {"kind": "hang", "seconds": "soon"}, 422),
        ("scripts", {"outcome": "vanished"}, 422),
        ("scripts", [{"skip": []}], 422),
        ("settle", {"run_id": "trun_nobody"}, 422),
        ("settle", {"run_id": ["trun_nobody"]}, 422),
        ("settle", [], 422),
        ("advance", {"seconds": 5}, 409),
        ("nothing", {}, 404),
    ],
)
def test_a_wrong_control_request_is_refused(
    http: httpx.Client, path: str, body: object, code: int
) -> None:
    answer = http.post(f"/_simulator/{path}", json=body)
    assert answer.status_code == code
    assert answer.json()["error"]["message"]


def test_a_manual_clock_can_be_advanced_over_http() -> None:
    with (
        serve(Simulator(ManualClock())) as server,
        httpx.Client(base_url=server.url, headers=KEY) as http,
    ):
        http.headers["x-simulator-token"] = server.control_token
        run = create(http, processor="ultra8x")
        http.post("/_simulator/advance", json={"seconds": 7200})
        assert http.get(f"{RUNS}/{run['run_id']}").json()["status"] == "completed"


def test_a_waiting_response_notices_a_change_at_once(
    simulator_server: RunningServer, http: httpx.Client
) -> None:
    simulator_server.simulator.scripts.add(RunScript("stay_queued"))
    run = create(http)
    timer = threading.Timer(0.1, simulator_server.simulator.settle, [run["run_id"]])
    timer.start()
    before = time.monotonic()
    result(http, run)
    assert time.monotonic() - before < 3


def test_runs_added_to_a_group_reach_an_open_stream(
    simulator_server: RunningServer, http: httpx.Client
) -> None:
    simulator_server.simulator.scripts.add(RunScript("stay_queued", contains="slow"))
    group = new_group(http)
    add_runs(http, group, "slow")
    timer = threading.Timer(0.1, add_in_a_thread, [simulator_server.url, group])
    timer.start()
    with http.stream("GET", f"{GROUPS}/{group}/events", timeout=10) as answer:
        assert any("task_run.state" in line for line in answer.iter_lines())
    timer.join()


def add_in_a_thread(url: str, group: str) -> None:
    with httpx.Client(base_url=url, headers=KEY) as http:
        add_runs(http, group, "quick")


def test_connections_are_kept_alive(simulator_server: RunningServer, http: httpx.Client) -> None:
    ports = set()
    for _ in range(5):
        with http.stream("POST", RUNS, json={"input": "q", "processor": "lite"}) as answer:
            answer.read()
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


def test_a_client_that_leaves_does_not_affect_other_clients(
    simulator_server: RunningServer, http: httpx.Client
) -> None:
    simulator_server.simulator.scripts.add(RunScript("stay_queued"))
    run = create(http)
    for _ in range(5):
        with pytest.raises(httpx.ReadTimeout):
            http.get(f"{RUNS}/{run['run_id']}/result", timeout=0.02)
    deadline = time.monotonic() + 5
    while len(simulator_server._connections) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(simulator_server._connections) <= 1
    assert http.get(f"{RUNS}/{run['run_id']}").status_code == 200


POST = f"POST {RUNS} HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n".encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01 not http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        POST + b"content-length: many\r\n\r\n",
        POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        POST + b"transfer-encoding: chunked\r\n\r\nnot a size\r\n",
        POST + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["no request", "no host", "no length", "two lengths", "no chunk", "a long head"],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(
    simulator_server: RunningServer, sent: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", simulator_server.port), timeout=5) as raw:
        raw.sendall(sent)
        data = b""
        while piece := raw.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert json.loads(body)["error"]["message"].startswith("Bad request")
    assert simulator_server.simulator.runs() == []


def test_a_client_that_asks_whether_to_go_on_is_told_to(simulator_server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", simulator_server.port), timeout=5) as raw:
        raw.sendall(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 100")
        raw.sendall(b"{}")
        assert raw.recv(1000).startswith(b"HTTP/1.1 422")


def test_a_head_request_has_an_answer_without_a_body(http: httpx.Client) -> None:
    addresses = set()
    for _ in range(2):
        with http.stream("HEAD", RUNS) as answer:
            assert (answer.status_code, answer.read()) == (405, b"")
            addresses.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(addresses) == 1


def test_two_requests_in_one_packet_are_both_answered(simulator_server: RunningServer) -> None:
    one = f"GET {RUNS}/x HTTP/1.1\r\nhost: localhost\r\nx-api-key: k\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", simulator_server.port), timeout=5) as raw:
        raw.sendall(one * 2)
        data = b""
        while data.count(b"Run id not found") < 2:
            data += raw.recv(65536)
    assert data.count(b"HTTP/1.1 404") == 2


@pytest.mark.parametrize("socketed", [True, False])
def test_many_threads_get_all_their_answers(socketed: bool) -> None:
    simulator = Simulator(ManualClock())

    def work(http: httpx.Client) -> list[str]:
        return [create(http, f"q{n}")["run_id"] for n in range(25)]

    with serve(simulator) as server:
        clients = [
            httpx.Client(base_url=server.url, headers=KEY) if socketed else http_to(simulator)
            for _ in range(8)
        ]
        with ThreadPoolExecutor(8) as pool:
            ids = [i for found in pool.map(work, clients) for i in found]
        for client in clients:
            client.close()
    assert len(set(ids)) == len(ids) == len(simulator.runs()) == len(simulator.requests) == 200


def test_a_server_can_be_stopped_while_clients_wait() -> None:
    simulator = Simulator(latency_scale=1)
    failures: list[Exception] = []

    def wait(url: str, run_id: str) -> None:
        try:
            httpx.get(f"{url}{RUNS}/{run_id}/result", headers=KEY, timeout=30)
        except httpx.TransportError as error:
            failures.append(error)

    with serve(simulator) as server, httpx.Client(base_url=server.url, headers=KEY) as http:
        run = create(http, processor="ultra8x")
        thread = threading.Thread(target=wait, args=(server.url, run["run_id"]))
        thread.start()
        while len(simulator.requests) < 2:
            time.sleep(0.01)
    thread.join(timeout=5)
    assert len(failures) == 1


def test_the_command_line_serves_and_stops(tmp_path: Path) -> None:
    scenario = tmp_path / "s.json"
    scenario.write_text(json.dumps({"turns": [{"match": "q", "content": {"a": 1}, "seconds": 1}]}))
    options = ["--latency-scale", "0.01", "--scenario", str(scenario), "--seed", "3"]
    command = [sys.executable, "-m", "langchain_parallel", "simulator", *options]
    folder = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, headers=KEY) as http:
            assert result(http, create(http, "q"))["output"]["content"] == {"a": 1}
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(timeout=10) == 0


def test_a_port_in_use_is_an_os_error(simulator_server: RunningServer) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="in use"), serve(Simulator(), port=simulator_server.port):
        pass
    assert threading.active_count() == before


# --- for this machine alone -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.7", "example.com", "localhost.example.com"]
)
def test_it_does_not_listen_where_other_machines_reach_it(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="expose"), serve(Simulator(), host):
        pass  # pragma: no cover
    with pytest.raises(SystemExit) as caught:
        command(["--host", host])
    assert caught.value.code == 2
    assert "--expose" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8"])
def test_it_listens_on_any_address_of_this_machine_alone(host: str) -> None:
    with serve(Simulator(), host) as server:
        assert httpx.get(f"{server.url}{RUNS}/x", headers=KEY).status_code == 404


REBOUND = [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "192.0.2.7:8000",
    "",
    "[2001:db8::1]:80",
]


@pytest.mark.parametrize("name", REBOUND)
def test_a_page_reaches_it_under_no_name_of_its_own(
    simulator_server: RunningServer, name: str
) -> None:
    control = {"x-simulator-token": simulator_server.control_token}
    for path in (f"{RUNS}/x", "/_simulator/runs"):
        answer = httpx.get(simulator_server.url + path, headers={**KEY, **control, "host": name})
        assert answer.status_code == 421
        assert answer.json()["error"]["message"]
    assert simulator_server.simulator.requests == []


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:8000", "a.localhost"]
)
def test_it_answers_under_the_names_of_its_own_machine(
    simulator_server: RunningServer, name: str
) -> None:
    answer = httpx.get(f"{simulator_server.url}{RUNS}/x", headers={**KEY, "host": name})
    assert answer.status_code == 404


def test_exposed_it_answers_under_any_name() -> None:
    with serve(Simulator(), "0.0.0.0", expose=True) as server:
        url = f"http://127.0.0.1:{server.port}{RUNS}/x"
        assert httpx.get(url, headers={**KEY, "host": "simulator:8000"}).status_code == 404
        control = f"http://127.0.0.1:{server.port}/_simulator/runs"
        assert httpx.get(control, headers={"host": "simulator"}).status_code == 401


@pytest.mark.parametrize("token", [None, "", "wrong", "ü"])
@pytest.mark.parametrize("path", ["runs", "faults", "nothing"])
def test_control_calls_need_the_token(
    simulator_server: RunningServer, path: str, token: str | None
) -> None:
    headers = httpx.Headers({} if token is None else {"x-simulator-token": token}, "utf-8")
    for method in ("GET", "POST", "DELETE"):
        url = f"{simulator_server.url}/_simulator/{path}"
        answer = httpx.request(method, url, headers=headers)
        assert answer.status_code == 401
        assert simulator_server.control_token not in answer.text


def test_tokens_differ_and_can_be_given() -> None:
    with serve(Simulator()) as one, serve(Simulator()) as other:
        assert one.control_token != other.control_token
        assert len(one.control_token) >= 16
    with serve(Simulator(), control_token="given") as server:
        assert server.control_token == "given"


WEBHOOK = {"event_types": ["task_run.status"]}


@pytest.mark.parametrize(
    "url", ["http://192.0.2.7/x", "http://example.com", "http://127.0.0.1.nip.io", "http://["]
)
def test_webhooks_are_not_posted_to_other_machines(url: str) -> None:
    access = Access("127.0.0.1")
    assert not access.may_post_to(url)
    assert Access("127.0.0.1", webhooks_anywhere=True).may_post_to(url) or url == "http://["


@pytest.mark.parametrize(
    "url", ["http://localhost:99999", "http://localhost:0", "http://[", "x", ""]
)
def test_an_odd_address_of_a_webhook_keeps_no_other_from_being_sent(
    simulator_server: RunningServer, http: httpx.Client, url: str
) -> None:
    create(http, webhook={"url": url, **WEBHOOK})
    half = b'{"url": "http://localhost:1/\\ud800", "event_types": ["task_run.status"]}'
    http.post(RUNS, content=b'{"input": "q", "processor": "lite", "webhook": ' + half + b"}")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        port = listening.getsockname()[1]
        create(http, webhook={"url": f"http://127.0.0.1:{port}/", **WEBHOOK})
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(4) == b"POST"


def test_a_webhook_to_another_machine_is_dropped_and_said(
    simulator_server: RunningServer, caplog: pytest.LogCaptureFixture, http: httpx.Client
) -> None:
    create(http, webhook={"url": "http://hooks.invalid/x", **WEBHOOK})
    outbox = simulator_server.simulator._webhooks
    deadline = time.monotonic() + 20
    while "webhooks_anywhere" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "webhooks_anywhere" in caplog.text
    assert not outbox.has_pending
