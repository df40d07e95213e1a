"""Time is a parameter: the simulator reads and waits on a clock it is given.

Rule: nothing in this package but `RealClock` asks the machine what time it is.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "RealClock"]


class Clock(Protocol):
    """What the simulator (and a client under test) needs of time. All figures in seconds."""

    @property
    def patience(self) -> float:
        """Longest single sleep of a waiter that must also notice changes made by others."""

    def now(self) -> float:
        """Unix time, for timestamps."""

    def monotonic(self) -> float:
        """Time that only goes forward, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait, blocking."""

    async def asleep(self, seconds: float) -> None:
        """Wait, on the running event loop."""


class ManualClock:
    """Virtual time: a sleep advances it at once, so an hour's wait costs no real time.

    The target of a sleep is fixed when it is called and time then moves to the later of the two,
    so that ten waiters of a minute each take one minute together, not ten.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    @property
    def patience(self) -> float:
        return math.inf

    def now(self) -> float:
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move time forward by `seconds`."""
        self._reach(self.monotonic() + max(seconds, 0.0))

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        target = self.monotonic() + max(seconds, 0.0)
        await asyncio.sleep(0)  # let others run first: they may have shorter waits
        self._reach(target)

    def _reach(self, target: float) -> None:
        with self._lock:
            self._elapsed = max(self._elapsed, target)

    def __repr__(self) -> str:
        return f"ManualClock(elapsed={self.monotonic():g})"


class RealClock:
    """The machine's own time."""

    @property
    def patience(self) -> float:
        return 0.05

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
