"""`webhook_app`: an ASGI application that takes Parallel's webhooks and wakes parked threads.

Rule: it answers as soon as the signature is verified, before the thread is resumed. It asks the API to send a
delivery again only if it has not accepted it. A delivery about a monitor is accepted once the caller's own
function has returned: no sweep would find what it left undone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from .._core.extras import optional_imports
from .._core.hidden import as_secrets
from ..client.client_pair import AnyClient
from ..errors import InvalidRequest, WebhookFault, WebhookRejected
from ..parked.graph_clients import choose_clients
from ..parked.resumption import AnyGraph
from ..parked.threads import Threads, threads_of
from ..parked.wake_up import wake_for_delivery
from .delivery import MonitorDelivery, check_headers, receive_any, secret_keys
from .delivery_queue import Accepted, DeliveryQueue, QueueOptions
from .monitor_handler import Handed, MonitorHandler
from .outcomes import WebhookOutcomes

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

# A genuine delivery without a run is acknowledged: sent again, it would be the same.
_STATUS: dict[WebhookFault, int] = {
    "malformed": 400,
    "signature": 401,
    "timestamp": 401,
    "no_run": 200,
}
_MONITOR_STATUS: dict[Handed, int] = {
    "passed over": 200,
    "duplicate": 200,
    "handed on": 200,
    "under way": 503,
    "failed": 500,
}
_RUN_STATUS: dict[Accepted, int] = {"queued": 202, "duplicate": 200, "full": 503}
_BODY_SECONDS = 30.0
"""How long a body may take to arrive."""


def webhook_app(
    graph: AnyGraph | Threads,
    *,
    secrets: Sequence[str | SecretStr],
    client: AnyClient | None = None,
    config: RunnableConfig | None = None,
    context: Any = None,
    blocking: bool = False,
    path: str = "/parallel/webhook",
    health_path: str | None = "/health",
    max_body: int = 256 * 1024,
    tolerance: float = 300.0,
    queue: QueueOptions | None = None,
    on_monitor: Callable[[MonitorDelivery], Awaitable[object] | object] | None = None,
) -> Starlette:
    """An ASGI application that wakes the threads of runs that have ended. Serve it, or mount it.

    Status codes: 202 accepted, 200 already processed or passed over, 400 malformed, 401 wrong signature or
    timestamp, 408 body too slow, 413 body too large, 500 `on_monitor` failed, 503 queue full (the API sends
    it again). The threads are woken in the background. An application that mounts this one has to enter its
    `router.lifespan_context`.

    Args:
        graph: A compiled graph with its checkpointer, or other `Threads`.
        secrets: The account's webhook secret; the old and the new one while it is being changed.
        client: Reads the runs; unless given, the graph's own, or else one made from the environment.
        config: Passed on to the graph: callbacks, `configurable` values.
        context: The graph's run-time context, if it has a `context_schema`.
        blocking: The graph, its checkpointer and its store are blocking ones: they work in threads. Python
            cannot stop a thread, so the process ends only when the last one has returned from the graph.
        path: Where deliveries are posted to.
        health_path: Where a GET says that the process lives, and how many deliveries are open; None: nowhere.
        max_body: Largest body, in bytes.
        tolerance: Seconds by which a delivery's timestamp may differ from this machine's clock.
        queue: How accepted deliveries are processed.
        on_monitor: Called for each delivery about a monitor, such as `monitor.event.detected`; in a thread,
            unless it is asynchronous. What it raises makes the API send the delivery again, so it may be
            called again after other processes have failed. Without it, such deliveries are passed over.

    Raises:
        InvalidRequest: There is no secret, one that is too short, or `max_body` is not positive.
        MissingKey: There is no client and no key.
    """
    with optional_imports("webhook_app"):
        from starlette.applications import Starlette
        from starlette.routing import Route

    secret_keys(secrets := as_secrets(secrets))
    if max_body < 1:
        raise InvalidRequest(["max_body must be 1 or more."])
    threads = threads_of(graph, config, context)
    clients, _ = choose_clients(client, threads)
    wake = partial(wake_for_delivery, threads, clients, blocking=blocking)
    options = queue or QueueOptions()
    deliveries = DeliveryQueue(wake, options)
    monitors, outcomes = MonitorHandler(on_monitor), WebhookOutcomes()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        nonlocal deliveries
        deliveries = DeliveryQueue(wake, options)  # a server may start the application again
        yield
        await deliveries.close()

    async def deliver(request: Request) -> JSONResponse:
        headers = request.headers.items()
        try:
            check_headers(headers, tolerance=tolerance)
            body = await asyncio.wait_for(_read_body(request, max_body), _BODY_SECONDS)
            if body is None:
                outcomes.tell("too large", 413)
                return _response(413, {"error": f"More than {max_body} bytes."})
            delivery = receive_any(headers, body, secrets=secrets, tolerance=tolerance)
        except asyncio.TimeoutError:
            outcomes.tell("too slow", 408)
            return _response(408, {"error": "The body did not arrive in time."})
        except WebhookRejected as rejected:
            status = _STATUS[rejected.reason]
            outcomes.tell(rejected.reason, status, rejected.message)
            return _response(status, {"error": rejected.message})
        if isinstance(delivery, MonitorDelivery):
            handed = await monitors.hand_on(delivery)
            status = _MONITOR_STATUS[handed]
            outcomes.tell(handed, status)
            return _response(status, {"delivery": handed, "type": delivery.type})
        accepted = deliveries.accept(delivery)
        status = _RUN_STATUS[accepted]
        outcomes.tell(accepted, status, run_id=delivery.run_id)
        if accepted == "full":
            return _response(status, {"error": "Too many deliveries are open."})
        return _response(status, {"delivery": accepted})

    async def health(request: Request) -> JSONResponse:
        return _response(200, {"status": "ok", "open": len(deliveries)})

    routes = [Route(path, deliver, methods=["POST"])]
    routes += [Route(health_path, health, methods=["GET"])] if health_path else []
    return Starlette(routes=routes, lifespan=lifespan)


def _response(status: int, body: dict[str, Any]) -> JSONResponse:
    from starlette.responses import JSONResponse

    return JSONResponse(body, status, {"retry-after": "5"} if status == 503 else None)


async def _read_body(request: Request, max_body: int) -> bytes | None:
    """The body; None as soon as it is known to be too large; empty if the client has gone."""
    from starlette.requests import ClientDisconnect

    length = request.headers.get("content-length", "")
    # The header may hold anything; int() reads other digits than ASCII's, and refuses very many of them.
    if length.isascii() and length.isdigit() and int(length[:18]) > max_body:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_body:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)
