"""Which deliveries have been seen to the end, in LangGraph's store: shared by workers, kept over restarts.

Rule: a delivery is marked once its thread has gone on, never before: a worker that is killed must not
take it along. Two who work on the same one are harmless, for waking is idempotent.
"""

from __future__ import annotations

import time

from langgraph.store.base import BaseStore

from .._calls import Call, Calls
from .._parked_index import all_items

_SPACE = ("langchain_parallel", "webhooks")
KEPT_SECONDS = 72 * 3600.0
"""The API repeats a delivery for 48 hours."""


def is_marked(store: BaseStore, webhook_id: str) -> Calls[bool]:
    """Whether a delivery has been seen to the end."""
    item = yield Call(lambda: store.get(_SPACE, webhook_id), lambda: store.aget(_SPACE, webhook_id))
    return item is not None


def mark(store: BaseStore, webhook_id: str) -> Calls[None]:
    """A delivery has been seen to the end."""
    value = {"at": time.time()}
    yield Call(
        lambda: store.put(_SPACE, webhook_id, value, index=False),
        lambda: store.aput(_SPACE, webhook_id, value, index=False),
    )


def forget_old_marks(store: BaseStore) -> Calls[int]:
    """Delete the marks of deliveries that cannot come again; how many."""
    items = yield from all_items(store, _SPACE)
    old = {item.key for item in items if time.time() - item.value["at"] > KEPT_SECONDS}
    for key in old:
        yield Call(
            lambda: store.delete(_SPACE, key),  # noqa: B023 -- called at once
            lambda: store.adelete(_SPACE, key),  # noqa: B023
        )
    return len(old)
