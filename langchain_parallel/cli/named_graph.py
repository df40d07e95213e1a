"""The graph of one's own that a command is given: `--graph package.module:attribute`.

The attribute is a compiled graph, or a function without arguments that returns one or a context manager
of one. If the function or the context manager is asynchronous, so is the graph's storage.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from .._core.extras import install_line, missing_extra
from ..errors import InvalidRequest


def named_graph(name: str) -> Any:
    """What `module:attribute` names: a compiled graph, or what makes one. Looks in the current folder, too.

    Raises:
        InvalidRequest: It names nothing, or its module cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise InvalidRequest(
            [f"{name!r} names no graph: give MODULE:ATTRIBUTE, such as `my_app.graphs:research`."],
            hint="Nothing was done.",
        )
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


def call_plainly(function: Callable[[], Any]) -> Any:
    """What a function without arguments returns.

    Raises:
        InvalidRequest: It needs arguments.
    """
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise InvalidRequest(
            ["The function that returns the graph must take no arguments."]
        ) from None
    return function()


def state_of_thread(name: str, thread_id: str) -> Mapping[str, Any]:
    """The state of a thread of the graph that `module:attribute` names.

    Raises:
        InvalidRequest: It names no compiled graph.
    """
    given = named_graph(name)
    source = given if isinstance(given, Pregel) or not callable(given) else call_plainly(given)
    config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
    if isinstance(source, AbstractContextManager):
        with source as graph:
            return _check_compiled(graph).get_state(config).values
    if isinstance(source, Pregel):
        return source.get_state(config).values
    return asyncio.run(_awaited_state(source, config))


async def _awaited_state(source: Any, config: RunnableConfig) -> Mapping[str, Any]:
    if isinstance(source, AbstractAsyncContextManager):
        async with source as graph:
            return (await _check_compiled(graph).aget_state(config)).values
    graph = await source if inspect.isawaitable(source) else source
    return (await _check_compiled(graph).aget_state(config)).values


def _check_compiled(graph: Any) -> Pregel[Any, Any, Any, Any]:
    if not isinstance(graph, Pregel):
        raise InvalidRequest([f"{type(graph).__name__} is not a compiled graph."])
    return graph
