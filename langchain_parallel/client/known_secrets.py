"""The secrets that a client knows: its key, those in its requests, those of a caller's own httpx client.

Rule: a secret is registered before it is sent. If a server, or an MCP server behind it, repeats one in a
response, it is removed before the caller sees it.
"""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from .._core.latest import Latest
from .._core.redaction import header_secrets, longest_first, redact_error, without_ordinary
from ..errors import ParallelError

_MAX_SECRETS = 2_000
"""The latest secrets that are remembered."""


class KnownSecrets:
    """Secrets that no response and no error may show."""

    def __init__(self) -> None:
        self._secrets: Latest[str, None] = Latest(_MAX_SECRETS)
        self._all: tuple[str, ...] = ()

    def register(self, secrets: Iterable[str]) -> None:
        """Let no response and no error show these from now on."""
        new = [secret for secret in secrets if secret not in self._secrets]
        if not new:
            return
        for secret in new:
            self._secrets[secret] = None
        self._all = longest_first(self._secrets)

    def all(self, http: httpx.Client | httpx.AsyncClient | None = None) -> tuple[str, ...]:
        """All secrets, with those of a caller's own httpx client; longest first."""
        if http is None or not (found := _http_secrets(http)):
            return self._all
        return longest_first({*self._all, *found})

    @staticmethod
    def redact_error(error: ParallelError, secrets: tuple[str, ...]) -> None:
        """Remove the secrets from an error, as `redact_error` does, but for words."""
        # `Settings.response` has removed short ones, too, from what the server said. In this package's own
        # messages they may be words.
        redact_error(error, without_ordinary(secrets))


def _http_secrets(http: httpx.Client | httpx.AsyncClient) -> set[str]:
    """The secrets that a caller's own httpx client adds to each request."""
    found = header_secrets(http.headers.items())
    # Not `cookies.values()`, which raises where a server has set one name for two paths.
    found |= header_secrets(("cookie", one.value) for one in http.cookies.jar if one.value)
    if isinstance(http.auth, httpx.BasicAuth):
        found |= header_secrets([("authorization", http.auth._auth_header)])
    return found
