"""Tells a subgraph that is asked again without its session.

A parent graph with a state of its own is the commonest way to compose. What it does not keep of the session
(`turns`, `interaction_id`, `ledger_id`) is lost with the node that asked: the next question builds on
nothing, and limits begin anew.
"""

from __future__ import annotations

import logging
import warnings

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.records import Records
from .._graph.runtime import input_of, parent_task, thread_id_of
from ..errors import CheckpointNotWritten

_LOG = logging.getLogger("langchain_parallel")
_REMEMBERED = 100
"""Inputs."""
_TOLD = (
    "The research subgraph in {node} is asked again on thread {thread} without its earlier turns: this "
    "question builds on none of them, and limits begin anew. Share `turns`, `interaction_id` and `ledger_id` "
    "with it, pass them to it in the node that calls it, or compile it with `checkpointer=True` "
    "(docs/guides/composing.md)."
)


def warn_if_lost(records: Records, config: RunnableConfig, name: str) -> Calls[None]:
    """Warn, and log, if this subgraph had a session for an earlier input of this thread.

    A replay, a fork and a task that runs again have the input that they had.
    """
    task, thread_id = parent_task(config), thread_id_of(config)
    if task is None or thread_id is None:
        return
    node = " → ".join(part.partition(":")[0] for part in task.split("|"))
    record = f"asked {name} in {node}"
    try:
        after = (yield from input_of(config)).after
        seen: list[str] = ((yield from records.get(config, record)) or {}).get("after", [])
        if not after or after in seen:
            return
        yield from records.put(config, record, {"after": [*seen, after][-_REMEMBERED:]})
    except CheckpointNotWritten:
        return  # the step that pays says so
    if not seen:
        return
    told = _TOLD.format(node=node, thread=thread_id)
    _LOG.warning(told)
    warnings.warn(told, stacklevel=2)
