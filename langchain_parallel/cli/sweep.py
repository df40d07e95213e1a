"""`python -m langchain_parallel sweep`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from langgraph.pregel import Pregel

from ..errors import InvalidRequest, ParallelError
from ..parked.sweep_result import SweepResult
from ..parked.sweeper import STRANDED_SECONDS, asweep, sweep
from ..parked.threads import Threads

_COMMAND = """python -m langchain_parallel sweep --graph package.module:attribute

Lets every parked thread go on whose run has ended. The attribute is a compiled graph with blocking
storage; or a function without arguments that gives one, or a context manager of one: then the asynchronous
kind means an asynchronous graph.
"""


def main(arguments: list[str]) -> int:
    """`python -m langchain_parallel sweep`: the exit status, 1 where a thread could not be swept."""
    parser = argparse.ArgumentParser(
        "python -m langchain_parallel sweep",
        description=_COMMAND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--graph", required=True, metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--at-once", type=int, default=10, help="threads at the same time")
    parser.add_argument("--per-second", type=float, default=20.0, help="requests to the API")
    parser.add_argument(
        "--stranded-after",
        type=float,
        default=STRANDED_SECONDS,
        metavar="SECONDS",
        help="after which a thread that went on and is not done was left by a process that died",
    )
    options = vars(parser.parse_args(arguments))
    try:
        swept = _swept(_attribute(options.pop("graph")), options)
    except ParallelError as error:
        parser.exit(2, f"{error}\n")
    lines = [", ".join(f"{name} {count}" for name, count in swept.counts().items())]
    lines += [f"thread {id}: {type(why).__name__}: {why}" for id, why in swept.failed.items()]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if swept.failed or swept.unasked else 0


def _attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidRequest([f"{name!r} names no graph: {error}."]) from error


def _swept(given: Any, options: dict[str, Any]) -> SweepResult:
    made = given if isinstance(given, Pregel) or not callable(given) else _made(given)
    if isinstance(made, AbstractContextManager):
        with made as graph:
            return sweep(graph, **options)
    if isinstance(made, Pregel | Threads):
        return sweep(made, **options)
    return asyncio.run(_aswept(made, options))


def _made(function: Callable[[], Any]) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise InvalidRequest(
            ["The function that gives the graph must take no arguments."]
        ) from None
    return function()


async def _aswept(made: Any, options: dict[str, Any]) -> SweepResult:
    if isinstance(made, AbstractAsyncContextManager):
        async with made as graph:
            return await asweep(graph, **options)
    if not inspect.isawaitable(made):
        raise InvalidRequest([f"A {type(made).__name__} is no compiled graph."])
    return await asweep(await made, **options)
