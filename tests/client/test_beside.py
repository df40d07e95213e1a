"""A second stream beside what else a flow asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel._core import wire
from langchain_parallel._core.effects import (
    Flow,
    OpenStream,
    ReadChunk,
    Response,
    leave_beside,
    send,
    take_beside,
)
from langchain_parallel.client.handles import ALLOWANCE
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import ManualClock, RunScript, Simulator, SimulatorTransport

KEY = "key-of-an-office"


def _two(sim: Simulator, group_id: str) -> Flow[tuple[bool, int, list[object]]]:
    """Whether there are two connections, the seats meanwhile, and what is read of events around a list."""
    has_two = yield from take_beside()
    query = {"timeout": "60"}
    events = wire.stream(wire.get(group_id, "events", root=wire.GROUPS, query=query))
    listing = wire.stream(wire.get(group_id, "runs", root=wire.GROUPS))
    found: list[object] = [(yield OpenStream(events, beside=has_two))]
    found.append((yield ReadChunk(beside=has_two)))
    found.append((yield OpenStream(listing)))
    found.append((yield ReadChunk()))
    yield from send(wire.get(group_id, root=wire.GROUPS))
    while not isinstance(found[-1], bytes) or b"completed" not in found[-1]:
        found.append((yield ReadChunk(60.0, beside=has_two)))
    seats = ALLOWANCE.seats
    yield from leave_beside()
    return has_two, seats, found


def _drive(is_async: bool, make: Any, flow: Any) -> Any:
    if not is_async:
        return make(ParallelClient)._drive(flow)

    async def work() -> Any:
        async with make(AsyncParallelClient) as client:
            return await client._drive(flow)

    return asyncio.run(work())


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_stays_open_while_a_list_and_a_run_are_read(is_async: bool) -> None:
    clock = ManualClock()
    sim = Simulator(clock)
    sim.scripts.add(RunScript(seconds=5.0))
    transport = SimulatorTransport(sim)
    api = ParallelClient(KEY, transport=transport, clock=clock)
    group_id = api.create_group().taskgroup_id
    api.submit(group_id, TaskRunInput(input="Who?", processor="base"))
    before = ALLOWANCE.seats

    def make(kind: Any) -> Any:
        return kind(KEY, transport=transport, clock=clock)

    has_two, seats, (head, *chunks) = _drive(is_async, make, _two(sim, group_id))
    assert has_two
    assert isinstance(head, Response)
    assert all(isinstance(chunk, bytes | Response) for chunk in chunks)
    assert (seats, ALLOWANCE.seats) == (before + 1, before)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("own", ["http_client", "transport"])
def test_connections_of_a_callers_own_may_be_one_only(own: str, is_async: bool) -> None:
    def make(kind: Any) -> Any:
        given: Any = {
            ("http_client", False): httpx.Client,
            ("http_client", True): httpx.AsyncClient,
            ("transport", False): httpx.HTTPTransport,
            ("transport", True): httpx.AsyncHTTPTransport,
        }[own, is_async]()
        return kind(KEY, **{own: given})

    assert _drive(is_async, make, take_beside()) is False


def test_where_no_connection_is_free_there_is_no_second_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ALLOWANCE, "seats", 1_000_000)
    assert ParallelClient(KEY)._drive(take_beside()) is False
