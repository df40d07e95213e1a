"""One lock per name and process, held around look-and-send and never while waiting (rule R5).

A blocking and an asynchronous caller may meet on the same ledger, and event loops come and go, so the
lock is a plain `threading.Lock`; asynchronous callers try it again and again instead of blocking their
loop, which also leaves nothing behind when they are cancelled.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

import anyio

from ..errors import ParallelError

_SHORTEST, _LONGEST = 0.001, 0.05
"""Seconds between two tries of an asynchronous caller; doubled from one to the other."""


class Lock:
    """A lock that both kinds of callers can wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop_thread: int | None = None
        """The thread whose event loop holds it."""

    def acquire(self, seconds: float | None = None) -> bool:
        """Wait for the lock, for so many seconds; whether it came free.

        Raises:
            ParallelError: A task on this thread's own event loop holds it, and could never go on.
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

    async def aacquire(self, seconds: float | None = None) -> bool:
        """Wait for the lock without blocking the event loop, for so many seconds; whether it came free."""
        until = None if seconds is None else time.monotonic() + seconds
        pause = _SHORTEST
        while not self._lock.acquire(blocking=False):
            if until is not None and time.monotonic() >= until:
                return False
            await anyio.sleep(pause)  # an `Event` knows one event loop only
            pause = min(2 * pause, _LONGEST)
        self._loop_thread = threading.get_ident()
        return True

    def release(self) -> None:
        """Let the next one in."""
        self._loop_thread = None
        self._lock.release()


class _Registry:
    """Locks by name, gone with their last user. A forked child starts with none."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    def get(self, name: str) -> Lock:
        with self._guard:
            lock = self._locks.get(name)
            if lock is None:
                lock = self._locks[name] = Lock()
            return lock


_REGISTRY = _Registry()


def lock_of(name: str) -> Lock:
    """The process's one lock of this name; keep it for as long as it is held."""
    return _REGISTRY.get(name)


@contextmanager
def hold(name: str) -> Iterator[None]:
    """Hold the lock of `name`."""
    lock = lock_of(name)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def ahold(name: str) -> AsyncIterator[None]:
    """Hold the lock of `name` without blocking the event loop."""
    lock = lock_of(name)
    await lock.aacquire()
    try:
        yield
    finally:
        lock.release()
