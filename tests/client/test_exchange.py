"""Whether any of a request may have left: what is not proven counts as sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from langchain_parallel import ParallelClient, errors
from langchain_parallel._core import wire
from langchain_parallel.client.exchange import Exchange
from langchain_parallel.simulator import Fault, RunningServer

from .both import QUICK, Both, ask

CONNECT, POST = (SimpleNamespace(method=method) for method in (b"CONNECT", b"POST"))
CONNECTED: tuple[str, dict[str, Any]] = ("connection.connect_tcp.complete", {})
TO_PROXY = ("http11.send_request_headers.started", {"request": CONNECT})
SENDING = ("http11.send_request_headers.started", {"request": POST})
SENDING_2 = ("http2.send_request_headers.started", {"request": POST, "stream_id": 1})

CASES: list[tuple[list[Any], Exception, bool]] = [
    # what httpcore reports, the error, whether it may have been sent
    ([], httpx.ConnectError("refused"), False),
    ([], httpx.ConnectTimeout("late"), False),
    ([], httpx.PoolTimeout("full"), False),
    ([], httpx.ProxyError("403"), False),
    ([], httpx.ReadError("reset"), True),
    ([], httpx.WriteError("reset"), True),
    # A transport that reports nothing may have done anything.
    ([], RuntimeError("closed"), True),
    ([], OSError(24, "Too many open files"), True),
    ([], UnicodeError("label too long"), True),
    ([CONNECTED], RuntimeError("closed"), False),
    ([CONNECTED], OSError(24, "Too many open files"), False),
    ([CONNECTED, TO_PROXY], httpx.ReadError("the proxy hung up"), False),
    ([CONNECTED, TO_PROXY, SENDING], httpx.ReadError("reset"), True),
    ([CONNECTED, SENDING], RuntimeError("closed"), True),
    ([CONNECTED, SENDING_2], RuntimeError("closed"), True),
    # A transport that tries again by itself: the last error is not the whole story.
    ([CONNECTED, SENDING], httpx.ConnectError("refused"), True),
]


@pytest.mark.parametrize(("reported", "error", "sent"), CASES)
def test_only_what_is_proven_counts_as_not_sent(
    reported: list[Any], error: Exception, sent: bool
) -> None:
    exchange = Exchange(10.0)
    exchange.sending()
    for event, info in reported:
        exchange.trace(event, info)
    assert exchange.outcome(error).sent is sent


BODY = ("http11.send_request_body.started", {"request": POST})


@pytest.mark.parametrize("is_sent_once", [True, False])
def test_what_httpcore_reports_is_of_no_use_once_all_has_left(is_sent_once: bool) -> None:
    """A caller's own client may send a request again, after a challenge for one."""
    exchange = Exchange(10.0, extensions={"trace": print}, is_sent_once=is_sent_once)
    for event, info in (
        CONNECTED,
        TO_PROXY,
        ("http11.send_request_body.started", {"request": CONNECT}),
    ):
        exchange.trace(event, info)
    exchange.trace(*SENDING)
    assert "trace" in exchange.extensions
    exchange.trace(*BODY)
    assert ("trace" not in exchange.extensions) is is_sent_once


REQUESTS = [
    wire.create(ask("Wer führt?")),
    wire.add_runs("tgrp_1", [ask("Who?")]),
    wire.create_group({}),
    wire.get("trun_1"),
    wire.get("tgrp:1/~.", root=wire.GROUPS),
    wire.stream(wire.get("trun_1", "events")),
    wire.result("trun_1", seconds=60.0),
    wire.get(
        "tgrp_1", "runs", root=wire.GROUPS, query={"last_event_id": "a b%20+&=/?#ü;", "x": True}
    ),
]
SERVERS = [
    "https://api.test",
    "https://api.test:8443/",
    "https://api.test:443/x/../gateway/%7e",
    "http://[::1]:1",
]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: f"{one.method} {one.path}")
def test_our_own_requests_are_what_httpx_would_make_of_them(request_: Any, server: str) -> None:
    """They are made of their parts, and are those that httpx makes."""
    settings = ParallelClient("key", server)._settings
    exchange = Exchange(10.0)
    made = settings.request(httpx.Client(), request_, exchange, is_own=True)
    usual = httpx.Request(
        request_.method,
        settings.base_url + request_.path,
        params=dict(request_.query) or None,
        content=request_.body,
        headers=settings._headers(request_),
        extensions=made.extensions,
    )
    assert made.url == usual.url
    assert (made.url.raw_path, made.url.netloc) == (usual.url.raw_path, usual.url.netloc)
    assert made.headers.raw == usual.headers.raw
    assert made.content == usual.content == (request_.body or b"")
    assert made.extensions == usual.extensions
    timeout = httpx.Timeout(request_.timeout, connect=15.0, pool=600.0).as_dict()
    assert made.extensions["timeout"] == timeout


def test_before_httpx_has_the_request_nothing_is_sent() -> None:
    for error in (RuntimeError(), ValueError(), ImportError(), OSError(2, "No such file")):
        outcome = Exchange(10.0).outcome(error)
        assert not outcome.sent
        assert outcome.advice


class Retrying(httpx.HTTPTransport):
    """A caller's transport that repeats what was lost, and cannot connect then."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return super().handle_request(request)
        except httpx.TransportError:
            raise httpx.ConnectError("refused", request=request) from None


def test_a_transport_that_tries_again_hides_no_paid_request(
    simulator_server: RunningServer,
) -> None:
    simulator = simulator_server.simulator
    options: Any = {"transport": Retrying(), "retry_policy": QUICK}
    api = Both("blocking", "key", simulator_server.url, **options)
    simulator.faults.add(Fault("drop_after", method="POST"))
    with pytest.raises(errors.ResponseLost) as caught:
        api.create(ask())
    assert caught.value.billed is None
    assert caught.value.sent
    assert len(simulator.runs()) == 1
    api.done()


def test_an_httpx_client_that_was_closed_meanwhile_is_an_error_of_ours(
    client_kind: Any, simulator_server: RunningServer
) -> None:
    """A hook of the caller's closes its client while a call goes on."""
    own: Any
    if client_kind == "blocking":
        own = httpx.Client()
        own.event_hooks = {"response": [lambda response: own.close()]}
    else:
        own = httpx.AsyncClient()

        async def close(response: httpx.Response) -> None:
            await own.aclose()

        own.event_hooks = {"response": [close]}
    api = Both(client_kind, "key", simulator_server.url, http_client=own, retry_policy=QUICK)
    with pytest.raises(errors.ParallelError):
        api.list_runs(api.create_group().taskgroup_id)
    assert simulator_server.simulator.runs() == []
    api.done()
