"""Locks that all processes share whose checkpoints or store are in one PostgreSQL database (R5).

Rule: a process keeps one connection of its own to such a database, beside the saver's, and all its locks on
it. They are advisory locks of that session, so a process that dies frees them by dying. A pooler that hands
a session's statements to different connections (PgBouncer in transaction mode) cannot carry them; name
the database itself there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast
from weakref import WeakKeyDictionary

_LOG = logging.getLogger("langchain_parallel")
_MODULES = ("langgraph.checkpoint.postgres.base", "langgraph.store.postgres.base")
_CLASSES = ("BasePostgresSaver", "BasePostgresStore")
_OWN = (
    "application_name",
    "autocommit",
    "row_factory",
    "cursor_factory",
    "prepare_threshold",
    "context",
)
"""Parameters of a connection that are settled here."""


class Session:
    """One connection that holds this process's locks in one database, on a thread of its own: no event
    loop is blocked, and what was asked for by somebody since cancelled can still be undone.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._connection: Any = None
        self._thread = ThreadPoolExecutor(1, "langchain_parallel locks")

    def try_lock(self, name: str) -> Future[bool]:
        """Take a lock if no other process has it. This process's own locks do not exclude each other."""
        return self._thread.submit(self._ask, "SELECT pg_try_advisory_lock(%s)", name)

    def unlock(self, name: str) -> Future[None]:
        """Give it back. A connection that broke has done so by itself."""
        return self._thread.submit(self._unlock, name)

    def _unlock(self, name: str) -> None:
        from psycopg import Error

        try:
            freed = self._ask("SELECT pg_advisory_unlock(%s)", name)
        except Error:
            freed = False
        if not freed:
            _LOG.warning(
                "The connection with the locks broke; another process may have had one too."
            )

    def _ask(self, query: str, name: str) -> bool:
        import psycopg

        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(**self._parameters, autocommit=True)
        return bool(self._connection.execute(query, (number(name),)).fetchone()[0])


class _Sessions:
    """Sessions by database. A forked child makes its own, and leaves its parent's connections alone."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        self._guard = threading.Lock()
        self._by_parameters: dict[str, Session] = {}
        self._by_holder: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()

    def known(self, holder: object) -> Session | None:
        return self._by_holder.get(holder)

    def learn(self, holder: object, parameters: dict[str, Any]) -> Session:
        with self._guard:
            session = self._by_parameters.setdefault(
                repr(sorted(parameters.items())), Session(parameters)
            )
            self._by_holder[holder] = session
            return session


_SESSIONS = _Sessions()


def session_of(holder: object) -> Session | None:
    """The session with the database of a checkpointer or store; None where that is not PostgreSQL."""
    if not _in_postgres(holder):
        return None
    known = _SESSIONS.known(holder)
    if known is None:
        known = _SESSIONS.learn(holder, _parameters(cast(Any, holder).conn))
    return known


def number(name: str) -> int:
    """A lock's name as PostgreSQL wants it."""
    digest = hashlib.blake2b(f"langchain_parallel {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _in_postgres(holder: object) -> bool:
    classes = (
        getattr(sys.modules.get(module), name, None)
        for module, name in zip(_MODULES, _CLASSES, strict=True)
    )
    return any(kind is not None and isinstance(holder, kind) for kind in classes)


def _parameters(connection: Any) -> dict[str, Any]:
    """What opens another connection like this one, or like those of this pool."""
    if not hasattr(connection, "conninfo"):
        info = connection.info
        given = {**info.get_parameters(), "password": info.password}
    else:
        conninfo, more = connection.conninfo, connection.kwargs
        given = dict((more() if callable(more) else more) or {})
        given["conninfo"] = conninfo() if callable(conninfo) else conninfo
    return {name: value for name, value in given.items() if value and name not in _OWN}
