"""A worker of a deployment of your own: it accepts questions and Parallel's webhooks.

    python worker.py                        # once: makes the tables
    uvicorn worker:app                      # as many as you like, behind one address
    langchain-parallel sweep --graph worker:research        # every few minutes

DATABASE_URI    a PostgreSQL database; all workers share it
PUBLIC_URL      where Parallel reaches the workers, such as https://research.example
PARALLEL_API_KEY, PARALLEL_WEBHOOK_SECRET    from Parallel; several secrets are separated by commas
RESEARCH_TOKEN  what callers send as `Authorization: Bearer …`; 16 characters at least

Whoever has the token asks at your cost and reads every thread: tell your users apart in front of it.
"""

import asyncio
import hmac
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.postgres import AsyncPostgresStore
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from langchain_parallel import RequestOptions, create_research_graph
from langchain_parallel.models import Webhook
from langchain_parallel.webhooks import webhook_app

PROCESSOR = os.environ.get("PROCESSOR", "ultra")
Handler = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def research() -> AsyncIterator[Any]:
    """The graph with its storage, for as long as it is needed."""
    settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    uri = os.environ["DATABASE_URI"]
    async with AsyncConnectionPool(uri, max_size=20, kwargs=settings) as pool:
        yield create_research_graph(
            processor=PROCESSOR,
            wait="park",
            request=RequestOptions(
                webhook=Webhook(url=os.environ["PUBLIC_URL"] + "/parallel/webhook")
            ),
        ).compile(checkpointer=AsyncPostgresSaver(pool), store=AsyncPostgresStore(pool))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """The graph, and the webhooks that wake its threads."""
    if len(os.environ["RESEARCH_TOKEN"]) < 16:
        raise ValueError("RESEARCH_TOKEN can be guessed; give it 16 characters or more.")
    async with research() as graph:
        secrets = os.environ["PARALLEL_WEBHOOK_SECRET"].split(",")
        hooks = webhook_app(graph, secrets=secrets)
        app.state.graph = graph
        app.router.routes.append(Mount("/", hooks))
        async with hooks.router.lifespan_context(hooks):
            yield


def for_callers(handler: Handler) -> Handler:
    """Only for requests with the token. The webhook has a signature instead."""

    async def checked(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        expected = f"Bearer {os.environ['RESEARCH_TOKEN']}".encode()
        if not hmac.compare_digest(given, expected):
            return JSONResponse({"error": "Send the token: Authorization: Bearer …"}, 401)
        return await handler(request)

    return checked


async def ask(request: Request) -> JSONResponse:
    """Accept a question. Its thread parks a moment later, and then needs no worker."""
    thread_id = uuid.uuid4().hex
    given = {"question": (await request.json())["question"]}
    await request.app.state.graph.ainvoke(given, thread(thread_id), durability="sync")
    return JSONResponse({"thread_id": thread_id}, 202)


async def read(request: Request) -> JSONResponse:
    """Return a thread's answer, or what it waits for."""
    state = await request.app.state.graph.aget_state(thread(request.path_params["thread_id"]))
    return JSONResponse(
        {
            "waits_for": [interrupt.value for interrupt in state.interrupts],
            "answer": None if state.next else state.values.get("answer"),
        }
    )


def thread(thread_id: str) -> Any:
    """The config that names a thread."""
    return {"configurable": {"thread_id": thread_id}}


async def set_up() -> None:
    """Make the tables."""
    async with research() as graph:
        await graph.checkpointer.setup()
        await graph.store.setup()


app = Starlette(
    routes=[
        Route("/research", for_callers(ask), methods=["POST"]),
        Route("/research/{thread_id}", for_callers(read)),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    asyncio.run(set_up())
