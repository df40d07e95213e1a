"""A worker of a deployment of your own: it accepts questions and Parallel's webhooks.

    python worker.py                        # once: makes the tables
    uvicorn worker:app                      # as many as you like, behind one address
    langchain-parallel sweep --graph worker:research        # every few minutes

    PUT /research/{id}  {"question": …}     # begins the research, once; the id is the caller's
    GET /research/{id}                      # its answer, or what it waits for; `text` has the sources,
                                            # or says why there is no answer

DATABASE_URI    a PostgreSQL database; all workers share it
PUBLIC_URL      where Parallel reaches the workers, such as https://research.example
PARALLEL_API_KEY, PARALLEL_WEBHOOK_SECRET    from Parallel; several secrets are separated by commas
RESEARCH_TOKEN  what callers send as `Authorization: Bearer …`; 16 characters at least
RESEARCH_NAME   one for each deployment that shares the database

Whoever has the token asks at your cost and reads every thread: tell your users apart in front of it.
"""

import asyncio
import hmac
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.postgres import AsyncPostgresStore
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from langchain_parallel import RequestOptions, aresume, create_research_graph
from langchain_parallel.errors import InvalidRequest, ParallelError, Unprocessable
from langchain_parallel.models import Webhook
from langchain_parallel.webhooks import webhook_app

PROCESSOR = os.environ.get("PROCESSOR", "ultra")
NAME = os.environ.get("RESEARCH_NAME", "worker")
IDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_QUESTION, MAX_BODY = 15_000, 100_000  # characters, bytes
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
            name=NAME,
            request=RequestOptions(
                webhook=Webhook(url=os.environ["PUBLIC_URL"].rstrip("/") + "/parallel/webhook")
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
            raise HTTPException(401, "Send the token: Authorization: Bearer …")
        if not IDS.fullmatch(request.path_params["id"]):
            raise HTTPException(400, f"An id matches {IDS.pattern}.")
        return await handler(request)

    return checked


async def ask(request: Request) -> Response:
    """Begin the research of this id once, or go on with it. Once it is parked, it needs no worker."""
    question = await read_question(request)
    state, _ = await aresume(
        request.app.state.graph, thread(request), timeout=20, begin_with={"question": question}
    )
    if first_question(state.values) != question:
        raise HTTPException(409, "Another question has this id.")
    return show(request, state)


async def read(request: Request) -> Response:
    """Return the answer, or what the research waits for."""
    state = await request.app.state.graph.aget_state(thread(request))
    if state.created_at is None:
        raise HTTPException(404, "No question has this id.")
    return show(request, state)


async def read_question(request: Request) -> str:
    """Read the body, which is `{"question": …}` and nothing else."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"The body has more than {MAX_BODY} bytes.")
    try:
        given = json.loads(body)
        question: str = given["question"]
        is_text = len(given) == 1 and bool(question.strip()) and "\0" not in question
        if is_text and len(question.encode()) and len(question) <= MAX_QUESTION:
            return question
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise HTTPException(
        400, f'Send {{"question": "…"}} and nothing else; {MAX_QUESTION} characters at most.'
    )


def first_question(values: dict[str, Any]) -> str | None:
    """What a thread was begun with: it is in its first turn, or on its way, or not planned yet."""
    places = [*values.get("turns", ()), values.get("pending") or {}, values]
    return next((place["question"] for place in places if place.get("question")), None)


def show(request: Request, state: Any) -> Response:
    """A thread as callers see it; 202 while there is more to come: a task is left, if only to begin."""
    values, is_done = state.values, not state.tasks
    shown = {
        "id": request.path_params["id"],
        "waits_for": [interrupt.value for interrupt in state.interrupts],
        "answer": values.get("answer") if is_done else None,
        "text": values["messages"][-1].text if is_done else None,
    }
    return JSONResponse(shown, 200 if is_done else 202)


async def tell(request: Request, error: Exception) -> Response:
    """Say what went wrong, with the id: the same request again finds what this one has begun."""
    status, said = 500, "It failed. Send the same request again."
    if isinstance(error, HTTPException):
        status, said = error.status_code, error.detail
    elif isinstance(error, ParallelError):
        status = 422 if isinstance(error, InvalidRequest | Unprocessable) else 503
        said = str(error)
    headers = {"retry-after": "5"} if status >= 500 else None
    return JSONResponse({"id": request.path_params.get("id"), "error": said}, status, headers)


def thread(request: Request) -> Any:
    """The config that names a thread. Deployments that share the database may be given the same id."""
    return {"configurable": {"thread_id": f"{NAME}/{request.path_params['id']}"}}


async def set_up() -> None:
    """Make the tables."""
    async with research() as graph:
        await graph.checkpointer.setup()
        await graph.store.setup()


app = Starlette(
    routes=[
        Route("/research/{id}", for_callers(ask), methods=["PUT"]),
        Route("/research/{id}", for_callers(read)),
    ],
    exception_handlers=dict.fromkeys((HTTPException, ParallelError, Exception), tell),
    lifespan=lifespan,
)

if __name__ == "__main__":
    asyncio.run(set_up())
