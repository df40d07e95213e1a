"""A LangGraph thread in SQLite files, which can be opened again as after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

Mode = Literal["sync", "async"]

THREAD: dict[str, Any] = {"configurable": {"thread_id": "benchmark"}}


@asynccontextmanager
async def open_storage(folder: Path, mode: Mode, *, store: bool) -> AsyncIterator[dict[str, Any]]:
    """Open what a graph is compiled with: the checkpointer and, if asked for, the store."""
    checkpoints, stored = str(folder / "checkpoints.sqlite"), str(folder / "store.sqlite")
    async with AsyncExitStack() as stack:
        storage: dict[str, Any] = {}
        if mode == "sync":
            saver = stack.enter_context(SqliteSaver.from_conn_string(checkpoints))
            saver.conn.execute("PRAGMA synchronous = OFF")  # no process is killed here
            storage["checkpointer"] = saver
            if store:
                storage["store"] = stack.enter_context(SqliteStore.from_conn_string(stored))
                storage["store"].setup()
        else:
            enter = stack.enter_async_context
            storage["checkpointer"] = await enter(AsyncSqliteSaver.from_conn_string(checkpoints))
            if store:
                storage["store"] = await enter(AsyncSqliteStore.from_conn_string(stored))
                await storage["store"].setup()
        yield storage


async def ask(graph: Any, mode: Mode, given: dict[str, Any]) -> Any:
    """Run one turn of the thread."""
    if mode == "sync":
        return graph.invoke(given, THREAD, durability="sync")
    return await graph.ainvoke(given, THREAD, durability="sync")
