"""`langchain-parallel sweep --graph package.module:attribute`

Resumes every parked thread whose run has ended. The attribute is a compiled graph with blocking storage, or a
function without arguments that returns one or a context manager of one. If the function or the context
manager is asynchronous, so is the graph's storage.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any

from langgraph.pregel import Pregel

from .._core.extras import install_line, missing_extra
from .._core.plain_text import one_line
from .._graph.graph_names import TAKE_OVER, way_out
from ..errors import InvalidRequest
from ..parked.sweeper import STRANDED_SECONDS, SweepResult, asweep, sweep
from ..parked.threads import Threads
from .command_line import command_parser
from .terminal import say

_LINE_CHARS = 2_000


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 if a thread could not be resumed, or was skipped."""
    parser = command_parser("sweep", __doc__)
    parser.add_argument("--graph", required=True, metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--concurrency", type=int, default=10, help="threads at the same time")
    parser.add_argument(
        "--per-second", type=float, default=20.0, help="most requests to the API per second"
    )
    parser.add_argument(
        "--stranded-after",
        type=float,
        default=STRANDED_SECONDS,
        metavar="SECONDS",
        help="resume a thread with unfinished work and no checkpoint for so long: its process died",
    )
    parser.add_argument(
        "--take-over",
        action="append",
        metavar="GRAPH",
        help="continue the threads that this other graph has parked, too; a sweep says its name",
    )
    options = vars(parser.parse_args(arguments))
    if taken := options.pop("take_over"):
        options["config"] = {"configurable": {TAKE_OVER: taken}}
    result = _sweep_any(_attribute(options.pop("graph")), options)
    say(str(result))
    for id, why in result.failed.items():
        say(one_line(f"thread {id}: {type(why).__name__}: {why}", _LINE_CHARS))
    for id, graph in result.other_graphs.items():
        say(one_line(f"thread {id}: it was parked by the graph {graph!r}", _LINE_CHARS))
    for graph in {*result.other_graphs.values()}:
        say(one_line(way_out(graph), _LINE_CHARS))
    for id in result.not_found:
        say(one_line(f"thread {id}: it is recorded as parked, but not found", _LINE_CHARS))
    return 1 if result.failed or result.skipped else 0


def _attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # an installed command does not look there by itself
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        install = isinstance(error, ImportError) and missing_extra(error)
        hint = f"Install what it needs: {install_line(install)}" if install else "Nothing was done."
        raise InvalidRequest([f"{name!r} names no graph: {error}."], hint=hint) from error
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        raise InvalidRequest(
            [f"{module!r} cannot be imported: {why}."], hint="Nothing was done."
        ) from error


def _sweep_any(given: Any, options: dict[str, Any]) -> SweepResult:
    source = given if isinstance(given, Pregel) or not callable(given) else _call(given)
    if isinstance(source, AbstractContextManager):
        with source as graph:
            return sweep(graph, **options)
    if isinstance(source, Pregel | Threads):
        return sweep(source, **options)
    return asyncio.run(_asweep_any(source, options))


def _call(function: Callable[[], Any]) -> Any:
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise InvalidRequest(
            ["The function that returns the graph must take no arguments."]
        ) from None
    return function()


async def _asweep_any(source: Any, options: dict[str, Any]) -> SweepResult:
    if isinstance(source, AbstractAsyncContextManager):
        async with source as graph:
            return await asweep(graph, **options)
    if not inspect.isawaitable(source):
        raise InvalidRequest([f"{type(source).__name__} is not a compiled graph."])
    return await asweep(await source, **options)
