"""How long do many runs of 2 seconds take, all at once in one process?"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Goal, Official
from benchmarks.standalone.job import Job

from . import by_hand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langchain_parallel import AsyncParallelClient

KEY = "key-of-a-benchmark"
PROCESSOR = "lite"
FLOOR, CLIENT, TOOL, GRAPH = "httpx, 200 clients", "client", "tool", "graph"
HAND, PACKAGE, SDK = "task group by hand", "official package 0.5.0", "official SDK"


@asynccontextmanager
async def open_client(job: Job) -> AsyncIterator[AsyncParallelClient]:
    """A client whose account has a quota that is never met."""
    from langchain_parallel import AsyncParallelClient

    async with AsyncParallelClient(KEY, job.url, runs_per_minute=1_000_000) as client:
        yield client


def submit_and_wait(job: Job) -> None:
    """`submit` and `wait` for each run, in one ledger."""
    from langchain_parallel.models import TaskRunInput

    async def work() -> None:
        async with open_client(job) as client:
            ledger = (await client.create_group()).taskgroup_id

            async def one(number: int) -> object:
                request = TaskRunInput(input=job.question(number), processor=PROCESSOR)
                submission = await client.submit(ledger, request)
                return (await client.wait(submission.run.run_id)).output

            job.figures["answered"] = await by_hand.ask_all(job, one)

    with job.measured():
        asyncio.run(work())


def tool(job: Job) -> None:
    """`ParallelTaskTool.ainvoke` for each run."""
    from langchain_parallel import ParallelTaskTool

    async def work() -> None:
        async with open_client(job) as client:
            made = ParallelTaskTool(processor=PROCESSOR, client=client)

            async def one(number: int) -> bool:
                return "run_id: " in await made.ainvoke({"input": job.question(number)})

            job.figures["answered"] = await by_hand.ask_all(job, one)

    with job.measured():
        asyncio.run(work())


def accept(state: Any, turn: Any) -> None:
    """An evaluator that is content with everything."""


def graph(job: Job) -> None:
    """The research graph, on a thread for each run, with checkpoints in memory."""
    from langgraph.checkpoint.memory import InMemorySaver

    from langchain_parallel import create_research_graph

    async def work() -> None:
        async with open_client(job) as client:
            made: Any = create_research_graph(processor=PROCESSOR, evaluate=accept, client=client)
            compiled = made.compile(checkpointer=InMemorySaver())

            async def one(number: int) -> object:
                config = {"configurable": {"thread_id": str(number)}}
                return (await compiled.ainvoke({"question": job.question(number)}, config))[
                    "answer"
                ]

            job.figures["answered"] = await by_hand.ask_all(job, one)

    with job.measured():
        asyncio.run(work())


def sdk(job: Job) -> None:
    """The official SDK: create, then result."""
    from parallel import AsyncParallel

    async def work() -> None:
        async with AsyncParallel(api_key=KEY, base_url=job.url) as client:

            async def one(number: int) -> object:
                run = await client.task_run.create(input=job.question(number), processor=PROCESSOR)
                return (await client.task_run.result(run.run_id)).output

            job.figures["answered"] = await by_hand.ask_all(job, one)

    with job.measured():
        asyncio.run(work())


CASE = Case(
    name="throughput",
    title="Many runs at once",
    text="""\
Runs of 2 seconds, all started at once in one process by callers that know nothing of each
other. The floor is bare httpx at its best: a POST and a long poll for each run, divided among
200 clients. (httpx's pool looks at each of its connections for each request, so few clients
with many connections are several times as slow.) The task group by hand is no way for callers
that know nothing of each other; it shows what a batch can take. Our ways do more for a run than
the floor: they look it up in a ledger, so that it is never paid twice.""",
    ways={
        FLOOR: by_hand.runs,
        HAND: by_hand.group,
        CLIENT: submit_and_wait,
        TOOL: tool,
        GRAPH: graph,
        PACKAGE: Official("tool"),
        SDK: sdk,
    },
    settings=(
        {"n": 200, "seconds": 2.0},
        {"n": 1_000, "seconds": 2.0, "ways": (FLOOR, HAND, CLIENT, TOOL, GRAPH, PACKAGE)},
        {"n": 1_000, "seconds": 2.0, "ways": (SDK,), "full": True},
        {"n": 3_000, "seconds": 2.0, "ways": (FLOOR, HAND, CLIENT, TOOL)},
        {"n": 3_000, "seconds": 2.0, "ways": (GRAPH, PACKAGE, SDK), "full": True},
    ),
    tiny={"n": 3, "seconds": 0.01},
    columns={
        "wall": "s",
        "cpu": "CPU s",
        "server_cpu": "server's CPU s",
        "peak_mb": "MB",
        "answered": "answered",
        "billed": "billed",
        "requests": "requests",
        "connections": "connections",
    },
    bars="wall",
    controls=(FLOOR, HAND, PACKAGE, SDK),
    goals=(
        Goal(
            "1,000 runs through the client: time, relative to httpx (4.5 s where that took 2.8)",
            lambda t: t.ratio(CLIENT, FLOOR, "wall", n=1_000),
            1.6,
        ),
        Goal(
            "1,000 runs: times as fast as the official package",
            lambda t: t.ratio(PACKAGE, CLIENT, "wall", n=1_000),
            12.0,
            at_least=True,
        ),
        Goal(
            "200 runs: seconds, relative to the official package",
            lambda t: t.ratio(CLIENT, PACKAGE, "wall", n=200),
            1.0,
        ),
    ),
    limit=150.0,
    budget=150.0,
)
