"""Locks across all processes whose checkpoints or store are in one PostgreSQL database.

Rule: a process opens one connection of its own to such a database, beside the checkpointer's, and takes all
its locks on it. They are advisory locks of that connection's session, so PostgreSQL frees them when the
process dies. A pooler that spreads a session over several connections (PgBouncer in transaction mode)
breaks them; give the checkpointer the address of the database itself there.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast
from weakref import WeakKeyDictionary

from .process import ForgottenInChild

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
"""Parameters of a connection that are not copied from the checkpointer's."""
_CONNECT_SECONDS = 10
"""How long a database may take to answer at all."""


class AdvisoryLocks:
    """This process's locks in one database, on one connection.

    The connection is used on a thread of its own, so that no event loop blocks, and so that a lock can
    still be freed whose caller was cancelled before it came.
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._connection: Any = None
        self._thread = ThreadPoolExecutor(1, "langchain_parallel locks")

    def try_lock(self, name: str) -> Future[bool]:
        """Take a lock unless another process has it. Calls of this process do not exclude each other."""
        return self._thread.submit(self._ask, "SELECT pg_try_advisory_lock(%s)", name)

    def unlock(self, name: str) -> Future[None]:
        """Free a lock. PostgreSQL has freed it already if the connection broke."""
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
        """Ask on the connection; once more on a new one, if the server has closed it meanwhile."""
        import psycopg

        while True:
            is_new = self._connection is None or self._connection.closed
            if is_new:
                parameters = {"connect_timeout": _CONNECT_SECONDS, **self._parameters}
                self._connection = psycopg.connect(**parameters, autocommit=True)
            try:
                return bool(self._connection.execute(query, (lock_number(name),)).fetchone()[0])
            except psycopg.OperationalError:
                self._connection.close()
                if is_new:
                    raise


class _Databases(ForgottenInChild):
    """`AdvisoryLocks` by database: their connections are those of one process."""

    def forget(self) -> None:
        super().forget()
        self.by_parameters: dict[str, AdvisoryLocks] = {}
        self.by_holder: WeakKeyDictionary[Any, AdvisoryLocks] = WeakKeyDictionary()


_DATABASES = _Databases()


def advisory_locks(holder: object) -> AdvisoryLocks | None:
    """The locks in the database of a checkpointer or store; None if that is not PostgreSQL."""
    if not _is_in_postgres(holder):
        return None
    locks = _DATABASES.by_holder.get(holder)
    if locks is None:
        parameters = _parameters(cast(Any, holder).conn)
        key = repr(sorted(parameters.items()))
        with _DATABASES.guard:
            locks = _DATABASES.by_parameters.setdefault(key, AdvisoryLocks(parameters))
            _DATABASES.by_holder[holder] = locks
    return locks


def lock_number(name: str) -> int:
    """The 64-bit number by which PostgreSQL knows a lock."""
    digest = hashlib.blake2b(f"langchain_parallel {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _is_in_postgres(holder: object) -> bool:
    # Looked up among loaded modules: without them the holder cannot be one of theirs, and they are an extra.
    classes = (
        getattr(sys.modules.get(module), name, None)
        for module, name in zip(_MODULES, _CLASSES, strict=True)
    )
    return any(kind is not None and isinstance(holder, kind) for kind in classes)


def _parameters(connection: Any) -> dict[str, Any]:
    """The parameters of another connection like this one, or like those of this pool."""
    if not hasattr(connection, "conninfo"):
        info = connection.info
        given = {**info.get_parameters(), "password": info.password}
    else:
        conninfo, more = connection.conninfo, connection.kwargs
        given = dict((more() if callable(more) else more) or {})
        given["conninfo"] = conninfo() if callable(conninfo) else conninfo
    return {name: value for name, value in given.items() if value and name not in _OWN}
