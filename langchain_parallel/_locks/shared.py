"""A lock in this process and, where checkpoints or store are in PostgreSQL, in all processes that use it.

Where they are not, the processes of this machine share it, if the caller wants that.

Rule: a process may stop with a lock in hand, and go on at any time. So no lock is taken from another process,
and a caller that can do without one looks for what the other process has recorded (`take_turn`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable
from contextlib import ExitStack

import anyio

from .._core.calls import Call, Calls, guard
from .._core.retry import Backoff
from ..errors import ThreadBusy
from .machine import find_lock_holder, free_machine_lock, open_machine_locks, try_machine_lock
from .postgres import AdvisoryLocks, advisory_locks, lock_number
from .process import Lock, process_lock

BACKOFF = Backoff(0.005, 0.25)
"""Between two tries for a lock that another process holds."""
OTHERS_SECONDS = 300.0
"""How long another process may have a lock before this one gives up: longer than a request and its
retries.
"""


class SharedLock:
    """A lock that was acquired. Release it when done."""

    def __init__(
        self,
        name: str,
        lock: Lock,
        advisory: AdvisoryLocks | None,
        *,
        contested: bool = False,
        on_machine: bool = False,
        is_alone: bool = True,
    ) -> None:
        self._name, self._lock, self._advisory = name, lock, advisory
        self._on_machine = on_machine
        self.contested = contested
        """Another process held it a moment ago."""
        self.is_alone = is_alone
        """No other process has it now."""

    def other_process(self) -> int | None:
        """The process of this machine that has it; None where that cannot be said."""
        return find_lock_holder(self._name) if self._on_machine else None

    def release(self) -> None:
        """Free the lock. On PostgreSQL this happens in the background, in the right order."""
        if self._on_machine and self.is_alone:
            free_machine_lock(self._name)
        if self._advisory is None or not self.is_alone:
            self._lock.release()
        else:
            self._advisory.unlock(self._name).add_done_callback(lambda _: self._lock.release())


def acquire_shared_lock(name: str, *holders: object) -> Calls[SharedLock]:
    """Wait for a lock, and take it.

    Args:
        name: What the lock protects.
        holders: The caller's checkpointer and store; the first one in PostgreSQL is where the lock is taken.

    Raises:
        ThreadBusy: Another process has had it for `OTHERS_SECONDS`: it was suspended, or hangs.
    """
    lock = process_lock(name)
    yield Call(lock.acquire, lock.aacquire)
    shared = yield from _share(name, lock, holders, time.monotonic() + OTHERS_SECONDS)
    if shared is None:
        raise ThreadBusy(
            f"Another process has had a lock in PostgreSQL for {OTHERS_SECONDS:,.0f} s ({name}).",
            hint="This step sent nothing. Let that process go on, or end it: PostgreSQL then frees its locks "
            f"(pg_locks has this one with the number {lock_number(name)}). Then resume the thread.",
            billed=None,
        )
    return shared


def await_shared_lock(
    name: str, *holders: object, seconds: float | None
) -> Calls[SharedLock | None]:
    """Wait for a lock, up to `seconds` (None: for ever), and take it; None if it did not come free.

    Its arguments are those of `acquire_shared_lock`.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    lock = process_lock(name)
    if not (yield Call(lambda: lock.acquire(seconds), lambda: lock.aacquire(seconds))):
        return None
    return (yield from _share(name, lock, holders, until))


def _share(
    name: str, lock: Lock, holders: Iterable[object], until: float
) -> Calls[SharedLock | None]:
    """A lock of this process, once no other process has it; None if one still has it at `until`."""
    with ExitStack() as undo:
        undo.callback(lock.release)
        advisory = _advisory_of(holders)
        tries = 1 if advisory is None else (yield from _acquire_advisory(advisory, name, until))
        if not tries:
            return None
        undo.pop_all()
        return SharedLock(name, lock, advisory, contested=tries > 1)


def take_turn(name: str, *holders: object, on_machine: bool) -> Calls[SharedLock]:
    """Wait for the other callers of this process, and try once to keep out other processes: `is_alone` says
    whether none of them has the lock. Release it in either case.

    Args:
        name: What the lock protects.
        holders: As for `acquire_shared_lock`.
        on_machine: Where no holder is in PostgreSQL, keep out the other processes of this machine.
    """
    lock = process_lock(name)
    yield Call(lock.acquire, lock.aacquire)
    with ExitStack() as undo:
        undo.callback(lock.release)
        advisory = _advisory_of(holders)
        if advisory is not None:
            is_alone = bool((yield _ask(advisory, name)))
        elif on_machine:
            yield from open_machine_locks()
            is_alone = try_machine_lock(name)
        else:
            is_alone = True
        undo.pop_all()
        is_of_machine = on_machine and advisory is None
        return SharedLock(name, lock, advisory, on_machine=is_of_machine, is_alone=is_alone)


def _advisory_of(holders: Iterable[object]) -> AdvisoryLocks | None:
    return next((locks for holder in holders if (locks := advisory_locks(holder))), None)


def _ask(advisory: AdvisoryLocks, name: str) -> Call:
    ask = Call(lambda: advisory.try_lock(name).result(), lambda: _try_lock(advisory, name))
    hint = "Nothing was sent: see to PostgreSQL, then resume the thread."
    return guard(ask, "The database with the locks could not be asked", hint)


def _acquire_advisory(advisory: AdvisoryLocks, name: str, until: float) -> Calls[int]:
    """Take the lock on PostgreSQL, and return how many tries it took; 0 if it did not come free."""
    tries = 1
    while not (yield _ask(advisory, name)):
        if time.monotonic() >= until:
            return 0
        seconds = BACKOFF.delay(tries)
        yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))  # noqa: B023 -- called at once
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
