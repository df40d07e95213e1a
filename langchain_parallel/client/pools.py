"""An httpx client for each exchange that is going on, used again for the next.

httpx's connection pool looks through all its connections whenever a request starts or ends, so a thousand
at once cost a million steps. Here each httpx client carries one exchange at a time, and so has one
connection; to make another costs less than a request. One that has become idle is closed once more than a few
are: after a burst few connections stay, also where there is a client of ours for each of many users.

Rule: the collector of garbage may close a forgotten client, or a stream of it, in a thread that is at work
here. So a thread may take its locks twice, and no step relies on what an earlier step of it has seen.
"""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import httpx

from .exchange import bound_sockets

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

SPARE = 16
"""Idle httpx clients that stay, beside half as many as are busy, because a busy process soon needs them."""
SPARE_OF_ALL = 32
"""The same of all clients of ours together: in this process, or in one event loop."""


class Spares(Generic[HttpT]):
    """The idle httpx clients of several pools, and how many are busy."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._idle: dict[HttpT, Pools[HttpT]] = {}
        """Those that have been idle for longest come first."""
        self._busy = 0

    def note_busy(self, http: HttpT) -> None:
        """Note that a client is idle no longer."""
        with self._guard:
            self._idle.pop(http, None)
            self._busy += 1

    def note_idle(self, http: HttpT, pools: Pools[HttpT]) -> list[tuple[HttpT, Pools[HttpT]]]:
        """Note that one is idle, and return those that are too many."""
        with self._guard:
            self._busy -= 1
            self._idle[http] = pools
            count = len(self._idle) - SPARE_OF_ALL - self._busy // 2
            if count <= 0:
                return []
            oldest = list(islice(self._idle, count))
            taken = [(one, self._idle.pop(one, None)) for one in oldest]
            return [(one, its) for one, its in taken if its is not None]

    def forget(self, https: list[HttpT], busy: int) -> None:
        """Forget clients that are being closed, of which so many are busy."""
        with self._guard:
            self._busy -= busy
            for http in https:
                self._idle.pop(http, None)


class Pools(Generic[HttpT]):
    """httpx clients, made as they are needed. Threads may share them."""

    def __init__(
        self, kind: type[HttpT], transport: Any, spares: Spares[HttpT] | None = None
    ) -> None:
        """Start without clients.

        A caller's own transport gets one client only: of several, the first to close would close it for all.
        """
        self._kind: Any = kind
        self._transport = transport
        self._spares: Spares[HttpT] = Spares() if spares is None else spares
        self._guard = threading.RLock()
        self._of_transport: HttpT | None = None
        self._busy: set[HttpT] = set()
        self._idle: dict[HttpT, None] = {}
        """Those that have been idle for longest come first."""

    @property
    def clients(self) -> list[HttpT]:
        """All that are open."""
        https: list[HttpT] = [] if self._of_transport is None else [self._of_transport]
        return https + list(self._busy) + list(self._idle)

    def take(self) -> HttpT:
        """A client for one exchange; the one that was used last."""
        with self._guard:
            if self._transport is not None:
                self._of_transport = self._of_transport or self._make()
                return self._of_transport
            http = self._idle.popitem()[0] if self._idle else self._make()
            self._busy.add(http)
            self._spares.note_busy(http)
            return http

    def give(self, http: HttpT) -> list[HttpT]:
        """Note that an exchange is over; return clients to close, because too many are idle."""
        with self._guard:
            if http not in self._busy:
                return []  # all use it, or it was closed meanwhile
            self._busy.remove(http)
            self._idle[http] = None
            count = len(self._idle) - SPARE - len(self._busy) // 2
            surplus = list(islice(self._idle, max(0, count)))
            of_all = self._spares.note_idle(http, self)
            surplus = [one for one in surplus if self._drop(one)]
        return surplus + [one for one, pools in of_all if pools.drop(one)]

    def drop(self, http: HttpT) -> bool:
        """Give a client up if it is idle; whether it is to be closed."""
        with self._guard:
            return self._drop(http)

    def _drop(self, http: HttpT) -> bool:
        if http not in self._idle:
            return False
        del self._idle[http]
        self._spares.forget([http], 0)
        return True

    def clear(self) -> list[HttpT]:
        """Give all clients up, and return them to be closed."""
        with self._guard:
            https = self.clients
            self._spares.forget(https, len(self._busy))
            self._of_transport = None
            self._busy.clear()
            self._idle.clear()
            return https

    def _make(self) -> HttpT:
        if self._transport is not None:
            http = self._kind(transport=self._transport)
        else:
            http = self._kind(verify=_tls(_certificates()))
        if isinstance(http, httpx.Client):
            bound_sockets(http)
        # A test fails should this be renamed. `cookies=` would be copied into a jar that keeps all.
        http._cookies = _NoCookies()
        return cast(HttpT, http)


class _NoCookies(httpx.Cookies):
    """Keeps no cookie: none is sent, and to look for one takes a tenth of a request's time."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave it."""


def _certificates() -> tuple[object, object]:
    """The certificates that the environment names, as they are now: a file may be replaced."""
    return _state_of(os.environ.get("SSL_CERT_FILE")), _state_of(os.environ.get("SSL_CERT_DIR"))


def _state_of(path: str | None) -> tuple[object, ...]:
    """A path, and what changes with the file there."""
    with suppress(OSError):
        found = Path(path).stat() if path else None
        return (path, found and (found.st_mtime_ns, found.st_size, found.st_ino))
    return (path,)  # httpx says what is wrong


@lru_cache(4)
def _tls(certificates: tuple[object, object]) -> ssl.SSLContext:
    """What is trusted. All clients share it, because to load the certificates takes longer than a call."""
    return httpx.create_ssl_context()
