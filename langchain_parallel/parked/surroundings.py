"""What can be seen near the nodes of a graph: the doors they hold, and the clients.

Rule: tools, middleware and research nodes hold a `RunConfig`; a node that is a function may use a client, a
tool or a graph from around it. What is nowhere near a node is not found.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore

from .._graph.run_config import RunConfig
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_pair import AnyClient

_LIBRARIES = ("langchain_parallel", "langgraph", "langchain", "langchain_core")
"""Objects of these are looked into; those of other libraries may be large, or do something when asked."""
_MOST_OBJECTS = 5_000


def doors_and_clients(*near: Any) -> Iterator[RunConfig | AnyClient]:
    """Every door and every client that a graph or its nodes hold or use, the nearest first."""
    due: deque[Any] = deque(near)
    seen: dict[int, Any] = {}
    """By `id`; the objects are kept, so that no other gets the same one."""
    while due and len(seen) < _MOST_OBJECTS:
        one = due.popleft()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, RunConfig | ParallelClient | AsyncParallelClient):
            yield one
        else:
            due.extend(_inside(one))


def _inside(one: Any) -> Iterable[Any]:
    """What an object holds and may use, as far as that can be seen."""
    if isinstance(one, Pregel):
        return one.nodes.values()
    if isinstance(one, functools.partial):
        return (one.func, *one.args, *one.keywords.values())
    if isinstance(one, types.MethodType):
        return (one.__self__, one.__func__)
    if isinstance(one, types.FunctionType):
        return _around(one)
    if isinstance(one, dict):
        return list(one.values())
    if isinstance(one, list | tuple):
        return one
    is_storage = isinstance(one, BaseCheckpointSaver | BaseStore)
    library = (type(one).__module__ or "").partition(".")[0]
    if is_storage or isinstance(one, type | types.ModuleType) or library not in _LIBRARIES:
        return ()
    private = getattr(one, "__pydantic_private__", None) or {}
    return (*getattr(one, "__dict__", {}).values(), *private.values())


def _around(function: types.FunctionType) -> Iterator[Any]:
    """What a function uses of its surroundings, and of the modules in them."""
    try:
        used = inspect.getclosurevars(function)
    except ValueError:  # something in it is not there yet
        return
    for value in (*used.nonlocals.values(), *used.globals.values()):
        if isinstance(value, types.ModuleType):
            names = function.__code__.co_names
            yield from (vars(value)[name] for name in names if name in vars(value))
        else:
            yield value
