"""Graphs as the command line names them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel import create_research_graph

SAVER = InMemorySaver()


def plain() -> Any:
    return create_research_graph(processor="lite", wait="park").compile(checkpointer=SAVER)


def renamed() -> Any:
    """The same one under another name, by which it is another one."""
    made = create_research_graph(processor="lite", wait="park", name="renamed")
    return made.compile(checkpointer=SAVER)


async def awaited() -> Any:
    return plain()


@contextmanager
def opened() -> Iterator[Any]:
    yield plain()


@asynccontextmanager
async def aopened() -> AsyncIterator[Any]:
    yield plain()


def nothing() -> int:
    return 7


def __getattr__(name: str) -> Any:
    if name == "compiled":
        return plain()
    raise AttributeError(name)
