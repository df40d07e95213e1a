"""Answers to files as they come: CSV, JSON lines, Parquet.

Rule: a row is written and forgotten, so that a table of any length needs the memory of a few rows. In a CSV
file, a text of the web that a spreadsheet would run as a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from .._core.plain_text import clean
from ..errors import InvalidRequest
from .row_answer import ResearchRow, answered_columns, as_text

_FORMULA: tuple[str, ...] = ("=", "+", "-", "@", "\uff0b", "\uff0d", "\uff1d", "\uff20")
"""What begins what a spreadsheet may take for a formula; the full-width forms, too."""
_GROUP = 1_000
"""Rows that are written to a Parquet file at a time."""
_IDS = ("run_id", "interaction_id", "error")
_EVIDENCE = ("_confidence", "_sources")


class RowWriter(Protocol):
    """Writes rows."""

    def write(self, row: ResearchRow) -> None:
        """Write one row."""


def open_writer(path: str | Path, columns: Sequence[str] = ()) -> AbstractContextManager[RowWriter]:
    """A writer for a `.csv`, `.tsv`, `.jsonl` or `.parquet` file; an old file is replaced.

    Args:
        path: The file.
        columns: The columns of the answers. Without them, those of the first answer: what a later one has
            beside them is left out of CSV and Parquet files.

    Raises:
        InvalidRequest: The ending is another, or pyarrow is missing for Parquet.
        OSError: There is no such folder, or the file may not be written.
    """
    return _open(Path(path), _AwaitsAnswer(columns))


def _open(path: Path, rows: _AwaitsAnswer) -> AbstractContextManager[RowWriter]:
    check_target(path)
    return _WRITERS[path.suffix.lower()](path, rows)


def check_target(path: Path) -> None:
    """Check that a file can be written, before something is paid for that is to stand in it.

    Raises:
        InvalidRequest, OSError: As of `open_writer`.
    """
    if path.suffix.lower() not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise InvalidRequest(
            [f"{path.name!r:.100} has no known ending; {known} are known."],
            hint="Nothing was written.",
        )
    if path.suffix.lower() == ".parquet":
        _import_arrow()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        code = errno.EACCES if path.parent.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(path))


def write_rows(rows: Iterable[ResearchRow], path: str | Path, columns: Sequence[str] = ()) -> int:
    """Write rows to a file as they come, and return how many; see `open_writer`.

    The columns of a list are all that one of its rows has. An old file stays until the first row comes: a
    table that cannot begin takes nothing away.
    """
    flat = columns_of(rows, columns) if isinstance(rows, Sequence) else None
    writer, left, written = _open(Path(path), _AwaitsAnswer(columns, flat)), iter(rows), 0
    first = list(islice(left, 1))
    with writer as opened:
        for row in chain(first, left):
            opened.write(row)
            written += 1
    return written


# --- flat rows -----------------------------------------------------------------------------------


class FlatColumns:
    """The columns of a flat table: the row's own, each value with its evidence, and the ids."""

    def __init__(self, row: ResearchRow, columns: Sequence[str], own: Iterable[str] = ()) -> None:
        self.own: list[str] = list(own) or list(row.row)
        self._taken = set(self.own)
        self._ids = {name: self.free_name(name) for name in _IDS}
        self.answer: dict[str, str] = {
            name: self.free_name(name, *_EVIDENCE) for name in (columns or list(row.cells))
        }
        """The column of each of the answer's names."""
        self.sources: set[str] = {f"{name}_sources" for name in self.answer.values()}
        """The columns that have lists of addresses."""

    def free_name(self, name: str, *endings: str) -> str:
        """The name, or one like it, that no other column has, nor it with one of these endings."""
        while not self._taken.isdisjoint({name, *(name + ending for ending in endings)}):
            name = f"answer_{name}"
        self._taken |= {name, *(name + ending for ending in endings)}
        return name

    @property
    def header(self) -> list[str]:
        """The names, in order."""
        answer = [name + ending for name in self.answer.values() for ending in ("", *_EVIDENCE)]
        return [*self.own, *answer, *self._ids.values()]

    def flat(self, row: ResearchRow) -> dict[str, Any]:
        """A row's values by column; sources are a list of addresses."""
        flat: dict[str, Any] = {name: row.row.get(name) for name in self.own}
        for name, column in self.answer.items():
            cell = row.cells.get(name)
            flat[column] = None if cell is None else cell.value
            flat[f"{column}_confidence"] = None if cell is None else cell.confidence
            flat[f"{column}_sources"] = [] if cell is None else [one.url for one in cell.sources]
        flat[self._ids["run_id"]] = row.run_id
        flat[self._ids["interaction_id"]] = row.interaction_id
        flat[self._ids["error"]] = None if row.error is None else str(row.error)
        return flat


