"""What one would write without this package: httpx at its best, and a task group."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from benchmarks.standalone.job import Job

HEADERS = {"x-api-key": "key-of-a-benchmark", "parallel-beta": "field-basis-2025-11-25"}
CLIENTS = 200
TIMEOUT = 600.0
"""Seconds."""


@asynccontextmanager
async def small_clients(url: str, count: int = CLIENTS) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Many clients of few connections each: a pool looks at each of its connections for each request."""
    ssl_context = httpx.create_ssl_context()  # once, because it takes longer than a request
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=url, headers=HEADERS, timeout=TIMEOUT, verify=ssl_context
                )
            )
            for _ in range(count)
        ]


async def ask(http: httpx.AsyncClient, question: str) -> dict[str, Any]:
    """A POST and a long poll."""
    body = {"input": question, "processor": "lite"}
    run = (await http.post("/v1/tasks/runs", json=body)).raise_for_status().json()
    answer = await http.get(f"/v1/tasks/runs/{run['run_id']}/result")
    result: dict[str, Any] = answer.raise_for_status().json()
    return result


async def ask_in_group(http: httpx.AsyncClient, question: str) -> dict[str, Any]:
    """A task group of its own, in which a lost run would be found; a POST, and the run's events."""
    group = (await http.post("/v1/tasks/groups", json={})).raise_for_status().json()
    body = {"inputs": [{"input": question, "processor": "lite"}]}
    place = f"/v1/tasks/groups/{group['taskgroup_id']}/runs?refresh_status=false"
    [run_id] = (await http.post(place, json=body)).raise_for_status().json()["run_ids"]
    async for line in lines(http, f"/v1/tasks/runs/{run_id}/events"):
        event: dict[str, Any] = json.loads(line)
        if event.get("output"):
            return event
    raise EOFError(run_id)


async def ask_all(job: Job, one: Callable[[int], Awaitable[object]]) -> int:
    """Ask all questions at once, and return how many were answered; an error is kept."""

    async def answered(number: int) -> bool:
        try:
            return bool(await one(number))
        except Exception as error:  # noqa: BLE001 -- whatever it raises, there is no answer
            job.figures["error"] = f"{type(error).__name__}: {error}"[:200]
            return False

    return sum(await asyncio.gather(*map(answered, range(job.setting["n"]))))


def runs(job: Job, clients: int = CLIENTS) -> None:
    """A POST and a long poll for each run."""

    async def work() -> None:
        async with small_clients(job.url, clients) as https:
            job.figures["answered"] = await ask_all(
                job, lambda n: ask(https[n % clients], job.question(n))
            )

    with job.measured():
        asyncio.run(work())


def group(job: Job) -> None:
    """One task group: its runs in POSTs of 1,000, its events, and its list with the answers that are there
    whenever half of the others have ended.
    """

    async def work() -> None:
        async with small_clients(job.url, 1) as (http,):
            job.figures["answered"] = sum([1 async for _ in group_answers(http, job)])

    with job.measured():
        asyncio.run(work())


async def group_answers(http: httpx.AsyncClient, job: Job) -> AsyncIterator[dict[str, Any]]:
    """The answers of a task group, as its runs end."""
    group_id = (await http.post("/v1/tasks/groups", json={})).json()["taskgroup_id"]
    path, n = f"/v1/tasks/groups/{group_id}", job.setting["n"]
    for first in range(0, n, 1_000):
        numbers = range(first, min(n, first + 1_000))
        inputs = [{"input": job.question(k), "processor": "lite"} for k in numbers]
        (await http.post(f"{path}/runs", json={"inputs": inputs})).raise_for_status()
    ended, read = set[str](), set[str]()
    is_much = asyncio.Event()

    async def follow() -> None:
        async for line in lines(http, f"{path}/events"):
            ended.add(run_id_in(line))
            if 2 * len(ended - read) >= n - len(read):
                is_much.set()
        is_much.set()

    following = asyncio.create_task(follow())
    while len(read) < n:
        await is_much.wait()
        is_much.clear()
        async for line in lines(http, f"{path}/runs?include_output=true"):
            if (run_id := run_id_in(line)) in read:
                continue
            event = json.loads(line)
            if event.get("output"):
                read.add(run_id)
                yield event
        if following.done():
            is_much.set()
    await following


def run_id_in(line: str) -> str:
    """The run of an event, without reading the rest of it."""
    return line.partition('"run_id": "')[2].partition('"')[0]


async def lines(http: httpx.AsyncClient, path: str) -> AsyncIterator[str]:
    """The data of a stream's events."""
    async with http.stream("GET", path) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                yield line[6:]
