"""`receive`: is this delivery Parallel's, and which run does it tell of?

Rule: a delivery is a knock on the door, no news. Nothing of its body is used but the run's id.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pydantic import SecretStr

from .._core.webhook_signature import key_candidates, signed_by, timestamp_of
from ..errors import InvalidRequest, WebhookRejected

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

_NEEDED = ("webhook-id", "webhook-timestamp", "webhook-signature")
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
    """The run a delivery tells of, if it is Parallel's.

    Args:
        headers: Of the request; their names in any case.
        body: Of the request, byte for byte.
        secrets: The account's webhook secret; the old and the new one while it is changed.
        now: Unix seconds; None: this machine's clock.
        tolerance: Seconds by which the delivery's timestamp may differ from `now`.

    Raises:
        WebhookRejected: Whatever is wrong with the delivery.
        InvalidRequest: There is no secret, or an empty one.
    """
    keys = checked_secrets(secrets)
    webhook_id, timestamp, signatures = _signature_headers(headers)
    if not signed_by(keys, webhook_id, timestamp, signatures, body):
        raise WebhookRejected("The signature is by none of the secrets.", reason="signature")
    # Not `>`: no comparison with a time that is not a number lets an old delivery in.
    if not abs((time.time() if now is None else now) - timestamp) <= tolerance:
        raise WebhookRejected("The timestamp is too far from now.", reason="timestamp")
    return WebhookDelivery(webhook_id, _run_id(body))


def checked_secrets(secrets: Sequence[str | SecretStr]) -> tuple[bytes, ...]:
    """The secrets' bytes.

    Raises:
        InvalidRequest: There is none, or an empty one.
    """
    given = [secrets] if isinstance(secrets, str | SecretStr) else secrets
    texts = [s.get_secret_value() if isinstance(s, SecretStr) else s for s in given]
    keys = tuple(text.strip().encode("utf-8", "surrogatepass") for text in texts)
    if not keys or not all(key_candidates(key) for key in keys):
        raise InvalidRequest(
            ["Every webhook secret is needed as a text that is not empty, and at least one."],
            hint="Without it anybody could send deliveries.",
        )
    return keys


def _signature_headers(headers: Headers) -> tuple[str, int, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found = {name.lower(): value for name, value in pairs if isinstance(value, str)}
    webhook_id, moment, signatures = (found.get(name, "") for name in _NEEDED)
    timestamp = timestamp_of(moment)
    if not _ID.fullmatch(webhook_id) or timestamp is None or not signatures.isascii():
        raise WebhookRejected(
            f"One of the headers {', '.join(_NEEDED)} is missing or malformed.", reason="malformed"
        )
    return webhook_id, timestamp, signatures


def _run_id(body: bytes) -> str:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRejected("The body is not JSON.", reason="malformed") from None
    data = event.get("data") if isinstance(event, dict) else None
    run_id = data.get("run_id") if isinstance(data, dict) else None
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise WebhookRejected("The body names no run.", reason="no_run")
    return run_id
