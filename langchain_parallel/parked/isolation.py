"""Runs graphs isolated from the LangGraph run that may surround the call.

A graph invoked inside another graph's node inherits, through context variables, that run's tracing, tags
and config. Parked threads belong to other callers and must not: each is resumed in an empty context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

from .._core.calls import Call, Calls, adrive, drive

T = TypeVar("T")


def run_isolated(step: Callable[[], Calls[T]]) -> Calls[T]:
    """Run one step; its error is raised."""
    value: T = yield Call(
        lambda: Context().run(drive, step()), lambda: run_task_isolated(adrive(step()))
    )
    return value


def run_all_isolated(
    steps: Sequence[Callable[[], Calls[T]]], concurrency: int
) -> Calls[list[T | BaseException]]:
    """Run several steps at once; an error is returned in place of the value, and stops no other step."""

    def sync() -> list[T | BaseException]:
        with ThreadPoolExecutor(concurrency, "langchain_parallel") as pool:
            futures = [pool.submit(Context().run, drive, step()) for step in steps]
        return [future.exception() or future.result() for future in futures]

    async def async_() -> list[T | BaseException]:
        gate = asyncio.Semaphore(concurrency)

        async def run(step: Callable[[], Calls[T]]) -> T:
            async with gate:
                return await adrive(step())

        # A cancelled gather cancels its tasks and, with `return_exceptions`, waits until they have ended.
        return await asyncio.gather(
            *(run_task_isolated(run(step)) for step in steps), return_exceptions=True
        )

    results: list[T | BaseException] = yield Call(sync, async_)
    return results


def run_task_isolated(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task in an empty context, which also holds no user of a LangGraph server."""
    return Context().run(asyncio.ensure_future, work)