def columns_of(rows: Sequence[ResearchRow], columns: Sequence[str]) -> FlatColumns | None:
    """The columns of a whole table: all that any of its rows has. None without rows."""
    if not rows:
        return None
    found = dict.fromkeys([*columns, *(name for row in rows for name in row.cells)])
    own = dict.fromkeys(name for row in rows for name in row.row)
    return FlatColumns(rows[0], list(found), own)


class _AwaitsAnswer:
    """Keeps rows back until the columns of the answers are known: at the first row that has one."""

    def __init__(self, columns: Sequence[str], flat: FlatColumns | None = None) -> None:
        self._columns = columns
        self._kept: list[ResearchRow] = []
        self._flat = flat

    def ready(self, row: ResearchRow | None) -> Iterator[tuple[FlatColumns, ResearchRow]]:
        """The rows that can be written now; with None, all that are left."""
        if row is not None:
            self._kept.append(row)
        if self._flat is None and self._kept:
            first = next((one for one in self._kept if one.cells), None)
            if first is None and not self._columns and row is not None and len(self._kept) < _GROUP:
                return
            self._flat = FlatColumns(first or self._kept[0], self._columns)
        kept, self._kept = self._kept, []
        for one in kept:
            assert self._flat is not None
            yield self._flat, one


# --- CSV -----------------------------------------------------------------------------------------


def safe_cell(value: Any) -> Any:
    """A value as a cell of a CSV file; a text that a spreadsheet could run is marked as text."""
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else value
    text = clean(as_text(value)).replace("\0", "")
    return f"'{text}" if _may_be_formula(text) else text


def _may_be_formula(text: str) -> bool:
    rest = text.lstrip()
    before = text[: len(text) - len(rest)]
    return "\t" in before or "\r" in before or rest.startswith(_FORMULA)


@contextmanager
def _csv(path: Path, rows: _AwaitsAnswer) -> Iterator[RowWriter]:
    # Half a character of the caller's own has no form in UTF-8, and takes no answer with it.
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        writer = _CsvWriter(csv.writer(file, delimiter=separator), rows)
        yield writer
        writer.write_ready(None)


class _CsvWriter:
    def __init__(self, writer: Any, rows: _AwaitsAnswer) -> None:
        self._writer, self._rows, self._has_header = writer, rows, False

    def write(self, row: ResearchRow) -> None:
        self.write_ready(row)

    def write_ready(self, row: ResearchRow | None) -> None:
        for flat, one in self._rows.ready(row):
            if not self._has_header:
                own = _own_columns(flat, one)
                self._writer.writerow(
                    [name if name in own else safe_cell(name) for name in flat.header]
                )
                self._has_header = True
            own = _own_columns(flat, one)
            self._writer.writerow(
                [
                    _own(value)
                    if name in own
                    else safe_cell("\n".join(value) if name in flat.sources else value)
                    for name, value in flat.flat(one).items()
                ]
            )


def _own_columns(flat: FlatColumns, row: ResearchRow) -> set[str]:
    """The columns of the caller's own, which stay as they are: not those that an earlier table has found."""
    return set(flat.own) - answered_columns(row.row)


