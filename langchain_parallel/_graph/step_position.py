"""The point of a thread at which a step of a graph runs, by what a replay and a fork leave as it is.

Rule: LangGraph gives a task that is replayed another id, because it writes another checkpoint to begin from.
What stays is the checkpoint that this one was forked from, the step's name, and its place among the tasks of
its step. So two calls have one position only if they ask in the same step (R3).
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from .._core.calls import Calls
from .runtime import (
    FIRST_INPUT,
    checkpointer_of,
    is_written_at_exit,
    read_checkpoint,
    wait_for_checkpoint,
)
from .store import digest

_PATH = "langgraph_path"
"""In the metadata of a step's config: its place among the tasks of its step."""
_FORKED = ("fork", "update")


def step_position(config: RunnableConfig) -> Calls[str | None]:
    """The position of a step; None where it cannot be known: without a checkpointer, with
    `durability="exit"`, for a subgraph that a `@task` calls, and where a config of the caller's own took the
    place of the step's.

    Raises:
        CheckpointNotWritten: The checkpoint that the step began from is not there.
    """
    saver, path = checkpointer_of(config), (config.get("metadata") or {}).get(_PATH)
    given = config.get("configurable", {})
    began, namespace = given.get("checkpoint_map", {}), str(given.get("checkpoint_ns", ""))
    if saver is None or path is None or not namespace or "" not in began:
        return None
    if is_written_at_exit(config):
        return (
            None  # the first attempt has no checkpoint yet, the next one has: both ask in one place
        )
    yield from wait_for_checkpoint(config)
    origin = yield from _origin(saver, config, began[""])
    if origin is None:
        return None
    *callers, own = namespace.split("|")
    parts, head, is_in_task = [origin], began[""], False
    for depth, segment in enumerate(callers, 1):
        parts.append(_name(segment))
        at = began.get("|".join(callers[:depth]))
        if at == head:  # what calls a `@task`; `path` names the calls from here on
            is_in_task = True
        elif at is not None:
            found = yield from read_checkpoint(saver, config, "|".join(callers[:depth]), at)
            if found is None or is_in_task:
                return None
            parts.append(str(found.metadata.get("step")))
            head = at
        elif not callers[depth : depth + 1] or not callers[depth].isdigit():
            return (
                None  # LangGraph numbers the second call of a graph behind its task, and names that
            )
    return digest("\n".join([*parts, _name(own), repr(path)]))


def _name(segment: str) -> str:
    """`research` of `research:<task>`."""
    return segment.partition(":")[0]


def _origin(saver: BaseCheckpointSaver[Any], config: RunnableConfig, at: str) -> Calls[str | None]:
    """The checkpoint that was there before anything was forked or edited; of an input, the one before it."""
    found = yield from read_checkpoint(saver, config, "", at)
    while found is not None and found.metadata.get("source") in _FORKED and found.parent_config:
        before = str(found.parent_config["configurable"]["checkpoint_id"])
        found = yield from read_checkpoint(saver, config, "", before)
        if found is not None and found.checkpoint["id"] != before:
            return None  # a checkpointer that keeps the latest only
    if found is None:
        return None
    if found.metadata.get("source") == "input":
        parent = found.parent_config
        return f"after {parent['configurable']['checkpoint_id'] if parent else FIRST_INPUT}"
    return str(found.checkpoint["id"])
