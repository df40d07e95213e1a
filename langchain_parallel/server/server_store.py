"""The store of the LangGraph server that this process is, through its own API.

The graphs on the server note there what their threads are parked for; this is how others read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from langgraph.store.base import BaseStore, GetOp, Item, Op, PutOp, Result, SearchItem, SearchOp
from langgraph_sdk.errors import NotFoundError

from ..errors import InvalidRequest


class ServerStore(BaseStore):
    """Gets, puts, deletes and searches; asynchronously only."""

    def __init__(self, client: Any) -> None:
        """`client`: one of `langgraph_sdk.get_client`."""
        self._store = client.store

    def batch(self, ops: Iterable[Op]) -> NoReturn:
        """Refused: it would block the server's event loop."""
        refuse_blocking()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """One after the other."""
        return [await self._do(op) for op in ops]

    async def _do(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return await self._get(op)
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

    async def _get(self, op: GetOp) -> Item | None:
        try:
            item = await self._store.get_item(op.namespace, op.key)
        except NotFoundError:
            return None
        return None if item is None else Item(**_fields(item))


def refuse_blocking() -> NoReturn:
    """For whoever calls without awaiting."""
    raise InvalidRequest(
        ["The server's threads are reached asynchronously only; use `awake` or `asweep`."]
    )


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("value", "key", "namespace", "created_at", "updated_at")}
