"""Deliveries as the API sends them, written from its description, not with the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "whsec_SimulatedAndPublicSoItIsNoSecret"
NOW = 1_750_000_000


def signature(key: bytes, webhook_id: str, timestamp: Any, body: bytes) -> str:
    message = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def headers(
    body: bytes,
    *keys: bytes,
    webhook_id: str = "whevent_1",
    timestamp: Any = NOW,
) -> dict[str, str]:
    signatures = [signature(key, webhook_id, timestamp, body) for key in keys or [SECRET.encode()]]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def body_of(run_id: Any, **more: Any) -> bytes:
    return json.dumps({"type": "task_run.status", "data": {"run_id": run_id, **more}}).encode()


def delivery(
    run_id: str, webhook_id: str = "whevent_1", secret: str = SECRET
) -> tuple[bytes, dict[str, str]]:
    """A delivery that is sent now."""
    body = body_of(run_id)
    signed = headers(body, secret.encode(), webhook_id=webhook_id, timestamp=int(time.time()))
    return body, signed
