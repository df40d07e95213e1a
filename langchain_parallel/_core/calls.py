"""Steps of tools, graphs and middleware, written once for blocking and asynchronous callers.

Rule: a step is a generator that yields `Call`s, each a blocking function and its asynchronous counterpart,
and is handed what that returned. `drive` makes the blocking calls, `adrive` awaits the others. It is the
idea of `effects.py` one level up, where the effects are calls of a client, a store or a checkpointer.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from ..errors import ParallelError, StorageFailed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Call `sync`, or await `async_`."""

    sync: Callable[[], Any]
    async_: Callable[[], Awaitable[Any]]


Calls: TypeAlias = Generator[Call, Any, T]


def guard(call: Call, message: str, hint: str, kind: type[StorageFailed] = StorageFailed) -> Call:
    """The call; whatever a store, a checkpointer or a database raises in it becomes an error of ours.

    Steps handle that one, and LangGraph's callers can tell that a resume goes on. Of calls that are guarded
    twice, the outer one says it. Only the kind of the original error is named: its text may hold an address
    with a password.
    """

    def as_failure(error: BaseException) -> StorageFailed:
        if isinstance(error, StorageFailed) and error.__cause__ is not None:
            error = error.__cause__
        # What was started before this step cannot be known where it cannot be read.
        said = kind(f"{message}: {type(error).__name__}.", hint=hint, billed=None)
        said.__cause__ = error
        return said

    def sync() -> Any:
        try:
            return call.sync()
        except Exception as error:
            if isinstance(error, ParallelError) and not isinstance(error, StorageFailed):
                raise
            raise as_failure(error)  # noqa: B904 -- it has its cause

    async def async_() -> Any:
        try:
            return await call.async_()
        except Exception as error:
            if isinstance(error, ParallelError) and not isinstance(error, StorageFailed):
                raise
            raise as_failure(error)  # noqa: B904 -- it has its cause

    return Call(sync, async_)


@dataclass(frozen=True, slots=True)
class _End:
    value: Any


def _advance(step: Callable[[Any], Call], outcome: object) -> Call | _End:
    try:
        return step(outcome)
    except StopIteration as end:
        return _End(end.value)


def drive(calls: Calls[T]) -> T:
    """Make the calls, blocking, and return the step's value."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = call.sync()
            except (
                ParallelError
            ) as error:  # steps handle only these; any other exception ends the step
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


async def adrive(calls: Calls[T]) -> T:
    """Await the calls, and return the step's value."""
    with closing(calls):
        call = _advance(calls.send, None)
        while isinstance(call, Call):
            try:
                outcome = await call.async_()
            except ParallelError as error:
                call = _advance(calls.throw, error)
            else:
                call = _advance(calls.send, outcome)
        return cast(T, call.value)


def call_function(function: Callable[..., Any], *args: Any) -> Calls[Any]:
    """Call a caller's function, which may be asynchronous unless the graph is called blocking."""

    async def call_async() -> Any:
        value = function(*args)
        return await value if inspect.isawaitable(value) else value

    def call_blocking() -> Any:
        value = None if inspect.iscoroutinefunction(function) else function(*args)
        if inspect.iscoroutinefunction(function) or inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(f"{name} is asynchronous; run the graph with `ainvoke` or `astream`.")
        return value

    return (yield Call(call_blocking, call_async))
