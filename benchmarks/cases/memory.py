"""How much memory does a long table take?"""

from __future__ import annotations

import asyncio
from collections import deque

from benchmarks.harness import Case
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import PROCESSOR, open_client

STREAM, TABLE, BY_HAND = "astream_table", "aresearch_table", "task group by hand, all answers held"


def stream(job: Job) -> None:
    """Rows from an iterator, each dropped when it was answered."""
    from langchain_parallel.batch import astream_table

    async def work() -> None:
        questions = (job.question(n) for n in range(job.setting["n"]))
        answered = 0
        async with open_client(job) as client:
            async for row in astream_table(questions, processor=PROCESSOR, client=client):
                answered += row.error is None
        job.figures["answered"] = answered

    with job.measured():
        asyncio.run(work())


def table(job: Job) -> None:
    """Rows from an iterator, all answers held at the end."""
    from langchain_parallel import aresearch_table

    async def work() -> None:
        questions = (job.question(n) for n in range(job.setting["n"]))
        async with open_client(job) as client:
            rows = await aresearch_table(questions, processor=PROCESSOR, client=client)
        job.figures["answered"] = sum(row.error is None for row in rows)

    with job.measured():
        asyncio.run(work())


def by_hand_held(job: Job) -> None:
    """A task group by hand, with its answers in a list."""

    async def work() -> None:
        held: deque[object] = deque()
        async with by_hand.small_clients(job.url, 1) as (http,):
            async for event in by_hand.group_answers(http, job):
                held.append(event)
        job.figures["answered"] = len(held)

    with job.measured():
        asyncio.run(work())


CASE = Case(
    name="memory",
    title="Memory of a long table",
    text="""\
Rows come from an iterator, and each answer is 11 kB of JSON. MB are how much the process's
resident memory has grown at the most: `astream_table` drops each answer after it was read, the
others hold all of them.""",
    ways={STREAM: stream, TABLE: table, BY_HAND: by_hand_held},
    settings=(
        {"n": 1_000, "seconds": 0.1},
        {"n": 10_000, "seconds": 0.1, "ways": (STREAM, BY_HAND)},
        {"n": 100_000, "seconds": 0.1, "ways": (STREAM,), "full": True},
    ),
    tiny={"n": 3, "seconds": 0.01},
    columns={
        "grown_mb": "MB more",
        "wall": "s",
        "cpu": "CPU s",
        "requests": "requests",
        "answered": "answered",
    },
    bars="grown_mb",
    controls=(BY_HAND,),
    rounds=1,
    limit=120.0,
    budget=60.0,
)