def _own(value: Any) -> Any:
    return (
        "" if value is None else value if isinstance(value, str | int | float) else as_text(value)
    )


# --- JSON lines ----------------------------------------------------------------------------------


@contextmanager
def _jsonl(path: Path, _: _AwaitsAnswer) -> Iterator[RowWriter]:
    with path.open("w", encoding="utf-8") as file:
        yield _JsonlWriter(file)


class _JsonlWriter:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: ResearchRow) -> None:
        # U+2028 and its like end a line for some readers.
        self._file.write(json.dumps(row.to_json(), ensure_ascii=True, default=str) + "\n")


# --- Parquet -------------------------------------------------------------------------------------


def _import_arrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise InvalidRequest(
            ["Parquet needs pyarrow: `pip install pyarrow`, or write a .jsonl or .csv file."],
            hint="Nothing was written.",
        ) from None


@contextmanager
def _parquet(path: Path, rows: _AwaitsAnswer) -> Iterator[RowWriter]:
    writer = _ParquetWriter(path, *_import_arrow(), rows)
    try:
        yield writer
        writer.write_ready(None)
        writer.flush()
    finally:
        writer.close()


class _ParquetWriter:
    """The types of the columns are those of the first rows. `row_json` has each row as it was given, so that
    a later value of another type, which is null in its column, is not lost.
    """

    def __init__(self, path: Path, arrow: Any, parquet: Any, rows: _AwaitsAnswer) -> None:
        self._path, self._arrow, self._parquet = path, arrow, parquet
        self._rows = rows
        self._flat: list[dict[str, Any]] = []
        self._whole: str | None = None
        self._sources = set[str]()
        self._schema: Any = None
        self._kinds: dict[str, type | None] = {}
        self._file: Any = None

    def write(self, row: ResearchRow) -> None:
        self.write_ready(row)

    def write_ready(self, row: ResearchRow | None) -> None:
        for flat, one in self._rows.ready(row):
            if self._whole is None:
                self._whole, self._sources = flat.free_name("row_json"), flat.sources
            self._flat.append({**flat.flat(one), self._whole: as_text(dict(one.row))})
            if len(self._flat) >= _GROUP:
                self.flush()

    def flush(self) -> None:
        if not self._flat:
            return
        if self._file is None:
            self._kinds = {name: self._kind(name) for name in self._flat[0]}
            fields = [(name, _arrow_type(self._arrow, kind)) for name, kind in self._kinds.items()]
            self._schema = self._arrow.schema(fields)
            self._file = self._parquet.ParquetWriter(self._path, self._schema)
        rows = [
            {n: fit_value(row.get(n), kind) for n, kind in self._kinds.items()}
            for row in self._flat
        ]
        self._file.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
        self._flat = []

    def _kind(self, name: str) -> type | None:
        """What a column has: lists of addresses, or what all its values are."""
        return list if name in self._sources else _kind(self._flat, name)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _kind(rows: Sequence[Mapping[str, Any]], name: str) -> type | None:
    """What all values of a column are: a number, a truth value; else text (None)."""
    kinds = {type(row[name]) for row in rows if row[name] is not None}
    if kinds == {int, float}:
        return float
    [only] = kinds if len(kinds) == 1 else [str]
    return only if only in (bool, int, float) else None


def _arrow_type(arrow: Any, kind: type | None) -> Any:
    types = {bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64()}
    if kind is list:
        return arrow.list_(arrow.string())
    return types[kind] if kind is not None else arrow.string()


def fit_value(value: Any, kind: type | None) -> Any:
    """A value of a column of this kind; None where it is another."""
    if value is None or kind is None:
        return None if value is None else clean(as_text(value))
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is int and not -(2**63) <= value < 2**63:
        return None
    return value if type(value) is kind else None


_WRITERS: dict[str, Callable[[Path, _AwaitsAnswer], AbstractContextManager[RowWriter]]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
