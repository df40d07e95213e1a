"""`langchain-parallel sweep --graph package.module:attribute`

Resumes every parked thread whose run has ended. The attribute is a compiled graph with blocking storage, or a
function without arguments that returns one or a context manager of one. If the function or the context
manager is asynchronous, so is the graph's storage.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from langgraph.pregel import Pregel

from .._core.plain_text import one_line
from .._graph.graph_names import TAKE_OVER, way_out
from ..errors import InvalidRequest
from ..parked.sweeper import STRANDED_SECONDS, SweepResult, asweep, sweep
from ..parked.threads import Threads
from .command_line import command_parser
from .named_graph import call_plainly, named_graph
from .terminal import say

_LINE_CHARS = 2_000


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 if a thread could not be resumed, or was skipped."""
    parser = command_parser("sweep", __doc__)
    parser.add_argument(
        "--graph", required=True, metavar="MODULE:ATTRIBUTE", help="a compiled graph"
    )
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
    result = _sweep_any(named_graph(options.pop("graph")), options)
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


def _sweep_any(given: Any, options: dict[str, Any]) -> SweepResult:
    source = given if isinstance(given, Pregel) or not callable(given) else call_plainly(given)
    if isinstance(source, AbstractContextManager):
        with source as graph:
            return sweep(graph, **options)
    if isinstance(source, Pregel | Threads):
        return sweep(source, **options)
    return asyncio.run(_asweep_any(source, options))


async def _asweep_any(source: Any, options: dict[str, Any]) -> SweepResult:
    if isinstance(source, AbstractAsyncContextManager):
        async with source as graph:
            return await asweep(graph, **options)
    if not inspect.isawaitable(source):
        raise InvalidRequest([f"{type(source).__name__} is not a compiled graph."])
    return await asweep(await source, **options)
