"""Several pieces of work at once, apart from the LangGraph run that may surround them.

Rule: a graph called from inside another graph's node takes over, through context variables, what that one
is traced and tagged with; other people's threads must not, so work on them runs without. And a piece of
work that fails is reported, whatever it failed with: it stops none of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from .._core.calls import Call, Calls, adrive, drive

T = TypeVar("T")


@dataclass(frozen=True)
class Done(Generic[T]):
    """What came of a piece of work: a value, or else an error."""

    value: T | None
    error: BaseException | None


def together(pieces: Sequence[Callable[[], Calls[T]]], at_once: int) -> Calls[list[Done[T]]]:
    """Do all the pieces, at most so many at once; in the order given."""

    def plain() -> list[Done[T]]:
        with ThreadPoolExecutor(at_once, "langchain_parallel") as pool:
            futures = [pool.submit(Context().run, drive, piece()) for piece in pieces]
        errors = [future.exception() for future in futures]
        return [
            Done(None if error else future.result(), error)
            for future, error in zip(futures, errors, strict=True)
        ]

    async def awaited() -> list[Done[T]]:
        gate = asyncio.Semaphore(at_once)

        async def one(piece: Callable[[], Calls[T]]) -> T:
            async with gate:
                return await adrive(piece())

        return await _all([apart(one(piece)) for piece in pieces])

    done: list[Done[T]] = yield Call(plain, awaited)
    return done


def alone(piece: Callable[[], Calls[T]]) -> Calls[T]:
    """Do one piece apart from the surroundings; its error is raised."""

    async def awaited() -> T:
        done = await outcome(apart(adrive(piece())))
        if done.error is not None:
            raise done.error
        return cast(T, done.value)

    value: T = yield Call(lambda: Context().run(drive, piece()), awaited)
    return value


def apart(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task with no context variables of its maker's. Keep it, and wait for it."""
    return Context().run(asyncio.ensure_future, work)


async def outcome(task: asyncio.Task[T]) -> Done[T]:
    """What came of a task, which ends with whoever waits for it."""
    try:
        await asyncio.wait([task])
    finally:
        await _stopped([task])
    if task.cancelled():
        return Done(None, asyncio.CancelledError())
    error = task.exception()
    return Done(None, error) if error else Done(task.result(), None)


async def _all(tasks: list[asyncio.Task[T]]) -> list[Done[T]]:
    try:
        return [await outcome(task) for task in tasks]
    finally:
        await _stopped(tasks)


async def _stopped(tasks: list[asyncio.Task[T]]) -> None:
    """Whoever waits for them is cancelled: so are they."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)
