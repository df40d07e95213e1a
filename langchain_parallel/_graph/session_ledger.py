"""Finds or makes the ledger of a session whose state does not name one (R4).

Rule: a session has a name, and its ledger is recorded under that name before anything is paid: in LangGraph's
store if there is one, else in this object. So a process that runs the session again finds the same ledger. A
put into a store is durable at once, and survives time travel to a checkpoint from before the session.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore
from typing_extensions import Self

from .._core.calls import Calls
from .._locks.shared import SharedLock, acquire_shared_lock
from ..errors import StorageFailed
from .clients import ClientPair
from .gone_ledger import asks_to_replace
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
    """The ledgers of one door's sessions; a ledger is made when its session first asks for it."""

    def __init__(self, clients: ClientPair) -> None:
        self._clients = clients
        self._memory: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def __deepcopy__(self, memo: object) -> Self:
        """These themselves: a copy of a tool keeps using the ledgers of the original."""
        return self

    def of(
        self,
        *names: str,
        store: BaseStore | None = None,
        first_input_at: float | None = None,
        is_asked_each_time: bool = False,
        rotate: bool = False,
        config: RunnableConfig | None = None,
    ) -> Calls[str]:
        """The ledger recorded under the first of these names that has one; concurrent calls get the same.

        Args:
            names: The session's names. The ledger is recorded under all of them.
            store: Where it is recorded; None: in this object.
            first_input_at: If this is the thread's first input, when it came, in Unix seconds: a ledger that
                was last used more than a day before belongs to a deleted thread of the same id.
            is_asked_each_time: Every run of the session asks here, so the record tells when it last had one.
            rotate: Take a new one after `RUNS_PER_LEDGER` uses, because these runs are not looked for later.
            config: LangChain's config, in which a person may replace a ledger that is gone.
        """
        lock = yield from _lock(names[-1] if store else f"{id(self)} {names[-1]}", store)
        try:
            known = None
            for name in names:
                known = known or _usable(
                    (yield from self._read(store, name)), first_input_at, rotate
                )
            ledger_id = known["ledger_id"] if known else (yield from self._clients.create_group())
            ledger_id = (yield from self.replacement(ledger_id, config or {}, store)) or ledger_id
            if store and known and self._may_hide_a_run(known, is_asked_each_time):
                self._clients.mark_uncertain(ledger_id)
            used = {"ledger_id": ledger_id, "by": self._clients.process_id, "at": time.time()}
            used |= {"uses": known["uses"] + 1 if known else 1, "open": True}
            for name in names:
                yield from self._write(store, name, used)
            return str(ledger_id)
        finally:
            lock.release()

    def of_question(self, config: RunnableConfig, name: str) -> Calls[str]:
        """The ledger of a research session whose state names none.

        With a store: the one recorded for this input (so replays, forks and re-sent inputs find it), else the
        one of an unfinished session on this thread, else a new one. A later question gets its own ledger and
        therefore never a stale answer. Without a store: the one that this object remembers for the parent's
        task, which a retry of that task runs again.
        """
        runtime, thread_id = runtime_of(config), thread_id_of(config)
        if runtime is None or runtime.store is None or thread_id is None:
            task = parent_task(config) or uuid.uuid4().hex
            return (yield from self.of(f"{thread_id} {task}", config=config))
        yield from wait_for_checkpoint(config)
        after, asked_at = yield from input_of(config)
        here = (f"{thread_id}/{name}/after {after}",) if after else ()
        return (
            yield from self.of(
                *here,
                _last(thread_id, name),
                store=runtime.store,
                first_input_at=asked_at if after == FIRST_INPUT else None,
                config=config,
            )
        )

    def replacement(
        self, ledger_id: str, config: RunnableConfig, store: BaseStore | None
    ) -> Calls[str | None]:
        """The new ledger in the place of one that is gone, where a person has said so; else None."""
        if not asks_to_replace(config, ledger_id) or (
            yield from self._clients.has_group(ledger_id)
        ):
            return None
        return (yield from self.of(f"instead of {ledger_id}", store=store))

    def _may_hide_a_run(self, known: dict[str, Any], is_asked_each_time: bool) -> bool:
        """Whether another process may have sent a run so lately that the ledger's list does not show it."""
        is_recent = not is_asked_each_time or time.time() - known["at"] < RECENT_RESUME_SECONDS
        return is_recent and bool(known["by"] != self._clients.process_id)

    def _read(self, store: BaseStore | None, name: str) -> Calls[dict[str, Any] | None]:
        return self._memory.get(name) if store is None else (yield from _get(store, name))

    def _write(self, store: BaseStore | None, name: str, used: dict[str, Any]) -> Calls[None]:
        if store is not None:
            yield put_item(store, _NAMESPACE, name, used)
            return
        self._memory[name] = used
        self._memory.move_to_end(name)
        if len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)


def close_session(
    config: RunnableConfig, name: str, turns: Sequence[Mapping[str, Any]]
) -> Calls[None]:
    """Record that the question was answered: the next one on this thread begins another session.

    Raises:
        StorageFailed: The store raised; the error names the run of the last of `turns`.
    """
    try:
        yield from _close_session(config, name)
    except StorageFailed as error:
        last = turns[-1] if turns else {}
        error.billed = None if turns else False
        error.with_ids(last.get("run_id"), last.get("interaction_id"))
        raise


def _close_session(config: RunnableConfig, name: str) -> Calls[None]:
    runtime, thread_id = runtime_of(config), thread_id_of(config)
    if runtime is None or runtime.store is None or thread_id is None:
        return
    known = yield from _get(runtime.store, _last(thread_id, name))
    if known is not None and known["open"]:
        closed = {**known, "open": False}
        yield put_item(runtime.store, _NAMESPACE, _last(thread_id, name), closed)


def _last(thread_id: str, name: str) -> str:
    """The name of a thread's latest session, for any question."""
    return f"{thread_id}/{name}/last"


def _usable(
    known: dict[str, Any] | None, first_input_at: float | None, rotate: bool
) -> dict[str, Any] | None:
    """The recorded ledger, if the session may continue with it."""
    if known is None or not known["open"] or (rotate and known["uses"] >= RUNS_PER_LEDGER):
        return None
    is_old = first_input_at is not None and first_input_at - known["at"] >= _SAME_THREAD_SECONDS
    return None if is_old else known


def _lock(name: str, store: BaseStore | None) -> Calls[SharedLock]:
    lock = yield from acquire_shared_lock(f"ledger of {name}", store)
    return cast(SharedLock, lock)  # without a timeout it is never None


def _get(store: BaseStore, name: str) -> Calls[dict[str, Any] | None]:
    item = yield get_item(store, _NAMESPACE, name)
    return None if item is None else dict(item.value)
