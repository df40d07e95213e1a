"""A worker that is killed: `python -m tests.webhooks.worker JSON`, with the listening socket as a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from typing import Any, Literal, TypedDict

import httpx
import uvicorn

from langchain_parallel import AsyncParallelClient, create_research_graph
from langchain_parallel.webhooks import webhook_app

from ..crash.storage import aopened
from .deliveries import SECRET


class Job(TypedDict):
    api: str
    place: str
    store: bool
    fd: int
    dies: Literal["acknowledged", "going on"]


class Dying(httpx.AsyncHTTPTransport):
    """The process is killed when it looks at the run, well after it has acknowledged the delivery."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.2)
        die()
        raise AssertionError("it has survived")


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def serve(job: Job) -> None:
    transport = Dying() if job["dies"] == "acknowledged" else httpx.AsyncHTTPTransport()
    client = AsyncParallelClient("k", job["api"], transport=transport)
    async with aopened(job["place"], store=job["store"]) as storage:
        graph: Any = create_research_graph(
            processor="lite", wait="park", evaluate=die, name="one", client=client
        ).compile(**storage)
        app = webhook_app(graph, secrets=[SECRET], client=client)
        listening = socket.socket(fileno=job["fd"])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
        await server.serve([listening])


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
