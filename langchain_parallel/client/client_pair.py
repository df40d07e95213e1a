"""One client for both kinds of calls: tools, graphs and middleware are called blocking and asynchronously.

Rule: both clients of a pair go to the same server with the same key, and know the same ledgers and secrets.
If an httpx object of the caller's serves one kind of call only, the first call of the other kind is refused,
because it would bypass the caller's proxy, certificates or hooks.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import Any, TypeAlias, cast

import httpx
from pydantic import SecretStr

from .._core.hidden import as_secret, hidden
from .._core.kinds import kind_of
from ..errors import InvalidRequest
from .async_client import AsyncParallelClient
from .async_driver import AsyncDriver
from .sync_client import ParallelClient
from .sync_driver import Driver

AnyClient: TypeAlias = ParallelClient | AsyncParallelClient


def client_pair(
    client: AnyClient | None = None,
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    allow_unknown_processor: bool = False,
) -> tuple[ParallelClient, AsyncParallelClient]:
    """A blocking and an asynchronous client of one account: `client`, and its counterpart.

    They share key, address, retry policy, clock, a transport that serves both kinds, and all that they learn.
    A client has one counterpart, however many tools and graphs it is given to. Without `client`, both are
    made from the other arguments.

    Raises:
        InvalidRequest: `client` is no client, or an argument contradicts its own setting.
        MissingKey: There is no client and no key.
    """
    api_key, base_url = as_secret(api_key), hidden(base_url)
    if client is None:
        client = ParallelClient(api_key, base_url, allow_unknown_processor=allow_unknown_processor)
    elif not isinstance(cast(object, client), AnyClient):
        raise InvalidRequest(
            [f"client is {kind_of(client)}; give a ParallelClient or an AsyncParallelClient."]
        )
    else:
        unknown = allow_unknown_processor and not client._settings.allow_unknown_processor
        own = client._settings.api_key.get_secret_value()
        other_key = api_key is not None and api_key.get_secret_value().strip() != own
        given = {"api_key": other_key, "base_url": base_url, "allow_unknown_processor": unknown}
        names = [name for name, value in given.items() if value not in (None, False)]
        if names:
            raise InvalidRequest(
                [
                    f"{' and '.join(names)} is given beside a client; make the client with it instead."
                ]
            )
    # `setdefault`: if two threads make a counterpart at once, both use the one that is kept first.
    other = client.__dict__.setdefault("_counterpart", _counterpart(client))
    if isinstance(client, ParallelClient):
        return client, cast(AsyncParallelClient, other)
    return cast(ParallelClient, other), client


def pair_clients(client: ParallelClient, async_client: AsyncParallelClient) -> None:
    """Use these two clients of one account together, whichever of them a tool or a graph is given.

    Only clients with an httpx client or transport of your own need it; the others get a counterpart made.

    Raises:
        InvalidRequest: They have different keys, or go to different servers.
    """
    mine, other = client._settings, async_client._settings
    if (mine.api_key, mine.base_url) != (other.api_key, other.base_url):
        raise InvalidRequest(
            ["The two clients differ in key or address; join clients of one account."]
        )
    mine.secrets.register(other.secrets.all())
    async_client._settings = replace(other, cache=mine.cache, secrets=mine.secrets)
    client.__dict__["_counterpart"] = async_client
    async_client.__dict__["_counterpart"] = client


def pair_with_key(
    sync: ParallelClient, async_: AsyncParallelClient, api_key: SecretStr
) -> ParallelClient:
    """A pair like this one for another account, by its blocking client: same address, same transports.

    Raises:
        MissingKey: The key is empty.
        InvalidRequest: It cannot be one.
    """
    made = sync._settings.with_key(api_key)
    twins: list[Any] = []
    for client, driver in ((sync, Driver), (async_, AsyncDriver)):
        own, twin = cast(Any, client), cast(Any, type(client).__new__(type(client)))
        cast(Any, driver).__init__(twin, made, own._http_client, own._transport, own._refusal)
        twins.append(twin)
    pair_clients(*twins)
    return cast(ParallelClient, twins[0])


def _counterpart(client: AnyClient) -> AnyClient:
    kind, driver, transports = (
        (AsyncParallelClient, AsyncDriver, httpx.AsyncBaseTransport)
        if isinstance(client, ParallelClient)
        else (ParallelClient, Driver, httpx.BaseTransport)
    )
    shared: Any = client._transport if isinstance(client._transport, transports) else None
    made: Any = kind.__new__(kind)
    driver.__init__(made, client._settings, None, shared, _refusal(client, shared))
    return cast(AnyClient, made)


def _refusal(client: AnyClient, shared: object) -> str:
    """Why a counterpart cannot be used: the client has httpx objects of its own, and shares none of them."""
    if shared is not None or (client._http_client is None and client._transport is None):
        return ""
    call = "asynchronous" if isinstance(client, ParallelClient) else "blocking"
    return (
        f"The client given has an httpx client or transport of its own, which cannot serve this {call} call; "
        "make a client of each kind and join them with `langchain_parallel.client.pair_clients`."
    )


def place_of(*clients: AnyClient) -> str:
    """Tells apart the servers of clients: by address; and by process, where a caller's own transport may be
    the server, as in a test.
    """
    for client in clients:
        http: Any = client._http_client
        transport = client._transport if http is None else http._transport
        if not isinstance(transport, httpx.HTTPTransport | httpx.AsyncHTTPTransport | None):
            return f"process {os.getpid()}"
    return hashlib.sha256(clients[0]._settings.base_url.encode()).hexdigest()
