"""The processes of `parked`: `python -m benchmarks.parked_worker`, with the job as a line of JSON on standard
input. Each prints lines of JSON, and ends when its input does.
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

from .parked_graphs import Kind, Timed, bare, question, research, side_file, storage, thread
from .processes import resident

SECRET = "whsec_of-a-benchmark"
AT_ONCE = 16
"""Threads that go on at the same time in a process: the default of `webhook_app`, and the control's."""
PARKING = 8
"""Threads that are being parked at the same time in a process."""
RUN_SECONDS = 3_600.0


class Job(TypedDict, total=False):
    """What a process is to do."""

    role: Literal["simulator", "park", "serve", "finish"]
    kind: Kind
    place: str
    """A folder (SQLite), or the URI of a database (PostgreSQL)."""
    api: str
    side: str
    port: int
    threads: list[str]


def tell(**facts: Any) -> None:
    """One line for whoever started this process."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def simulate() -> None:
    """The API. Its runs take an hour of a clock that stands still until somebody advances it."""
    simulator = Simulator(ManualClock())
    simulator.scripts.add(RunScript(seconds=RUN_SECONDS, times=None))
    with serve(simulator) as server:
        tell(url=server.url)
        for line in sys.stdin:
            simulator.clock.sleep(RUN_SECONDS if line.startswith("end") else 0.0)
            bill = simulator.billing.billed_runs()
            tell(billed=len(bill), threads=len({paid.metadata["thread_id"] for paid in bill}))


@asynccontextmanager
async def compiled(job: Job) -> AsyncIterator[tuple[Any, AsyncParallelClient | None]]:
    """The graph with its storage, and the client that it has."""
    write = side_file(job["side"])
    async with storage(job["place"]) as made:
        if job["kind"] == "research graph":
            graph, client = research(job["api"], write)
            async with client:
                yield graph.compile(**made), client
        else:
            gets = job["kind"] == "bare, and a GET"
            yield bare(job["api"], write, gets=gets).compile(**made), None


async def park(job: Job) -> None:
    """Park threads, and tell how long each took and what this process then holds; stay until told."""
    async with compiled(job) as (graph, _):
        await graph.ainvoke(
            question("first"), thread(f"warm {job['threads'][0]}"), durability="sync"
        )
        before, seconds, left = resident(), [], iter(job["threads"])
        began, worked = time.perf_counter(), time.process_time()

        async def parker() -> None:
            for thread_id in left:
                start = time.perf_counter()
                await graph.ainvoke(question(thread_id), thread(thread_id), durability="sync")
                seconds.append(time.perf_counter() - start)

        await asyncio.gather(*(parker() for _ in range(PARKING)))
        tell(
            seconds=seconds,
            wall=time.perf_counter() - began,
            cpu=time.process_time() - worked,
            before=before,
            after=resident(),
        )
        await asyncio.to_thread(sys.stdin.readline)


async def work(job: Job) -> None:
    """Take deliveries over HTTP, until killed or told to stop."""
    async with compiled(job) as (graph, client):
        write = side_file(job["side"])
        if client is not None:
            threads = Timed(graph)
            threads.write = write
            app = webhook_app(threads, secrets=[SECRET], client=client)
        else:
            app = _control(graph, write)
        config = uvicorn.Config(app, port=job["port"], log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 -- it has no event for that
            await asyncio.sleep(0.01)
        tell(ready=True)
        await asyncio.to_thread(sys.stdin.readline)
        server.should_exit = True
        await serving


def _control(graph: Any, write: Callable[[str, str], None]) -> Starlette:
    """Bare LangGraph behind an endpoint: a POST resumes a thread, in the background, so many at once."""
    gate, tasks = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()

    async def resume(given: dict[str, Any]) -> None:
        async with gate:
            place = thread(given["thread_id"])
            await graph.ainvoke(Command(resume=given), place, durability="sync")
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
    """Collect what no webhook came for and what a killed process left; then see how all threads stand."""
    async with compiled(job) as (graph, client):
        began, worked = time.perf_counter(), time.process_time()
        swept = await asweep(graph, client, per_second=1e6, stranded_after=0.0)
        tell(
            seconds=time.perf_counter() - began, cpu=time.process_time() - worked, **swept.counts()
        )
        turns = Counter[int]()
        for thread_id in job["threads"]:
            state = await graph.aget_state(thread(thread_id))
            if not state.next and state.values.get("answer"):
                turns[len(state.values["turns"])] += 1
        tell(**{str(count): threads for count, threads in turns.items()})


_ROLES: dict[str, Callable[[Job], Coroutine[Any, Any, None]]] = {
    "park": park,
    "serve": work,
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
