"""One lock per name and process, and turns, which are locks that need not be had.

A blocking and an asynchronous caller may need the same lock, and event loops come and go, so it is a plain
`threading.Lock`. Asynchronous callers stand in a line, and the first is woken when the lock is freed; each
also tries it now and then, so that nothing depends on one that was woken and cancelled.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from weakref import WeakValueDictionary

from .._core.retry import Backoff
from ..errors import ParallelError
from .signals import Signal

_BACKOFF = Backoff(0.01, 1.0)
"""Seconds between two tries of an asynchronous caller that was not woken."""
_TURN_SECONDS = 30.0
"""How long a flow waits for a turn."""


class Lock:
    """A lock that blocking and asynchronous callers can wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: deque[Signal] = deque()
        self._loop_thread: int | None = None
        """The thread of the event loop whose task holds it."""

    def acquire(self, seconds: float | None = None) -> bool:
        """Wait for the lock, up to `seconds`, and return whether it was taken.

        Raises:
            ParallelError: A task of this thread's own event loop holds it, and this call would keep it from
                ending.
        """
        if self._lock.acquire(blocking=False):
            return True
        if self._loop_thread == threading.get_ident():
            raise ParallelError(
                "A blocking call would wait for ever for a task of its own event loop.",
                hint="Nothing was sent. Await the asynchronous client there, or make the blocking call "
                "in a thread.",
            )
        return self._lock.acquire(timeout=-1 if seconds is None else seconds)

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        return self._lock.acquire(blocking=False)

    async def aacquire(self, seconds: float | None = None) -> bool:
        """As `acquire`; awaited."""
        until = None if seconds is None else time.monotonic() + seconds
        tries = 0
        while not self._lock.acquire(blocking=False):
            if until is not None and time.monotonic() >= until:
                return False
            tries += 1
            left = math.inf if until is None else until - time.monotonic()
            await self._stand(min(left, _BACKOFF.delay(tries)))
        self._loop_thread = threading.get_ident()
        return True

    async def _stand(self, seconds: float) -> None:
        """Wait in the line, up to `seconds`."""
        signal, was_woken = Signal(), False
        self._line.append(signal)
        try:
            if self._lock.locked():  # it may have been freed a moment ago
                was_woken = await signal.await_(seconds)
        finally:
            with suppress(ValueError):
                self._line.remove(signal)
            if signal.is_set and not was_woken:  # cancelled: another may have it
                self._wake_next()

    def _wake_next(self) -> None:
        with suppress(IndexError):
            self._line.popleft().set()

    def release(self) -> None:
        """Free the lock."""
        self._loop_thread = None
        self._lock.release()
        self._wake_next()


class Turn:
    """The lock of one flow while it does what others can use, too.

    Rule: nothing hangs for want of a turn. A blocking call does not wait for a task of its own event loop,
    and for others only so long: they may be tasks of a loop that waits for this very call.
    """

    def __init__(self) -> None:
        self._lock: Lock | None = None

    def take(self, name: str) -> bool:
        """Wait for the turn of this name, and return whether it was taken."""
        lock = process_lock(name)
        waits = asyncio._get_running_loop() is None
        is_taken = lock.acquire(_TURN_SECONDS) if waits else lock.try_acquire()
        self._lock = lock if is_taken else None
        return is_taken

    async def atake(self, name: str) -> bool:
        """As `take`; awaited."""
        lock = process_lock(name)
        is_taken = await lock.aacquire(_TURN_SECONDS)
        self._lock = lock if is_taken else None
        return is_taken

    def end(self) -> None:
        """Let the next have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    close = end


class ForgottenInChild:
    """Something of this process only. A forked child starts with an empty one."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Become empty."""
        self.guard: threading.Lock = threading.Lock()


class _Locks(ForgottenInChild):
    def forget(self) -> None:
        super().forget()
        self.by_name: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        """A lock goes when its last user does."""


_LOCKS = _Locks()


def process_lock(name: str) -> Lock:
    """The process's one lock of this name; keep a reference to it while it is held."""
    with _LOCKS.guard:
        lock = _LOCKS.by_name.get(name)
        if lock is None:
            lock = _LOCKS.by_name[name] = Lock()
        return lock


@contextmanager
def hold(*names: str) -> Iterator[None]:
    """Hold the locks of these names, taken in one order, so that no two callers wait for each other."""
    with ExitStack() as held:
        for lock in _in_order(names):
            lock.acquire()
            held.callback(lock.release)
        yield


@asynccontextmanager
async def ahold(*names: str) -> AsyncIterator[None]:
    """As `hold`; asynchronous."""
    with ExitStack() as held:
        for lock in _in_order(names):
            await lock.aacquire()
            held.callback(lock.release)
        yield


def _in_order(names: Iterable[str]) -> list[Lock]:
    return [process_lock(name) for name in sorted(set(names))]
