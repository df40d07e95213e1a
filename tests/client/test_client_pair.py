"""One client makes both kinds of calls: its counterpart uses the same account, ledgers and secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel.client import RetryPolicy, client_pair, pair_clients
from langchain_parallel.models import McpServer
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunningServer,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from .both import QUICK, ask

POST: dict[str, Any] = {"method": "POST", "path": "*/groups/*/runs"}
TOKEN = "Bearer tok4711-s3cret"


class Pair:
    """A client and its counterpart: `given` calls the one, `other` the counterpart."""

    def __init__(self, kind: str, **options: Any) -> None:
        make: Any = ParallelClient if kind == "blocking" else AsyncParallelClient
        self.client = make("key-of-a-test", **options)
        self.sync, self.async_ = client_pair(self.client)
        self.ways = [self._blocking, self._awaited]
        if kind == "asynchronous":
            self.ways.reverse()
        self.given, self.other = self.ways

    def _blocking(self, method: str, *args: Any, **options: Any) -> Any:
        return getattr(self.sync, method)(*args, **options)

    def _awaited(self, method: str, *args: Any, **options: Any) -> Any:
        return asyncio.run(getattr(self.async_, method)(*args, **options))


@pytest.fixture
def sim() -> Simulator:
    return Simulator(ManualClock())


@pytest.fixture
def pair(client_kind: str, sim: Simulator) -> Iterator[Pair]:
    made = Pair(client_kind, transport=SimulatorTransport(sim), clock=sim.clock)
    yield made
    made.sync.close()


def only_sync(transport: httpx.MockTransport) -> httpx.BaseTransport:
    class OnlySync(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return transport.handle_request(request)

    return OnlySync()


def only_async(transport: httpx.MockTransport) -> httpx.AsyncBaseTransport:
    class OnlyAsync(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await transport.handle_async_request(request)

    return OnlyAsync()


def group(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"taskgroup_id": "tgrp_1"})


def test_the_counterpart_goes_where_the_client_goes_and_in_the_same_way(
    client_kind: str, simulator_server: RunningServer
) -> None:
    pair = Pair(client_kind, base_url=simulator_server.url, retry_policy=QUICK)
    assert pair.client in (pair.sync, pair.async_)
    assert pair.sync._settings == pair.async_._settings
    for way in pair.ways:
        run_id = way("create", ask()).run_id
        assert way("wait", run_id).run.run_id == run_id
    assert len(simulator_server.simulator.runs()) == 2
    pair.sync.close()


def test_a_client_has_one_counterpart(client_kind: str) -> None:
    make: Any = ParallelClient if client_kind == "blocking" else AsyncParallelClient
    client = make("key")
    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(client_pair, [client] * 20))
    assert len(set(pairs)) == 1
    assert client_pair(make("key")) not in pairs


def test_without_a_client_both_are_made_from_the_rest() -> None:
    sync, awaited = client_pair(
        api_key="key", base_url="https://api.example", allow_unknown_processor=True
    )
    assert sync._settings == awaited._settings
    assert sync._settings.base_url == "https://api.example"
    assert sync._settings.allow_unknown_processor
    with pytest.raises(errors.MissingKey):
        client_pair()


@pytest.mark.parametrize(
    ("option", "value"),
    [("api_key", "other"), ("base_url", "https://x.example"), ("allow_unknown_processor", True)],
)
def test_an_option_beside_a_client_is_refused_by_name(option: str, value: Any) -> None:
    rest: dict[str, Any] = {option: value}
    with pytest.raises(errors.InvalidRequest, match=f"{option} is given beside a client"):
        client_pair(ParallelClient("key"), **rest)


def test_what_is_no_client_is_refused_by_name() -> None:
    with pytest.raises(errors.InvalidRequest, match="client is a Client; give"):
        client_pair(httpx.Client())  # type: ignore[arg-type]  # what is tested


def test_an_option_that_says_what_the_client_does_anyway_is_no_contradiction() -> None:
    client = ParallelClient("key", allow_unknown_processor=True)
    assert client_pair(client, api_key="key", allow_unknown_processor=True)[0] is client


def test_a_run_started_by_one_is_adopted_by_the_other_without_a_look(
    pair: Pair, sim: Simulator
) -> None:
    """Also while no list shows it yet."""
    sim.scripts.add(RunScript(late_commit=60))
    group_id = pair.given("create_group").taskgroup_id
    made = pair.given("submit", group_id, ask())
    before = len(sim.requests)
    again = pair.other("submit", group_id, ask())
    assert (again.run.run_id, again.adopted, made.adopted) == (made.run.run_id, True, False)
    assert {entry.path for entry in sim.requests[before:]} <= {f"/v1/tasks/runs/{made.run.run_id}"}
    assert len(sim.runs()) == 1


def test_a_send_whose_outcome_one_never_saw_is_looked_for_by_the_other(
    client_kind: str, sim: Simulator
) -> None:
    """The run shows up in the list only after the other has begun to look."""
    pair = Pair(
        client_kind,
        transport=SimulatorTransport(sim),
        clock=sim.clock,
        retry_policy=RetryPolicy(max_attempts=1),
    )
    group_id = pair.given("create_group").taskgroup_id
    sim.scripts.add(RunScript(late_commit=80, seconds=10_000))
    sim.faults.add(Fault("drop_after", **POST))
    with pytest.raises(errors.SubmissionUnknown):
        pair.given("submit", group_id, ask())
    assert pair.other("submit", group_id, ask(), lookup="until_settled").adopted
    assert len(sim.runs()) == 1


def test_threads_and_tasks_of_a_pair_with_one_question_pay_once(
    client_kind: str, simulator_server: RunningServer
) -> None:
    pair = Pair(client_kind, base_url=simulator_server.url)
    group_id = pair.given("create_group").taskgroup_id

    async def tasks() -> None:
        await asyncio.gather(*(pair.async_.submit(group_id, ask()) for _ in range(10)))

    with ThreadPoolExecutor(12) as pool:
        work: list[Any] = [pool.submit(pair.sync.submit, group_id, ask()) for _ in range(10)]
        work += [pool.submit(asyncio.run, tasks()) for _ in range(2)]
        for done in work:
            done.result(30)
    assert len(simulator_server.simulator.runs()) == 1
    pair.sync.close()


def test_no_error_of_one_shows_what_the_other_sent_in_secret(pair: Pair, sim: Simulator) -> None:
    sim.scripts.add(RunScript("failed", message=f"the MCP server refused {TOKEN}"))
    server = McpServer(url="https://mcp.example", name="m", headers={"Authorization": TOKEN})
    run_id = pair.given("create", ask(mcp_servers=[server])).run_id
    with pytest.raises(errors.RunFailed, match="the MCP server refused") as caught:
        pair.other("wait", run_id)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("own", ["http_client", "transport"])
def test_httpx_objects_of_one_kind_serve_its_calls_and_no_others(
    client_kind: str, own: str
) -> None:
    mock = httpx.MockTransport(group)
    blocking = client_kind == "blocking"
    make: Any = httpx.Client if blocking else httpx.AsyncClient
    transport = only_sync(mock) if blocking else only_async(mock)
    given = {"http_client": make(transport=mock), "transport": transport}[own]
    pair = Pair(client_kind, **{own: given})
    assert pair.given("create_group").taskgroup_id == "tgrp_1"
    with pytest.raises(errors.InvalidRequest, match="join them with") as caught:
        pair.other("create_group")
    assert ("asynchronous call" if blocking else "blocking call") in str(caught.value)
    assert caught.value.billed is False


def test_two_clients_with_httpx_objects_of_their_own_can_be_joined(client_kind: str) -> None:
    mock = httpx.MockTransport(group)
    sync = ParallelClient("key", transport=only_sync(mock))
    awaited = AsyncParallelClient("key", transport=only_async(mock))
    awaited._settings.secrets.register(["learnt-before"])
    pair_clients(sync, awaited)
    assert client_pair(sync if client_kind == "blocking" else awaited) == (sync, awaited)
    assert sync._settings.cache is awaited._settings.cache
    assert "learnt-before" in sync._settings.secrets.all()
    assert asyncio.run(awaited.create_group()) == sync.create_group()


@pytest.mark.parametrize("other", [("another key", None), ("key", "https://x.example")])
def test_two_clients_of_different_accounts_are_not_joined(other: tuple[str, str | None]) -> None:
    with pytest.raises(errors.InvalidRequest, match="differ in key or address"):
        pair_clients(ParallelClient("key"), AsyncParallelClient(*other))


def test_a_closed_client_of_ones_own_is_refused_before_anything_counts_as_sent() -> None:
    http = httpx.Client(transport=httpx.MockTransport(group))
    client = ParallelClient("key", http_client=http)
    http.close()
    with pytest.raises(errors.InvalidRequest, match="has been closed"):
        client.submit("tgrp_1", ask(), lookup="none")
    assert client._settings.cache.unsettled == {}
