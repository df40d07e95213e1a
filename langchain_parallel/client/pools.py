"""Several httpx clients instead of one.

httpx's connection pool looks through all its connections whenever a request starts or ends, so a thousand at
once cost a million steps. Here each httpx client carries eight, and another is made when all are full. One
that has become idle is closed once more than a few are: after a burst few connections stay.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any, Generic, TypeVar, cast

import httpx

from .exchange import bound_sockets

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

MAX_PER_CLIENT = 8
"""Requests and streams that one httpx client carries at a time."""
SPARE = 2
"""Idle httpx clients that stay, beside half as many as are busy, because a busy process soon needs them."""
_LIMITS = httpx.Limits(max_connections=MAX_PER_CLIENT, max_keepalive_connections=MAX_PER_CLIENT)


class Pools(Generic[HttpT]):
    """httpx clients, made as they are needed. Threads may share them."""

    def __init__(self, kind: type[HttpT], transport: Any) -> None:
        """Start without clients.

        A caller's own transport gets one client only: of several, the first to close would close it for all.
        """
        self._kind: Any = kind
        self._transport = transport
        self._guard = threading.Lock()
        self._tls: ssl.SSLContext | None = None  # shared, because loading the certificates is slow
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
            if self._carried[http] == MAX_PER_CLIENT and self._transport is None:
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
            for one in surplus:
                self._free.remove(one)
                del self._carried[one]
            return surplus

    def _make(self) -> HttpT:
        if self._transport is not None:
            http = self._kind(transport=self._transport)
        else:
            self._tls = self._tls or httpx.create_ssl_context()
            http = self._kind(verify=self._tls, limits=_LIMITS)
        if isinstance(http, httpx.Client):
            bound_sockets(http)
        return cast(HttpT, http)
