"""The threads of the LangGraph server that this process is, through its own API.

Rule: the server queues the runs of a thread by itself. One that finds the thread busy is turned away, and
the delivery is tried again; one that comes too late finds no interrupt that it could answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

from langgraph.store.base import BaseStore
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from .._calls import Call, Calls
from ..errors import InvalidRequest, ThreadBusy
from ..webhooks import Listed, Standing
from ..webhooks.parked import runs_of
from ..webhooks.threads import KNOCK

_UNKNOWN = Standing(known=False, waiting={}, under_way=False)


class ServerThreads:
    """Threads on this LangGraph server. They are reached asynchronously only."""

    store: BaseStore | None = None
    """Parked runs are found by the server's own list of interrupted threads."""

    def __init__(self, client: Any = None) -> None:
        """`client`: one of `langgraph_sdk.get_client`; the server's own, without a network, unless given."""
        self._client = client or get_client()

    def mine(self, node: str) -> bool:
        """Every thread of the server."""
        return bool(node)

    def listed(self) -> Calls[list[Listed]]:
        """The parked ones among the interrupted."""
        found: list[Listed] = yield _awaited(self._listed)
        return found

    def standing(self, thread_id: str) -> Calls[Standing]:
        """How a thread stands now."""
        standing: Standing = yield _awaited(lambda: self._standing(thread_id))
        return standing

    def go_on(self, thread_id: str, interrupt_ids: Iterable[str]) -> Calls[tuple[Standing, bool]]:
        """Resume these interrupts through a run on the server."""
        ids = list(interrupt_ids)
        done: tuple[Standing, bool] = yield _awaited(lambda: self._go_on(thread_id, ids))
        return done

    async def _listed(self) -> list[Listed]:
        threads = await self._client.threads.search(status="interrupted", limit=1_000)
        found = []
        for thread in threads:
            waiting = _waiting(
                one for some in (thread.get("interrupts") or {}).values() for one in some
            )
            runs = dict.fromkeys(run for ids in waiting.values() for run in ids)
            if runs:
                found.append(Listed(str(thread["thread_id"]), runs))
        return found

    async def _standing(self, thread_id: str) -> Standing:
        try:
            state = await self._client.threads.get_state(thread_id)
        except NotFoundError:
            return _UNKNOWN
        interrupts = [one for task in state["tasks"] for one in task.get("interrupts") or ()]
        return Standing(known=True, waiting=_waiting(interrupts), under_way=False)

    async def _go_on(self, thread_id: str, ids: list[str]) -> tuple[Standing, bool]:
        if not ids:  # the server itself goes on with what was cut off
            return await self._standing(thread_id), False
        thread = await self._client.threads.get(thread_id)
        graph = (thread.get("metadata") or {}).get("graph_id") or "research"
        try:
            await self._client.runs.wait(
                thread_id,
                graph,
                command={"resume": dict.fromkeys(ids, KNOCK)},
                multitask_strategy="reject",
                raise_error=False,
            )
        except ConflictError as error:
            raise ThreadBusy(
                f"The server is going on with thread {thread_id}.", hint="Try again.", billed=None
            ) from error
        return await self._standing(thread_id), True


def _waiting(interrupts: Iterable[Any]) -> dict[str, frozenset[str]]:
    return {one["id"]: runs for one in interrupts if (runs := runs_of(one["value"]))}


def _awaited(function: Callable[[], Coroutine[Any, Any, Any]]) -> Call:
    return Call(_refuse, function)


def _refuse() -> NoReturn:
    raise InvalidRequest(
        ["The server's threads are reached asynchronously only; use `awake` or `asweep`."]
    )
