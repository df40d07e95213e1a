"""Deliveries that were accepted and are being processed: bounded, retried, each once in a process.

Rule: what is lost here, a sweep finds. So a process may be killed at any time, and a delivery whose threads
cannot be resumed now is given up after a few attempts.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias
from weakref import WeakValueDictionary

from .._core.latest import Latest
from .._core.retry import RetryPolicy
from ..errors import InvalidRequest, is_transient
from ..parked.wake_up import Outcome, WakeResult, log_error
from .delivery import WebhookDelivery

_LOG = logging.getLogger("langchain_parallel")
_REMEMBERED = 10_000
"""Processed deliveries that this process knows without asking the store."""
_BACKOFF = RetryPolicy(initial_delay=0.25, max_delay=30.0)

Accepted: TypeAlias = Literal["queued", "duplicate", "full"]


@dataclass(frozen=True)
class QueueOptions:
    """How accepted deliveries are processed."""

    concurrency: int = 16
    """Most threads that are resumed at the same time."""
    size: int = 10_000
    """Most deliveries that wait for that; the API is asked to send further ones again."""
    max_attempts: int = 7
    """Attempts per delivery, 0.25 seconds apart at first, then twice as long each time. Then a sweep has to
    find the thread.
    """
    retry_on: Callable[[BaseException], bool] = is_transient
    """Which errors may be gone at the next attempt."""
    shutdown_seconds: float = 10.0
    """How long open deliveries may take when the server shuts down."""

    def __post_init__(self) -> None:
        if min(self.concurrency, self.size, self.max_attempts) < 1:
            raise InvalidRequest(["concurrency, size and max_attempts must be 1 or more."])


class DeliveryQueue:
    """Accepts deliveries and processes them in the background. Its length is that of the open ones.

    Args:
        wake: Wakes the threads of a run, given the ids of the run and the delivery (`wake_for_delivery`);
            None if that delivery had been processed before.
        options: How.
    """

    def __init__(
        self, wake: Callable[[str, str], Awaitable[WakeResult | None]], options: QueueOptions
    ) -> None:
        self._wake = wake
        self._options = options
        self._gate = asyncio.Semaphore(options.concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._run_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Deliveries of one run are processed one by one, so that they take one of the gate's places."""
        self._processed: Latest[str, None] = Latest(_REMEMBERED)
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        return len(self._tasks)

    def accept(self, delivery: WebhookDelivery) -> Accepted:
        """Queue a delivery, unless it was queued before, or the queue is full or closing."""
        id = delivery.webhook_id
        if id in self._processed or id in self._tasks:
            return "duplicate"
        if len(self) >= self._options.size + self._options.concurrency or self._closing.is_set():
            return "full"
        self._tasks[id] = asyncio.ensure_future(self._process(delivery))
        return "queued"

    async def close(self) -> None:
        """Finish what can be finished in `shutdown_seconds`, and leave the rest to a sweep."""
        self._closing.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=self._options.shutdown_seconds)
        for task in left:
            task.cancel()
        if left:
            _LOG.warning("%d webhook deliveries are left to the sweep.", len(left))
            await asyncio.wait(left)

    async def _process(self, delivery: WebhookDelivery) -> None:
        run_lock = self._run_locks.setdefault(delivery.run_id, asyncio.Lock())
        result: WakeResult | BaseException | None = None
        try:
            for attempt in range(1, self._options.max_attempts + 1):
                async with run_lock, self._gate:
                    waking = self._wake(delivery.run_id, delivery.webhook_id)
                    [result] = await asyncio.gather(waking, return_exceptions=True)
                if self._is_done(delivery, result):
                    return
                if attempt < self._options.max_attempts and await self._closes_before(attempt):
                    break
            why = result.outcome.value if isinstance(result, WakeResult) else type(result).__name__
            _LOG.warning("Run %s is left to the sweep (%s).", delivery.run_id, why)
        finally:
            del self._tasks[delivery.webhook_id]

    def _is_done(
        self, delivery: WebhookDelivery, result: WakeResult | BaseException | None
    ) -> bool:
        """Log the result of an attempt; return whether it was the last one."""
        if isinstance(result, BaseException):
            retried = self._options.retry_on(result)
            then = "it is tried again" if retried else "it is left to the sweep"
            log_error(
                f"The thread of run %s could not be resumed; {then}: %s", delivery.run_id, result
            )
            return not retried
        if result is not None:
            _LOG.info(
                "Run %s: %s (thread %s).", result.run_id, result.outcome.value, result.thread_id
            )
            if not result.is_settled and result.outcome is not Outcome.OTHER_GRAPH:
                return False
        self._processed[delivery.webhook_id] = None
        return True

    async def _closes_before(self, attempt: int) -> bool:
        """Pause after an attempt; return whether the queue began to close meanwhile."""
        pause = _BACKOFF.jittered_delay(attempt)
        with suppress(asyncio.TimeoutError):
            seconds = pause.seconds + pause.jitter * random.random()
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()
