"""LangGraph's store, read and written by steps that are driven blocking or asynchronously."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.store.base import BaseStore, Item

from .._core.calls import Call, Calls

PAGE = 500
"""Items per search. A search without a limit returns ten."""


def get_item(store: BaseStore, namespace: tuple[str, ...], key: str) -> Call:
    """Return the `Item`, or None if there is none."""
    return Call(lambda: store.get(namespace, key), lambda: store.aget(namespace, key))


def put_item(store: BaseStore, namespace: tuple[str, ...], key: str, value: dict[str, Any]) -> Call:
    """Write an item that semantic search does not index: embedding it would cost time and money."""
    return Call(
        lambda: store.put(namespace, key, value, index=False),
        lambda: store.aput(namespace, key, value, index=False),
    )


def delete_item(store: BaseStore, namespace: tuple[str, ...], key: str) -> Call:
    """Delete an item; nothing happens if there is none."""
    return Call(lambda: store.delete(namespace, key), lambda: store.adelete(namespace, key))


def all_items(store: BaseStore, namespace: tuple[str, ...]) -> Calls[list[Item]]:
    """Return every item of a namespace. Items written meanwhile may be missing, or be returned twice."""
    found: list[Item] = []
    while True:
        offset = len(found)
        found += yield Call(
            lambda: store.search(namespace, limit=PAGE, offset=offset),  # noqa: B023 -- called at once
            lambda: store.asearch(namespace, limit=PAGE, offset=offset),  # noqa: B023
        )
        if len(found) - offset < PAGE:
            return found


def gather(*calls: Call | None) -> Calls[list[Any]]:
    """Make several calls, concurrently if asynchronous: LangGraph's stores then send them in one batch.

    Returns what the calls return, in order; None for a call that is None.
    """

    async def nothing() -> None:
        return None

    def sync() -> list[Any]:
        return [call and call.sync() for call in calls]

    async def async_() -> list[Any]:
        return await asyncio.gather(*(call.async_() if call else nothing() for call in calls))

    returned: list[Any] = (yield Call(sync, async_)) if any(calls) else [None] * len(calls)
    return returned
