"""Several httpx clients instead of one.

httpx's connection pool looks through all its connections whenever a request starts or ends, so a thousand at
once cost a million steps. Here each httpx client carries eight, and another is made when all are full. One
that has become idle is closed once more than a few are: after a burst few connections stay, also where there
is a client of ours for each of many users.
"""

from __future__ import annotations

import os
import ssl
import threading
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

import httpx

from .exchange import bound_sockets

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

MAX_PER_CLIENT = 8
"""Requests and streams that one httpx client carries at a time."""
SPARE = 2
"""Idle httpx clients that stay, beside half as many as are busy, because a busy process soon needs them."""
SPARE_OF_ALL = 8
"""The same of all clients of ours together: in this process, or in one event loop."""
_LIMITS = httpx.Limits(max_connections=MAX_PER_CLIENT, max_keepalive_connections=MAX_PER_CLIENT)


class Spares(Generic[HttpT]):
    """The idle httpx clients of several pools, and how many are busy."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
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
            surplus = [(one, self._idle[one]) for one in list(self._idle)[: max(0, count)]]
            for one, _ in surplus:
                del self._idle[one]
            return surplus

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
        self._guard = threading.Lock()
        self._free: list[HttpT] = []
        """Those that are not full; idle ones first."""
        self._carried: dict[HttpT, int] = {}

    @property
    def clients(self) -> list[HttpT]:
        """All that are open."""
        return list(self._carried)

    def take(self) -> HttpT:
        """A client that can carry one more exchange; a busy one rather than an idle one."""
        with self._guard:
            if not self._free:
                made = self._make()
                self._carried[made] = 0
                self._free.append(made)
            http = self._free[-1]
            self._carried[http] += 1
            if self._transport is None and self._carried[http] == 1:
                self._spares.note_busy(http)
            if self._transport is None and self._carried[http] == MAX_PER_CLIENT:
                self._free.pop()
            return http

    def give(self, http: HttpT) -> list[HttpT]:
        """Note that an exchange is over; return clients to close, because too many are idle."""
        with self._guard:
            if http not in self._carried:
                return []  # closed meanwhile
            if self._carried[http] == MAX_PER_CLIENT and self._transport is None:
                self._free.append(http)
            self._carried[http] -= 1
            if self._carried[http] or self._transport is not None:
                return []
            self._free.remove(http)
            self._free.insert(0, http)
            idle = [one for one in self._free if not self._carried[one]]
            surplus = idle[SPARE + (len(self._carried) - len(idle)) // 2 :]
            of_all = self._spares.note_idle(http, self)
            surplus = [one for one in surplus if self._drop(one)]
        return surplus + [one for one, pools in of_all if pools.drop(one)]

    def drop(self, http: HttpT) -> bool:
        """Give a client up if it is idle; whether it is to be closed."""
        with self._guard:
            return self._drop(http)

    def _drop(self, http: HttpT) -> bool:
        if self._carried.get(http) != 0:
            return False
        self._free.remove(http)
        del self._carried[http]
        self._spares.forget([http], 0)
        return True

    def clear(self) -> list[HttpT]:
        """Give all clients up, and return them to be closed."""
        with self._guard:
            https = list(self._carried)
            if self._transport is None:
                self._spares.forget(https, sum(map(bool, self._carried.values())))
            self._free.clear()
            self._carried.clear()
            return https

    def _make(self) -> HttpT:
        if self._transport is not None:
            http = self._kind(transport=self._transport)
        else:
            http = self._kind(verify=_tls(*map(os.environ.get, _CERTIFICATES)), limits=_LIMITS)
        if isinstance(http, httpx.Client):
            bound_sockets(http)
        return cast(HttpT, http)


_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@lru_cache(4)
def _tls(file: str | None, folder: str | None) -> ssl.SSLContext:
    """What is trusted. All clients share it, because to load the certificates takes longer than a call."""
    return httpx.create_ssl_context()
