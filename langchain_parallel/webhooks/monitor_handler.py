"""Deliveries about monitors, handed on to the caller's own function, each once in a process."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Literal, TypeAlias

import anyio.to_thread

from .._core.latest import Latest
from ..parked.wake_up import log_error
from .delivery import MonitorDelivery

_LOG = logging.getLogger("langchain_parallel")
_REMEMBERED = 10_000

Handed: TypeAlias = Literal["passed over", "duplicate", "under way", "handed on", "failed"]


class MonitorHandler:
    """Calls `handle` with deliveries. One that it has not returned from counts as not delivered."""

    def __init__(
        self, handle: Callable[[MonitorDelivery], Awaitable[object] | object] | None
    ) -> None:
        self._handle = handle
        self._done: Latest[str, None] = Latest(_REMEMBERED)
        self._open: set[str] = set()

    async def hand_on(self, delivery: MonitorDelivery) -> Handed:
        """What became of a delivery."""
        id = delivery.webhook_id
        if self._handle is None:
            _LOG.info("A %s was passed over: there is no `on_monitor`.", delivery.type)
            return "passed over"
        if id in self._done:
            return "duplicate"
        if id in self._open:
            return "under way"
        self._open.add(id)
        try:
            await self._call(delivery)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the API shall send it again
            log_error(
                "`on_monitor` failed with a %s, which is sent again: %s", delivery.type, error
            )
            return "failed"
        finally:
            self._open.discard(id)
        self._done[id] = None
        return "handed on"

    async def _call(self, delivery: MonitorDelivery) -> None:
        assert self._handle is not None
        if iscoroutinefunction(self._handle):
            await self._handle(delivery)
            return
        returned = await anyio.to_thread.run_sync(self._handle, delivery)
        if isawaitable(returned):  # an object whose call is asynchronous, or a `partial` of one
            await returned
