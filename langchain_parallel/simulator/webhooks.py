"""Webhook deliveries: when they are due, how they are signed, when they are tried again.

Rule: nothing is sent here. `due` hands out deliveries, whoever sends them calls `record`.
Signatures are HMAC-SHA256 over `id.timestamp.body` with the secret's own bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .answers import JsonObject

__all__ = ["Delivery", "Outbox", "Webhook", "signature"]

_FIRST_RETRY = 5.0
_GIVE_UP = 48 * 3600.0


@dataclass(frozen=True)
class Webhook:
    """A notice to be delivered, first due at `since` (monotonic seconds)."""

    webhook_id: str
    url: str
    body: bytes = field(repr=False)
    since: float = 0.0
    forged: bool = False


@dataclass(frozen=True)
class Delivery:
    """One attempt (counted from 0) at a POST to `url`, due at `due` (monotonic seconds)."""

    webhook: Webhook
    attempt: int
    due: float
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.webhook.url

    @property
    def body(self) -> bytes:
        return self.webhook.body

    @property
    def json(self) -> JsonObject:
        """The body, parsed."""
        parsed: JsonObject = json.loads(self.body)
        return parsed


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` over `id.timestamp.body`."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Outbox:
    """Deliveries waiting for their time. Not thread-safe by itself: the world holds the lock."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)
        self._waiting: list[Delivery] = []

    def put(self, webhook: Webhook, copies: int = 1) -> None:
        """Queue a notice, `copies` times."""
        self._waiting += [Delivery(webhook, 0, webhook.since)] * copies

    def due(self, t: float, unix: float) -> list[Delivery]:
        """Take what is due at t, signed for sending at Unix time `unix`."""
        ready = [d for d in self._waiting if d.due <= t]
        self._waiting = [d for d in self._waiting if d.due > t]
        return [self._signed(d, int(unix)) for d in ready]

    def record(self, delivery: Delivery, ok: bool, t: float) -> None:
        """What came of a delivery. Not 2xx is tried again from 5 s, doubling, over 48 hours."""
        due = t + _FIRST_RETRY * 2**delivery.attempt
        if not ok and due - delivery.webhook.since <= _GIVE_UP:
            self._waiting.append(replace(delivery, attempt=delivery.attempt + 1, due=due))

    def _signed(self, delivery: Delivery, unix: int) -> Delivery:
        hook = delivery.webhook
        secrets: Iterable[str] = ("not the secret",) if hook.forged else self._secrets
        signatures = " ".join(signature(s, hook.webhook_id, unix, hook.body) for s in secrets)
        headers = {
            "content-type": "application/json",
            "webhook-id": hook.webhook_id,
            "webhook-timestamp": str(unix),
            "webhook-signature": signatures,
        }
        return replace(delivery, headers=headers)
