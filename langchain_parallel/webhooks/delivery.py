"""`receive`: is this delivery Parallel's, and which run is it about?

Rule: a delivery only says that something changed. Nothing of its body is used but the run's id; the run is
always read from the API.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pydantic import SecretStr

from .._core.hidden import HiddenBytes, HiddenText, as_secrets
from .._core.json_text import parse
from .._core.webhook_signature import LEAST_BYTES, is_long_enough, is_signed_by, parse_timestamp
from ..errors import InvalidRequest, WebhookRejected

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[A-Za-z0-9_.:=+/-]{1,256}")
# No braces: what is signed is `id.timestamp.body`, and no part of a body may pass for one of an id.
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class WebhookDelivery(NamedTuple):
    """A genuine delivery."""

    webhook_id: str
    """The same for every delivery of the same event."""
    run_id: str


def receive(
    headers: Headers,
    body: bytes,
    *,
    secrets: Sequence[str | SecretStr],
    now: float | None = None,
    tolerance: float = 300.0,
) -> WebhookDelivery:
    """Return the run that a delivery is about, if the delivery is Parallel's.

    Args:
        headers: The request's headers, with names in any case.
        body: The request's body, byte for byte.
        secrets: The account's webhook secret; the old and the new one while it is being changed.
        now: Unix seconds; None: this machine's clock.
        tolerance: Seconds by which the delivery's timestamp may differ from `now`.

    Raises:
        WebhookRejected: The delivery is malformed, is not Parallel's, is too old, or names no run.
        InvalidRequest: There is no secret, or one that is too short.
    """
    secrets = as_secrets(secrets)
    keys = secret_keys(secrets)
    webhook_id, timestamp, signatures = _signature_headers(headers)
    if not is_signed_by(keys, webhook_id, timestamp, signatures, body):
        raise WebhookRejected("The signature is by none of the secrets.", reason="signature")
    _check_time(timestamp, now, tolerance)
    return WebhookDelivery(webhook_id, _run_id(body))


def check_headers(headers: Headers, *, tolerance: float) -> None:
    """Refuse what no body can make genuine, before the body is read.

    Raises:
        WebhookRejected: A header is missing or malformed, or the timestamp is too far from now.
    """
    _, timestamp, _ = _signature_headers(headers)
    _check_time(timestamp, None, tolerance)


def _check_time(timestamp: int, now: float | None, tolerance: float) -> None:
    # Not `>`, which is false for a `now` that is not a number, and would let an old delivery in.
    if not abs((time.time() if now is None else now) - timestamp) <= tolerance:
        raise WebhookRejected("The timestamp is too far from now.", reason="timestamp")


def secret_keys(secrets: Sequence[str | SecretStr]) -> tuple[bytes, ...]:
    """The secrets as bytes.

    Raises:
        InvalidRequest: There is no secret, or one that is too short.
    """
    secrets = as_secrets(secrets)
    texts = [HiddenText(secret.get_secret_value().strip()) for secret in secrets]
    keys = tuple(HiddenBytes(text.encode("utf-8", "surrogatepass")) for text in texts)
    if not keys or not all(map(is_long_enough, keys)):
        raise InvalidRequest(
            [f"Give at least one webhook secret, and none of fewer than {LEAST_BYTES} bytes."],
            hint="`whsec_` does not count. Any client that guesses one could send deliveries.",
        )
    return keys


def _signature_headers(headers: Headers) -> tuple[str, int, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = {name.lower(): value for name, value in pairs if isinstance(value, str)}
    webhook_id, moment, signatures = (found.get(name, "") for name in _HEADERS)
    timestamp = parse_timestamp(moment)
    if not _ID.fullmatch(webhook_id) or timestamp is None or not signatures.isascii():
        raise WebhookRejected(
            f"One of the headers {', '.join(_HEADERS)} is missing or malformed.", reason="malformed"
        )
    return webhook_id, timestamp, signatures


def _run_id(body: bytes) -> str:
    try:
        event = parse(body)
    except ValueError:
        raise WebhookRejected("The body is not JSON.", reason="malformed") from None
    data = event.get("data") if isinstance(event, dict) else None
    run_id = data.get("run_id") if isinstance(data, dict) else None
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise WebhookRejected("The body names no run.", reason="no_run")
    return run_id
