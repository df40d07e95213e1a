"""`webhook_app`: an ASGI application that takes Parallel's webhooks and wakes parked threads.

Rule: it answers as soon as the signature holds, whatever the thread does then. Only a process that has
not accepted a delivery asks for it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore
from pydantic import SecretStr

from .._core.calls import adrive, drive
from ..client import AsyncParallelClient, ParallelClient
from ..errors import InvalidRequest, WebhookFault, WebhookRejected, worth_retrying
from ..parked.deliveries import Mark
from ..parked.resumption import AnyGraph
from ..parked.threads import Threads, threads_of
from ..parked.wake_up import WakeResult, see_to
from .delivery import WebhookDelivery, checked_secrets, receive
from .delivery_queue import Desk

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

_STATUS: dict[WebhookFault, int] = {
    "malformed": 400,
    "signature": 401,
    "timestamp": 401,
    "no_run": 200,
}
"""`no_run` is genuine, and would be no other the next time it came."""
_BODY_SECONDS = 30.0
"""How long a body may take to arrive."""


def webhook_app(
    graph: AnyGraph | Threads,
    *,
    secrets: Sequence[str | SecretStr],
    client: ParallelClient | None = None,
    async_client: AsyncParallelClient | None = None,
    path: str = "/parallel/webhook",
    health: str | None = "/health",
    config: RunnableConfig | None = None,
    context: Any = None,
    store: BaseStore | None = None,
    blocking: bool = False,
    concurrency: int = 16,
    queue: int = 10_000,
    tries: int = 7,
    retry_on: Callable[[BaseException], bool] = worth_retrying,
    max_body: int = 256 * 1024,
    tolerance: float = 300.0,
    grace: float = 10.0,
) -> Starlette:
    """An ASGI application that wakes the threads of runs that have ended. Serve it, or mount it.

    It answers 202 to a delivery that it accepted, 200 to one that it knows, 401 to a wrong signature or
    time, 400 to what is malformed, 413 to what is too large, and 503 when it has too much to do, so that
    the API comes again. What happens then, happens in the background.

    Args:
        graph: A compiled graph with its checkpointer; or other `Threads`.
        secrets: The account's webhook secret; the old and the new one while it is changed.
        client: Reads the runs where `blocking`; made from the environment unless given.
        async_client: Reads the runs otherwise; made from the environment unless given.
        path: Where deliveries are posted to.
        health: Where a GET tells that the process lives, and how many deliveries are open; None: nowhere.
        config: Passed on to the graph: callbacks, other `configurable` values.
        context: The graph's, if it has a `context_schema`.
        store: Where deliveries are marked that are done with, for all workers, over restarts; the graph's
            own unless given. Without one, each process knows its own.
        blocking: The graph, its checkpointer and its store are blocking ones: they work in threads. A
            thread cannot be stopped: the process ends when the last of them has come back from the graph.
        concurrency: Threads that go on at the same time, at the most.
        queue: Deliveries that wait for that, at the most.
        tries: How often one delivery is worked on, at the most; with pauses of 0.25 seconds, doubled each
            time. After that the sweep has to find it.
        retry_on: Which errors may be gone a little later.
        max_body: Bytes.
        tolerance: Seconds by which a delivery's timestamp may differ from this machine's clock.
        grace: Seconds to finish what is open when the server shuts down. Where the application is mounted
            in another, that one has to enter its `router.lifespan_context`.

    Raises:
        InvalidRequest: There is no secret, or a number that makes no sense.
        MissingKey: A client is to be made and there is no key.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    checked_secrets(secrets)
    if min(concurrency, queue, tries, max_body) < 1:
        raise InvalidRequest(["concurrency, queue, tries and max_body must be 1 or more."])
    threads = threads_of(graph, config, context)
    marks = threads.store if store is None else store
    made: ParallelClient | AsyncParallelClient
    made = client or ParallelClient() if blocking else async_client or AsyncParallelClient()

    def opened() -> tuple[Desk, ThreadPoolExecutor | None]:
        workers = (
            ThreadPoolExecutor(concurrency, "langchain_parallel webhooks") if blocking else None
        )
        desk = Desk(
            _waker(threads, marks, workers, made),
            worth_retrying=retry_on,
            concurrency=concurrency,
            queue=queue,
            tries=tries,
        )
        return desk, workers

    counter = _Counter(opened()[0], secrets, max_body, tolerance)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        counter.desk, workers = opened()  # it may have been closed before
        yield
        await counter.desk.close(grace)
        if workers is not None:
            workers.shutdown(wait=False, cancel_futures=True)

    routes = [Route(path, counter.deliver, methods=["POST"])]
    routes += [Route(health, counter.tell, methods=["GET"])] if health else []
    return Starlette(routes=routes, lifespan=lifespan)


class _Counter:
    """The two endpoints."""

    def __init__(
        self, desk: Desk, secrets: Sequence[str | SecretStr], max_body: int, tolerance: float
    ) -> None:
        self.desk = desk
        self._secrets = secrets
        self._max_body = max_body
        self._tolerance = tolerance

    async def deliver(self, request: Request) -> JSONResponse:
        """Take a delivery."""
        try:
            body = await asyncio.wait_for(_body(request, self._max_body), _BODY_SECONDS)
        except asyncio.TimeoutError:
            return _answer(408, {"error": "The body did not arrive in time."})
        if body is None:
            return _answer(413, {"error": f"More than {self._max_body} bytes."})
        try:
            received = receive(
                request.headers.items(), body, secrets=self._secrets, tolerance=self._tolerance
            )
        except WebhookRejected as rejected:
            return _answer(_STATUS[rejected.reason], {"error": rejected.message})
        taken = self.desk.take(received)
        if taken == "full":
            return _answer(503, {"error": "There is too much to do."})
        return _answer(202 if taken == "queued" else 200, {"taken": taken})

    async def tell(self, request: Request) -> JSONResponse:
        """That this process lives, and how many deliveries are open."""
        return _answer(200, {"status": "ok", "open": self.desk.open})


def _answer(status: int, body: dict[str, Any]) -> JSONResponse:
    from starlette.responses import JSONResponse

    return JSONResponse(body, status, {"retry-after": "5"} if status == 503 else None)


async def _body(request: Request, most: int) -> bytes | None:
    """The body; None as soon as it is known to be too large. What was cut off is no body either."""
    from starlette.requests import ClientDisconnect

    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:18]) > most:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _waker(
    threads: Threads,
    store: BaseStore | None,
    workers: ThreadPoolExecutor | None,
    made: ParallelClient | AsyncParallelClient,
) -> Callable[[WebhookDelivery], Coroutine[Any, Any, WakeResult | None]]:
    async def wake(received: WebhookDelivery) -> WakeResult | None:
        mark = None if store is None else Mark(store, received.webhook_id)
        work = see_to(threads, received.run_id, made, mark)
        if workers is None:
            return await adrive(work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(workers, Context().run, drive, work)

    return wake
