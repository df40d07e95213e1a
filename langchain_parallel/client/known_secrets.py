"""The secrets that a client knows: its key, those in its requests, those of a caller's own httpx client.

Rule: a secret is registered before it is sent. If a server, or an MCP server behind it, repeats one in a
response, it is removed before the caller sees it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import httpx

from .._core.redaction import redact, with_parts
from ..errors import ParallelError

_MAX_SECRETS = 2_000
"""The latest secrets that are remembered."""
_CERTAIN = 8
"""Characters. A shorter secret may also be a word in this package's own messages."""
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "connection", "user-agent"})


class KnownSecrets:
    """Secrets that no response and no error may show."""

    def __init__(self) -> None:
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self._all: tuple[str, ...] = ()

    def register(self, secrets: Iterable[str]) -> None:
        """Let no response and no error show these from now on."""
        new = [secret for secret in secrets if secret not in self._secrets]
        if not new:
            return
        self._secrets.update(dict.fromkeys(new))
        while len(self._secrets) > _MAX_SECRETS:
            self._secrets.popitem(last=False)
        self._all = with_parts(self._secrets)

    def all(self, http: httpx.Client | httpx.AsyncClient | None = None) -> tuple[str, ...]:
        """All secrets and their parts, with those of a caller's own httpx client; longest first."""
        return with_parts({*self._all, *_http_secrets(http)}) if http is not None else self._all

    @staticmethod
    def redact_error(error: ParallelError, secrets: Sequence[str]) -> None:
        """Remove the secrets from an error and from the errors behind it."""
        # `Settings.response` has removed short ones, too, from what the server said.
        certain = [secret for secret in secrets if len(secret) >= _CERTAIN]
        one: BaseException | None = error
        while one is not None:
            if isinstance(one, ParallelError):
                one._map_text(lambda text: redact(text, certain))
            one = one.__cause__ or one.__context__


def _http_secrets(http: httpx.Client | httpx.AsyncClient) -> set[str]:
    """The secrets that a caller's own httpx client adds to each request."""
    found = {value for name, value in http.headers.items() if name not in _HARMLESS_HEADERS}
    found |= {value for value in http.cookies.values() if value}
    if isinstance(http.auth, httpx.BasicAuth):
        found.add(http.auth._auth_header)
    return found
