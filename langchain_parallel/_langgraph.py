"""What LangGraph offers to the code inside a graph: runtime, thread, store, checkpoints.

Rule: what a paid request's key is made from can be read back before the request leaves (R4). With a store
the ledger is put there; what else is in the state is in a checkpoint that has been written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import anyio
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore

from ._calls import Call, Calls, Clients
from ._locks import lock_of

_LOG = logging.getLogger("langchain_parallel")

# LangGraph has no public way to ask a running node for these; a test fails should they be renamed.
_CHECKPOINTER = "__pregel_checkpointer"
_DURABILITY = "__pregel_durability"
_WRITTEN_SECONDS = 10.0
"""How long a background write of a checkpoint is waited for."""


def runtime_of(config: RunnableConfig) -> Runtime[Any] | None:
    """LangGraph's runtime behind a config; None outside a graph.

    Through the config, because Python 3.10 does not carry context variables into tasks.
    """
    with set_config_context(config) as context:
        try:
            return context.run(lambda: get_runtime())  # noqa: PLW0108 -- typed without it
        except (RuntimeError, KeyError):
            return None


def thread_id_of(config: RunnableConfig) -> str | None:
    """The LangGraph thread a config belongs to, if any."""
    thread_id = config.get("configurable", {}).get("thread_id")
    return None if thread_id is None else str(thread_id)


def stored_ledger(clients: Clients, store: BaseStore, thread_id: str, name: str) -> Calls[str]:
    """The ledger of a session as the store knows it, made and written down if there is none.

    A put is durable at once and survives time travel to a checkpoint from before the session (R4).

    Args:
        clients: Who makes a ledger.
        store: LangGraph's store.
        thread_id: The LangGraph thread the session belongs to.
        name: Tells several sessions in one thread apart.
    """
    namespace, key = ("langchain_parallel", "ledgers"), f"{thread_id}/{name}"
    lock = lock_of(f"stored ledger {key}")
    yield Call(lock.acquire, lock.aacquire)
    try:
        item = yield Call(lambda: store.get(namespace, key), lambda: store.aget(namespace, key))
        if item is not None:
            return str(item.value["ledger_id"])
        ledger_id = yield from clients.create_group()
        value: Mapping[str, Any] = {"ledger_id": ledger_id}
        yield Call(
            lambda: store.put(namespace, key, dict(value)),
            lambda: store.aput(namespace, key, dict(value)),
        )
        return ledger_id
    finally:
        lock.release()


def checkpointed(config: RunnableConfig) -> Calls[None]:
    """Return once the checkpoints this step began from have been written.

    LangGraph writes them in the background unless told otherwise; a process killed before they are there
    would forget what it has paid for. Under `durability="exit"` they are written only at the end, so there
    is nothing to wait for; under `"sync"` they are there.
    """
    surroundings = config.get("configurable", {})
    saver = surroundings.get(_CHECKPOINTER)
    if not isinstance(saver, BaseCheckpointSaver):
        return
    if surroundings.get(_DURABILITY, "async") != "async":
        return
    for namespace, checkpoint_id in surroundings.get("checkpoint_map", {}).items():
        place: RunnableConfig = {
            "configurable": {
                "thread_id": surroundings.get("thread_id"),
                "checkpoint_ns": namespace,
                "checkpoint_id": checkpoint_id,
            }
        }
        yield from _written(saver, place)


def _written(saver: BaseCheckpointSaver[Any], place: RunnableConfig) -> Calls[None]:
    deadline = time.monotonic() + _WRITTEN_SECONDS
    pause = 0.001
    while (yield Call(lambda: saver.get_tuple(place), lambda: saver.aget_tuple(place))) is None:
        if time.monotonic() > deadline:
            _LOG.warning(
                "A checkpoint is still not written; a kill now could lose the way to a run."
            )
            return
        seconds = pause
        yield Call(lambda: time.sleep(seconds), lambda: anyio.sleep(seconds))  # noqa: B023 -- called at once
        pause = min(0.1, pause * 2)
