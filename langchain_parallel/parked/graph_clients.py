"""The client that a graph works with, for those who read its runs.

Rule: what a graph has is not asked for again. Its tools, middleware and research nodes hold a `RunConfig`; a
node that is a function may use a client, a tool or a graph from around it. A client that is nowhere near a
node is not found, and then the environment decides.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore

from .._core.calls import Calls, adrive, drive
from .._graph.clients import ClientPair
from .._graph.run_config import RunConfig
from ..client import AsyncParallelClient, ParallelClient
from ..client.client_pair import AnyClient, client_pair
from ..errors import InvalidRequest, MissingKey
from .resumption import AnyGraph
from .threads import GraphThreads, Threads

T = TypeVar("T")
_LIBRARIES = ("langchain_parallel", "langgraph", "langchain", "langchain_core")
"""Objects of these are looked into; those of other libraries may be large, or do something when asked."""
_MOST_OBJECTS = 5_000


def choose_clients(client: AnyClient | None, threads: Threads) -> tuple[ClientPair, bool]:
    """A pair of `client`; else of what the graph works with; else one made from the environment.

    The second value says whether it was made here, so that it has to be closed.

    Raises:
        InvalidRequest: The graph works with several accounts.
        MissingKey: There is no client, and no key in the environment.
    """
    if client is not None:
        return ClientPair(*client_pair(client)), False
    graph = threads.graph if isinstance(threads, GraphThreads) else None
    found = {} if graph is None else _by_account(_clients_in(graph))
    if len(found) > 1:
        raise InvalidRequest(
            [
                "The graph works with clients of several accounts; give `client=`, and call once for each."
            ]
        )
    for one in found.values():
        return ClientPair(*client_pair(one)), False
    try:
        return ClientPair(*client_pair(None)), True
    except MissingKey as error:
        error.hint = f"The graph shows no client of its own: pass `client=`. {error.hint}"
        raise


def _by_account(clients: Iterable[AnyClient]) -> dict[tuple[str, str], AnyClient]:
    found: dict[tuple[str, str], AnyClient] = {}
    for client in clients:
        settings = client._settings
        found.setdefault((settings.api_key.get_secret_value(), settings.base_url), client)
    return found


def _clients_in(graph: AnyGraph) -> Iterator[AnyClient]:
    """Every client that is held near a node of the graph, the nearest first."""
    due: deque[Any] = deque([graph])
    seen: dict[int, Any] = {}
    """By `id`; the objects are kept, so that no other gets the same one."""
    while due and len(seen) < _MOST_OBJECTS:
        one = due.popleft()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, RunConfig):
            yield one.clients.sync
        elif isinstance(one, ParallelClient | AsyncParallelClient):
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


def drive_with(
    client: AnyClient | None, threads: Threads, step: Callable[[ClientPair], Calls[T]]
) -> T:
    """Drive a step with the clients of `choose_clients`; those that were made here are closed at the end."""
    clients, is_made_here = choose_clients(client, threads)
    try:
        return drive(step(clients))
    finally:
        if is_made_here:
            clients.sync.close()


async def adrive_with(
    client: AnyClient | None, threads: Threads, step: Callable[[ClientPair], Calls[T]]
) -> T:
    """As `drive_with`; awaited."""
    clients, is_made_here = choose_clients(client, threads)
    try:
        return await adrive(step(clients))
    finally:
        if is_made_here:
            await clients.async_.close()
