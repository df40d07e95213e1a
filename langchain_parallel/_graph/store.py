"""LangGraph's store, read and written by steps that are driven blocking or asynchronously.

Rule: no id is in a namespace or a key: a store may list these to whoever may list anything. They hold a
`digest` of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from langgraph.store.base import BaseStore, Item

from .._core.calls import Call, Calls, guard

NAMESPACE = "langchain_parallel"
"""What every namespace of this package begins with, in a store and among checkpoints."""
PAGE = 500
"""Items per search. A search without a limit returns ten."""


def digest(id: str) -> str:
    """What stands for an id in a namespace or a key. It is no secret of an id that can be guessed."""
    return sha256(id.encode(errors="surrogatepass")).hexdigest()[:32]


def get_item(store: BaseStore, namespace: tuple[str, ...], key: str) -> Call:
    """Return the `Item`, or None if there is none."""
    return _guard("read", lambda: store.get(namespace, key), lambda: store.aget(namespace, key))


def put_item(
    store: BaseStore,
    namespace: tuple[str, ...],
    key: str,
    value: dict[str, Any],
    *,
    indexed: str | None = None,
    minutes: float | None = None,
) -> Call:
    """Write an item.

    Args:
        store: LangGraph's.
        namespace: Where.
        key: Of the item.
        value: Plain JSON.
        indexed: The field that semantic search indexes. None: embedding it would cost time and money.
        minutes: When the store may delete it, if it is one that deletes by itself.
    """
    ends: dict[str, Any] = {"ttl": minutes} if minutes is not None and store.supports_ttl else {}
    index: Any = [indexed] if indexed else False
    return _guard(
        "written to",
        lambda: store.put(namespace, key, value, index=index, **ends),
        lambda: store.aput(namespace, key, value, index=index, **ends),
    )


def delete_item(store: BaseStore, namespace: tuple[str, ...], key: str) -> Call:
    """Delete an item; nothing happens if there is none."""
    return _guard(
        "written to",
        lambda: store.delete(namespace, key),
        lambda: store.adelete(namespace, key),
    )


def search_items(store: BaseStore, namespace: tuple[str, ...], **options: Any) -> Call:
    """Return the items of a namespace, or of all that begin with it, up to a limit."""
    return _guard(
        "read",
        lambda: store.search(namespace, **options),
        lambda: store.asearch(namespace, **options),
    )


def _guard(done: str, sync: Callable[[], Any], async_: Callable[[], Awaitable[Any]]) -> Call:
    hint = "See to the store, then resume the thread: what was paid for is found again."
    return guard(Call(sync, async_), f"The store could not be {done}", hint)


def all_items(store: BaseStore, namespace: tuple[str, ...]) -> Calls[list[Item]]:
    """Return every item of a namespace. Items written meanwhile may be missing, or be returned twice."""
    found: list[Item] = []
    while True:
        offset = len(found)
        found += yield search_items(store, namespace, limit=PAGE, offset=offset)
        if len(found) - offset < PAGE:
            return found


def gather(*calls: Call | None) -> Calls[list[Any]]:
    """Make several calls, concurrently if asynchronous: LangGraph's stores then send them in one batch.

    Returns what the calls return, in order; None for a call that is None.
    """

    async def nothing() -> None:
        return None

    made = [call for call in calls if call]
    if len(made) == 1:  # a task would send it later than what is made beside it
        value = yield made[0]
        return [value if call else None for call in calls]

    def sync() -> list[Any]:
        return [call and call.sync() for call in calls]

    async def async_() -> list[Any]:
        return await asyncio.gather(*(call.async_() if call else nothing() for call in calls))

    returned: list[Any] = (yield Call(sync, async_)) if made else [None] * len(calls)
    return returned
