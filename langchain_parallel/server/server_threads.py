"""The threads of the LangGraph server that this process is, through its own API.

Rule: a thread goes on by a run in the server's own queue, which outlives this process, and which nobody here
waits for: a sweep that is itself such a run would keep the place that it waits for. The server takes one
run of a thread at a time; what comes too late finds no interrupt that it could answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any

from langgraph.store.base import BaseStore
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from .._core.calls import Call, Calls
from ..errors import ThreadBusy
from ..parked.threads import RESUME_VALUE
from ..webhooks import ParkedThread, ThreadStatus, runs_waited_for
from .server_store import ServerStore, refuse_blocking

_UNKNOWN = ThreadStatus(known=False, waiting={}, under_way=False)
_QUEUED = ThreadStatus(known=True, waiting={}, under_way=True)
"""Its run will be taken up in a moment; the next sweep sees what came of it."""


class ServerThreads:
    """Threads on this LangGraph server. They are reached asynchronously only."""

    def __init__(self, client: Any = None) -> None:
        """`client`: one of `langgraph_sdk.get_client`; the server's own, without a network, unless given."""
        self._client: Any = client or get_client()
        self._store = ServerStore(self._client)

    @property
    def store(self) -> BaseStore:
        """The server's. It gives it to every graph, so all that is parked is noted there."""
        return self._store

    def mine(self, node: str) -> bool:
        """Every thread of the server."""
        return True

    def listed(self) -> Calls[list[ParkedThread]]:
        """None: they are noted in the store."""
        yield from ()
        return []

    def standing(self, thread_id: str) -> Calls[ThreadStatus]:
        """How a thread stands now."""
        standing: ThreadStatus = yield _awaited(lambda: self._standing(thread_id))
        return standing

    def go_on(
        self, thread_id: str, interrupt_ids: Iterable[str]
    ) -> Calls[tuple[ThreadStatus, bool]]:
        """Have the server resume these interrupts, or without any what was cut off."""
        ids = list(interrupt_ids)
        done: tuple[ThreadStatus, bool] = yield _awaited(lambda: self._go_on(thread_id, ids))
        return done

    async def _standing(self, thread_id: str) -> ThreadStatus:
        try:
            state = await self._client.threads.get_state(thread_id)
        except NotFoundError:
            return _UNKNOWN
        if state.get("created_at") is None:
            return _UNKNOWN  # nothing has been written yet
        tasks = state["tasks"]
        waits = [task.get("interrupts") or () for task in tasks]
        found = {
            one["id"]: runs_waited_for(one["value"]) for interrupts in waits for one in interrupts
        }
        under_way = (bool(tasks) and not any(waits)) or any(  # as `is_cut_off`
            not interrupts and task.get("result") is None
            for task, interrupts in zip(tasks, waits, strict=True)
        )
        waiting = {id: runs for id, runs in found.items() if runs}
        return ThreadStatus(True, waiting, under_way, _since(state["created_at"]))

    async def _go_on(self, thread_id: str, ids: list[str]) -> tuple[ThreadStatus, bool]:
        last = await self._last_run(thread_id)
        if last is None:
            return _UNKNOWN, False
        what = _surroundings(last.get("kwargs") or {})
        if ids:
            what["command"] = {"resume": dict.fromkeys(ids, RESUME_VALUE)}
        try:
            await self._client.runs.create(
                thread_id, last["assistant_id"], multitask_strategy="reject", **what
            )
        except NotFoundError:  # the thread's assistant has been deleted, or the thread
            return _UNKNOWN, False
        except ConflictError as error:
            raise ThreadBusy(
                f"The server is going on with thread {thread_id}.", hint="Try again.", billed=None
            ) from error
        return _QUEUED, True

    async def _last_run(self, thread_id: str) -> Mapping[str, Any] | None:
        try:
            runs = await self._client.runs.list(
                thread_id, limit=1, select=["assistant_id", "kwargs"]
            )
        except NotFoundError:
            return None
        return runs[0] if runs else None


def _surroundings(run: Mapping[str, Any]) -> dict[str, Any]:
    """What whoever asked has given the graph besides the question. The server keeps it by run."""
    config = run.get("config") or {}
    kept = {name: config[name] for name in ("recursion_limit", "tags") if name in config}
    # `configurable` is in the context, too, and only one of them may be given.
    return {"config": kept, "context": run.get("context") or {}}


def _since(moment: str) -> float:
    """Seconds since an ISO time."""
    # Python 3.10 does not read the Z.
    return max(0.0, time.time() - datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def _awaited(function: Callable[[], Coroutine[Any, Any, Any]]) -> Call:
    return Call(refuse_blocking, function)
