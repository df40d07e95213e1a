"""A lock in this process and, where checkpoints or store are in PostgreSQL, in all processes that use it.

Where they are not, the processes of this machine share it, if the caller wants that.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import anyio

from .._core.calls import Call, Calls, guard
from .._core.retry import Backoff
from .machine import free_machine_lock, open_machine_locks, try_machine_lock
from .postgres import AdvisoryLocks, advisory_locks
from .process import Lock, process_lock

_BACKOFF = Backoff(0.005, 0.25)
"""Between two tries for a lock that another process holds."""
_MACHINE_SECONDS = 30.0
"""How long to wait for another process of this machine: it may have been stopped with the lock in hand."""


class SharedLock:
    """A lock that was acquired. Release it when done."""

    def __init__(
        self,
        name: str,
        lock: Lock,
        advisory: AdvisoryLocks | None,
        *,
        contested: bool,
        on_machine: bool = False,
    ) -> None:
        self._name, self._lock, self._advisory = name, lock, advisory
        self._on_machine = on_machine
        self.contested = contested
        """Another process held it a moment ago."""

    def release(self) -> None:
        """Free the lock. On PostgreSQL this happens in the background, in the right order."""
        if self._on_machine:
            free_machine_lock(self._name)
        if self._advisory is None:
            self._lock.release()
        else:
            self._advisory.unlock(self._name).add_done_callback(lambda _: self._lock.release())


def acquire_shared_lock(
    name: str, *holders: object, seconds: float | None = None, on_machine: bool = False
) -> Calls[SharedLock | None]:
    """Wait for a lock, up to `seconds` (None: for ever), and take it; None if it did not come free.

    Args:
        name: What the lock protects.
        holders: The caller's checkpointer and store; the first one in PostgreSQL is where the lock is taken.
        seconds: How long to wait.
        on_machine: Where no holder is in PostgreSQL, keep out other processes of this machine. For a lock
            that is held for moments: one who holds it for half a minute is passed by.
    """
    until = None if seconds is None else time.monotonic() + seconds
    lock = process_lock(name)
    if not (yield Call(lambda: lock.acquire(seconds), lambda: lock.aacquire(seconds))):
        return None
    with ExitStack() as undo:
        undo.callback(lock.release)
        advisory = next((locks for holder in holders if (locks := advisory_locks(holder))), None)
        tries = 1 if advisory is None else (yield from _acquire_advisory(advisory, name, until))
        if not tries:
            return None
        is_machine = on_machine and advisory is None and (yield from _acquire_of_machine(name))
        undo.pop_all()
        return SharedLock(name, lock, advisory, contested=tries > 1, on_machine=is_machine)


def _acquire_of_machine(name: str) -> Calls[bool]:
    """Take a lock from the other processes of this machine; False if one of them keeps it."""
    yield from open_machine_locks()
    until, tries = time.monotonic() + _MACHINE_SECONDS, 0
    while not try_machine_lock(name):
        if time.monotonic() >= until:
            return False
        tries += 1
        yield from _pause(tries)
    return True


def _pause(tries: int) -> Calls[None]:
    seconds = _BACKOFF.delay(tries)
    yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))


def _acquire_advisory(advisory: AdvisoryLocks, name: str, until: float | None) -> Calls[int]:
    """Take the lock on PostgreSQL, and return how many tries it took; 0 if it did not come free."""
    tries = 1
    ask = Call(lambda: advisory.try_lock(name).result(), lambda: _try_lock(advisory, name))
    hint = "Nothing was sent: see to PostgreSQL, then resume the thread."
    while not (yield guard(ask, "The database with the locks could not be asked", hint)):
        if until is not None and time.monotonic() >= until:
            return 0
        yield from _pause(tries)
        tries += 1
    return tries


async def _try_lock(advisory: AdvisoryLocks, name: str) -> bool:
    tried = advisory.try_lock(name)
    try:
        return await asyncio.wrap_future(tried)
    except asyncio.CancelledError:
        # The lock may still be taken on the connection's thread, and no caller is left to free it.
        tried.add_done_callback(
            lambda done: None if done.cancelled() or not done.result() else advisory.unlock(name)
        )
        raise
