"""A delivery comes through any web framework: headers and body count in the form in which that has them."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from email.message import Message
from typing import Any

import pytest
import standardwebhooks
from starlette.datastructures import Headers

from langchain_parallel.errors import InvalidRequest
from langchain_parallel.webhooks import (
    MonitorDelivery,
    WebhookDelivery,
    WebhookRejected,
    receive,
    receive_any,
)

from .deliveries import NOW, SECRET, body_of, headers

BODY = body_of("trun_1", say="Grüße")
SIGNED = headers(BODY)


def raw(pairs: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in pairs.items()]


def message(pairs: dict[str, str]) -> Message:
    made = Message()
    for name, value in pairs.items():
        made[name.title()] = value
    return made


def parsed(pairs: dict[str, str]) -> http.client.HTTPMessage:
    lines = "".join(f"{name.title()}: {value}\r\n" for name, value in pairs.items())
    return http.client.parse_headers(io.BytesIO(f"{lines}\r\n".encode()))


HEADERS: dict[str, Callable[[dict[str, str]], Any]] = {
    "mapping": dict,
    "mapping of bytes": lambda pairs: dict(raw(pairs)),
    "mapping with a header of that name": lambda pairs: {"headers": "x", **pairs},
    "pairs": lambda pairs: list(pairs.items()),
    "pairs of bytes": raw,
    "generator": lambda pairs: iter(pairs.items()),
    "starlette": Headers,
    "email": message,
    "http.client, http.server": parsed,
    "ASGI scope": lambda pairs: {"type": "http", "path": "/", "headers": raw(pairs)},
    "WSGI environ": lambda pairs: {
        "REQUEST_METHOD": "POST",
        "wsgi.input": io.BytesIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in pairs.items()},
    },
    "Lambda, HTTP API": lambda pairs: {"version": "2.0", "headers": pairs, "body": None},
    "Lambda, REST API": lambda pairs: {
        "headers": {"webhook-id": "the last of several"},
        "multiValueHeaders": {name.title(): [value] for name, value in pairs.items()},
    },
    "Lambda, one kind only": lambda pairs: {"headers": pairs, "multiValueHeaders": None},
}


@pytest.mark.parametrize("form", HEADERS)
def test_headers_count_in_each_form_and_still_have_to_be_right(form: str) -> None:
    given = HEADERS[form]
    assert receive(given(SIGNED), BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"
    for wrong, reason in (
        ({**SIGNED, "webhook-signature": "v1,AAAA"}, "signature"),
        ({n: v for n, v in SIGNED.items() if n != "webhook-id"}, "malformed"),
    ):
        with pytest.raises(WebhookRejected) as caught:
            receive(given(wrong), BODY, secrets=[SECRET], now=NOW)
        assert caught.value.reason == reason or form == "Lambda, REST API"


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, bytes.decode])
def test_a_body_counts_as_bytes_or_text(form: Callable[[bytes], Any]) -> None:
    assert receive(SIGNED, form(BODY), secrets=[SECRET], now=NOW).run_id == "trun_1"
    with pytest.raises(WebhookRejected, match="by none of the secrets"):
        receive(SIGNED, form(BODY + b" "), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("is_base64", [True, False])
@pytest.mark.parametrize("is_given", [True, False])
def test_a_lambda_event_has_its_own_body(is_base64: bool, is_given: bool) -> None:
    text = base64.b64encode(BODY).decode() if is_base64 else BODY.decode()
    event: Any = {"headers": SIGNED, "body": text, "isBase64Encoded": is_base64}
    own = text if is_given else None
    assert receive(event, own, secrets=[SECRET], now=NOW).run_id == "trun_1"
    event["body"] = text[:-3]
    with pytest.raises(WebhookRejected):
        receive(event, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "event", [{"body": None, "isBase64Encoded": True}, {"isBase64Encoded": False}]
)
def test_a_lambda_event_without_a_body_is_no_delivery(event: Any) -> None:
    with pytest.raises(WebhookRejected):
        receive({"headers": SIGNED, **event}, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("body", [None, {"type": "task_run.status"}, [], 7, io.BytesIO(BODY)])
def test_a_body_in_another_form_is_the_callers_mistake(body: Any) -> None:
    with pytest.raises(InvalidRequest, match="as it came, as bytes or text"):
        receive(SIGNED, body, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "given", [None, "webhook-id: 1", b"x", 7, {"headers": 7}, ["webhook-id"], [("a", "b", "c")]]
)
def test_headers_in_another_form_are_the_callers_mistake(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="ASGI scope, a WSGI environ, or the event"):
        receive(given, BODY, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("name", ["headers", "multiValueHeaders", "body", "isBase64Encoded"])
def test_a_header_that_a_sender_names_like_a_part_of_an_event_changes_nothing(name: str) -> None:
    given = {**SIGNED, name: "true"}
    assert receive(given, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("between", [" ", ", "])
def test_signatures_of_a_rotated_secret_count_in_one_header_or_several(between: str) -> None:
    new, old = (headers(BODY, key)["webhook-signature"] for key in (b"n" * 24, SECRET.encode()))
    joined = {**SIGNED, "webhook-signature": between.join([new, old])}
    assert receive(joined, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"
    pairs = [*SIGNED.items(), ("webhook-signature", new)]
    assert receive(pairs, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("prefix", ["whsec_", ""])
@pytest.mark.parametrize("scheme", ["standard", "legacy"])
def test_a_secret_counts_with_and_without_its_prefix(prefix: str, scheme: str) -> None:
    key = b"twenty-four random bytes"
    secret = prefix + base64.b64encode(key).decode()
    signer = key if scheme == "standard" else secret.encode()
    assert receive(headers(BODY, signer), BODY, secrets=[secret], now=NOW).run_id == "trun_1"
    if scheme == "standard":
        moment = datetime.fromtimestamp(NOW, timezone.utc)
        signature = standardwebhooks.Webhook(secret).sign("whevent_1", moment, BODY.decode())
        by_library = {**SIGNED, "webhook-signature": signature}
        assert receive(by_library, BODY, secrets=[secret], now=NOW).run_id == "trun_1"


# --- monitors ------------------------------------------------------------------------------------


def monitor_body(kind: str = "monitor.event.detected", **data: Any) -> bytes:
    whole = {"monitor_id": "mon_1", "event": {"event_group_id": "mevtgrp_1"}, **data}
    return json.dumps({"type": kind, "timestamp": "2026-08-01T00:00:00Z", "data": whole}).encode()


@pytest.mark.parametrize("kind", ["detected", "completed", "failed", "telepathy"])
def test_a_delivery_about_a_monitor_is_named_and_tells_its_events(kind: str) -> None:
    name = f"monitor.{kind}"
    body = monitor_body(name)
    found = receive_any(headers(body), body, secrets=[SECRET], now=NOW)
    assert found == MonitorDelivery("whevent_1", name, "mon_1", "mevtgrp_1")
    with pytest.raises(WebhookRejected, match=f"The {name} names no run") as caught:
        receive(headers(body), body, secrets=[SECRET], now=NOW)
    assert caught.value.reason == "no_run"
    run = receive_any(SIGNED, BODY, secrets=[SECRET], now=NOW)
    assert run == WebhookDelivery("whevent_1", "trun_1")


@pytest.mark.parametrize("event", [None, [], {}, {"event_group_id": 7}, {"event_group_id": "../x"}])
def test_a_monitors_event_group_may_be_missing_and_is_an_id_or_nothing(event: Any) -> None:
    body = monitor_body(event=event)
    found = receive_any(headers(body), body, secrets=[SECRET], now=NOW)
    assert isinstance(found, MonitorDelivery)
    assert found.event_group_id is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (monitor_body(monitor_id=None), "monitor.event.detected"),
        (monitor_body("findall.run.completed"), "findall.run.completed"),
        (monitor_body("a\nb"), "delivery"),
        (b"[]", "delivery"),
    ],
    ids=["no monitor", "findall", "odd type", "list"],
)
def test_what_is_about_neither_is_passed_over_by_name(body: bytes, name: str) -> None:
    with pytest.raises(WebhookRejected, match=rf"The {name} names no run") as caught:
        receive_any(headers(body), body, secrets=[SECRET], now=NOW)
    assert caught.value.reason == "no_run"
