"""Webhook deliveries: when they are due, how they are signed, when they are repeated.

Rule: a run is announced once each time it ends. Nothing is sent here: `due` returns deliveries, and the code
that sends them reports the result to `record`. Not thread-safe: the account holds the lock.
Signatures are HMAC-SHA256 over `id.timestamp.body`. The key is what a secret's base64 stands for, without the
prefix `whsec_` (Standard Webhooks); an account of the earlier scheme has the secret's own bytes for a key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from .deterministic_ids import hex_id
from .faults import Fault
from .http_messages import JsonObject
from .order_queue import OrderQueue
from .simulated_run import Run, timestamp

_FIRST_RETRY_SECONDS = 5.0
_GIVE_UP_SECONDS = 48 * 3600.0


@dataclass(frozen=True)
class Delivery:
    """One attempt (counted from 0) to POST a webhook, due at `due` (monotonic seconds).

    It announces a run that ended at `since`. With `forged` its signature is wrong.
    """

    webhook_id: str
    url: str
    body: bytes = field(repr=False)
    since: float
    due: float
    attempt: int = 0
    forged: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> JsonObject:
        """The body, parsed."""
        parsed: JsonObject = json.loads(self.body)
        return parsed


WebhookScheme: TypeAlias = Literal["standard", "legacy", "both"]
SIMULATED_SECRET = "whsec_SimulatedAndPublicSoItIsNoSecret"


def signing_keys(secret: str, scheme: WebhookScheme) -> list[bytes]:
    """The keys with which a delivery is signed: one, or with `both` one of each scheme.

    Raises:
        ValueError: The secret is not base64, and the scheme decodes it.
    """
    keys = []
    if scheme != "legacy":
        try:
            keys.append(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
        except ValueError:
            raise ValueError(
                "a webhook secret is base64, after `whsec_`; for any other text, sign by the earlier scheme "
                "(webhook_scheme='legacy')"
            ) from None
    return keys if scheme == "standard" else [*keys, secret.encode()]


def signature(key: bytes, webhook_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` over `id.timestamp.body`."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


@dataclass(eq=False)
class WebhookOutbox:
    """Turns runs that end into deliveries. `epoch` is the Unix time of the clock's zero."""

    keys: Sequence[bytes] = field(repr=False)
    faults: OrderQueue[Fault]
    epoch: float
    _watched: list[Run] = field(default_factory=list)
    _queue: list[Delivery] = field(default_factory=list)

    def watch(self, run: Run) -> None:
        """Announce this run when it ends, if its request asks for that."""
        events = (run.request.get("webhook") or {}).get("event_types") or ()
        if "task_run.status" in events and run not in self._watched:
            self._watched.append(run)

    def due(self, t: float, unix: float) -> list[Delivery]:
        """Take the deliveries due at t, signed for sending at Unix time `unix`."""
        ended = [r for r in self._watched if r.is_over_at(t)]
        self._watched = [r for r in self._watched if not r.is_over_at(t)]
        for run in ended:
            self._announce(run)
        ready = [d for d in self._queue if d.due <= t]
        self._queue = [d for d in self._queue if d.due > t]
        return [self._sign(d, int(unix)) for d in ready]

    def record(self, delivery: Delivery, ok: bool, t: float) -> None:
        """Repeat a delivery that got no 2xx: after 5 s, then twice that, and so on for 48 hours."""
        due = t + _FIRST_RETRY_SECONDS * 2**delivery.attempt
        if not ok and due - delivery.since <= _GIVE_UP_SECONDS:
            self._queue.append(replace(delivery, attempt=delivery.attempt + 1, due=due))

    @property
    def has_pending(self) -> bool:
        """Whether a run is yet to be announced, or a delivery to be made."""
        return bool(self._watched or self._queue)

    def _announce(self, run: Run) -> None:
        first = self._delivery(run)
        fault = self.faults.take(lambda f: f.matches_webhook(first.url))
        kind = fault.kind if fault else ""
        if kind == "webhook_forge":
            forged = replace(first, webhook_id=f"{first.webhook_id}f", forged=True)
            self._queue.append(forged)
        copies = {"webhook_lose": 0, "webhook_duplicate": 2}.get(kind, 1)
        self._queue += [first] * copies

    def _delivery(self, run: Run) -> Delivery:
        moment = timestamp(self.epoch + run.ends)
        data = run.to_json(run.ends, self.epoch)
        body = {"type": "task_run.status", "timestamp": moment, "data": data}
        return Delivery(
            webhook_id=f"whevent_{hex_id('webhook', run.run_id, run.ends)}",
            url=run.request["webhook"]["url"],
            body=json.dumps(body).encode(),
            since=run.ends,
            due=run.ends,
        )

    def _sign(self, delivery: Delivery, unix: int) -> Delivery:
        keys = [b"not the secret"] if delivery.forged else self.keys
        own = delivery.webhook_id, unix, delivery.body
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.webhook_id,
            "webhook-timestamp": str(unix),
            "webhook-signature": " ".join(signature(key, *own) for key in keys),
        }
        return replace(delivery, headers=headers)
