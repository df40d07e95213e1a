"""Signatures of webhooks, as Standard Webhooks has them.

Rule: nothing of a delivery is looked at before its signature holds, and no comparison ends early.
The HMAC's key is the secret's own bytes; for a `whsec_…` secret also what it is the base64 of, as the
reference libraries have it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from contextlib import suppress

_PREFIX = b"whsec_"
_VERSION = "v1,"
_MOST = 20
"""Signatures that are looked at; a sender needs one per secret."""


def key_candidates(secret: bytes) -> tuple[bytes, ...]:
    """What may be the key of the HMAC. Never an empty one, under which anybody could sign."""
    found = [secret] if secret else []
    if secret.startswith(_PREFIX):
        with suppress(binascii.Error):  # a secret that is no base64 has its own bytes only
            found.append(base64.b64decode(secret[len(_PREFIX) :], validate=True))
    return tuple(key for key in found if key)


def timestamp_of(value: str) -> int | None:
    """Unix seconds; None for anything else."""
    return int(value) if re.fullmatch(r"[0-9]{1,12}", value, re.ASCII) else None


def signed_by(
    secrets: Iterable[bytes], webhook_id: str, timestamp: int, signatures: str, body: bytes
) -> bool:
    """Whether one of the space-separated signatures is by one of the secrets. ASCII texts only."""
    given = [
        part.removeprefix(_VERSION).encode()
        for part in signatures.split(" ")
        if part.startswith(_VERSION)
    ]
    message = f"{webhook_id}.{timestamp}.".encode() + body
    right = False
    for secret in secrets:
        for key in key_candidates(secret):
            expected = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest())
            for signature in given[:_MOST]:
                right |= hmac.compare_digest(expected, signature)
    return right
