"""Checkpointers and stores that can be killed at every write: SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.store.postgres import AsyncPostgresStore, PostgresStore
from langgraph.store.sqlite import SqliteStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

from .points import mortal

UNSYNCED = "PRAGMA synchronous = OFF"
"""Writes are not waited for until they are on the disk: what is killed here is a process, not the system."""
_SAVES, _ASAVES = ("put", "put_writes"), ("aput", "aput_writes")
_MortalSqliteSaver = mortal(SqliteSaver, "", *_SAVES)
_MortalAsyncSqliteSaver = mortal(AsyncSqliteSaver, "", *_ASAVES)
_MortalPostgresSaver = mortal(PostgresSaver, "", *_SAVES)
_MortalAsyncPostgresSaver = mortal(AsyncPostgresSaver, "", *_ASAVES)
_MortalSqliteStore = mortal(SqliteStore, "store ", "put")
_MortalAsyncSqliteStore = mortal(AsyncSqliteStore, "store ", "aput")
_MortalPostgresStore = mortal(PostgresStore, "store ", "put")
_MortalAsyncPostgresStore = mortal(AsyncPostgresStore, "store ", "aput")


@contextmanager
def opened(place: str, *, store: bool) -> Iterator[dict[str, Any]]:
    """What a graph is compiled with, from a directory (SQLite) or a URI (PostgreSQL)."""
    with ExitStack() as stack:
        made: dict[str, Any] = {}
        if place.startswith("postgresql://"):
            made["checkpointer"] = stack.enter_context(_MortalPostgresSaver.from_conn_string(place))
            if store:
                made["store"] = stack.enter_context(_MortalPostgresStore.from_conn_string(place))
        else:
            connection = sqlite3.connect(Path(place) / "checkpoints.db", check_same_thread=False)
            stack.callback(connection.close)
            connection.execute(UNSYNCED)
            made["checkpointer"] = _MortalSqliteSaver(connection)
            made["checkpointer"].setup()
            if store:
                path = str(Path(place) / "store.db")
                made["store"] = stack.enter_context(_MortalSqliteStore.from_conn_string(path))
                made["store"].conn.execute(UNSYNCED)
                made["store"].setup()
        yield made


@asynccontextmanager
async def aopened(place: str, *, store: bool) -> AsyncIterator[dict[str, Any]]:
    """The same for asynchronous graphs."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        made: dict[str, Any] = {}
        if place.startswith("postgresql://"):
            made["checkpointer"] = await enter(_MortalAsyncPostgresSaver.from_conn_string(place))
            if store:
                made["store"] = await enter(_MortalAsyncPostgresStore.from_conn_string(place))
        else:
            connection = await enter(aiosqlite.connect(Path(place) / "checkpoints.db"))
            await connection.execute(UNSYNCED)
            made["checkpointer"] = _MortalAsyncSqliteSaver(connection)
            await made["checkpointer"].setup()
            if store:
                path = str(Path(place) / "store.db")
                made["store"] = await enter(_MortalAsyncSqliteStore.from_conn_string(path))
                await made["store"].conn.execute(UNSYNCED)
                await made["store"].setup()
        yield made
