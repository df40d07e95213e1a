"""Several httpx clients instead of one.

A pool of httpx looks through all its requests whenever one of them moves, so a thousand at once take it a
thousand times a thousand steps. Here each client has its fifty, and another one is made when all are busy.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import httpx

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)

BUSY = 50
"""Requests and streams that one client carries at a time."""
_LIMITS = httpx.Limits(max_connections=2 * BUSY, max_keepalive_connections=BUSY)


class Pools(Generic[HttpT]):
    """httpx clients, made as they are needed, each lent to so many at a time. Threads may share them."""

    def __init__(self, kind: type[HttpT], transport: Any) -> None:
        """No clients yet. A caller's own transport gets one only: several would close it under each other."""
        self._kind: Any = kind
        self._transport = transport
        self._guard = threading.Lock()
        self._lent: list[list[int]] = []
        self._tls: ssl.SSLContext | None = None
        self.clients: list[HttpT] = []

    @contextmanager
    def lend(self) -> Iterator[HttpT]:
        """The first client that is not busy."""
        with self._guard:
            lent, http = self._free()
            lent[0] += 1
        try:
            yield http
        finally:
            with self._guard:
                lent[0] -= 1

    def _free(self) -> tuple[list[int], HttpT]:
        for lent, http in zip(self._lent, self.clients, strict=True):
            if lent[0] < BUSY or self._transport is not None:
                return lent, http
        if self._transport is not None:
            self.clients.append(self._kind(transport=self._transport))
        else:
            self._tls = self._tls or httpx.create_ssl_context()
            self.clients.append(self._kind(verify=self._tls, limits=_LIMITS))
        self._lent.append([0])
        return self._lent[-1], self.clients[-1]
