"""Several httpx clients instead of one.

httpx's connection pool looks through all its requests whenever one of them starts or ends, so a thousand at
once cost a million steps. Here each httpx client carries fifty, and another is made when all are full.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import httpx

from .exchange import bound_sockets

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

MAX_PER_CLIENT = 50
"""Requests and streams that one httpx client carries at a time."""
# More connections than requests, so that no request waits for one.
_LIMITS = httpx.Limits(max_connections=2 * MAX_PER_CLIENT, max_keepalive_connections=MAX_PER_CLIENT)


class Pools(Generic[HttpT]):
    """httpx clients, made as they are needed. Threads may share them."""

    def __init__(self, kind: type[HttpT], transport: Any) -> None:
        """Start without clients.

        A caller's own transport gets one client only: of several, the first to close would close it for all.
        """
        self._kind: Any = kind
        self._transport = transport
        self._guard = threading.Lock()
        self._carried: list[list[int]] = []
        self._tls: ssl.SSLContext | None = None  # shared, because loading the certificates is slow
        self.clients: list[HttpT] = []

    @contextmanager
    def acquire(self) -> Iterator[HttpT]:
        """The first client that is not full, for one exchange."""
        with self._guard:
            carried, http = self._not_full()
            carried[0] += 1
        try:
            yield http
        finally:
            with self._guard:
                carried[0] -= 1

    def _not_full(self) -> tuple[list[int], HttpT]:
        for carried, http in zip(self._carried, self.clients, strict=True):
            if carried[0] < MAX_PER_CLIENT or self._transport is not None:
                return carried, http
        if self._transport is not None:
            http = self._kind(transport=self._transport)
        else:
            self._tls = self._tls or httpx.create_ssl_context()
            http = self._kind(verify=self._tls, limits=_LIMITS)
        if isinstance(http, httpx.Client):
            bound_sockets(http)
        self.clients.append(http)
        self._carried.append([0])
        return self._carried[-1], self.clients[-1]
