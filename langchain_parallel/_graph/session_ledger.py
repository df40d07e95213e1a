"""Finds or makes the ledger of a session whose state does not name one (R4).

Rule: a session has one ledger, and a process that runs the session again finds the same one. With a store,
the ledger is recorded there before anything is paid: a put is durable at once, and survives time travel to a
checkpoint from before the session. Without one, the tool or graph object remembers it as long as it lives.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore

from .._core.calls import Call, Calls
from .._locks.process import process_lock
from .._locks.shared import SharedLock, acquire_shared_lock
from .clients import ClientPair
from .runtime import (
    FIRST_INPUT,
    RECENT_RESUME_SECONDS,
    input_of,
    parent_task,
    runtime_of,
    thread_id_of,
    wait_for_checkpoint,
)
from .store import get_item, put_item

REMEMBERED = 1_000
"""Most sessions whose ledgers one object remembers, the latest ones."""
RUNS_PER_LEDGER = 200
"""Most calls outside LangGraph that share one ledger: looking for a lost run reads all runs of its ledger."""
_SAME_THREAD_SECONDS = 24 * 3600.0
"""A first input that comes this long after the ledger's last use belongs to a new thread of the same id."""
_NAMESPACE = ("langchain_parallel", "ledgers")


class Ledgers:
    """Ledgers by session, in memory; made when first asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._uses = 0

    def of(self, session: str, clients: ClientPair, *, rotate: bool = False) -> Calls[str]:
        """The session's ledger; concurrent calls get the same one.

        Args:
            session: What the ledger is for.
            clients: Make a ledger.
            rotate: Take a new one after `RUNS_PER_LEDGER` uses, because these runs are not looked for later.
        """
        lock = process_lock(f"ledger of {id(self)} {session}")
        yield Call(lock.acquire, lock.aacquire)
        try:
            if rotate:
                self._uses += 1
                if self._uses % RUNS_PER_LEDGER == 0:
                    self._known.pop(session, None)
            if session not in self._known:
                self._known[session] = yield from clients.create_group()
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(session)
            return self._known[session]
        finally:
            lock.release()


def stored_ledger(
    clients: ClientPair,
    store: BaseStore,
    thread_id: str,
    name: str,
    asked_at: float | None = None,
) -> Calls[str]:
    """The ledger that the store records for a LangGraph thread; if there is none, a new one is recorded.

    Args:
        clients: Make a ledger.
        store: LangGraph's store.
        thread_id: The LangGraph thread that the session belongs to.
        name: Tells several sessions in one thread apart.
        asked_at: If this is the thread's first input, when it came, in Unix seconds: a ledger that was last
            used more than a day before belongs to a deleted thread of the same id. None: a later input.
    """
    key = f"{thread_id}/{name}"
    lock = yield from _lock(f"stored ledger {key}", store)
    try:
        known = _of_this_thread((yield from _get(store, key)), asked_at)
        is_recent = known is not None and time.time() - known["at"] < RECENT_RESUME_SECONDS
        used = yield from _use(clients, known, uncertain=is_recent)
        yield put_item(store, _NAMESPACE, key, used)
        return str(used["ledger_id"])
    finally:
        lock.release()


def session_ledger(
    clients: ClientPair, ledgers: Ledgers, config: RunnableConfig, name: str
) -> Calls[str]:
    """The ledger of a research session whose state names none.

    With a store: the ledger recorded for this checkpoint (so replays, forks and re-sent inputs find it), else
    the one of an unfinished session on this thread, else a new one. A later question gets its own ledger and
    therefore never a stale answer. Without a store: the one that this object remembers for the parent's task,
    which a retry of that task runs again.
    """
    runtime, thread_id, task = runtime_of(config), thread_id_of(config), parent_task(config)
    if runtime is None or runtime.store is None or thread_id is None:
        if task is None:
            return (yield from clients.create_group())
        return (yield from ledgers.of(f"{thread_id} {task}", clients))
    store = runtime.store
    yield from wait_for_checkpoint(config)
    after, asked_at = yield from input_of(config)
    here = f"{thread_id}/{name}/after {after}"
    last = f"{thread_id}/{name}/last"
    lock = yield from _lock(f"stored ledger {last}", store)
    try:
        stored = (yield from _get(store, here)) if after else None
        known = _of_this_thread(stored, asked_at if after == FIRST_INPUT else None)
        if known is None:
            latest = yield from _get(store, last)
            known = latest if latest and latest["open"] else None
        used = yield from _use(clients, known, uncertain=True)
        if after:
            yield put_item(store, _NAMESPACE, here, used)
        yield put_item(store, _NAMESPACE, last, {**used, "open": True})
        return str(used["ledger_id"])
    finally:
        lock.release()


def session_done(config: RunnableConfig, name: str) -> Calls[None]:
    """Record that the question was answered: the next one on this thread begins another session."""
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    if runtime is None or runtime.store is None or thread_id is None:
        return
    last = f"{thread_id}/{name}/last"
    known = yield from _get(runtime.store, last)
    if known is not None and known["open"]:
        yield put_item(runtime.store, _NAMESPACE, last, {**known, "open": False})


def _use(
    clients: ClientPair, known: dict[str, Any] | None, *, uncertain: bool
) -> Calls[dict[str, Any]]:
    """What to record: this process uses the known ledger, or a new one.

    If `uncertain` and another process used it last, that process may have sent a run a moment ago.
    """
    ledger_id = str(known["ledger_id"]) if known else (yield from clients.create_group())
    if known and uncertain and known["by"] != clients.process_id:
        clients.mark_uncertain(ledger_id)
    return {"ledger_id": ledger_id, "by": clients.process_id, "at": time.time()}


def _of_this_thread(stored: dict[str, Any] | None, asked_at: float | None) -> dict[str, Any] | None:
    if stored is None or asked_at is None:
        return stored
    return stored if asked_at - stored.get("at", asked_at) < _SAME_THREAD_SECONDS else None


def _lock(name: str, holder: object) -> Calls[SharedLock]:
    lock = yield from acquire_shared_lock(name, holder)
    return cast(SharedLock, lock)  # without a timeout it is never None


def _get(store: BaseStore, key: str) -> Calls[dict[str, Any] | None]:
    item = yield get_item(store, _NAMESPACE, key)
    return None if item is None else dict(item.value)
