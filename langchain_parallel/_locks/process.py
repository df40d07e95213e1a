"""One lock per name and process.

A blocking and an asynchronous caller may need the same lock, and event loops come and go, so it is a plain
`threading.Lock`. Asynchronous callers try it again and again: that blocks no event loop, and leaves nothing
behind if they are cancelled.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

import anyio

from .._core.retry import Backoff
from ..errors import ParallelError

_BACKOFF = Backoff(0.001, 0.05)
"""Between two tries of an asynchronous caller."""


class Lock:
    """A lock that blocking and asynchronous callers can wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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

    async def aacquire(self, seconds: float | None = None) -> bool:
        """As `acquire`; awaited."""
        until = None if seconds is None else time.monotonic() + seconds
        tries = 0
        while not self._lock.acquire(blocking=False):
            if until is not None and time.monotonic() >= until:
                return False
            tries += 1
            await anyio.sleep(_BACKOFF.delay(tries))  # an `Event` works in one event loop only
        self._loop_thread = threading.get_ident()
        return True

    def release(self) -> None:
        """Free the lock."""
        self._loop_thread = None
        self._lock.release()


class ForgottenInChild:
    """Something of this process only. A forked child starts with an empty one."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Become empty."""
        self.guard = threading.Lock()


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
