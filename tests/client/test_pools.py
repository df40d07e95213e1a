"""Many requests at once are spread over several httpx clients; a few use one, and few stay open."""

from __future__ import annotations

import httpx
import pytest

from langchain_parallel.client.pools import MAX_PER_CLIENT, SPARE, Pools

KINDS = [httpx.Client, httpx.AsyncClient]


@pytest.mark.parametrize("kind", KINDS)
def test_another_client_is_made_only_when_all_are_busy(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = [pools.take() for _ in range(MAX_PER_CLIENT)]
    assert len({id(http) for http in lent}) == 1
    assert pools.take() is not lent[0]
    assert len(pools.clients) == 2
    assert pools.give(lent[0]) == []
    assert pools.take() is lent[0]  # given back, the first is lent again


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_burst_idle_clients_are_closed(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = [pools.take() for _ in range(20 * MAX_PER_CLIENT)]
    assert len(pools.clients) == 20
    closed = [http for given in map(pools.give, lent) for http in given]
    assert len(closed) == len(set(closed)) == 20 - SPARE
    assert len(pools.clients) == SPARE
    assert not set(closed) & set(pools.clients)


@pytest.mark.parametrize("kind", KINDS)
def test_a_busy_process_keeps_clients_for_the_next_moment(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = [pools.take() for _ in range(20 * MAX_PER_CLIENT)]
    assert not any(map(pools.give, lent[12 * MAX_PER_CLIENT :]))
    assert len(pools.clients) == 20


def test_a_callers_own_transport_is_not_shared_among_several_clients() -> None:
    pools = Pools(httpx.Client, httpx.MockTransport(lambda request: httpx.Response(200)))
    lent = [pools.take() for _ in range(3 * MAX_PER_CLIENT)]
    assert not any(map(pools.give, lent))
    assert len(pools.clients) == 1
