"""The threads and the store of the LangGraph server that this process is, through its own API.

Rule: a thread is resumed by a run in the server's own queue, which outlives this process, and nothing here
waits for it: a sweep that is itself such a run would occupy the worker that it waits for. The server takes
one run of a thread at a time; one that comes too late finds no interrupt to answer.
Rule: the server is asked for nobody. Its API takes the user of the run that surrounds a call, whose own
threads alone a sweep would then find, and whose rights its resumed threads would have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from langgraph.store.base import BaseStore, GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from .._core.calls import Call, Calls
from ..errors import InvalidRequest, ThreadBusy
from ..parked import ParkedThread, ThreadStatus
from ..parked.index import recorded_threads
from ..parked.interrupts import RESUME_VALUE
from ..parked.isolation import run_task_isolated
from ..parked.threads import (
    BeforeAndAfter,
    ChooseInterrupts,
    refused_in,
    seconds_since,
    waited_for,
)

_UNKNOWN = ThreadStatus(exists=False, waiting={}, unfinished=False)
_QUEUED = ThreadStatus(exists=True, waiting={}, unfinished=True)
"""A worker will take the thread's run from the queue; the next sweep sees its result."""


class ServerThreads:
    """Threads on this LangGraph server. They are reached asynchronously only."""

    def __init__(self, client: Any = None) -> None:
        """`client`: from `langgraph_sdk.get_client`; by default the server's own, without a network."""
        self._client: Any = client or get_client()
        self._store = ServerStore(self._client)

    @property
    def store(self) -> BaseStore:
        """The server's store. Every graph on the server has it, so every parked thread is recorded there."""
        return self._store

    def owns_node(self, node: str) -> bool:
        """True: every thread of the server is one of these."""
        return True

    def list_parked(self) -> Calls[list[ParkedThread]]:
        """The threads that the store records."""
        return (yield from recorded_threads(self._store, self.owns_node))

    def resume_if(self, thread_id: str, choose: ChooseInterrupts) -> Calls[BeforeAndAfter]:
        """Have the server resume a thread if `choose`, given its status, says so. See `Threads`."""
        result: BeforeAndAfter = yield Call(
            _refuse_blocking, lambda: run_task_isolated(self._resume_if(thread_id, choose))
        )
        return result

    async def _resume_if(self, thread_id: str, choose: ChooseInterrupts) -> BeforeAndAfter:
        before = await self._status(thread_id)
        ids = choose(before)
        if ids is None:
            return before, None
        try:
            runs = await self._client.runs.list(
                thread_id, limit=1, select=["assistant_id", "kwargs"]
            )
            if not runs:
                return _UNKNOWN, None
            given = _surroundings(runs[0].get("kwargs") or {})
            if ids:
                given["command"] = {"resume": dict.fromkeys(ids, RESUME_VALUE)}
            await self._client.runs.create(
                thread_id, runs[0]["assistant_id"], multitask_strategy="reject", **given
            )
        except NotFoundError:  # the thread has been deleted, or its assistant
            return _UNKNOWN, None
        except ConflictError as error:
            raise ThreadBusy(
                f"The server is running thread {thread_id}.", hint="Try again.", billed=None
            ) from error
        return before, _QUEUED

    async def _status(self, thread_id: str) -> ThreadStatus:
        try:
            state = await self._client.threads.get_state(thread_id)
        except NotFoundError:
            return _UNKNOWN
        if state.get("created_at") is None:
            return _UNKNOWN  # nothing has been written yet
        tasks = state["tasks"]
        interrupts = [task.get("interrupts") or () for task in tasks]
        shown = [(one["id"], one["value"]) for each in interrupts for one in each]
        unfinished = (bool(tasks) and not any(interrupts)) or any(  # as `is_cut_off`
            not each and task.get("result") is None
            for task, each in zip(tasks, interrupts, strict=True)
        )
        return ThreadStatus(
            exists=True,
            waiting=waited_for(shown),
            unfinished=unfinished,
            idle_seconds=seconds_since(state["created_at"]),
            refused=refused_in(shown),
        )


def _surroundings(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's caller gave the graph besides the input, which the server keeps with the run."""
    config = run.get("config") or {}
    kept = {name: config[name] for name in ("recursion_limit", "tags") if name in config}
    # `configurable` is in the context, too, and only one of them may be given.
    return {"config": kept, "context": run.get("context") or {}}


class ServerStore(BaseStore):
    """Gets, puts, deletes and searches; asynchronously only."""

    def __init__(self, client: Any) -> None:
        """`client`: from `langgraph_sdk.get_client`."""
        self._store = client.store

    def batch(self, ops: Iterable[Op]) -> NoReturn:
        """Refused: it would block the server's event loop."""
        _refuse_blocking()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do one operation after the other."""
        return [await run_task_isolated(self._do(op)) for op in ops]

    async def _do(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            with suppress(NotFoundError):
                item = await self._store.get_item(op.namespace, op.key)
                return item and Item(**_fields(item))
            return None
        if isinstance(op, SearchOp):
            found = await self._store.search_items(
                op.namespace_prefix, filter=op.filter, limit=op.limit, offset=op.offset
            )
            return [SearchItem(**_fields(item)) for item in found["items"]]
        if not isinstance(op, PutOp):
            raise NotImplementedError(type(op).__name__)
        if op.value is None:
            await self._store.delete_item(op.namespace, op.key)
        else:
            await self._store.put_item(op.namespace, op.key, op.value, index=op.index)
        return None


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("value", "key", "namespace", "created_at", "updated_at")}


def _refuse_blocking() -> NoReturn:
    raise InvalidRequest(
        ["The server's threads are reached asynchronously only; use `aresume_parked` or `asweep`."]
    )
