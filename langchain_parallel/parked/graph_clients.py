"""The client that a graph works with, for those who read its runs.

Rule: what a graph has is not asked for again. Where no client is near its nodes (`surroundings.py`), the
environment decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from .._core.calls import Calls, adrive, drive
from .._graph.clients import ClientPair
from .._graph.run_config import RunConfig
from ..client.client_pair import AnyClient, client_pair
from ..errors import InvalidRequest, MissingKey
from .resumption import AnyGraph
from .surroundings import doors_and_clients
from .threads import GraphThreads, Threads

T = TypeVar("T")


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
    for one in doors_and_clients(graph):
        yield one.clients.sync if isinstance(one, RunConfig) else one


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
