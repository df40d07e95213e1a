"""Time is a parameter: the simulator reads and waits on a clock that it is given.

Rule: nothing in this package but `RealClock` asks the machine what time it is.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the simulator (and a client under test) needs of time. All numbers are seconds."""

    @property
    def poll_interval(self) -> float:
        """The longest sleep of a waiter that must also notice changes made by other threads."""

    def now(self) -> float:
        """Unix time, for timestamps."""

    def monotonic(self) -> float:
        """Time that only moves forward, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait, blocking."""

    async def asleep(self, seconds: float) -> None:
        """Wait, on the running event loop."""


class ManualClock:
    """Virtual time: a sleep advances it at once, so an hour's wait takes no real time.

    A sleep fixes its target when it is called and moves time to the later of the two. So ten waiters of a
    minute each take one minute together, not ten.
    """

    poll_interval: float = math.inf  # a sleep ends at once, so it never hides a change

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move time forward by `seconds`."""
        self._advance_to(self.monotonic() + max(seconds, 0.0))

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        target = self.monotonic() + max(seconds, 0.0)
        await asyncio.sleep(0)  # other tasks run first: their waits may be shorter
        self._advance_to(target)

    def _advance_to(self, target: float) -> None:
        with self._lock:
            self._elapsed = max(self._elapsed, target)

    def __repr__(self) -> str:
        return f"ManualClock(elapsed={self.monotonic():g})"


class RealClock:
    """The machine's own time."""

    poll_interval: float = 0.05

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def __repr__(self) -> str:
        return "RealClock()"
