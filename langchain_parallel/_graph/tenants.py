"""What a store holds for one user, to be listed and deleted.

Rule: a record holds a digest of its thread and, where the config names the user who asks
(`langgraph_auth_user_id`), one of that user. Webhooks and sweeps look nothing up by them: they resume the
threads of all users.
"""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore, Item

from .._core.calls import Calls, adrive, drive
from .store import NAMESPACE, all_items, delete_item, digest, gather

_AT_ONCE = 100
"""Most items that are deleted at the same time."""


def tags(thread_id: str | None, config: RunnableConfig | None = None) -> dict[str, str]:
    """What a record in a store bears beside its content: whose it is."""
    user = (config or {}).get("configurable", {}).get("langgraph_auth_user_id")
    owner = {"owner": digest(user)} if isinstance(user, str) and user else {}
    return {"thread": digest(thread_id or ""), **owner}


def list_user_records(store: BaseStore, user_id: str) -> list[Item]:
    """Everything that this package has in a store for one user's threads.

    A record that was written for no user, by a webhook or a sweep, belongs to the user of its thread.

    Args:
        store: The store of the graphs.
        user_id: The user, as in `langgraph_auth_user_id`.

    Raises:
        StorageFailed: The store raised.
    """
    return drive(_of_user(store, user_id))


async def alist_user_records(store: BaseStore, user_id: str) -> list[Item]:
    """As `list_user_records`; awaited."""
    return await adrive(_of_user(store, user_id))


def delete_user_records(store: BaseStore, user_id: str) -> int:
    """Delete what `list_user_records` lists, and return how many records that were.

    Delete the user's threads first: a thread that goes on without its records may pay for a run again, and a
    parked one is not found by sweeps.

    Raises:
        StorageFailed: The store raised. Call it again.
    """
    return drive(_delete(store, user_id))


async def adelete_user_records(store: BaseStore, user_id: str) -> int:
    """As `delete_user_records`; awaited."""
    return await adrive(_delete(store, user_id))


def _of_user(store: BaseStore, user_id: str) -> Calls[list[Item]]:
    items, owner = (yield from all_items(store, (NAMESPACE,))), digest(user_id)
    known = [(item, item.value.get("thread")) for item in items]
    threads = [thread for item, thread in known if item.value.get("owner") == owner]
    ours = {thread for thread in threads if isinstance(thread, str)}
    return [item for item, thread in known if isinstance(thread, str) and thread in ours]


def _delete(store: BaseStore, user_id: str) -> Calls[int]:
    items = yield from _of_user(store, user_id)
    for start in range(0, len(items), _AT_ONCE):
        batch = items[start : start + _AT_ONCE]
        yield from gather(*(delete_item(store, item.namespace, item.key) for item in batch))
    return len(items)
