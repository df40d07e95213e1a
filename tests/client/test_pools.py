"""Each exchange has an httpx client of its own; one after the other use the same, and few stay open."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import threading
from pathlib import Path
from weakref import finalize

import anyio
import httpx
import pytest

from langchain_parallel.client.async_driver import close_all
from langchain_parallel.client.pools import SPARE, Pools, Spares, _certificates

KINDS = [httpx.Client, httpx.AsyncClient]


@pytest.mark.parametrize("kind", KINDS)
def test_another_client_is_made_only_when_all_are_busy(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    first, second = pools.take(), pools.take()
    assert first is not second
    assert len(pools.clients) == 2
    assert pools.give(second) == pools.give(first) == []
    assert pools.take() is first  # whose connection was used a moment ago
    assert pools.take() is second
    assert len(pools.clients) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_burst_idle_clients_are_closed(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = [pools.take() for _ in range(10 * SPARE)]
    assert len(pools.clients) == 10 * SPARE
    closed = [http for given in map(pools.give, lent) for http in given]
    assert len(closed) == len(set(closed)) == 9 * SPARE
    assert set(pools.clients) == set(lent[-16:]), "those that were used last stay"


@pytest.mark.parametrize("kind", KINDS)
def test_the_pools_of_many_users_keep_few_idle_clients_together(kind: type[httpx.Client]) -> None:
    """32, and half as many as are busy; those that have been idle for longest go."""
    spares = Spares[httpx.Client]()
    pools = [Pools(kind, None, spares) for _ in range(40)]
    lent = [one.take() for one in pools]
    closed: list[httpx.Client] = []
    for given, (one, http) in enumerate(zip(pools, lent, strict=True), 1):
        closed += one.give(http)
        assert given - len(closed) == min(given, 32 + (40 - given) // 2)
    assert closed == lent[:8]
    assert [http for one in pools for http in one.clients] == lent[8:]


def test_what_is_given_up_is_known_to_nobody_any_longer() -> None:
    spares = Spares[httpx.Client]()
    pools = Pools(httpx.Client, None, spares)
    lent = [pools.take() for _ in range(2 * SPARE)]
    assert not pools.drop(lent[0]), "it is busy"
    for http in lent:
        pools.give(http)
    assert len(spares._idle) == len(pools.clients) == SPARE
    assert set(pools.clear()) == set(lent[SPARE:])
    assert not pools.clients
    assert not spares._idle
    of_transport = Pools(httpx.Client, httpx.MockTransport(lambda request: httpx.Response(200)))
    first = of_transport.take()
    assert of_transport.clear() == [first]
    assert of_transport.take() is not first


def test_of_several_pools_busy_clients_are_counted_and_are_not_idle() -> None:
    spares = Spares[httpx.Client]()
    pools = Pools(httpx.Client, None, spares)
    pools.give(pools.take())
    lent = [pools.take(), pools.take()]
    assert (len(spares._idle), spares._busy) == (0, 2)
    pools.give(lent[0])
    assert (list(spares._idle), spares._busy) == ([lent[0]], 1)
    pools.clear()
    assert (len(spares._idle), spares._busy) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_busy_process_keeps_clients_for_the_next_moment(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = [pools.take() for _ in range(10 * SPARE)]
    assert not any(map(pools.give, lent[6 * SPARE :]))
    assert len(pools.clients) == 10 * SPARE


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_closed_meanwhile_is_not_lent_again(kind: type[httpx.Client]) -> None:
    pools = Pools(kind, None)
    lent = pools.take()
    assert pools.clear() == [lent]
    assert pools.give(lent) == []
    assert pools.take() is not lent


def test_a_callers_own_transport_is_not_shared_among_several_clients() -> None:
    pools = Pools(httpx.Client, httpx.MockTransport(lambda request: httpx.Response(200)))
    lent = [pools.take() for _ in range(SPARE)]
    assert not any(map(pools.give, lent))
    assert len(pools.clients) == len(set(lent)) == 1


def test_a_client_made_here_keeps_no_cookie() -> None:
    """What holds them is private in httpx: this fails should that be renamed."""
    sets_one = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"set-cookie": "gate=1"})
    )
    http = Pools(httpx.Client, sets_one).take()
    assert http.get("http://api.test").headers["set-cookie"] == "gate=1"
    assert "cookie" not in http.build_request("GET", "http://api.test").headers


async def test_nor_does_an_asynchronous_one() -> None:
    sets_one = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"set-cookie": "gate=1"})
    )
    http = Pools(httpx.AsyncClient, sets_one).take()
    assert (await http.get("http://api.test")).headers["set-cookie"] == "gate=1"
    assert "cookie" not in http.build_request("GET", "http://api.test").headers


def test_a_file_of_certificates_that_was_replaced_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted, pools = Path(os.environ["SSL_CERT_FILE"]).read_bytes(), Pools(httpx.Client, None)
    (file := tmp_path / "ca.pem").write_bytes(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    pools.take()
    file.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        pools.take()
    file.write_bytes(trusted)
    pools.take()


def test_certificates_are_read_anew_for_no_other_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To load them takes longer than a call: neither for a look at the file, nor where none is named."""
    (file := tmp_path / "ca.pem").write_bytes(Path(os.environ["SSL_CERT_FILE"]).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    before, changed = _certificates(), file.stat().st_mtime_ns
    os.utime(file, ns=(changed + 10**9, changed))
    assert _certificates() == before
    monkeypatch.delenv("SSL_CERT_FILE")
    assert _certificates() == _certificates() != before


class _SlowToClose(httpx.AsyncClient):
    async def aclose(self) -> None:
        await asyncio.sleep(0)
        await super().aclose()


async def test_of_clients_to_close_each_is_closed_though_the_task_is_cancelled() -> None:
    https = [_SlowToClose() for _ in range(3)]
    task = asyncio.create_task(close_all(https))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sum(http.is_closed for http in https) == 2, "all but the one in hand"


async def test_nor_does_a_scope_that_was_cancelled_leave_one_open() -> None:
    https = [_SlowToClose() for _ in range(3)]
    with anyio.CancelScope() as scope:
        scope.cancel()
        await close_all(https)
    assert all(http.is_closed for http in https)


class _Collecting(httpx.Client):
    """A client in whose every look-up the collector of garbage runs, as it may at any time."""

    def __hash__(self) -> int:
        gc.collect()
        return super().__hash__()


class _Owner:
    """Closes its clients when it is forgotten, as a client of ours does."""

    def __init__(self, spares: Spares[httpx.Client]) -> None:
        pools = Pools(httpx.Client, None, spares)
        pools.give(pools.take())
        self.itself = self
        """Only the collector finds out that nobody has it any longer."""
        finalize(self, pools.clear)


@pytest.mark.parametrize("step", ["take", "give", "clear"])
def test_a_forgotten_client_may_be_collected_in_the_midst_of_anothers_step(step: str) -> None:
    """The thread would wait for itself for ever."""
    spares = Spares[httpx.Client]()
    pools = Pools[httpx.Client](_Collecting, None, spares)

    def work() -> None:
        gc.collect()
        gc.disable()  # but for the collections of this test
        lent = None if step == "take" else pools.take()
        _Owner(spares)
        assert len(spares._idle) == 1
        if lent is None:
            pools.take()
        elif step == "give":
            pools.give(lent)
        else:
            pools.clear()

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        thread.join(10)
    finally:
        gc.enable()
    assert not thread.is_alive(), "it is wedged"
    assert len(spares._idle) == (1 if step == "give" else 0), "the forgotten one is closed"
