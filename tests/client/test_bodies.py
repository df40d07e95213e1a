"""How much of a response is read: decoding stops at a limit, and what is longer is named and stays there."""

from __future__ import annotations

import gzip
import json
import resource
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anyio
import httpx
import pytest

from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.client.bodies import chunks
from langchain_parallel.errors import (
    InvalidRequest,
    MalformedResponse,
    ParallelError,
    ResponseLost,
    ResponseTooLarge,
    is_transient,
)
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport
from langchain_parallel.tools.tool_messages import error_for_model

from .both import World

MB = 1_000_000
RUN = {"run_id": "trun_1", "interaction_id": "intr_1", "status": "completed"}


def _answer(text: str) -> bytes:
    return json.dumps({"run": RUN, "output": {"type": "text", "content": text}}).encode()


@cache
def _bomb(encoding: str, megabytes: int = 400) -> bytes:
    """What decodes to a thousand times as much."""
    made = zlib.compressobj(1, wbits={"gzip": 31, "deflate": 15, "raw": -15}[encoding])
    block = b" " * MB
    return b"".join([*(made.compress(block) for _ in range(megabytes)), made.flush()])


@contextmanager
def _server(headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A server on a socket that gives this response to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _result(url: str, how: str, *, timeout: float = 30, **more: Any) -> Any:
    if how == "sync":
        with ParallelClient("key", url, **more) as client:
            return client.result("trun_1", timeout=timeout)

    async def fetch() -> Any:
        async with AsyncParallelClient("key", url, **more) as client:
            return await client.result("trun_1", timeout=timeout)

    return anyio.run(fetch)


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
def test_a_bomb_is_decoded_up_to_the_limit_and_no_further(how: str, encoding: str) -> None:
    headers = {"content-encoding": "gzip" if encoding == "gzip" else "deflate"}
    with _server(headers, _bomb(encoding)) as url:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ResponseTooLarge) as caught:
            _result(url, how, max_response_bytes=20 * MB)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    error = caught.value
    assert (error.run_id, error.limit, error.billed) == ("trun_1", 20 * MB, None)
    assert "max_response_bytes" in str(error)
    assert grown < 150_000  # kB


@pytest.mark.parametrize("how", ["sync", "async"])
def test_an_answer_beyond_the_limit_is_fetched_with_a_larger_one(how: str) -> None:
    text = "x" * 20 * MB
    with _server({"content-encoding": "gzip"}, gzip.compress(_answer(text))) as url:
        with pytest.raises(ResponseTooLarge, match="trun_1"):
            _result(url, how, max_response_bytes=5 * MB)
        assert _result(url, how, max_response_bytes=30 * MB).output.content == text
        assert _result(url, how).output.content == text


@pytest.mark.parametrize("name", ["zstd", "br", "x-odd", "gzip, gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_not_decoded(name: str) -> None:
    encoded = _server({"content-encoding": name}, b"whatever")
    with encoded as url, pytest.raises(ResponseLost, match="trun_1"):
        _result(url, "sync", retry_policy=_once(), timeout=0.2)


def _once() -> RetryPolicy:
    return RetryPolicy(max_attempts=1, initial_delay=0.0)


ENCODED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "plain": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:30]) + gzip.compress(data[30:])),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", lambda data: zlib.compress(data)[2:-4]),
    "twice": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_what_is_asked_for_is_decoded(encoding: str) -> None:
    name, encode = ENCODED[encoding]
    text = "é" * 300_000
    with _server({"content-encoding": name} if name else {}, encode(_answer(text))) as url:
        assert _result(url, "sync").output.content == text


def test_a_body_cut_anywhere_is_decoded() -> None:
    encoded = gzip.compress(b"abc" * 1_000) + gzip.compress(b"d")
    for size in (1, 2, 7):
        parts = [encoded[at : at + size] for at in range(0, len(encoded), size)]
        response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Parts(parts))
        assert b"".join(chunks(response, 4_000)) == b"abc" * 1_000 + b"d"


class _Parts(httpx.SyncByteStream):
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


def test_broken_bytes_are_a_lost_response() -> None:
    encoded = _server({"content-encoding": "gzip"}, b"no gzip")
    with encoded as url, pytest.raises(ResponseLost, match="DecodingError"):
        _result(url, "sync", retry_policy=_once(), timeout=0.2)


def test_a_transport_that_has_read_the_body_is_counted_too() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=_answer("x" * 1_000)))
    assert _result("http://localhost", "sync", transport=transport).output.content == "x" * 1_000
    with pytest.raises(ResponseTooLarge):
        _result("http://localhost", "sync", transport=transport, max_response_bytes=1_000)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "9", None])
def test_a_limit_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidRequest, match="max_response_bytes"):
        ParallelClient("key", max_response_bytes=limit)


# --- streams, lists, submissions ------------------------------------------------------------------


def test_a_line_of_an_event_stream_and_a_list_are_limited() -> None:
    line = b'data: {"type": "task_run.state", "x": "' + b"x" * 3 * MB
    with _server({"content-type": "text/event-stream"}, line) as url:
        client = ParallelClient("key", url, max_response_bytes=MB, retry_policy=_once())
        with client, pytest.raises(ResponseTooLarge) as caught:
            list(client.events("trun_1"))
        assert caught.value.run_id == "trun_1"
        with client, pytest.raises(ResponseTooLarge):
            client.list_runs("tgrp_1")
    run = json.dumps({"type": "task_run.state", "run": RUN, "output": None}).encode()
    many = b"data: " + run + b"\n\n"
    with _server({"content-type": "text/event-stream"}, many * 20_000) as url:
        client = ParallelClient("key", url, max_response_bytes=MB, retry_policy=_once())
        with client, pytest.raises(ResponseTooLarge):
            client.list_runs("tgrp_1")


def test_a_run_whose_answer_is_too_long_is_waited_for_and_named(world: World) -> None:
    run_id = world.start(output={"type": "text", "content": "x" * 2 * MB})
    small = world.client(max_response_bytes=MB)
    error = world.raises(ResponseTooLarge, small.wait, run_id)
    small.done()
    assert error.run_id == run_id
    assert error.interaction_id
    assert "max_response_bytes" in error_for_model(error)
    assert "Do not ask again" in error_for_model(error)
    assert len(world.api.wait(run_id).output.content) == 2 * MB
    assert len(world.sim.billing.billed_runs()) == 1


def test_a_submission_whose_response_is_too_long_is_found_in_the_ledger() -> None:
    simulator = Simulator(ManualClock())

    class Padded(SimulatorTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if request.method == "POST" and request.url.path.endswith("/runs"):
                response.read()
                return httpx.Response(200, content=response.content + b" " * MB)
            return response

    client = ParallelClient(
        "key", transport=Padded(simulator), clock=simulator.clock, max_response_bytes=MB // 2
    )
    ledger = client.create_group().taskgroup_id
    found = client.submit(ledger, TaskRunInput(input="q", processor="lite"))
    assert found.adopted
    assert len(simulator.runs()) == 1


def test_the_error_is_none_that_goes_away_by_itself() -> None:
    error = ResponseTooLarge("long", limit=1)
    assert isinstance(error, ParallelError)
    assert not isinstance(error, MalformedResponse)
    assert not is_transient(error)
