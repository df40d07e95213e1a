"""A deadline bounds everything: bytes that trickle hold no call for longer than it may last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from langchain_parallel import errors
from langchain_parallel._core import wire
from langchain_parallel._core.effects import (
    Flow,
    NoResponse,
    Request,
    open_stream,
    read_chunk,
    send,
)
from langchain_parallel.client import exchange
from langchain_parallel.client.client_settings import GRACE
from langchain_parallel.simulator import Fault, RunningServer

from .both import QUICK, Both, World, ask

TOTAL = 0.6
TRICKLES: list[dict[str, Any]] = [
    {"kind": "slow_head", "seconds": 4.0},
    {"kind": "slow_body", "seconds": 4.0},
]
"""A piece every 0.5 s: each comes well within the read timeout."""


def requests(api: Both) -> dict[str, Request]:
    """One of each kind, which may last for `TOTAL` seconds."""
    group_id = api.create_group().taskgroup_id
    run_id = api.add_runs(group_id, [ask()]).run_ids[0]
    every = {
        "free": wire.get(run_id),
        "paid": wire.add_runs(group_id, [ask("Who else?")]),
        "refused": wire.get("trun_none"),
    }
    return {name: replace(each, total=TOTAL) for name, each in every.items()}


@pytest.mark.parametrize("fault", TRICKLES, ids=lambda fault: fault["kind"])
def test_an_exchange_is_over_in_time_however_its_bytes_trickle(
    socket_api: Both, simulator_server: RunningServer, fault: dict[str, Any]
) -> None:
    every = requests(socket_api)
    simulator_server.simulator.faults.add(Fault(**fault, times=None))
    for request in every.values():
        began = time.monotonic()
        outcome = drive(socket_api, send(request))
        assert time.monotonic() - began < TOTAL + 0.7
        assert outcome == NoResponse(sent=True, reason=getattr(outcome, "reason", ""))


def drive(api: Both, flow: Flow[Any]) -> Any:
    return (
        api._run(api.client._drive(flow)) if api.kind == "asynchronous" else api.client._drive(flow)
    )


def test_the_head_of_a_stream_is_there_in_time_or_not_at_all(
    socket_api: Both, simulator_server: RunningServer
) -> None:
    run_id = socket_api.create(ask()).run_id
    simulator_server.simulator.faults.add(Fault(**TRICKLES[0]))
    began = time.monotonic()
    request = replace(wire.stream(wire.get(run_id, "events")), timeout=TOTAL)
    outcome = drive(socket_api, open_stream(request))
    assert time.monotonic() - began < TOTAL + 0.7
    assert isinstance(outcome, NoResponse)
    assert outcome.sent


def test_a_stream_may_last_longer_than_its_head(
    socket_api: Both, simulator_server: RunningServer
) -> None:
    run_id = socket_api.create(ask()).run_id
    simulator_server.simulator.faults.add(Fault("slow_body", seconds=8 * 0.3))

    def read() -> Flow[int]:
        request = replace(wire.stream(wire.get(run_id, "events")), timeout=TOTAL)
        yield from open_stream(request)
        chunks = 0
        while isinstance((yield from read_chunk()), bytes):
            chunks += 1
        return chunks

    assert drive(socket_api, read()) >= 8


@pytest.mark.parametrize("call", ["wait", "result"])
def test_the_callers_deadline_bounds_the_exchanges(world: World, call: str) -> None:
    run_id = world.start(seconds=1)
    world.clock.advance(10)
    world.sim.faults.add(Fault("slow_body", seconds=160, times=None))  # a piece every 20 s
    began = world.clock.monotonic()
    error = world.raises(errors.ResponseLost, getattr(world.api, call), run_id, timeout=2)
    assert world.clock.monotonic() - began <= 2 + 2 * (GRACE + 20)
    assert error.run_id == run_id
    assert error.billed is None
    world.sim.faults.clear()
    assert getattr(world.api, call)(run_id, timeout=2).run.run_id == run_id


def test_a_callers_own_client_is_bounded_where_bytes_of_the_body_trickle(
    client_kind: Any, simulator_server: RunningServer
) -> None:
    """The head, too, if the client is asynchronous; a blocking one of the caller's own is left as it is."""
    own = httpx.Client() if client_kind == "blocking" else httpx.AsyncClient()
    api = Both(client_kind, "key", simulator_server.url, http_client=own, retry_policy=QUICK)
    request = requests(api)["free"]
    for fault in TRICKLES[client_kind == "blocking" :]:
        simulator_server.simulator.faults.add(Fault(**fault))
        began = time.monotonic()
        assert isinstance(drive(api, send(request)), NoResponse)
        assert time.monotonic() - began < TOTAL + 0.9
    api._run(own.aclose()) if isinstance(own, httpx.AsyncClient) else own.close()
    api.done()


def test_the_sockets_of_every_blocking_client_made_here_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those behind proxies. This names what httpx may rename."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:1")
    with httpx.Client() as http:
        exchange.bound_sockets(http)
        transports: Iterator[Any] = iter([http._transport, *http._mounts.values()])
        pools = [transport._pool for transport in transports if transport is not None]
        assert len(pools) == 3
        assert all(isinstance(pool._network_backend, exchange._Backend) for pool in pools)
