"""Which deliveries have been seen to the end, in LangGraph's store: shared by workers, kept over restarts.

Rule: a delivery is marked once its thread has gone on, never before: a worker that is killed must not
take it along. Two who work on the same one are harmless, for waking is idempotent.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from langgraph.store.base import BaseStore

from .._core.calls import Call, Calls
from .index import all_items

_SPACE = ("langchain_parallel", "webhooks")
KEPT_SECONDS = 72 * 3600.0
"""The API repeats a delivery for 48 hours."""


class Mark(NamedTuple):
    """The mark of one delivery."""

    store: BaseStore
    webhook_id: str

    def read(self) -> Call:
        """Read it; None: the delivery has not been seen to the end."""
        return Call(
            lambda: self.store.get(_SPACE, self.webhook_id),
            lambda: self.store.aget(_SPACE, self.webhook_id),
        )

    def put(self) -> Call:
        """The delivery has been seen to the end."""
        value = {"at": time.time()}
        return Call(
            lambda: self.store.put(_SPACE, self.webhook_id, value, index=False),
            lambda: self.store.aput(_SPACE, self.webhook_id, value, index=False),
        )


def forget_old_marks(store: BaseStore) -> Calls[int]:
    """Delete the marks of deliveries that cannot come again; how many."""
    items = yield from all_items(store, _SPACE)
    marked = {item.key: item.value.get("at") for item in items}
    old = [
        key
        for key, at in marked.items()
        if isinstance(at, int | float) and time.time() - at > KEPT_SECONDS
    ]
    for key in old:
        yield Call(
            lambda: store.delete(_SPACE, key),  # noqa: B023 -- called at once
            lambda: store.adelete(_SPACE, key),  # noqa: B023
        )
    return len(old)
