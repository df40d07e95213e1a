"""Several processes, with several callers in each, resume one thread at the same moment.

    python -m tests.races.stampede '{"api": …, "place": …, …}'

One process imports everything and forks the others, which wait for each other before they begin. What each
saw is printed as a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

from langchain_parallel import ParallelClient, aresume, resume
from langchain_parallel.client import RetryPolicy

from ..crash.storage import aopened, opened
from .graphs import build

SETTLING = 1.5
"""Seconds, instead of 15, for which an uncertain run is looked up."""


class Job(TypedDict):
    """What all of them do."""

    api: str
    place: str
    """A PostgreSQL URI."""
    thread_id: str
    mode: str
    """`sync` or `async`."""
    how: str
    """`resume`, or `bare` for LangGraph's own `invoke(None)`."""
    answers: dict[str, str] | None
    review: bool
    tails: str
    """A file that gets a line each time the last node runs."""
    dies: str | None
    processes: int
    each: int


def client_of(api: str) -> ParallelClient:
    """As a process of its own makes it."""
    policy = RetryPolicy(initial_delay=0.05, max_delay=0.2, settle_seconds=SETTLING)
    return ParallelClient("key-of-a-test", api, retry_policy=policy)


def main() -> None:
    """Fork, let go, collect."""
    warnings.simplefilter("ignore")
    job: Job = json.loads(sys.argv[1])
    assert threading.active_count() == 1
    gc.freeze()  # or each child copies all of it when it first collects garbage
    begin = time.monotonic() + 0.3
    readers = []
    for _ in range(job["processes"]):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            _child(job, begin, writing)
        os.close(writing)
        readers.append(reading)
    for reading in readers:
        with os.fdopen(reading) as pipe:
            print(pipe.read() or '{"killed": true}', flush=True)
    for _ in readers:
        os.wait()


def _child(job: Job, begin: float, writing: int) -> None:
    try:
        seen = (
            asyncio.run(_awaiting(job, begin)) if job["mode"] == "async" else _blocking(job, begin)
        )
        report: dict[str, Any] = {"seen": seen}
    except BaseException:  # noqa: BLE001 -- reported to the parent, which judges it
        report = {"error": traceback.format_exc()}
    os.write(writing, json.dumps(report).encode())
    os._exit(0)


def _built(job: Job, storage: dict[str, Any]) -> Any:
    def tail() -> None:
        with Path(job["tails"]).open("a") as file:
            file.write(f"{os.getpid()}\n")

    dies = Path(job["dies"]) if job["dies"] else None
    return build(client_of(job["api"]), tail, review=job["review"], dies=dies, **storage)


def _config(job: Job) -> Any:
    return {"configurable": {"thread_id": job["thread_id"]}}


def _blocking(job: Job, begin: float) -> list[Any]:
    with opened(job["place"], store=False) as storage:
        graph = _built(job, storage)

        def one(_: int) -> list[Any]:
            if job["how"] == "bare":
                return [len(graph.invoke(None, _config(job), durability="sync")["tails"]), True]
            resumed = resume(graph, _config(job), job["answers"])
            return [len(resumed.state.values["tails"]), resumed.resumed]

        time.sleep(max(0.0, begin - time.monotonic()))
        with ThreadPoolExecutor(job["each"]) as pool:
            return list(pool.map(one, range(job["each"])))


async def _awaiting(job: Job, begin: float) -> list[Any]:
    async with aopened(job["place"], store=False) as storage:
        graph = _built(job, storage)

        async def one() -> list[Any]:
            if job["how"] == "bare":
                values = await graph.ainvoke(None, _config(job), durability="sync")
                return [len(values["tails"]), True]
            resumed = await aresume(graph, _config(job), job["answers"])
            return [len(resumed.state.values["tails"]), resumed.resumed]

        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        return list(await asyncio.gather(*(one() for _ in range(job["each"]))))


if __name__ == "__main__":
    main()
