"""Methods of a blocking client for an asynchronous one, whose `_drive` returns an awaitable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from .._core.hidden import hide

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def as_awaitable(
    method: Callable[Concatenate[S, P], T], of: str = "ParallelClient"
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The method of this class, to be awaited. It ends with what `_drive` returns."""
    method_of_either: Any = method

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        given = [_hide_fields(one) for one in args]
        named = {name: _hide_fields(one) for name, one in kwargs.items()}
        del args, kwargs  # an error that passes here shows the variables of this frame
        return cast(T, await method_of_either(self, *given, **named))

    call.__doc__ = f"As `{of}.{method.__name__}`; awaited."
    return call


def _hide_fields(argument: T) -> T:
    """An argument; a field of it may hold a secret."""
    return cast(T, hide(argument)) if isinstance(argument, dict) else argument
