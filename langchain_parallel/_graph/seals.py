"""Proof that what a state says was written by this package, for this account.

Rule: an id that comes with input, from an edited state or from a model is no capability: whoever reads a
log may know it. What a step writes into a state and a later step has to believe (whose run it is, what a
person has approved) bears a seal, which nobody can make without the account's key. A seal goes where the
state goes: to forks, copied threads, sub-agents and `carry_over`.

A seal of another key proves nothing, and disproves nothing: after a key was replaced, what the API says of
a run decides.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from .._core.hidden import HiddenBytes

_PURPOSE = b"langchain_parallel seal 1"
_CHARS = 32
"""128 bits. Each turn in a checkpoint has one (R8)."""

_write = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


@dataclass(frozen=True)
class Seals:
    """Makes and checks the seals of one account."""

    key: SecretStr = field(repr=False)

    def of(self, kind: str, *parts: Any) -> str:
        """The seal of some plain JSON; `kind` says what it is the proof of, so none stands for another."""
        own = HiddenBytes(self.key.get_secret_value().encode(errors="surrogatepass"))
        own = HiddenBytes(hmac.digest(own, _PURPOSE, "sha256"))
        said = _write([kind, *parts]).encode(errors="surrogatepass")
        return hmac.digest(own, said, "sha256").hex()[:_CHARS]

    def holds(self, seal: object, kind: str, *parts: Any) -> bool:
        """Whether this is the seal of that."""
        if not isinstance(seal, str) or not seal.isascii():
            return False
        return hmac.compare_digest(seal, self.of(kind, *parts))
