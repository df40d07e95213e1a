"""A process of `parked`: `python -m benchmarks.parked_worker`.

It reads its job as a line of JSON, prints lines of JSON and ends at the end of its input.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, TypedDict

import uvicorn
from langgraph.types import Command
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from langchain_parallel import AsyncParallelClient
from langchain_parallel.parked import asweep
from langchain_parallel.simulator import ManualClock, RunScript, Simulator, serve
from langchain_parallel.webhooks import webhook_app

from .parked_graphs import (
    Kind,
    TimedThreads,
    bare_graph,
    event_file,
    question,
    research_graph,
    storage,
    thread_config,
)
from .processes import memory_bytes

SECRET = "whsec_of-a-benchmark-only"
CONTROL_TOKEN = "of-a-benchmark"
AT_ONCE = 16
"""Threads resumed at the same time in a process: the default of `webhook_app`, also used by the control."""
PARKING = 8
"""Threads parked at the same time in a process."""
RUN_SECONDS = 3_600.0


class Job(TypedDict, total=False):
    """What a process does."""

    role: Literal["simulator", "park", "serve", "finish"]
    kind: Kind
    location: str
    """A folder (SQLite), or the URI of a database (PostgreSQL)."""
    api: str
    events: str
    """The file of `event_file`."""
    port: int
    threads: list[str]


def reply(**facts: Any) -> None:
    """Print one line for the parent process."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def simulate() -> None:
    """Serve the API. Its runs take an hour of a clock that moves only on request."""
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(seconds=RUN_SECONDS, times=None))
    with serve(simulator, control_token=CONTROL_TOKEN) as server:
        reply(url=server.url)
        for line in sys.stdin:
            simulator.clock.sleep(RUN_SECONDS if line.startswith("end") else 0.0)
            bill = simulator.billing.billed_runs()
            reply(billed=len(bill), threads=len({paid.metadata["thread_id"] for paid in bill}))


@asynccontextmanager
async def compile_graph(job: Job) -> AsyncIterator[tuple[Any, AsyncParallelClient | None]]:
    """The compiled graph with its storage, and its client."""
    write = event_file(job["events"])
    async with storage(job["location"]) as opened:
        if job["kind"] == "research graph":
            graph, client = research_graph(job["api"], write)
            async with client:
                yield graph.compile(**opened), client
        else:
            gets = job["kind"] == "bare, and a GET"
            yield bare_graph(job["api"], write, gets=gets).compile(**opened), None


async def park(job: Job) -> None:
    """Park threads, report how long each took and the memory used, and wait for the end of the input."""
    async with compile_graph(job) as (graph, _):
        await graph.ainvoke(
            question("first"), thread_config(f"warm {job['threads'][0]}"), durability="sync"
        )
        before, seconds, remaining = memory_bytes(), [], iter(job["threads"])
        wall_start, cpu_start = time.perf_counter(), time.process_time()

        async def parker() -> None:
            for thread_id in remaining:
                start = time.perf_counter()
                await graph.ainvoke(
                    question(thread_id), thread_config(thread_id), durability="sync"
                )
                seconds.append(time.perf_counter() - start)

        await asyncio.gather(*(parker() for _ in range(PARKING)))
        reply(
            seconds=seconds,
            wall=time.perf_counter() - wall_start,
            cpu=time.process_time() - cpu_start,
            before=before,
            after=memory_bytes(),
        )
        await asyncio.to_thread(sys.stdin.readline)


async def receive_webhooks(job: Job) -> None:
    """Receive deliveries over HTTP, until killed or until the input ends."""
    async with compile_graph(job) as (graph, client):
        write = event_file(job["events"])
        if client is not None:
            threads = TimedThreads(graph)
            threads.write = write
            app = webhook_app(threads, secrets=[SECRET], client=client)
        else:
            app = _control(graph, write)
        config = uvicorn.Config(app, port=job["port"], log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 -- it has no event for that
            await asyncio.sleep(0.01)
        reply(ready=True)
        await asyncio.to_thread(sys.stdin.readline)
        server.should_exit = True
        await serving


def _control(graph: Any, write: Callable[[str, str], None]) -> Starlette:
    """Bare LangGraph behind an endpoint. A POST resumes a thread in the background, `AT_ONCE` at a time."""
    gate, tasks = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()

    async def resume(given: dict[str, Any]) -> None:
        async with gate:
            config = thread_config(given["thread_id"])
            await graph.ainvoke(Command(resume=given), config, durability="sync")
            write("done", given["thread_id"])

    async def deliver(request: Request) -> JSONResponse:
        task = asyncio.ensure_future(resume(await request.json()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return JSONResponse({}, 202)

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"open": len(tasks)})

    routes = [Route("/parallel/webhook", deliver, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes)


async def finish(job: Job) -> None:
    """Sweep the threads whose webhook was lost or whose worker was killed, and count the finished threads."""
    async with compile_graph(job) as (graph, client):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        swept = await asweep(graph, client, per_second=1e6, stranded_after=0.0)
        reply(
            seconds=time.perf_counter() - wall_start,
            cpu=time.process_time() - cpu_start,
            **swept.counts(),
        )
        turns = Counter[int]()
        for thread_id in job["threads"]:
            state = await graph.aget_state(thread_config(thread_id))
            if not state.next and state.values.get("answer"):
                turns[len(state.values["turns"])] += 1
        reply(**{str(count): threads for count, threads in turns.items()})


_ROLES: dict[str, Callable[[Job], Coroutine[Any, Any, None]]] = {
    "park": park,
    "serve": receive_webhooks,
    "finish": finish,
}


def main() -> None:
    """Do the job."""
    job: Job = json.loads(sys.stdin.readline())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if job["role"] == "simulator":
        simulate()
    else:
        asyncio.run(_ROLES[job["role"]](job))


if __name__ == "__main__":
    main()
