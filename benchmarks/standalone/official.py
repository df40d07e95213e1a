"""The official package 0.5, doing the work of a case.

python official.py WAY '{"url": …, "setting": {…}}'

Run by its path with the interpreter of an environment that has the official package and not this one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from job import Job, run  # type: ignore[import-not-found,unused-ignore]  # its neighbour, by path

_KEY = "key-of-a-benchmark"


async def _many(job: Job, ask: Callable[[str], Awaitable[Any]]) -> None:
    """All questions at once; `ask` returns what it got."""

    async def one(number: int) -> bool:
        try:
            return bool(await ask(job.question(number)))
        except Exception as error:  # noqa: BLE001 -- whatever it raises, there is no answer
            job.figures["error"] = f"{type(error).__name__}: {error}"[:200]
            return False

    with job.measured():
        answers = await asyncio.gather(*map(one, range(job.setting["n"])))
    job.figures["answered"] = sum(answers)


def tool(job: Job) -> None:
    """`ParallelTaskRunTool.ainvoke`, all at once."""
    from langchain_parallel import ParallelTaskRunTool

    one = ParallelTaskRunTool(api_key=_KEY, base_url=job.url, processor="lite")
    asyncio.run(_many(job, lambda question: one.ainvoke({"input": question})))


def calls(job: Job) -> None:
    """`ParallelTaskRunTool.invoke`, one call after the other."""
    from langchain_parallel import ParallelTaskRunTool

    one = ParallelTaskRunTool(api_key=_KEY, base_url=job.url, processor="lite")
    took = []
    with job.measured():
        for number in range(job.setting["n"]):
            begun = time.perf_counter()
            one.invoke({"input": job.question(number)})
            took.append((time.perf_counter() - begun) * 1e3)
    job.figures["answered"] = len(took)
    job.figures["ms"] = sorted(took)[len(took) // 2]


def group(job: Job) -> None:
    """`ParallelTaskGroup.run`."""
    from langchain_parallel import ParallelTaskGroup

    one = ParallelTaskGroup(api_key=_KEY, base_url=job.url, processor="lite")
    questions = list(map(job.question, range(job.setting["n"])))
    with job.measured():
        job.figures["answered"] = len(one.run(questions))


if __name__ == "__main__":
    run({"tool": tool, "calls": calls, "group": group}, sys.argv[1], json.loads(sys.argv[2]))
