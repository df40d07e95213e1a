"""One lock per name and process, held around look-and-send and never while waiting (rule R5).

A blocking and an asynchronous caller may meet on the same ledger, and event loops come and go, so the
lock is a plain `threading.Lock`; asynchronous callers try it again and again instead of blocking their
loop, which also leaves nothing behind when they are cancelled.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

import anyio

_PAUSE = 0.01  # seconds between two tries of an asynchronous caller


class Lock:
    """A lock that both kinds of callers can wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Wait for the lock."""
        self._lock.acquire()

    async def aacquire(self) -> None:
        """Wait for the lock without blocking the event loop."""
        while not self._lock.acquire(blocking=False):
            await anyio.sleep(_PAUSE)

    def release(self) -> None:
        """Let the next one in."""
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
