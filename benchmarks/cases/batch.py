"""How long does a table of a thousand rows take, where each request takes a while?"""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.harness import Case, Goal, Official
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import FLOOR, HAND, KEY, PACKAGE, PROCESSOR, open_client

TABLE, TOOL = "research_table", "tool.abatch"


def table(job: Job) -> None:
    """`research_table`."""
    from langchain_parallel import ParallelClient, research_table

    with ParallelClient(KEY, job.url) as client, job.measured():
        rows = research_table(
            [job.question(n) for n in range(job.setting["n"])], processor=PROCESSOR, client=client
        )
        job.figures["answered"] = sum(row.error is None for row in rows)


def tool(job: Job) -> None:
    """`ParallelTaskTool.abatch`."""
    from langchain_parallel import ParallelTaskTool

    async def work() -> None:
        async with open_client(job) as client:
            made = ParallelTaskTool(processor=PROCESSOR, client=client)
            inputs: list[Any] = [{"input": job.question(n)} for n in range(job.setting["n"])]
            contents = await made.abatch(inputs)
            job.figures["answered"] = sum("run_id: " in content for content in contents)

    with job.measured():
        asyncio.run(work())


CASE = Case(
    name="batch",
    title="A table of a thousand rows",
    text="""\
1,000 rows, whose runs take 0.5 to 2.5 seconds; the server acts on each request 50 ms after it
came. The slowest run is the limit that no way can pass: three requests that wait for one another
(the group, its runs, and the list after the last end) take 0.15 s beside it. By hand, the answers
of a task group are read as its runs end; `research_table` has each row's key in its ledger
besides, and gives values, confidence and sources.""",
    ways={
        HAND: by_hand.group,
        TABLE: table,
        TOOL: tool,
        FLOOR: by_hand.runs,
        PACKAGE: Official("group"),
    },
    settings=({"n": 1_000, "seconds": [0.5, 2.5], "latency": 0.05},),
    tiny={"n": 3, "seconds": [0.01, 0.02], "latency": 0.0},
    columns={
        "wall": "s",
        "over_slowest": "relative to the slowest run",
        "cpu": "CPU s",
        "requests": "requests",
        "connections": "connections",
        "answered": "answered",
        "billed": "billed",
    },
    bars="wall",
    controls=(HAND, FLOOR, PACKAGE),
    goals=(
        Goal(
            "`research_table`: time, relative to the slowest run",
            lambda t: t.median(TABLE, "over_slowest"),
            1.1,
        ),
        Goal(
            "`research_table`: time, relative to the best by hand",
            lambda t: t.ratio(TABLE, HAND, "wall"),
            1.1,
        ),
        Goal("`research_table`: requests", lambda t: t.median(TABLE, "requests"), 10),
        Goal("`tool.abatch`: requests", lambda t: t.median(TOOL, "requests"), 10),
    ),
    limit=120.0,
    budget=90.0,
)
