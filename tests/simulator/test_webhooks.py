"""Webhooks: signatures, repetitions, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import httpx
import pytest
import standardwebhooks

from langchain_parallel.simulator import (
    Delivery,
    Fault,
    ManualClock,
    RunScript,
    Simulator,
    serve,
)

from .helpers import KEY, create, http_to, manual

URL = "https://hook.example/in"


def hooked(http: httpx.Client, url: str = URL, **body: object) -> dict[str, object]:
    return create(http, webhook={"url": url, "event_types": ["task_run.status"]}, **body)


SECRET = "whsec_SimulatedAndPublicSoItIsNoSecret"
"""The default one; the part after the prefix is base64, as a real one is."""


def decoded(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def expected(key: bytes, delivery: Delivery) -> str:
    """The signature after the API's description, without the simulator's own function."""
    head = f"{delivery.headers['webhook-id']}.{delivery.headers['webhook-timestamp']}."
    digest = hmac.new(key, head.encode() + delivery.body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_a_run_that_ends_is_announced_once(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    run = hooked(simulator_http, metadata={"k": "v"})
    assert simulator.due_webhooks() == []
    manual(simulator).advance(200)
    [delivery] = simulator.due_webhooks()
    assert delivery.url == URL
    assert delivery.json["type"] == "task_run.status"
    assert delivery.json["data"]["run_id"] == run["run_id"]
    assert delivery.json["data"]["status"] == "completed"
    assert "output" not in delivery.json["data"]
    assert delivery.headers["webhook-timestamp"] == str(int(simulator.clock.now()))
    assert simulator.due_webhooks() == []


OLD, NEW = "whsec_b2xk", "bmV3"


@pytest.mark.parametrize(
    ("scheme", "keys"),
    [
        ("standard", [b"old", b"new"]),
        ("legacy", [OLD.encode(), NEW.encode()]),
        ("both", [b"old", OLD.encode(), b"new", NEW.encode()]),
    ],
)
def test_each_secret_signs_by_the_accounts_scheme(scheme: Any, keys: list[bytes]) -> None:
    simulator = Simulator(ManualClock(), webhook_secrets=(OLD, NEW), webhook_scheme=scheme)
    with http_to(simulator) as http:
        hooked(http)
    manual(simulator).advance(200)
    [delivery] = simulator.due_webhooks()
    signatures = delivery.headers["webhook-signature"].split(" ")
    assert signatures == [expected(key, delivery) for key in keys]


def test_a_secret_that_is_not_base64_is_for_the_earlier_scheme() -> None:
    with pytest.raises(ValueError, match="legacy"):
        Simulator(webhook_secrets=("whsec_not-base64",))
    Simulator(webhook_secrets=("whsec_not-base64",), webhook_scheme="legacy")


def test_the_reference_library_verifies_what_is_sent() -> None:
    simulator = Simulator(ManualClock(start=time.time()))  # its own clock is the machine's
    with http_to(simulator) as http:
        run = hooked(http)
    manual(simulator).advance(200)
    [delivery] = simulator.due_webhooks()
    verify = standardwebhooks.Webhook(SECRET).verify
    assert verify(delivery.body, dict(delivery.headers))["data"]["run_id"] == run["run_id"]
    for wrong in (delivery.body + b" ", delivery.body.replace(b"completed", b"failed")):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verify(wrong, dict(delivery.headers))


def test_no_webhook_without_the_event_type(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    create(simulator_http)
    create(simulator_http, webhook={"url": URL})
    manual(simulator).advance(200)
    assert simulator.due_webhooks() == []


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "action_required"])
def test_every_outcome_is_announced(
    simulator: Simulator, simulator_http: httpx.Client, outcome: str
) -> None:
    simulator.scripts.add(RunScript(outcome))  # type: ignore[arg-type]  # from the list above
    hooked(simulator_http)
    manual(simulator).advance(200)
    assert [d.json["data"]["status"] for d in simulator.due_webhooks()] == [outcome]


def test_a_failed_delivery_is_repeated_after_5_seconds_then_twice_that_for_48_hours(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript(seconds=10))
    hooked(simulator_http)
    clock, times, ids = manual(simulator), [], set()
    clock.advance(10)
    for _ in range(60):
        for delivery in simulator.due_webhooks():
            times.append(clock.monotonic())
            ids.add(delivery.headers["webhook-id"])
            simulator.record_delivery(delivery, ok=False)
        clock.advance(5 * 2 ** (len(times) - 1))
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps[:6] == [5, 10, 20, 40, 80, 160]
    assert times[-1] - times[0] <= 48 * 3600 < times[-1] - times[0] + gaps[-1] * 2
    assert len(ids) == 1


def test_a_successful_delivery_is_not_repeated(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    hooked(simulator_http)
    manual(simulator).advance(200)
    [delivery] = simulator.due_webhooks()
    simulator.record_delivery(delivery, ok=True)
    manual(simulator).advance(10**6)
    assert simulator.due_webhooks() == []


def test_duplicates_losses_and_forgeries(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.faults.add(
        Fault("webhook_duplicate", path="*/double"),
        Fault("webhook_lose", path="*/lost"),
        Fault("webhook_forge", path="*/forged"),
    )
    for name in ("double", "lost", "forged", "plain"):
        hooked(simulator_http, f"https://hook.example/{name}")
    manual(simulator).advance(200)
    by_name: dict[str, list[Delivery]] = {}
    for delivery in simulator.due_webhooks():
        by_name.setdefault(delivery.url.rsplit("/", 1)[1], []).append(delivery)
    assert {name: len(found) for name, found in by_name.items()} == {
        "double": 2,
        "forged": 2,
        "plain": 1,
    }
    good = expected(decoded(SECRET), by_name["forged"][1])
    assert by_name["forged"][1].headers["webhook-signature"] == good
    forged = by_name["forged"][0]
    assert forged.headers["webhook-signature"] != expected(decoded(SECRET), forged)
    one, two = by_name["double"]
    assert one.headers["webhook-id"] == two.headers["webhook-id"]


class Receiver:
    """A listener on a real socket that stores every delivery and answers the first one with 500."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(500 if len(outer.bodies) == 1 else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def until(condition: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]  # a callable
        time.sleep(0.01)


def test_the_server_delivers_and_retries(receiver: Receiver) -> None:
    clock = ManualClock()
    simulator = Simulator(clock)
    with serve(simulator) as server, httpx.Client(base_url=server.url, headers=KEY) as http:
        hooked(http, receiver.url)
        clock.advance(200)
        until(lambda: len(receiver.bodies) == 1)
        until(lambda: simulator.has_pending_webhooks)
        clock.advance(5)
        until(lambda: len(receiver.bodies) == 2)
    assert len(receiver.bodies) == 2
    assert receiver.bodies[0] == receiver.bodies[1]


def test_each_end_of_a_run_is_announced(simulator: Simulator, simulator_http: httpx.Client) -> None:
    simulator.scripts.add(RunScript("action_required"))
    run = hooked(simulator_http)
    manual(simulator).advance(200)
    simulator.settle(str(run["run_id"]))
    first, second = "action_required", "completed"
    assert [d.json["data"]["status"] for d in simulator.due_webhooks()] == [second]
    simulator.scripts.add(RunScript("action_required"))
    run = hooked(simulator_http)
    manual(simulator).advance(200)
    assert [d.json["data"]["status"] for d in simulator.due_webhooks()] == [first]
    simulator.settle(str(run["run_id"]))
    assert [d.json["data"]["status"] for d in simulator.due_webhooks()] == [second]
