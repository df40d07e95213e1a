"""What a client knows to be secret: its key, what the requests carry, what a caller's own httpx client adds.

Rule: a secret is learnt before it leaves. A server, or an MCP server behind it, that repeats one in an
answer has it redact_model out before anybody reads it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import httpx

from .._core.redaction import in_order, redact
from ..errors import ParallelError

_REMEMBERED = 2_000
"""Secrets remembered at the most, the latest ones."""
_CERTAIN = 8
"""Characters from which on a secret cannot be a word of this package's own."""
_USUAL = frozenset({"accept", "accept-encoding", "connection", "user-agent"})


class Secrets:
    """Secrets, as they become known."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._in_order: tuple[str, ...] = ()

    def learn(self, secrets: Iterable[str]) -> None:
        """From now on no answer and no error may show these."""
        new = [secret for secret in secrets if secret not in self._known]
        if not new:
            return
        self._known.update(dict.fromkeys(new))
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._in_order = in_order(self._known)

    def known(self, http: httpx.Client | httpx.AsyncClient | None = None) -> tuple[str, ...]:
        """All of them, those of a caller's own client included; longest first."""
        return in_order({*self._in_order, *_of(http)}) if http is not None else self._in_order

    @staticmethod
    def redact_error(error: ParallelError, secrets: Sequence[str]) -> None:
        """Take the secrets out of an error and of those it came from."""
        # What the server said has been through `response`, where the short ones went, too.
        certain = [secret for secret in secrets if len(secret) >= _CERTAIN]
        one: BaseException | None = error
        while one is not None:
            if isinstance(one, ParallelError):
                one.rewrite(lambda text: redact(text, certain))
            one = one.__cause__ or one.__context__


def _of(http: httpx.Client | httpx.AsyncClient) -> set[str]:
    """What a caller's own client adds to each request."""
    found = {value for name, value in http.headers.items() if name not in _USUAL}
    found |= {value for value in http.cookies.values() if value}
    if isinstance(http.auth, httpx.BasicAuth):
        found.add(http.auth._auth_header)
    return found
