from __future__ import annotations

import logging
import traceback
from typing import Any

import httpx
import pytest

from langchain_parallel import errors
from langchain_parallel.models import McpServer, Webhook
from langchain_parallel.simulator import Fault, RunningServer

from .both import QUICK, Both, ask

KEY = "pk-0123456789"
SECRETS = [KEY, "tok4711", "q-s3cret", "l0gin", "hk9Zs3cretQ7x"]


def secretive() -> Any:
    return ask(
        mcp_servers=[
            McpServer(
                url="https://me:l0gin@mcp.example/sse?token=q-s3cret",
                name="files",
                headers={"Authorization": "Bearer tok4711"},
            )
        ],
        webhook=Webhook(url="https://hooks.example/hk9Zs3cretQ7x"),
    )


def echo() -> dict[str, Any]:
    """The response of a server that repeats everything it was sent."""
    text = f"{' '.join(SECRETS)} Bearer tok4711 https://hooks.example/hk9Zs3cretQ7x"
    return {"error": {"message": text, "ref_id": text, "detail": [{"loc": [text], "msg": text}]}}


def shown(error: errors.ParallelError) -> str:
    trace = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.__dict__} {trace} {error.__reduce__()}"


def assert_clean(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.fixture
def api(client_kind: Any, simulator_server: RunningServer) -> Any:
    made = Both(client_kind, KEY, simulator_server.url)
    yield made
    made.done()


def test_no_log_shows_a_secret(
    api: Both, simulator_server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    group_id = api.create_group().taskgroup_id
    made = api.submit(group_id, secretive())
    api.wait(made.run.run_id)
    simulator_server.simulator.faults.add(Fault("drop_before", method="POST"))
    with pytest.raises(errors.ResponseLost) as caught:
        api.create(secretive())
    assert caplog.records
    assert_clean("\n".join(f"{r.getMessage()} {r.args!r} {r.__dict__!r}" for r in caplog.records))
    assert_clean(shown(caught.value))


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 422, 429, 500])
@pytest.mark.parametrize("call", ["create", "submit", "add_runs"])
def test_a_server_that_repeats_its_secrets_gets_them_into_no_error(
    client_kind: Any, status: int, call: str
) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, headers={"content-type": "text/event-stream"})
        return httpx.Response(status, json=echo(), headers={"retry-after": "999"})

    transport = httpx.MockTransport(handle)
    api = Both(client_kind, KEY, "https://api.example", transport=transport, retry_policy=QUICK)
    args = {
        "create": (secretive(),),
        "submit": ("tgrp_1", secretive()),
        "add_runs": ("tgrp_1", [secretive()]),
    }
    with pytest.raises(errors.ParallelError) as caught:
        getattr(api, call)(*args[call])
    assert_clean(shown(caught.value))
    api.done()


def test_no_representation_shows_a_secret(api: Both) -> None:
    request = secretive()
    assert_clean(
        f"{api.client!r} {api.client._settings!r} {request!r} {request} {request.mcp_servers}"
    )
    run = api.create(request)
    assert_clean(f"{run!r} {api.retrieve_input(run.run_id)!r}")


def test_an_invalid_request_repeats_no_secret(api: Both) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        api.create(secretive().model_copy(update={"processor": "none", "input": ""}))
    assert_clean(shown(caught.value))
