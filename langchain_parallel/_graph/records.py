"""Small records of a thread that outlive the process, whatever becomes of the invocation (R4).

Rule: a record is written at once and apart from the graph's state, so neither a kill nor `durability="exit"`
loses it, and time travel does not undo it. It is in LangGraph's store where the graph has one, else in the
thread's checkpointer. Without both it is in this object, and ends with it.

In a checkpointer, each record is a checkpoint in a namespace of its own (`langchain_parallel:` and a digest
of its name), so LangGraph shows it nowhere (`get_state`, histories, subgraphs), and `delete_thread` deletes
it. Its content is in the checkpoint's metadata, which every checkpointer replaces when the same checkpoint is
put again; PostgreSQL's never replaces a channel's value. Its id sorts before all others, so lists across
threads, newest first, have it last.

What is written first is read back, until it has been seen that a record is kept and replaced: what forgets
them silently would have runs paid for twice.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, empty_checkpoint
from langgraph.store.base import BaseStore
from typing_extensions import Self

from .._core.calls import Call, Calls, adrive, drive, guard
from .._core.latest import Latest
from ..errors import CheckpointNotWritten
from .runtime import checkpointer_of, runtime_of, thread_id_of
from .store import NAMESPACE, digest, get_item, put_item
from .tenants import tags

T = TypeVar("T")
Record = dict[str, Any]
"""Plain JSON (R7)."""

_NAME = f"{NAMESPACE}_name"
"""Beside a record, its name."""
_STORED_IN = (NAMESPACE, "records")
RECORD_ID = "00000000-0000-6000-8000-000000000000"
REMEMBERED = 1_000
"""Most records that one object remembers, the latest ones."""


class Records:
    """The records of one door."""

    def __init__(self) -> None:
        self._memory: Latest[str, Record] = Latest(REMEMBERED)
        self._written: dict[str, Record] = {}
        """By name, until a replacement of one has been read back."""
        self._trusted: set[type] = set()
        """Kinds of stores and checkpointers that have been seen to keep and replace records."""

    def __deepcopy__(self, memo: object) -> Self:
        """These themselves: a copy of a tool keeps using the records of the original."""
        return self

    def get(self, config: RunnableConfig, name: str) -> Calls[Record | None]:
        """The record of this name in the thread of `config`; None if there is none.

        Raises:
            CheckpointNotWritten: The store or the checkpointer raised.
        """
        holder = holder_of(config)
        if holder is None:
            return self._memory.get(_name(config, name))
        if isinstance(holder, BaseStore):
            item = yield _guard(get_item(holder, _STORED_IN, _key(config, name)), "read")
            stored = None if item is None else item.value.get("record")
            return dict(stored) if isinstance(stored, dict) else None
        where = _place(config, name, id=True)
        saver = holder
        read = Call(lambda: saver.get_tuple(where), lambda: saver.aget_tuple(where))
        found = yield _guard(read, "read")
        kept: Any = (found.metadata or {}) if found else {}
        record = kept.get(NAMESPACE)
        if not isinstance(record, dict):
            return None
        if kept.get(_NAME, name) != name:
            raise _not_kept(holder)
        return dict(record)

    def put(self, config: RunnableConfig, name: str, record: Record) -> Calls[None]:
        """Write a record, in place of the one of this name. It is durable when this returns.

        Raises:
            CheckpointNotWritten: The store or the checkpointer raised, or does not keep it.
        """
        holder = holder_of(config)
        if holder is None:
            self._memory[_name(config, name)] = record
            return
        if isinstance(holder, BaseStore):
            item = {"name": name, "record": record, **tags(thread_id_of(config), config)}
            put = put_item(holder, _STORED_IN, _key(config, name), item)
        else:
            put = put_checkpoint(holder, _place(config, name), name, record)
        yield _guard(put, "written")
        if type(holder) not in self._trusted:
            yield from self._read_back(holder, config, name, record)

    def _read_back(
        self, holder: object, config: RunnableConfig, name: str, record: Record
    ) -> Calls[None]:
        kept = yield from self.get(config, name)  # or what another process has written meanwhile
        before = self._written.get(_name(config, name))
        if kept is None or (kept == before and kept != record):
            raise _not_kept(holder)
        if before is not None and before != record:
            self._trusted.add(type(holder))
            self._written.clear()
        else:
            self._written[_name(config, name)] = record


def holder_of(config: RunnableConfig) -> BaseStore | BaseCheckpointSaver[Any] | None:
    """Where the records of a thread are kept: None where nothing of it is kept beyond this process."""
    if thread_id_of(config) is None:
        return None
    runtime = runtime_of(config)
    if runtime is not None and runtime.store is not None:
        return runtime.store
    return checkpointer_of(config)


def pack(config: RunnableConfig, text: str) -> list[str]:
    """A text for a record, by the checkpointer's own serializer where that keeps it: one that encrypts
    checkpoints keeps it unreadable here, too, where it stands in the metadata.
    """
    holder = holder_of(config)
    if not isinstance(holder, BaseCheckpointSaver):
        return [text]
    kind, data = holder.serde.dumps_typed(text)
    return [kind, base64.b64encode(data).decode()]


def unpack(config: RunnableConfig, kept: list[str]) -> str:
    """The text that `pack` has made a part of a record.

    Raises:
        CheckpointNotWritten: The checkpointer cannot read it.
    """
    holder = holder_of(config)
    if len(kept) == 1 or not isinstance(holder, BaseCheckpointSaver):
        return kept[-1]
    kind, data = kept
    try:
        return str(holder.serde.loads_typed((kind, base64.b64decode(data))))
    except Exception as error:  # noqa: BLE001 -- any serializer, and its own errors
        raise CheckpointNotWritten(
            f"A record of this thread could not be read: {type(error).__name__}.",
            hint="Nothing was sent: give the checkpointer the serializer that wrote it.",
        ) from None


def _name(config: RunnableConfig, name: str) -> str:
    return f"{thread_id_of(config) or ''}/{name}"


def _key(config: RunnableConfig, name: str) -> str:
    return digest(_name(config, name))


def _place(config: RunnableConfig, name: str, *, id: bool = False) -> RunnableConfig:
    """Where a checkpointer keeps a record; with the id of its checkpoint, to read it."""
    given = config.get("configurable", {})["thread_id"]
    place = {"thread_id": given, "checkpoint_ns": f"{NAMESPACE}:{digest(name)}"}
    return {"configurable": {**place, "checkpoint_id": RECORD_ID} if id else place}


def put_checkpoint(
    saver: BaseCheckpointSaver[Any], where: RunnableConfig, name: str, record: Record
) -> Call:
    """Write a record as a checkpoint in the place of the one that is there."""
    checkpoint = cast(Checkpoint, {**empty_checkpoint(), "id": RECORD_ID})
    metadata: Any = {"source": "update", "step": -1, "parents": {}}
    metadata |= {NAMESPACE: record, _NAME: name}
    return Call(
        lambda: saver.put(where, checkpoint, metadata, {}),
        lambda: saver.aput(where, checkpoint, metadata, {}),
    )


def together(steps: Iterable[Calls[T]]) -> Calls[list[T]]:
    """Read or write several records, at the same time if asynchronous, and return the values in order:
    LangGraph's stores then make one query of them. An error is raised once none of them is on its way.
    """
    given = list(steps)

    async def take_all() -> list[T]:
        results = await asyncio.gather(*map(adrive, given), return_exceptions=True)
        for one in results:
            if isinstance(one, BaseException):
                raise one
        return cast("list[T]", results)

    values: list[T] = yield Call(lambda: [drive(one) for one in given], take_all)
    return values


def _guard(call: Call, done: str) -> Call:
    return guard(
        call,
        f"A record of this thread could not be {done}",
        "This step sent nothing, because a run that is paid for must be found again: see to the store or "
        "the checkpointer, or give the graph a `store`, then resume the thread.",
        CheckpointNotWritten,
    )


def _not_kept(holder: object) -> CheckpointNotWritten:
    return CheckpointNotWritten(
        f"A record of this thread was not kept: {type(holder).__name__} forgets it, or mixes it up.",
        hint="Nothing was sent, because a run that is paid for must be found again. A checkpointer has to "
        "keep all metadata, and namespaces apart. Compile the graph with a `store`: then that keeps them.",
    )
