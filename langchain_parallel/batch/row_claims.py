"""Which task group each row of a batch goes to, and which call may send it: kept where all processes see it.

Rule: the group of a row is written once and never changed, before its run can be paid for; so every process
looks for the run in the same place. Who may send it can change hands: a call that takes a row over writes its
own name over the name that it has read, and the call before, which asks again before it sends, sees that.

The API has no idempotency key, and nothing free that two processes could both write: only a database of the
caller's own can say which of two calls came first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..errors import InvalidRequest, StorageFailed

_TABLE = """CREATE TABLE IF NOT EXISTS parallel_row_claims (
    batch_id TEXT NOT NULL, row_key TEXT NOT NULL, group_id TEXT NOT NULL, owner TEXT NOT NULL, run_id TEXT,
    PRIMARY KEY (batch_id, row_key))"""
_FIND = "SELECT row_key, group_id, owner, run_id FROM parallel_row_claims WHERE batch_id = ? AND row_key IN"
_CLAIM = "INSERT INTO parallel_row_claims VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING"
_UNSTARTED = "WHERE batch_id = ? AND row_key = ? AND run_id IS NULL"
_TAKE_OVER = f"UPDATE parallel_row_claims SET owner = ? {_UNSTARTED} AND owner = ?"
_NOTE = f"UPDATE parallel_row_claims SET run_id = ? {_UNSTARTED}"
_SECRETS = {"password", "sslpassword", "oauth_client_secret"}
"""What an address of PostgreSQL may hold that must not be sent to workers."""
_AT_ONCE = 500
"""Rows that one statement asks for."""
_BUSY_SECONDS = 60.0
"""How long another process may keep an SQLite file locked."""
_TABLE_LOCK = 7_235_409_118
"""PostgreSQL fails where two sessions make the same table at once; this advisory lock keeps them apart."""


class RowClaim(NamedTuple):
    """What is written down of one row."""

    group_id: str
    """The task group that its run is in, if it has one."""
    owner: str
    """The call that may send it; empty where the API has refused the last one's request."""
    run_id: str | None = None
    """Its run, once that is known."""


class RowClaims(Protocol):
    """Where claims are kept. Each method is one transaction, and durable when it returns."""

    def find(self, batch_id: str, keys: Sequence[str]) -> dict[str, RowClaim]:
        """The claims of these rows, by key; rows that nobody has claimed are left out."""

    def claim(self, batch_id: str, keys: Sequence[str], group_id: str, owner: str) -> None:
        """Write a claim for each of these rows that has none. Those of other calls stay as they are."""

    def take_over(self, batch_id: str, owners: Mapping[str, str], owner: str) -> None:
        """Become the owner of rows, by key, whose owner is still the one named, and that have no run."""

    def note_runs(self, batch_id: str, run_ids: Mapping[str, str]) -> None:
        """Write down the run of each row, by key, that has none written down."""


class _SqlClaims:
    """Claims in a table of a database."""

    def find(self, batch_id: str, keys: Sequence[str]) -> dict[str, RowClaim]:
        """The claims of these rows, by key."""
        found: dict[str, RowClaim] = {}
        with self._open() as database:
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                for key, *claim in database.ask(f"{_FIND} ({marks})", (batch_id, *part)):
                    found[key] = RowClaim(*claim)
        return found

    def claim(self, batch_id: str, keys: Sequence[str], group_id: str, owner: str) -> None:
        """Write a claim for each of these rows that has none."""
        self._write(_CLAIM, ((batch_id, key, group_id, owner) for key in sorted(keys)))

    def take_over(self, batch_id: str, owners: Mapping[str, str], owner: str) -> None:
        """Become the owner of rows whose owner is still the one named, and that have no run."""
        rows = ((owner, batch_id, key, before) for key, before in sorted(owners.items()))
        self._write(_TAKE_OVER, rows)

    def note_runs(self, batch_id: str, run_ids: Mapping[str, str]) -> None:
        """Write down the run of each row that has none written down."""
        self._write(_NOTE, ((run_id, batch_id, key) for key, run_id in sorted(run_ids.items())))

    def _write(self, statement: str, rows: Iterable[tuple[str, ...]]) -> None:
        """Write rows in the order of their keys, so that no two transactions wait for each other."""
        with self._open() as database:
            database.write(statement, list(rows))

    def _open(self) -> Any:
        raise NotImplementedError


class _Database:
    """One transaction."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor, self._mark = cursor, mark

    def ask(self, statement: str, values: Sequence[str]) -> Iterator[Any]:
        self._cursor.execute(statement.replace("?", self._mark), values)
        yield from self._cursor.fetchall()

    def write(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        self._cursor.executemany(statement.replace("?", self._mark), rows)


@dataclass(frozen=True)
class SqliteClaims(_SqlClaims):
    """Claims in an SQLite file, for the processes of one machine. A disk shared by machines will not do:
    SQLite's locks do not hold there.
    """

    path: str | Path

    @contextmanager
    def _open(self) -> Iterator[_Database]:
        try:
            with (
                closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection,
                connection,
            ):
                connection.execute(_TABLE)
                yield _Database(connection.cursor(), "?")
        except sqlite3.Error as error:
            raise _storage_error(f"The file {self.path}") from error


@dataclass(frozen=True)
class PostgresClaims(_SqlClaims):
    """Claims in PostgreSQL, for processes on any machines. Needs psycopg (the extra `postgres`).

    Args:
        conninfo: Where the database is, without a password: this is sent to workers. What it leaves out,
            they read from their own `PGHOST`, `PGPASSWORD`, …, or `~/.pgpass`.

    Raises:
        InvalidRequest: It has a password, or psycopg is missing.
    """

    conninfo: str = ""

    def __post_init__(self) -> None:
        try:
            parse: Any = import_module("psycopg.conninfo").conninfo_to_dict
        except ModuleNotFoundError:
            raise InvalidRequest(
                ["Claims in PostgreSQL need psycopg: install the extra `postgres`."]
            ) from None
        try:
            has_password = not _SECRETS.isdisjoint(parse(self.conninfo))
        except import_module("psycopg").Error:
            raise InvalidRequest(["conninfo is no address of a database."]) from None
        if has_password:
            raise InvalidRequest(
                ["conninfo has a password, which would be sent to workers as text."],
                hint="Leave it out, and set PGPASSWORD on each worker.",
            )

    @contextmanager
    def _open(self) -> Iterator[_Database]:
        psycopg: Any = import_module("psycopg")
        try:
            with psycopg.connect(self.conninfo) as connection:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TABLE_LOCK,))
                    connection.execute(_TABLE)
                yield _Database(connection.cursor(), "%s")
        except psycopg.Error as error:
            raise _storage_error("The database") from error


def _storage_error(what: str) -> StorageFailed:
    return StorageFailed(
        f"{what} with the claims of rows could not be read or written.",
        hint="Mend it, and run the task again: what is paid for is found.",
        billed=None,
    )
