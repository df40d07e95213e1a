"""Where the account of a quota is kept: on one sheet where a lock keeps all others out, else an entry a run.

Rule: in one process, and in PostgreSQL, a lock makes reading and writing one step, so the account is a
sheet: what is settled as one sum, and what is reserved by run. It stays small, and a change is one write.

Another store has no such lock among processes. There each run is an entry of its own, which is written
first and only then added up with the others, and taken out again if it does not fit: of two that enter at
the same moment at least one sees the other, so together they never pass the quota. Adding up takes longer
with each run of the period.

A run is entered under its key: whoever enters it again writes the same entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from .._core.calls import Call, Calls, guard
from .._locks.postgres import advisory_locks
from .._locks.shared import SharedLock, acquire_shared_lock
from .records import RECORD_ID, put_checkpoint
from .store import NAMESPACE, all_items, delete_item, digest, get_item, put_item


class Memory(dict[str, dict[str, Any]]):
    """Accounts that end with this process: sheets by name."""


Holder: TypeAlias = BaseStore | BaseCheckpointSaver[Any] | Memory
_SHEET = "sheet"
_MISSING = object()


class Amounts(NamedTuple):
    """USD in an account."""

    used: float
    reserved: float


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """An account in the place where it is kept.

    Attributes:
        holder: The store, the checkpointer, or this process's memory.
        name: The account's name.
        owner: The user whose it is, with whose records it is found and deleted; None if it is several users'.
    """

    holder: Holder
    name: str
    owner: str | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether the lock keeps all others out."""
        in_process = isinstance(self.holder, Memory | InMemorySaver | InMemoryStore)
        return in_process or advisory_locks(self.holder) is not None

    def amounts(self) -> Calls[Amounts]:
        """What is in it."""
        lock = yield from self._lock()
        try:
            return _sum((yield from self._read()))
        finally:
            lock.release()

    def enter(
        self, key: str, usd: float | None, fits: Callable[[Amounts], bool]
    ) -> Calls[Amounts | None]:
        """Reserve a run; if it does not fit to the others, return their amounts, and nothing is reserved."""
        lock = yield from self._lock()
        try:
            if not self.is_exclusive:
                yield from self._put_entry(key, {"usd": usd, "settled": False})
            sheet = yield from self._read()
            was_there = sheet["open"].pop(key, _MISSING) is not _MISSING
            others = _sum(sheet)
            if not fits(others):
                if was_there:
                    yield from self._write_without(key, sheet)
                return others
            sheet["open"][key] = usd
            if self.is_exclusive:
                yield from self._put_sheet(sheet)
            return None
        finally:
            lock.release()

    def settle(self, key: str, usd: float | None) -> Calls[None]:
        """Put what a run has cost in the place of its price."""
        lock = yield from self._lock()
        try:
            if not self.is_exclusive:
                yield from self._put_entry(key, {"usd": usd, "settled": True})
            else:
                sheet = yield from self._read()
                if key in sheet["open"]:
                    sheet["open"].pop(key)
                    sheet["settled"] = round(sheet["settled"] + (usd or 0.0), 6)
                    yield from self._put_sheet(sheet)
        finally:
            lock.release()

    def remove(self, key: str) -> Calls[None]:
        """Take a run out that was not sent."""
        lock = yield from self._lock()
        try:
            sheet = (yield from self._read()) if self.is_exclusive else _empty()
            sheet["open"].pop(key, None)
            yield from self._write_without(key, sheet)
        finally:
            lock.release()

    def _lock(self) -> Calls[SharedLock]:
        return (yield from acquire_shared_lock(f"quota {self.name}", self.holder))

    def _write_without(self, key: str, sheet: dict[str, Any]) -> Calls[None]:
        yield from self._put_sheet(sheet) if self.is_exclusive else self._put_entry(key, {})

    def _read(self) -> Calls[dict[str, Any]]:
        """The sheet; or one that is made of the entries."""
        holder = self.holder
        if self.is_exclusive:
            return (yield from self._get_sheet())
        sheet = _empty()
        if isinstance(holder, BaseStore):
            items = yield from all_items(holder, self._namespace)
            entries = {item.key: item.value["entry"] for item in items}
        else:
            entries = yield from self._list_entries(cast("BaseCheckpointSaver[Any]", holder))
        for key, entry in entries.items():
            if entry["settled"]:
                sheet["settled"] += entry["usd"] or 0.0
            else:
                sheet["open"][key] = entry["usd"]
        return sheet

    def _get_sheet(self) -> Calls[dict[str, Any]]:
        holder, kept = self.holder, None
        if isinstance(holder, Memory):
            kept = holder.get(self.name)
        elif isinstance(holder, BaseStore):
            item = yield _guard(get_item(holder, self._namespace, _SHEET), "read")
            kept = None if item is None else item.value["sheet"]
        else:
            saver, where = holder, self._place(_SHEET)
            where["configurable"]["checkpoint_id"] = RECORD_ID
            read = Call(lambda: saver.get_tuple(where), lambda: saver.aget_tuple(where))
            found = yield _guard(read, "read")
            kept = found.metadata.get(NAMESPACE) if found else None
        return {"settled": kept["settled"], "open": dict(kept["open"])} if kept else _empty()

    def _put_sheet(self, sheet: dict[str, Any]) -> Calls[None]:
        if isinstance(self.holder, Memory):
            self.holder[self.name] = sheet
        else:
            yield from self._put(_SHEET, "sheet", sheet)

    def _put_entry(self, key: str, entry: dict[str, Any]) -> Calls[None]:
        """Write what a run is entered with; nothing takes it out."""
        if not entry and isinstance(self.holder, BaseStore):
            yield _guard(delete_item(self.holder, self._namespace, key), "written")
        else:  # a checkpointer deletes whole threads only
            yield from self._put(key, "entry", entry)

    def _put(self, key: str, kind: str, value: dict[str, Any]) -> Calls[None]:
        if isinstance(self.holder, BaseStore):
            tags = {"thread": digest(self.name), "owner": digest(self.owner)} if self.owner else {}
            call = put_item(self.holder, self._namespace, key, {kind: value, **tags})
        else:
            saver = cast("BaseCheckpointSaver[Any]", self.holder)
            call = put_checkpoint(saver, self._place(key), f"quota {key}", value)
        yield _guard(call, "written")

    def _list_entries(self, saver: BaseCheckpointSaver[Any]) -> Calls[dict[str, Any]]:
        thread = self._place(None)

        async def alist() -> list[Any]:
            return [found async for found in saver.alist(thread)]

        found = yield _guard(Call(lambda: list(saver.list(thread)), alist), "read")
        kept = {one.config["configurable"]["checkpoint_ns"]: one.metadata for one in found}
        by_key = {ns.rpartition(":")[2]: metadata.get(NAMESPACE) for ns, metadata in kept.items()}
        return {key: entry for key, entry in by_key.items() if entry}

    @property
    def _namespace(self) -> tuple[str, ...]:
        return (NAMESPACE, "quotas", digest(self.name))

    def _place(self, key: str | None) -> RunnableConfig:
        place = {"thread_id": f"{NAMESPACE} quota {digest(self.name)}"}
        return {"configurable": place | ({"checkpoint_ns": f"{NAMESPACE}:{key}"} if key else {})}


def _empty() -> dict[str, Any]:
    return {"settled": 0.0, "open": {}}


def _sum(sheet: dict[str, Any]) -> Amounts:
    return Amounts(sheet["settled"], sum(usd or 0.0 for usd in sheet["open"].values()))


def _guard(call: Call, done: str) -> Call:
    hint = "Nothing was sent: see to the store or the checkpointer, then resume the thread."
    return guard(call, f"The account of a quota could not be {done}", hint)
