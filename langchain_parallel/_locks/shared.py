"""A lock for whoever works on the same thing: in this process, and where there is a PostgreSQL database
for the checkpoints or the store, in all processes that use it (R5).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import anyio

from .._core.calls import Call, Calls
from .postgres import Session, session_of
from .process import Lock, lock_of

_SHORTEST, _LONGEST = 0.005, 0.25
"""Seconds between two tries for a lock that another process holds."""


class SharedLock:
    """A lock that is held. Release it when done."""

    def __init__(self, name: str, lock: Lock, session: Session | None, *, contested: bool) -> None:
        self._name, self._lock, self._session = name, lock, session
        self.contested = contested
        """Another process held it a moment ago."""

    def release(self) -> None:
        """Let the next one in, soon."""
        if self._session is None:
            self._lock.release()
        else:
            self._session.unlock(self._name).add_done_callback(lambda _: self._lock.release())


def shared_lock(
    name: str, *holders: object, seconds: float | None = None
) -> Calls[SharedLock | None]:
    """Take a lock, and hold it; None if others held it for so many seconds.

    Args:
        name: What is worked on.
        holders: The checkpointer and the store of whoever works on it; the first in PostgreSQL counts.
        seconds: How long to wait; None: for ever.
    """
    until = None if seconds is None else time.monotonic() + seconds
    lock = lock_of(name)
    if not (yield Call(lambda: lock.acquire(seconds), lambda: lock.aacquire(seconds))):
        return None
    with ExitStack() as undo:
        undo.callback(lock.release)
        session = next((s for holder in holders if (s := session_of(holder))), None)
        tries = 1 if session is None else (yield from _first_of_all(session, name, until))
        if not tries:
            return None
        undo.pop_all()
        return SharedLock(name, lock, session, contested=tries > 1)


def _first_of_all(session: Session, name: str, until: float | None) -> Calls[int]:
    """How many tries it took; 0 if it never came free."""
    pause, tries = _SHORTEST, 1
    while not (
        yield Call(lambda: session.try_lock(name).result(), lambda: _try_lock(session, name))
    ):
        if until is not None and time.monotonic() >= until:
            return 0
        seconds = pause
        yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))  # noqa: B023 -- called at once
        pause, tries = min(2 * pause, _LONGEST), tries + 1
    return tries


async def _try_lock(session: Session, name: str) -> bool:
    tried = session.try_lock(name)
    try:
        return await asyncio.wrap_future(tried)
    except asyncio.CancelledError:
        tried.add_done_callback(
            lambda done: None if done.cancelled() or not done.result() else session.unlock(name)
        )
        raise
