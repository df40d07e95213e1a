"""The lock of a batch: one process at a time sends for it.

Rule: two that research one batch at the same time would both send what is missing. So a batch is locked in
this process, for all processes of this user on this machine, and where a step's checkpoints or store are in
PostgreSQL, in all that use these. What no lock can see, a process on another machine, is noticed after the
first chunk that both have sent (`table_flow.py`).
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.records import holder_of
from .._locks.machine import free_machine_lock, try_machine_lock
from .._locks.process import Lock, process_lock
from .._locks.shared import SharedLock, await_shared_lock
from ..client import ParallelClient
from ..errors import InvalidRequest, ParallelError

_LOG = logging.getLogger("langchain_parallel")


@dataclass(frozen=True, slots=True)
class BatchLock:
    """A batch's lock, which was taken."""

    name: str
    inner: Lock | SharedLock

    def release(self) -> None:
        """Free it."""
        free_machine_lock(self.name)
        self.inner.release()


def account_of(client: ParallelClient) -> str:
    """Tells apart the servers whose batches may have the same id."""
    return hashlib.sha256(client._settings.base_url.encode()).hexdigest()[:16]


def busy() -> ParallelError:
    """What is raised where another call has the lock."""
    return ParallelError(
        "This batch is being researched by another call or process already.",
        hint="Nothing was sent. Wait for the other one to end, or close its iterator.",
    )


def warn_of_leaving(what: str, batch_id: str) -> None:
    """Tell the id of a batch that was left with runs on their way, and that the caller has not kept."""
    _LOG.warning(
        "%s was left before its end. What it has sent goes on: give batch_id=%r, or it is paid for again.",
        what,
        batch_id,
    )


def tell_begin(on_begin: Callable[[str], Any] | None, batch_id: str) -> None:
    """Give the caller the id of a batch to keep, before anything is paid.

    Raises:
        InvalidRequest: What keeps it would have to be awaited, so it would not be kept.
    """
    kept = None if on_begin is None else on_begin(batch_id)
    if inspect.isawaitable(kept):
        if inspect.iscoroutine(kept):
            kept.close()
        raise InvalidRequest(["on_begin is asynchronous; give a plain function."])


def lock_new_batch(batch_id: str, place: str) -> BatchLock | None:
    """The lock of a batch that this process has just begun; None if another call has it already."""
    lock = process_lock(f"batch {batch_id}")
    return _with_machine(batch_id, place, lock) if lock.acquire(0) else None


def lock_batch(batch_id: str, place: str, config: RunnableConfig) -> Calls[BatchLock | None]:
    """The lock of a batch that is gone on with; None if another call has it.

    Args:
        batch_id: The batch's.
        place: Tells apart the batches of different servers.
        config: That of the step of a graph, if there is one.
    """
    shared = yield from await_shared_lock(f"batch {batch_id}", holder_of(config), seconds=0.0)
    return None if shared is None else _with_machine(batch_id, place, shared)


def _with_machine(batch_id: str, place: str, inner: Lock | SharedLock) -> BatchLock | None:
    name = f"batch {batch_id} of {place}"
    if try_machine_lock(name):
        return BatchLock(name, inner)
    inner.release()
    return None
