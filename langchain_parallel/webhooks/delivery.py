"""`receive`: is this delivery Parallel's, and which run, or which monitor, is it about?

Rule: a delivery only says that something changed. Nothing of its body is used but ids; the run, or the
monitor's events, are always read from the API.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import SecretStr

from .._core.hidden import HiddenBytes, HiddenText, as_secrets
from .._core.json_text import parse
from .._core.kinds import kind_of
from .._core.webhook_signature import LEAST_BYTES, is_long_enough, is_signed_by, parse_timestamp
from ..errors import InvalidRequest, WebhookRejected
from .request_forms import Body, Headers, read_body, read_headers

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[A-Za-z0-9_.:=+/-]{1,256}")
# No braces: what is signed is `id.timestamp.body`, and no part of a body may pass for one of an id.
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class WebhookDelivery(NamedTuple):
    """A genuine delivery about a run."""

    webhook_id: str
    """The same for every delivery of the same event."""
    run_id: str


class MonitorDelivery(NamedTuple):
    """A genuine delivery about a monitor; `receive_any` returns it."""

    webhook_id: str
    """The same for every delivery of the same event."""
    type: str
    """`monitor.event.detected`, or another that begins with `monitor.`"""
    monitor_id: str
    event_group_id: str | None
    """Names the events in `GET /v1/monitors/{monitor_id}/events`; None where the delivery names none."""


def receive(
    headers: Headers,
    body: Body | None = None,
    *,
    secrets: Sequence[str | SecretStr],
    now: float | None = None,
    tolerance: float = 300.0,
) -> WebhookDelivery:
    """Return the run that a delivery is about, if the delivery is Parallel's.

    Args:
        headers: The request's headers, with names in any case: a mapping, pairs of text or bytes, the headers
            of `http.client` or `http.server`, an ASGI scope, a WSGI environ, or the event of an AWS Lambda.
        body: The request's body as it came: bytes or text. A Lambda event has its own.
        secrets: The account's webhook secret; the old and the new one while it is being changed.
        now: Unix seconds; None: this machine's clock.
        tolerance: Seconds by which the delivery's timestamp may differ from `now`.

    Raises:
        WebhookRejected: The delivery is malformed, is not Parallel's, is too old, or names no run, as those
            about monitors do: `receive_any` takes them, too.
        InvalidRequest: There is no secret, or one that is too short; headers or body have another form.
    """
    secrets = as_secrets(secrets)
    found = receive_any(headers, body, secrets=secrets, now=now, tolerance=tolerance)
    if isinstance(found, MonitorDelivery):
        raise WebhookRejected(f"The {found.type} names no run.", reason="no_run")
    return found


def receive_any(
    headers: Headers,
    body: Body | None = None,
    *,
    secrets: Sequence[str | SecretStr],
    now: float | None = None,
    tolerance: float = 300.0,
) -> WebhookDelivery | MonitorDelivery:
    """As `receive`, for deliveries about monitors, too.

    Raises:
        WebhookRejected: As from `receive`; `no_run` if the delivery is about neither a run nor a monitor.
        InvalidRequest: As from `receive`.
    """
    secrets = as_secrets(secrets)
    keys = secret_keys(secrets)
    content = read_body(headers, body)
    webhook_id, timestamp, signatures = _signature_headers(headers)
    if not is_signed_by(keys, webhook_id, timestamp, signatures, content):
        raise WebhookRejected("The signature is by none of the secrets.", reason="signature")
    _check_time(timestamp, now, tolerance)
    return _subject(webhook_id, content)


def check_headers(headers: Headers, *, tolerance: float) -> None:
    """Refuse what no body can make genuine, before the body is read.

    Raises:
        WebhookRejected: A header is missing or malformed, or the timestamp is too far from now.
    """
    _, timestamp, _ = _signature_headers(headers)
    _check_time(timestamp, None, tolerance)


def _check_time(timestamp: int, now: float | None, tolerance: float) -> None:
    moment = time.time() if now is None else now
    for name, given in (("now", moment), ("tolerance", tolerance)):
        if not isinstance(given, int | float):
            raise InvalidRequest([f"{name} is {kind_of(given)}; give seconds."])
    # Not `>`, which is false for a `now` that is not a number, and would let an old delivery in.
    if not abs(moment - timestamp) <= tolerance:
        away = f"{abs(moment - timestamp):,.0f} s, and {tolerance:,.0f} s are allowed"
        raise WebhookRejected(f"The timestamp is too far from now: {away}.", reason="timestamp")


def secret_keys(secrets: Sequence[str | SecretStr]) -> tuple[bytes, ...]:
    """The secrets as bytes.

    Raises:
        InvalidRequest: There is no secret, or one that is no text, or too short.
    """
    secrets = as_secrets(secrets)
    for secret in secrets:
        if not isinstance(secret, SecretStr):
            raise InvalidRequest(
                [f"A webhook secret is {kind_of(secret)}; give it as text."],
                hint="An environment variable that is not set is None.",
            )
    texts = [HiddenText(secret.get_secret_value().strip()) for secret in secrets]
    keys = tuple(HiddenBytes(text.encode("utf-8", "surrogatepass")) for text in texts)
    if not keys or not all(map(is_long_enough, keys)):
        raise InvalidRequest(
            [f"Give at least one webhook secret, and none of fewer than {LEAST_BYTES} bytes."],
            hint="`whsec_` does not count. Any client that guesses one could send deliveries.",
        )
    return keys


def _signature_headers(headers: Headers) -> tuple[str, int, str]:
    found = read_headers(headers, _HEADERS)
    webhook_id, moment, signatures = (found.get(name, "") for name in _HEADERS)
    timestamp = parse_timestamp(moment)
    if not _ID.fullmatch(webhook_id) or timestamp is None or not signatures.isascii():
        raise WebhookRejected(
            f"One of the headers {', '.join(_HEADERS)} is missing or malformed.", reason="malformed"
        )
    return webhook_id, timestamp, signatures


def _subject(webhook_id: str, body: bytes) -> WebhookDelivery | MonitorDelivery:
    try:
        event = parse(body)
    except ValueError:
        raise WebhookRejected("The body is not JSON.", reason="malformed") from None
    data = _member(event, "data")
    if run_id := _id(data, "run_id"):
        return WebhookDelivery(webhook_id, run_id)
    kind = event.get("type") if isinstance(event, dict) else None
    named = kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else "delivery"
    monitor_id = _id(data, "monitor_id")
    if named.startswith("monitor.") and monitor_id:
        return MonitorDelivery(
            webhook_id, named, monitor_id, _id(_member(data, "event"), "event_group_id")
        )
    raise WebhookRejected(f"The {named} names no run.", reason="no_run")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _id(value: Any, name: str) -> str | None:
    """A member that can be an id; else None."""
    id = _member(value, name)
    return id if isinstance(id, str) and _PLAIN_ID.fullmatch(id) else None
