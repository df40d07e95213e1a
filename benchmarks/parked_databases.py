"""The databases of `parked`: SQLite in a folder, and a PostgreSQL server that it starts."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .parked_graphs import storage


@dataclass(frozen=True)
class Database:
    """Where the threads are stored."""

    location: str
    """A folder (SQLite) or a URI (PostgreSQL)."""
    workers: int
    """The number of worker processes."""
    size: Callable[[], int]
    """Returns the bytes used, with indexes."""
    pid: int | None = None
    """The process id of its server."""


@contextmanager
def sqlite() -> Iterator[Database]:
    """Two files: one for checkpoints, one for the store."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_set_up(folder))
        yield Database(folder, 1, lambda: sum(map(_file_size, Path(folder).glob("*.sqlite"))))


async def _set_up(folder: str) -> None:
    """Create the tables, with a write-ahead log for the store, too: only LangGraph's saver sets one."""
    async with storage(folder) as opened:
        await opened["checkpointer"].setup()
        await opened["store"].conn.execute("PRAGMA journal_mode = WAL")


def _file_size(file: Path) -> int:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file.stat().st_size


@contextmanager
def postgres() -> Iterator[Database]:
    """A real PostgreSQL, started for this (extra `test`)."""
    import psycopg

    from tests.postgres import running as running_postgres

    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # a socket's path must be short
        running_postgres(Path(folder) / "pg", synced=True) as uri,
    ):
        pid = int((Path(folder) / "pg" / "postmaster.pid").read_text().splitlines()[0])

        def size() -> int:
            with psycopg.connect(uri) as connection:
                query = "SELECT pg_database_size(current_database())"
                (found,) = connection.execute(query).fetchone() or (0,)
            return int(found)

        yield Database(uri, 2, size, pid)


DATABASES: dict[str, Callable[[], AbstractContextManager[Database]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
}
