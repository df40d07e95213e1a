"""How much memory does a long table take?"""

from __future__ import annotations

import asyncio
import os
from collections import deque

from benchmarks.harness import Case
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import KEY, PROCESSOR, open_client

STREAM, TABLE, BY_HAND = "astream_table", "aresearch_table", "task group by hand, all answers held"
VIRTUAL = "stream_table, on the simulator's clock"


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


def virtual(job: Job) -> None:
    """Rows whose runs take as long as those of `pro`, on the simulator's clock, which passes no real time."""
    from langchain_parallel import ParallelClient
    from langchain_parallel.batch import stream_table
    from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

    clock = ManualClock()
    simulator = Simulator(clock, seed=os.getpid())  # ids that no other process has
    client = ParallelClient(KEY, transport=SimulatorTransport(simulator), clock=clock)
    questions = (job.question(n) for n in range(job.setting["n"]))
    with job.measured():
        rows = stream_table(questions, processor="pro", in_order=False, client=client)
        job.figures["answered"] = sum(row.error is None for row in rows)
    job.figures["virtual_minutes"] = clock.monotonic() / 60
    job.figures["requests"] = len(simulator.requests)
    job.figures["billed"] = len(simulator.billing.billed_runs())
    del job.figures["grown_mb"]  # the simulator's, too


CASE = Case(
    name="memory",
    title="A long table",
    text="""\
Rows come from an iterator, and each answer is 11 kB of JSON. MB are how much the process's
resident memory has grown at the most: `astream_table` drops each answer after it was read, the
next two hold all of them. The last way is a table of `pro`, whose runs take minutes, on a clock that
passes no real time: it shows the requests, and its time is mostly the simulator's.""",
    ways={STREAM: stream, TABLE: table, BY_HAND: by_hand_held, VIRTUAL: virtual},
    settings=(
        {"n": 1_000, "seconds": 0.1, "ways": (STREAM, TABLE, BY_HAND)},
        {"n": 10_000, "seconds": 0.1, "ways": (STREAM, BY_HAND, VIRTUAL)},
        {"n": 100_000, "seconds": 0.1, "ways": (STREAM, VIRTUAL), "full": True},
    ),
    tiny={"n": 3, "seconds": 0.01},
    columns={
        "grown_mb": "MB more",
        "wall": "s",
        "cpu": "CPU s",
        "requests": "requests",
        "virtual_minutes": "minutes on the simulator's clock",
        "answered": "answered",
    },
    bars="grown_mb",
    controls=(BY_HAND,),
    rounds=1,
    limit=120.0,
    budget=40.0,
)
