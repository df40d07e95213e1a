"""A server that repeats our secrets in its status line and headers gets them into no log, at any level."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
import pytest

from langchain_parallel import ParallelClient, errors
from langchain_parallel.client import logs
from langchain_parallel.models import McpServer, TaskRunInput

from ..secrets_kit import (
    GATE,
    GATE_COOKIE,
    GATE_LOGIN,
    GATE_PASSWORD,
    GATE_USER,
    HEADERS_ECHO,
    KEY,
    ODD,
    PASSWORD,
    QUERY,
    SERVERS,
    WEBHOOK,
    leaks,
)
from .both import QUICK, Both

SHORT = "pin4711"
SERVER = McpServer(url="https://m.example", name="pin", headers={"X-Token": SHORT})
REQUEST = TaskRunInput(
    input="Who?", processor="lite", mcp_servers=(*SERVERS, SERVER), webhook=WEBHOOK
)
REPEATED = [
    HEADERS_ECHO,
    f"{PASSWORD} {QUERY} {quote(ODD, safe='')} {quote(WEBHOOK.url)} {WEBHOOK.url}",
    f"a{SHORT}\t{SHORT}",
    f"'{KEY}' \"{KEY}\" {ODD.encode().decode('latin-1')}",
]
GATES = f"{GATE} {GATE_LOGIN} {GATE_COOKIE}"
"""Of the caller's own httpx client."""
RUN = {"run_id": "trun_1", "interaction_id": "intr_1", "status": "queued", "processor": "lite"}


class Handler(BaseHTTPRequestHandler):
    """Repeats all secrets in the head of each response."""

    protocol_version = "HTTP/1.1"
    status: ClassVar[int] = 200
    is_broken: ClassVar[bool] = False
    gates: ClassVar[str] = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        is_stream = self.path.startswith("/v1/tasks/groups")
        body = b"" if is_stream else json.dumps(RUN).encode()
        self.send_response(self.status, f"repeats {KEY}")
        self.send_header("content-type", "text/event-stream" if is_stream else "application/json")
        self.send_header("content-length", str(len(body)))
        for nth, text in enumerate([*REPEATED, self.gates]):
            self.send_header(f"x-{nth}", text)
        self.send_header("set-cookie", f"key={KEY}")
        self.send_header("location", f"/{quote(ODD, safe='')}?key={KEY}")
        if self.is_broken:
            self.send_header(f"no header {KEY} {ODD.encode().decode('latin-1')}", "")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    Handler.status, Handler.is_broken, Handler.gates = 200, False, ""


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{r.getMessage()} {r.args!r} {r.__dict__!r}" for r in caplog.records]


def call(kind: str, url: str, *, own: bool) -> None:
    gate: dict[str, Any] = {
        "auth": (GATE_USER, GATE_PASSWORD),
        "headers": {"x-gateway": GATE},
        "cookies": {"gate": GATE_COOKIE},
    }
    make = httpx.Client if kind == "blocking" else httpx.AsyncClient
    api = Both(kind, KEY, url, retry_policy=QUICK, **({"http_client": make(**gate)} if own else {}))  # type: ignore[arg-type]
    for method, given in (("create", REQUEST), ("retrieve", "trun_1"), ("list_runs", "tgrp_1")):
        with suppress(errors.ParallelError):
            getattr(api, method)(given)
    if own:
        closed = api.client._http_client.aclose() if kind == "asynchronous" else None
        api._run(closed) if closed else api.client._http_client.close()
    api.done()


@pytest.mark.parametrize("head", [200, 307, 403, 500, "broken"])
@pytest.mark.parametrize("own", [False, True], ids=["ours", "their http client"])
def test_no_log_shows_a_secret_that_a_head_repeats(
    client_kind: str, url: str, head: Any, own: bool, all_logs: pytest.LogCaptureFixture
) -> None:
    Handler.is_broken, Handler.gates = head == "broken", GATES if own else ""
    Handler.status = 200 if Handler.is_broken else head
    call(client_kind, url, own=own)
    texts = written(all_logs)
    assert len([text for text in texts if "receive_response_headers" in text and "…" in text]) >= 3
    assert leaks(texts) == []
    assert [text for text in texts if SHORT in text] == []


def test_what_others_log_is_left_alone(url: str, all_logs: pytest.LogCaptureFixture) -> None:
    ParallelClient(KEY, url).retrieve("trun_1")
    all_logs.clear()
    httpx.get(f"{url}/{KEY}")
    assert leaks(written(all_logs))


def test_every_logger_of_httpcore_is_known() -> None:
    """A filter holds for one logger, so a new one would need it, too."""
    made = {name for name in logging.root.manager.loggerDict if name.startswith("httpcore.")}
    assert made == {name for name in logs.LOGGERS if name.startswith("httpcore.")}


def test_a_cookie_that_a_server_sets_twice_ends_no_call(client_kind: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=RUN, headers={"set-cookie": "gate=1"})

    kind = httpx.Client if client_kind == "blocking" else httpx.AsyncClient
    api = Both(client_kind, KEY, http_client=kind(transport=httpx.MockTransport(handle)))
    api.create(TaskRunInput(input="Who?", processor="lite"))
    assert api.retrieve("trun_1").run_id == "trun_1"  # under another path
    assert api.retrieve("trun_1").run_id == "trun_1"
    api.done()
