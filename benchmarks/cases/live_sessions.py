"""How soon do hundreds of research sessions that wait in one process go on when their runs end?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.request import urlopen

import httpx

from benchmarks.harness import Case, Goal
from benchmarks.standalone.job import Job

from . import by_hand
from .parked import bare_graph, record_writes, research_graph, thread_config
from .throughput import open_client

OURS, BARE = "research graph", "bare LangGraph, httpx"
GUARDED = "the same, with requests of ours"
_Ask: TypeAlias = Callable[[httpx.AsyncClient, str], Awaitable[dict[str, Any]]]


def _run_sessions(
    job: Job, ask: Callable[[str, str], Awaitable[tuple[str, object]]]
) -> Awaitable[None]:
    """Run all sessions. `ask` takes a thread and its question, and returns the run's id and the answer."""

    async def work() -> None:
        done: dict[str, float] = {}

        async def one(number: int) -> object:
            run_id, answer = await ask(f"thread-{number}", job.question(number))
            done[run_id] = time.monotonic()
            return answer

        job.figures["answered"] = await by_hand.ask_all(job, one)
        job.figures["done"] = done

    return work()


def _note_lags(job: Job) -> None:
    """The time from the end of each run until its session was done. On Linux, processes share that clock."""
    with urlopen(f"{job.url}/control/ends", timeout=60.0) as answer:
        ends = json.load(answer)
    lags = sorted(
        (moment - ends[run_id]) * 1e3 for run_id, moment in job.figures.pop("done").items()
    )
    job.figures["lag_p50"] = lags[len(lags) // 2]
    job.figures["lag_p95"] = lags[int(len(lags) * 0.95)]


def ours(job: Job) -> None:
    """The research graph."""
    from langgraph.checkpoint.memory import InMemorySaver

    async def work() -> None:
        async with open_client(job) as client:
            graph = research_graph(client).compile(checkpointer=InMemorySaver())

            async def ask(thread_id: str, question: str) -> tuple[str, object]:
                state = await graph.ainvoke({"question": question}, thread_config(thread_id))
                return state["turns"][-1]["run_id"], state["answer"]

            await _run_sessions(job, ask)

    record_writes()  # which loads all that either way needs
    with job.measured():
        asyncio.run(work())
    _note_lags(job)


def bare(job: Job, ask_by_hand: _Ask = by_hand.ask) -> None:
    """A graph of the same steps and writes, each run over httpx."""
    from langgraph.checkpoint.memory import InMemorySaver

    async def work() -> None:
        async with by_hand.small_clients(job.url) as https:

            async def run(config: Any) -> str:
                thread_id = config["configurable"]["thread_id"]
                http = https[int(thread_id.rpartition("-")[2]) % len(https)]
                found = await ask_by_hand(http, thread_id)
                return str(found["run"]["run_id"])

            run_ids: dict[str, str] = {}
            graph = bare_graph(run, run_ids).compile(checkpointer=InMemorySaver())

            async def ask(thread_id: str, question: str) -> tuple[str, object]:
                state = await graph.ainvoke({"question": question}, thread_config(thread_id))
                return run_ids[thread_id], state["answer"]

            await _run_sessions(job, ask)

    record_writes()  # which loads all that either way needs
    with job.measured():
        asyncio.run(work())
    _note_lags(job)


def guarded(job: Job) -> None:
    """The same with the requests by which a run is found after a kill."""
    bare(job, by_hand.ask_in_group)


CASE = Case(
    name="live_sessions",
    title="Live sessions",
    text="""\
500 research sessions, each on a LangGraph thread of its own with checkpoints in memory, start
at once in one process, and wait for runs of 5 seconds. The wake-up is the time from the end of
a run, on the server's clock, until its session has ended. Bare LangGraph has the same steps and
writes the same, and does each run over httpx at its best, with one POST and one GET; beside it, with
a task group for each session and the run's events, as the research graph does.""",
    ways={BARE: bare, GUARDED: guarded, OURS: ours},
    settings=({"n": 500, "seconds": 5.0},),
    tiny={"n": 3, "seconds": 0.01},
    columns={
        "wall": "s",
        "lag_p50": "wake-up p50, ms",
        "lag_p95": "p95, ms",
        "cpu": "CPU s",
        "peak_mb": "MB",
        "requests": "requests",
        "connections": "connections",
        "answered": "answered",
    },
    bars="wall",
    controls=(BARE, GUARDED),
    goals=(
        Goal(
            "500 sessions: time, relative to bare LangGraph (7 s where that took 6.57)",
            lambda t: t.ratio(OURS, BARE, "wall"),
            1.07,
        ),
        Goal(
            "500 sessions: time, relative to the same requests by hand",
            lambda t: t.ratio(OURS, GUARDED, "wall"),
            1.25,
        ),
        Goal("wake-up p95: ms", lambda t: t.median(OURS, "lag_p95"), 250.0),
    ),
    limit=90.0,
    budget=60.0,
)
