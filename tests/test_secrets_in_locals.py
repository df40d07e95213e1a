"""What reports errors with their local variables (Sentry's default) gets no secret of ours."""

from __future__ import annotations

import hashlib
import hmac
import traceback
from base64 import b64encode
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core.hidden import HiddenBytes, HiddenText
from langchain_parallel._core.redaction import secrets_of
from langchain_parallel._core.webhook_signature import key_candidates
from langchain_parallel.models import McpServer, TaskRunInput
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import Fault, RunningServer
from langchain_parallel.webhooks import receive

from .secrets_kit import KEY, SERVERS, TOKEN, WEBHOOK, leaks, secret, shown

REQUEST = TaskRunInput(input="Who?", processor="lite", mcp_servers=SERVERS, webhook=WEBHOOK)
HOOK_SECRET = secret("wh")
FAULTS = [
    Fault("status_before", "POST", "*/runs", status=403),
    Fault("drop_before", "POST", "*/runs"),
    Fault("malformed_json", "POST", "*/runs"),
]


def test_the_test_can_fail() -> None:
    exec_in: dict[str, Any] = {}
    code = compile("def f(key):\n    raise ValueError('no')", "of-a-library.py", "exec")
    exec(code, exec_in)  # a frame that is not a test's
    with pytest.raises(ValueError, match="no") as raised:
        exec_in["f"](KEY)
    assert leaks(shown(raised.value))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
async def test_no_frame_of_a_failed_call_shows_a_secret(
    simulator_server: RunningServer, fault: Fault
) -> None:
    url = simulator_server.url
    simulator_server.simulator.faults.add(fault)
    with pytest.raises(errors.ParallelError) as raised:
        ParallelClient(KEY, base_url=url).create(REQUEST)
    assert leaks(shown(raised.value)) == []
    simulator_server.simulator.faults.add(fault)
    with pytest.raises(errors.ParallelError) as raised:
        await AsyncParallelClient(KEY, base_url=url).create(REQUEST)
    assert leaks(shown(raised.value)) == []


FORGED = [
    ({"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}, b"{}"),
    ({"webhook-id": "evt_1", "webhook-timestamp": "x", "webhook-signature": "v1,AAAA"}, b"{}"),
]


@pytest.mark.parametrize("given", [HOOK_SECRET, SecretStr(HOOK_SECRET)], ids=["text", "secret"])
@pytest.mark.parametrize(("headers", "body"), FORGED)
def test_a_forged_delivery_shows_no_secret(given: Any, headers: Any, body: bytes) -> None:
    with pytest.raises(errors.WebhookRejected) as raised:
        receive(headers, body, secrets=[given])
    assert leaks(shown(raised.value)) == []


def test_a_signed_delivery_that_names_no_run_shows_no_secret() -> None:
    signature = b64encode(hmac.new(HOOK_SECRET.encode(), b"e.1.{}", hashlib.sha256).digest())
    headers = {"webhook-id": "e", "webhook-timestamp": "1"}
    signed = {**headers, "webhook-signature": f"v1,{signature.decode()}"}
    with pytest.raises(errors.WebhookRejected, match="no run") as raised:
        receive(signed, b"{}", secrets=[HOOK_SECRET], now=1.0)
    assert leaks(shown(raised.value)) == []


class Interrupted(BaseException):
    """Nothing of ours catches it, as with `KeyboardInterrupt`."""


def test_an_interruption_shows_no_secret_in_frames_of_ours() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise Interrupted

    client = ParallelClient(KEY, transport=httpx.MockTransport(handle))
    with pytest.raises(Interrupted) as raised:
        client.create(REQUEST)
    found = [
        frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name
        for frame, _ in traceback.walk_tb(raised.value.__traceback__)
        if "langchain_parallel/" in frame.f_code.co_filename
        and leaks(repr(value) for value in dict(frame.f_locals).values())
    ]
    assert found == []


WRONG: list[Any] = [
    lambda: McpServer(url="x", name="crm", headers={"Authorization": [TOKEN]}),  # type: ignore[dict-item]
    lambda: McpServer(url="x", name="crm", token=TOKEN),  # type: ignore[call-arg]
    lambda: RequestOptions(mcp_servers=[{"url": TOKEN, "name": 5}]),  # type: ignore[list-item]
    lambda: TaskRunInput(input="x", processor="lite", webhook={"url": 5, "a": TOKEN}),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("make", WRONG)
def test_an_error_of_pydantic_keeps_nothing(make: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        make()
    assert leaks([repr(raised.value.errors()), raised.value.json(), *shown(raised.value)]) == []
    assert raised.value.errors()[0]["loc"]


def test_hidden_values_are_what_they_hide() -> None:
    assert (HiddenText("abc"), HiddenBytes(b"abc")) == ("abc", b"abc")
    assert (repr(HiddenText("abc")), repr([HiddenBytes(b"abc")])) == ("'…'", "[b'…']")
    assert leaks([secrets_of([REQUEST]), key_candidates(f"whsec_{HOOK_SECRET}".encode())]) == []
