"""Whose credentials a request has: its caller says so, or else the credentials of its MCP servers do.

Rule: what one user's token could see is not another's answer. So a key counts the `identity` that a caller
gives; without one, a digest of all MCP headers, logins and queries; and neither where there is none.

The key stands in metadata and in state, where a password must not be guessed from it. So the digest is slow
on purpose: PBKDF2-HMAC-SHA256, salted with the servers' addresses, over all credentials of a request at once.
It needs nothing but the request: no process has to share a secret, and no other key can be rotated under it.
It is made once in a process for the same credentials.

A run also bears a mark of it, so that a session that shares the ledger counts the run and does not read it.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

from ...errors import InvalidRequest
from ...models import McpServer, TaskRun, TaskRunInput
from .. import urls
from ..hidden import HiddenBytes, HiddenText
from ..kinds import check_kinds
from ..limits import check_text

MARK_KEY = "ledger_identity"
"""Where a run carries its mark, as metadata."""
MAX_IDENTITY = 512
"""Characters."""

# Never changed: another digest is another key, and would pay for all runs anew.
_SALT = b"langchain-parallel: credentials of MCP servers: "
_ITERATIONS = 600_000
"""What OWASP advises for passwords (2023): about a sixth of a second."""
_REMEMBERED = 2_000
"""Credentials whose digest a process remembers."""


def check_identity(identity: object) -> None:
    """Check an identity, where one is given.

    Raises:
        InvalidRequest: It is no text, blank, too long, or cannot be stored.
    """
    check_kinds({"identity": (identity, str)})
    if not isinstance(identity, str):
        return
    size = f"has {len(identity):,} characters" if identity.strip() else "is blank"
    if len(identity) > MAX_IDENTITY or not identity.strip():
        raise InvalidRequest(
            [f"identity {size}; give text of up to {MAX_IDENTITY} characters, such as a user's id."]
        )
    check_text({"identity": identity})


def identity_of(run: TaskRunInput, identity: str | None) -> object:
    """Whose credentials a run has, as plain JSON: what the caller says, or else a digest of the credentials;
    None where there is neither.

    Raises:
        InvalidRequest: `identity` is none.
    """
    check_identity(identity)
    return credentials_digest(run) if identity is None else ["identity", identity]


def identity_mark(run: TaskRunInput, identity: str | None) -> str | None:
    """A short hash of it."""
    whose = identity_of(run, identity)
    return None if whose is None else hashlib.sha256(json.dumps(whose).encode()).hexdigest()[:16]


def is_anothers(run: TaskRun, mark: str | None) -> bool:
    """Whether a run had other credentials than these. One without a mark saw what everybody can see."""
    theirs = (run.metadata or {}).get(MARK_KEY)
    return theirs is not None and theirs != mark


def credentials_digest(run: TaskRunInput) -> str | None:
    """A digest of what a run's MCP servers are given to know the user by; None where that is nothing."""
    credentials = credentials_of(run)
    if credentials is None:
        return None
    addresses = [urls.without_login_and_query(server.url) for server in run.mcp_servers]
    return _slow_digest(credentials, json.dumps(addresses).encode())


def credentials_of(run: TaskRunInput) -> HiddenBytes | None:
    """All credentials of a run's MCP servers as one text; None where there are none."""
    found = [[_headers(server), *_in_address(server)] for server in run.mcp_servers]
    return HiddenBytes(json.dumps(found).encode()) if any(map(any, found)) else None


def _headers(server: McpServer) -> list[tuple[str, HiddenText]]:
    """Their names are the same in any case and in any order."""
    given = (server.headers or {}).items()
    return sorted((name.lower(), HiddenText(value.get_secret_value())) for name, value in given)


def _in_address(server: McpServer) -> list[HiddenText]:
    return [*map(HiddenText, urls.login_and_query(server.url))]


@lru_cache(_REMEMBERED)
def _slow_digest(credentials: HiddenBytes, addresses: bytes) -> str:
    return hashlib.pbkdf2_hmac("sha256", credentials, _SALT + addresses, _ITERATIONS).hex()
