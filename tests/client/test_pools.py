"""Many requests at once are spread over several httpx clients; a few use one."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from langchain_parallel.client.pools import MAX_PER_CLIENT, Pools

KINDS = [httpx.Client, httpx.AsyncClient]


@pytest.mark.parametrize("kind", KINDS)
def test_another_client_is_made_only_when_all_are_busy(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    with ExitStack() as stack:
        lent = [stack.enter_context(pools.acquire()) for _ in range(MAX_PER_CLIENT)]
        assert len({id(http) for http in lent}) == 1
        assert stack.enter_context(pools.acquire()) is not lent[0]
    assert len(pools.clients) == 2
    with pools.acquire() as http:  # given back, the first is lent again
        assert http is lent[0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_httpx_client_whose_exchange_failed_is_used_again(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    for _ in range(MAX_PER_CLIENT + 1):
        with pytest.raises(httpx.ReadError), pools.acquire():
            raise httpx.ReadError("lost")
    assert len(pools.clients) == 1


def test_a_callers_own_transport_is_not_shared_among_several_clients() -> None:
    pools = Pools(httpx.Client, httpx.MockTransport(lambda request: httpx.Response(200)))
    with ExitStack() as stack:
        for _ in range(3 * MAX_PER_CLIENT):
            stack.enter_context(pools.acquire())
    assert len(pools.clients) == 1
