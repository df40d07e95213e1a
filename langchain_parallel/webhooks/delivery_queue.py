"""Deliveries that were accepted and are being worked on: bounded, tried again, each once in a process.

Rule: what is lost here is found by the sweep. So a process may be killed at any time, and a thread that
cannot go on now is left alone after a few tries.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal
from weakref import WeakValueDictionary

from ..errors import ParallelError
from ..parked.isolation import Done, apart, outcome
from ..parked.wake_up import WakeResult
from .delivery import WebhookDelivery

_LOG = logging.getLogger("langchain_parallel")
_REMEMBERED = 10_000
"""Deliveries that this process knows it is done with, without asking the store."""
_FIRST, _LONGEST = 0.25, 30.0
"""Seconds before the second try, doubled from one to the next; and at the most."""

Taken = Literal["queued", "duplicate", "full"]


class Desk:
    """Takes deliveries and sees to them in the background.

    Args:
        wake: Lets the thread of a run go on; None where that delivery had been done with before.
        worth_retrying: Whether an error may be gone a little later.
        concurrency: Threads that go on at the same time, at the most.
        queue: Deliveries that wait for that, at the most.
        tries: How often a delivery is worked on, at the most.
    """

    def __init__(
        self,
        wake: Callable[[WebhookDelivery], Coroutine[Any, Any, WakeResult | None]],
        *,
        worth_retrying: Callable[[BaseException], bool],
        concurrency: int,
        queue: int,
        tries: int,
    ) -> None:
        self._wake = wake
        self._worth_retrying = worth_retrying
        self._gate = asyncio.Semaphore(concurrency)
        self._most = queue + concurrency
        self._tries = tries
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By run: deliveries that tell the same take no place from others while they wait."""
        self._done: OrderedDict[str, None] = OrderedDict()
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        """Deliveries that are not done with."""
        return len(self._tasks)

    def take(self, received: WebhookDelivery) -> Taken:
        """Accept a delivery, unless it has been already, or there are too many, or the desk closes."""
        id = received.webhook_id
        if id in self._done or id in self._tasks:
            return "duplicate"
        if len(self._tasks) >= self._most or self._closing.is_set():
            return "full"
        self._tasks[id] = apart(self._see_to(received))
        return "queued"

    async def close(self, seconds: float) -> None:
        """Finish what can be finished in that time, and leave the rest to the sweep."""
        self._closing.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for task in left:
            task.cancel()
        if left:
            _LOG.warning("%d webhook deliveries are left to the sweep.", len(left))
            await asyncio.wait(left)

    async def _see_to(self, received: WebhookDelivery) -> None:
        try:
            tried: Done[WakeResult | None] = Done(None, None)
            turn = self._turns.setdefault(received.run_id, asyncio.Lock())
            for attempt in range(self._tries):
                if attempt and await self._closes_within(_pause(attempt)):
                    break
                async with turn, self._gate:
                    tried = await outcome(apart(self._wake(received)))
                if self._settled(received, tried):
                    return
            why = tried.value.outcome.value if tried.value else type(tried.error).__name__
            _LOG.warning("Run %s is left to the sweep (%s).", received.run_id, why)
        finally:
            del self._tasks[received.webhook_id]

    async def _closes_within(self, seconds: float) -> bool:
        """Let time pass, unless there is none left."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()

    def _settled(self, received: WebhookDelivery, tried: Done[WakeResult | None]) -> bool:
        """Whether that was the last try."""
        run_id, woken, error = received.run_id, tried.value, tried.error
        if error is not None:
            again = self._worth_retrying(error)
            ours = isinstance(error, ParallelError)  # these say all there is to say
            _LOG.warning(
                "The thread of run %s could not go on (%s): %s",
                run_id,
                "once more" if again else "left to the sweep",
                error if ours else type(error).__name__,
                exc_info=None if ours else error,
            )
            return not again
        if woken is not None:
            _LOG.info("Run %s: %s (thread %s).", run_id, woken.outcome.value, woken.thread_id)
        if woken is None or woken.settled:
            self._remember(received.webhook_id)
            return True
        return False

    def _remember(self, webhook_id: str) -> None:
        self._done[webhook_id] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)


def _pause(attempt: int) -> float:
    half = min(_LONGEST, _FIRST * 2.0 ** (attempt - 1)) / 2
    return half + half * random.random()
