"""A LangGraph thread on disk: SQLite for checkpoints and store, opened again like after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

How = Literal["sync", "async"]

THREAD: dict[str, Any] = {"configurable": {"thread_id": "benchmark"}}


def stored_in(folder: Path) -> str:
    """The file of the store."""
    return str(folder / "store.sqlite")


@asynccontextmanager
async def opened(folder: Path, how: How, *, store: bool) -> AsyncIterator[dict[str, Any]]:
    """What a graph is compiled with."""
    checkpoints, stored = str(folder / "checkpoints.sqlite"), stored_in(folder)
    async with AsyncExitStack() as stack:
        made: dict[str, Any] = {}
        if how == "sync":
            saver = stack.enter_context(SqliteSaver.from_conn_string(checkpoints))
            saver.conn.execute("PRAGMA synchronous = OFF")  # nothing is killed here
            made["checkpointer"] = saver
            if store:
                made["store"] = stack.enter_context(SqliteStore.from_conn_string(stored))
                made["store"].setup()
        else:
            enter = stack.enter_async_context
            made["checkpointer"] = await enter(AsyncSqliteSaver.from_conn_string(checkpoints))
            if store:
                made["store"] = await enter(AsyncSqliteStore.from_conn_string(stored))
                await made["store"].setup()
        yield made


async def ask(graph: Any, how: How, given: dict[str, Any]) -> Any:
    """Run one turn of the thread to its end."""
    if how == "sync":
        return graph.invoke(given, THREAD, durability="sync")
    return await graph.ainvoke(given, THREAD, durability="sync")
