"""Which ledger a session's runs are kept in, where the graph's state does not say (R4).

Rule: a session has one ledger, and whoever runs it again finds the same one. With a store it is put there
before anything is paid: a put is durable at once and survives time travel to a checkpoint from before the
session. Without one, the tool or graph object remembers it for as long as it lives.
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
    RECENT_RESUME_SECONDS,
    START,
    checkpointed,
    input_of,
    parent_task,
    runtime_of,
    thread_id_of,
)
from .store import get_item, put_item

REMEMBERED = 1_000
"""Sessions whose ledgers are remembered, the latest ones."""
USES = 200
"""Calls outside LangGraph that share one ledger: in doubt, so many runs are looked through."""
_FORGOTTEN_SECONDS = 24 * 3600.0
"""After so long nobody gives an input again because a kill left nothing of it."""
_NAMESPACE = ("langchain_parallel", "ledgers")


class Ledgers:
    """Ledgers by session, made when first asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._uses = 0

    def of(self, session: str, clients: ClientPair, *, limited: bool = False) -> Calls[str]:
        """The session's ledger; calls that ask for it at the same time get the same one.

        Args:
            session: What the ledger is kept for.
            clients: Who makes one.
            limited: Begin another one after a number of uses; nobody will look for these runs later.
        """
        lock = process_lock(f"ledger of {id(self)} {session}")
        yield Call(lock.acquire, lock.aacquire)
        try:
            if limited:
                self._count(session)
            if session not in self._known:
                self._remember(session, (yield from clients.create_group()))
            self._known.move_to_end(session)
            return self._known[session]
        finally:
            lock.release()

    def _count(self, session: str) -> None:
        self._uses += 1
        if self._uses % USES == 0:
            self._known.pop(session, None)

    def _remember(self, session: str, ledger_id: str) -> None:
        self._known[session] = ledger_id
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def stored_ledger(
    clients: ClientPair,
    store: BaseStore,
    thread_id: str,
    name: str,
    asked_at: float | None = None,
) -> Calls[str]:
    """The ledger of a LangGraph thread as the store knows it, made and written down if there is none.

    Args:
        clients: Who makes a ledger.
        store: LangGraph's store.
        thread_id: The LangGraph thread the session belongs to.
        name: Tells several sessions in one thread apart.
        asked_at: When the thread's first input came, in seconds since 1970. A ledger that was last used more
            than a day before it is of a thread of this id that was deleted since. None: it had others before.
    """
    key = f"{thread_id}/{name}"
    lock = yield from _locked(f"stored ledger {key}", store)
    try:
        known = _of_this_thread((yield from _get(store, key)), asked_at)
        ledger_id = str(known["ledger_id"]) if known else (yield from clients.create_group())
        if (
            known
            and known["by"] != clients.process_id
            and time.time() - known["at"] < RECENT_RESUME_SECONDS
        ):
            clients.mark_uncertain(ledger_id)
        used = {"ledger_id": ledger_id, "by": clients.process_id, "at": time.time()}
        yield put_item(store, _NAMESPACE, key, used)
        return ledger_id
    finally:
        lock.release()


def _of_this_thread(stored: dict[str, Any] | None, asked_at: float | None) -> dict[str, Any] | None:
    if stored is None or asked_at is None:
        return stored
    return stored if asked_at - stored.get("at", asked_at) < _FORGOTTEN_SECONDS else None


def session_ledger(
    clients: ClientPair, ledgers: Ledgers, config: RunnableConfig, name: str
) -> Calls[str]:
    """The ledger of a research session whose state names none.

    With a store: the one of whoever asked at the same place of the thread (a replay, a fork, an input
    given again because a kill left nothing of it), or of a session on this thread that was never
    finished; a later question begins another, so that it gets no stale answer. Without: what this object
    remembers for the parent's task, which a retry of that task runs again.
    """
    runtime, thread_id, task = runtime_of(config), thread_id_of(config), parent_task(config)
    if runtime is None or runtime.store is None or thread_id is None:
        if task is None:
            return (yield from clients.create_group())
        return (yield from ledgers.of(f"{thread_id} {task}", clients))
    store = runtime.store
    yield from checkpointed(config)
    after, asked_at = yield from input_of(config)
    here = f"{thread_id}/{name}/after {after}"
    last = f"{thread_id}/{name}/last"
    lock = yield from _locked(f"stored ledger {last}", store)
    try:
        stored = (yield from _get(store, here)) if after else None
        known = _of_this_thread(stored, asked_at if after == START else None)
        if known is None:
            unfinished = yield from _get(store, last)
            known = unfinished if unfinished and unfinished["open"] else None
        ledger_id = str(known["ledger_id"]) if known else (yield from clients.create_group())
        if known and known["by"] != clients.process_id:
            clients.mark_uncertain(ledger_id)
        used = {"ledger_id": ledger_id, "by": clients.process_id, "at": time.time()}
        if after:
            yield put_item(store, _NAMESPACE, here, used)
        yield put_item(store, _NAMESPACE, last, {**used, "open": True})
        return ledger_id
    finally:
        lock.release()


def session_done(config: RunnableConfig, name: str) -> Calls[None]:
    """Note in the store that the question was answered: the next one on this thread is another."""
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    if runtime is None or runtime.store is None or thread_id is None:
        return
    last = f"{thread_id}/{name}/last"
    known = yield from _get(runtime.store, last)
    if known is not None and known["open"]:
        yield put_item(runtime.store, _NAMESPACE, last, {**known, "open": False})


def _locked(name: str, holder: object) -> Calls[SharedLock]:
    lock = yield from acquire_shared_lock(name, holder)
    return cast(SharedLock, lock)


def _get(store: BaseStore, key: str) -> Calls[dict[str, Any] | None]:
    item = yield get_item(store, _NAMESPACE, key)
    return None if item is None else dict(item.value)
