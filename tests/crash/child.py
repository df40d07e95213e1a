"""What a killed process runs, and the process that comes after it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import traceback
from pathlib import Path
from typing import Any, Literal, TypedDict

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_parallel import AsyncParallelClient, ParallelClient, aresume, resume
from langchain_parallel._locks.machine import FOLDER
from langchain_parallel.client import RetryPolicy
from langchain_parallel.client.client_pair import AnyClient
from langchain_parallel.parked.interrupts import runs_waited_for

from .batches import BATCHES, research_batch
from .points import AsyncTransport, Steps, Transport, passing
from .storage import aopened, opened
from .workloads import WORKLOADS

HANGS_AFTER = 60
"""Seconds."""
SETTLING = 0.6
"""Seconds, instead of 75, for which an uncertain run is looked up. It must exceed a late commit."""


class Job(TypedDict):
    """One process's work."""

    workload: str
    mode: Literal["sync", "async"]
    durability: Literal["sync", "async", "exit"]
    store: bool
    place: str
    """A directory (SQLite) or a URI (PostgreSQL)."""
    api: str
    thread_id: str
    kill_at: str | int | None
    stop_at: str | None
    """Where it suspends itself, with SIGSTOP; the file `stopped` in `place` then has its id."""
    locks: str | None
    """The folder of the locks that the processes of its machine share; None: as its parent."""
    clock_shift: float
    """Seconds by which this process's clock is ahead."""
    called_by: dict[str, str]
    """What a LangGraph server puts into the config."""


def work(job: Job, tell: int) -> None:
    """Do the job in this process, and report the result. Does not return."""
    signal.alarm(HANGS_AFTER if job["stop_at"] is None else 2 * HANGS_AFTER)
    _shift_clock(job["clock_shift"])
    if job["locks"] is not None:
        os.environ[FOLDER] = job["locks"]
    passing.arm(job["kill_at"], tell)
    if job["stop_at"] is not None:
        passing.arm_stop(job["stop_at"], Path(job["place"]) / "stopped")
    started = time.perf_counter()
    try:
        how, values = _work(job)
        report: dict[str, Any] = {"how": how, "state": summary(values)}
    except BaseException as error:  # noqa: BLE001 -- reported to the parent, which judges it
        report = {"error": traceback.format_exc(), "error_type": type(error).__name__}
    report |= {"seconds": time.perf_counter() - started, "passed": passing.passed}
    data = json.dumps(report).encode() + b"\n"
    while data:
        data = data[os.write(tell, data) :]
    os._exit(0)


def _work(job: Job) -> tuple[str, Any]:
    if job["workload"] in BATCHES:
        return research_batch(job["workload"], _client(job), Path(job["place"]))
    return asyncio.run(_awaiting(job)) if job["mode"] == "async" else _blocking(job)


def _shift_clock(seconds: float) -> None:
    """Set the wall clock of this process; what measures durations is left alone."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + round(seconds * 1e9)


def _client(job: Job) -> AnyClient:
    policy = RetryPolicy(initial_delay=0.05, max_delay=0.2, settle_seconds=SETTLING)
    key, url = "key-of-a-test", job["api"]
    if job["mode"] == "async":
        return AsyncParallelClient(key, url, transport=AsyncTransport(), retry_policy=policy)
    return ParallelClient(key, url, transport=Transport(), retry_policy=policy)


def _config(job: Job) -> Any:
    given = {"thread_id": job["thread_id"], **job["called_by"]}
    return {"configurable": given, "callbacks": [Steps()]}


def _goes_on(snapshot: Any) -> Literal["invoked", "resumed", "finished"]:
    """What a user does with a thread in this state."""
    if snapshot.next or snapshot.tasks:
        return "resumed"
    return "invoked" if snapshot.metadata is None else "finished"


def _wake_up_calls(snapshot: Any) -> dict[str, Any]:
    """What a sweep gives a thread that was killed while its interrupts were being answered."""
    parked = (one for one in snapshot.interrupts if runs_waited_for(one.value))
    return {interrupt.id: "wake up" for interrupt in parked}


def _blocking(job: Job) -> tuple[str, Any]:
    workload = WORKLOADS[job["workload"]]
    config = _config(job)
    with opened(job["place"], store=job["store"]) as storage:
        graph = workload.build(_client(job), **storage)
        found = graph.get_state(config)
        how = _goes_on(found)
        if how == "invoked":
            graph.invoke(workload.given, config, durability=job["durability"])
        elif how == "resumed":
            resume(graph, config, _wake_up_calls(found), durability=job["durability"])
        return how, graph.get_state(config).values


async def _awaiting(job: Job) -> tuple[str, Any]:
    workload = WORKLOADS[job["workload"]]
    config = _config(job)
    async with aopened(job["place"], store=job["store"]) as storage:
        graph = workload.build(_client(job), **storage)
        found = await graph.aget_state(config)
        how = _goes_on(found)
        if how == "invoked":
            await graph.ainvoke(workload.given, config, durability=job["durability"])
        elif how == "resumed":
            await aresume(graph, config, _wake_up_calls(found), durability=job["durability"])
        return how, (await graph.aget_state(config)).values


def summary(value: Any) -> Any:
    """A final state as JSON."""
    if isinstance(value, BaseMessage):
        said: dict[str, Any] = {"type": value.type, "text": value.text}
        if isinstance(value, AIMessage):
            said["calls"] = [[call["name"], call["args"]] for call in value.tool_calls]
        if isinstance(value, ToolMessage):
            artifact = value.artifact or {}
            said["status"] = value.status
            said["artifact"] = {
                name: artifact.get(name) for name in ("run_id", "interaction_id", "output")
            }
        return said
    if isinstance(value, dict):
        return {name: summary(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [summary(part) for part in value]
    return value
