"""The point of a thread at which a step of a graph runs, by what a replay and a fork leave as it is.

Rule: LangGraph gives a task that is replayed another id, because it writes other checkpoints to begin from.
What stays is the input that led to it, how many steps ran since, the step's name, and its place among the
tasks of its step. So two calls have one position only if they ask in the same step, or in a replay of it from
any checkpoint before (R3).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from .._core.calls import Calls
from .runtime import (
    FIRST_INPUT,
    checkpointer_of,
    is_written_at_exit,
    read_checkpoint,
    thread_id_of,
    wait_for_checkpoint,
)
from .store import digest

_PATH = "langgraph_path"
"""In the metadata of a step's config: its place among the tasks of its step."""
Origin: TypeAlias = tuple[str, int]
"""Where a checkpoint comes from: an input, by the checkpoint before it; and how many steps ran since."""
_REMEMBERED = 1_000
_origins: dict[tuple[str | None, str, str], Origin] = {}
"""By thread, namespace and checkpoint. They never change: no step reads again what one before it has read."""


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
    after, steps = yield from _origin(saver, config, "", began[""])
    *callers, own = namespace.split("|")
    parts, head, is_in_task = [after, str(steps)], began[""], False
    for depth, segment in enumerate(callers, 1):
        parts.append(_name(segment))
        at = began.get("|".join(callers[:depth]))
        if at == head:  # what calls a `@task`; `path` names the calls from here on
            is_in_task = True
        elif at is not None:
            if is_in_task:
                return None
            _, steps = yield from _origin(saver, config, "|".join(callers[:depth]), at)
            parts.append(str(steps))
            head = at
        elif not [*callers, ""][depth].isdigit():
            return (
                None  # LangGraph numbers the second call of a graph behind its task, and names that
            )
    return digest("\n".join([*parts, _name(own), repr(path)]))


def _name(segment: str) -> str:
    """`research` of `research:<task>`."""
    return segment.partition(":")[0]


def _origin(
    saver: BaseCheckpointSaver[Any], config: RunnableConfig, namespace: str, at: str
) -> Calls[Origin]:
    """Where a checkpoint comes from. What was forked or edited is no step. Where the checkpoint before one is
    not kept, it stands for the input.
    """
    thread, passed = thread_id_of(config), list[tuple[str, bool]]()
    found = yield from read_checkpoint(saver, config, namespace, at)
    while (origin := _origins.get((thread, namespace, at))) is None:
        parent = found.parent_config if found else None
        before = str(parent["configurable"]["checkpoint_id"]) if parent else None
        if found is not None and found.metadata.get("source") == "input":
            origin = (f"after {before or FIRST_INPUT}", 0)
            break
        earlier = (yield from read_checkpoint(saver, config, namespace, before)) if before else None
        if found is None or earlier is None or earlier.checkpoint["id"] != before:
            origin = (at, 0)  # also of a checkpointer that keeps the latest only
            break
        passed.append((at, found.metadata.get("source") == "loop"))
        at, found = str(before), earlier
    after, steps = origin
    _remember((thread, namespace, at), origin)
    for at, is_step in reversed(passed):
        steps += is_step
        _remember((thread, namespace, at), (after, steps))
    return after, steps


def _remember(key: tuple[str | None, str, str], origin: Origin) -> None:
    _origins[key] = origin
    while len(_origins) > _REMEMBERED:
        _origins.pop(next(iter(_origins)), None)
