"""Signatures of webhooks, as Standard Webhooks defines them.

Rule: a delivery's body is not read before its signature is verified, and no comparison ends early (its time
would tell how much of a signature is right). The HMAC's key is what the secret's base64 stands for, without
its `whsec_` if it has one, as Standard Webhooks has it; accounts from before have the secret's own bytes,
prefix included. Nothing tells which an account has, so both are accepted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from contextlib import suppress

from .hidden import HiddenBytes

_PREFIX = b"whsec_"
_VERSION = "v1,"
LEAST_BYTES = 16
"""Of a secret. Standard Webhooks asks for 24 to 64 random ones; fewer than 16 can be found by trying."""
_LEAST_KEY = 12
"""Bytes: what 16 characters of base64 stand for."""
_MOST = 20
"""Signatures that are compared; a sender needs one per secret."""


def is_long_enough(secret: bytes) -> bool:
    """Whether nobody can guess it: `whsec_` is in every one, and does not count."""
    return len(secret.removeprefix(_PREFIX)) >= LEAST_BYTES


def key_candidates(secret: bytes) -> tuple[bytes, ...]:
    """The possible keys of the HMAC. A short key is left out: any sender could guess it, and sign."""
    found, text = [HiddenBytes(secret)], HiddenBytes(secret.removeprefix(_PREFIX))
    with suppress(binascii.Error):  # not base64: only its own bytes can be the key
        padded = HiddenBytes(text + b"=" * (-len(text) % 4))
        found.append(HiddenBytes(base64.b64decode(padded, validate=True)))
    return tuple(key for key in found if len(key) >= _LEAST_KEY)


def parse_timestamp(value: str) -> int | None:
    """Unix seconds; None for anything else."""
    return int(value) if re.fullmatch(r"[0-9]{1,12}", value, re.ASCII) else None


def is_signed_by(
    secrets: Iterable[bytes], webhook_id: str, timestamp: int, signatures: str, body: bytes
) -> bool:
    """Whether one of the space-separated signatures was made with one of the secrets. ASCII texts only.

    A proxy that joins repeated headers puts commas between them.
    """
    given = [
        part.removeprefix(_VERSION).rstrip(",").encode()
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
