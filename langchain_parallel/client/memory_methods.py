"""`client.memory`: the memories of an account, blocking and awaited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from .._core import memory_calls
from ..models.memory import MemoryKind, MemoryResult
from .awaited import as_awaitable
from .request_warnings import warn

if TYPE_CHECKING:
    from .async_driver import AsyncDriver
    from .sync_driver import Driver


class Memory:
    """The memories of an account, in which the API keeps what tasks, monitors and FindAll runs have found.

    A run with a `memory_scope_key` is filed in the application memory of that name when it completes; one
    without in the personal memory, if the account has one. No run reads a memory by itself. All calls are
    free. The API calls this a beta that is switched on gradually.
    """

    def __init__(self, client: Driver) -> None:
        self._client = client

    def retrieve(
        self,
        query: str = "",
        *,
        memory_scope_key: str | None = None,
        limit: int | None = None,
        kind: MemoryKind | str | None = None,
        since: datetime | str | None = None,
    ) -> tuple[MemoryResult, ...]:
        """What a memory holds: the most relevant first, or without a query the newest.

        Args:
            query: What to look for, in up to 500 characters.
            memory_scope_key: The application memory; None: the personal one.
            limit: The most results, up to 25; 10 unless given.
            kind: `task`, `monitor` or `findall`; None: all.
            since: Only what was completed then or later: a time with a zone, or RFC 3339.

        Raises:
            InvalidRequest: Nothing was sent.
            ApiError, ResponseLost, MalformedResponse: It could not be read.
        """
        fields = {
            "query": query or None,
            "limit": limit,
            "kind": kind,
            "since": since,
            "memory_scope_key": memory_scope_key,
        }
        flow = memory_calls.retrieve(self._check(fields), self._client._settings.policy)
        return self._client._drive(flow)

    def evict(
        self, kind: MemoryKind | str, id: str, *, memory_scope_key: str | None = None
    ) -> None:
        """Remove a run or a monitor from a memory; it itself stays.

        Args:
            kind: `task`, `monitor` or `findall`.
            id: Of the run or the monitor.
            memory_scope_key: The application memory; None: the personal one.

        Raises:
            InvalidRequest: Nothing was sent.
            ApiError, ResponseLost: It may be there still.
        """
        fields = {"kind": kind, "id": id, "memory_scope_key": memory_scope_key}
        return self._change("evict", fields, needed=("kind", "id"))

    def clear(self, *, memory_scope_key: str | None = None) -> None:
        """Remove everything from a memory; the runs and monitors themselves stay.

        Args:
            memory_scope_key: The application memory; None: the personal one.

        Raises:
            InvalidRequest: Nothing was sent.
            ApiError, ResponseLost: Something may be there still.
        """
        return self._change("clear", {"memory_scope_key": memory_scope_key})

    def _change(self, call: str, fields: dict[str, Any], needed: Sequence[str] = ()) -> None:
        asked = self._check(fields, needed)
        flow = memory_calls.change(call, asked, self._client._settings.policy)
        return self._client._drive(flow)

    def _check(self, fields: dict[str, Any], needed: Sequence[str] = ()) -> dict[str, Any]:
        strict = self._client._settings.strict
        body, found = memory_calls.check(fields, needed=needed, strict=strict)
        warn(found)
        return body


class AsyncMemory:
    """As `Memory`; awaited."""

    def __init__(self, client: AsyncDriver) -> None:
        self._client = client

    retrieve: Final = as_awaitable(Memory.retrieve, "Memory")
    evict: Final = as_awaitable(Memory.evict, "Memory")
    clear: Final = as_awaitable(Memory.clear, "Memory")
    _change = Memory._change
    _check = Memory._check
