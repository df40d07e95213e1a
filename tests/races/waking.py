"""Several processes, with several callers in each, wake a parked batch at the same moment.

    python -m tests.races.waking '{"api": …, "place": …, …}'

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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from langchain_parallel import ParallelClient
from langchain_parallel.batch import create_table_node
from langchain_parallel.client import RetryPolicy
from langchain_parallel.parked import (
    Outcome,
    WakeResult,
    aresume_parked,
    asweep,
    resume_parked,
    sweep,
)

from ..crash.storage import aopened, opened


class Job(TypedDict):
    """What all of them do."""

    api: str
    place: str
    """A PostgreSQL URI."""
    store: bool
    mode: str
    """`sync` or `async`."""
    run_ids: list[str]
    """Of these each caller has a webhook, one after the other; a caller without one sweeps."""
    processes: int
    each: int


class State(TypedDict, total=False):
    companies: list[dict[str, str]]
    profiles: Any


def client_of(api: str) -> ParallelClient:
    """As a process of its own makes it."""
    policy = RetryPolicy(initial_delay=0.05, max_delay=0.2, settle_seconds=1.5)
    return ParallelClient("key-of-a-test", api, retry_policy=policy)


def build(client: ParallelClient, **compiled_with: Any) -> Any:
    """A graph with a table that parks."""
    node = create_table_node(
        "companies",
        "profiles",
        "Who runs {company}?",
        processor="lite",
        wait="park",
        chunk_size=2,
        client=client,
    )
    graph = StateGraph(State)
    graph.add_node("profile", node)
    graph.add_edge(START, "profile")
    graph.add_edge("profile", END)
    return graph.compile(**compiled_with)


def main() -> None:
    """Fork, let go, collect."""
    warnings.simplefilter("ignore")
    job: Job = json.loads(sys.argv[1])
    assert threading.active_count() == 1
    gc.freeze()  # or each child copies all of it when it first collects garbage
    begin = time.monotonic() + 0.5
    readers = []
    for nth in range(job["processes"]):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            _child(job, nth, begin, writing)
        os.close(writing)
        readers.append(reading)
    for reading in readers:
        with os.fdopen(reading) as pipe:
            print(pipe.read(), flush=True)
    for _ in readers:
        os.wait()


def _child(job: Job, nth: int, begin: float, writing: int) -> None:
    own = job["run_ids"][nth :: job["processes"]]
    calls = [*own[: job["each"] - 1], None]
    try:
        wake = _awaiting(job, calls, begin) if job["mode"] == "async" else None
        seen = _blocking(job, calls, begin) if wake is None else asyncio.run(wake)
        report: dict[str, Any] = {"seen": seen}
    except BaseException:  # noqa: BLE001 -- reported to the parent, which judges it
        report = {"error": traceback.format_exc()}
    os.write(writing, json.dumps(report).encode())
    os._exit(0)


def _blocking(job: Job, calls: Sequence[str | None], begin: float) -> list[str]:
    with opened(job["place"], store=job["store"]) as storage:
        client = client_of(job["api"])
        graph = build(client, **storage)

        def wake(run_id: str | None) -> str:
            time.sleep(max(0.0, begin - time.monotonic()))
            if run_id is not None:
                return _seen(resume_parked(graph, run_id, client))
            return "resumed" if sweep(graph, client).resumed else "swept"

        with ThreadPoolExecutor(len(calls)) as pool:
            return [*pool.map(wake, calls)]


async def _awaiting(job: Job, calls: Sequence[str | None], begin: float) -> list[str]:
    async with aopened(job["place"], store=job["store"]) as storage:
        client = client_of(job["api"])
        graph = build(client, **storage)

        async def wake(run_id: str | None) -> str:
            await asyncio.sleep(max(0.0, begin - time.monotonic()))
            if run_id is not None:
                return _seen(await aresume_parked(graph, run_id, client))
            return "resumed" if (await asweep(graph, client)).resumed else "swept"

        return await asyncio.gather(*map(wake, calls))


def _seen(result: WakeResult) -> str:
    """The outcome; of a thread that is said not to be there, all that was found."""
    is_unknown = result.outcome in (Outcome.UNKNOWN_THREAD, Outcome.UNKNOWN_RUN)
    return repr(result) if is_unknown else result.outcome.value


if __name__ == "__main__":
    main()
