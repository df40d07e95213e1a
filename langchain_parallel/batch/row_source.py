"""Rows from whatever a caller has them in, one at a time.

Rule: nothing is imported for a kind of table that the caller does not use. A table is known by what it can
do: pandas by `itertuples`, Polars by `iter_rows`, DuckDB and database cursors by `fetchall`, everything of
Arrow by `__arrow_c_stream__`.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel

from .._core.kinds import kind_of
from ..errors import InvalidRequest
from .row_answer import EarlierRow, ResearchRow
from .row_reader import RowReader, TaskReader, ThreadReader
from .row_values import plain_row, with_sets_in_order

Rows: TypeAlias = Any
"""A list or an iterator of dicts, models, dataclasses or texts; a DataFrame of pandas or Polars, a table of
Arrow, a relation of DuckDB, a database cursor; the path of a `.csv`, `.tsv`, `.jsonl` or `.parquet` file. The
asynchronous functions take an asynchronous iterator, too."""
TEXT_COLUMN = "question"
"""The column of rows that are bare texts."""
_FETCHED = 1_000
_FORMS = (
    "give a list or an iterator of dicts, models or texts; a DataFrame of pandas or Polars, a table of "
    "Arrow, a relation of DuckDB; or the path of a .csv, .tsv, .jsonl or .parquet file."
)
_ASYNC = "rows is an asynchronous iterator; `aresearch_table` and `astream_table` take it."


@dataclasses.dataclass(frozen=True)
class RowSource:
    """Rows that are read one at a time."""

    open: Callable[[], Iterator[dict[str, Any]]]
    is_repeatable: bool
    """Whether it can be opened again, and so be checked as a whole before anything is paid."""
    may_pause: bool = False
    """Whether its next row may take long to come."""
    arriving: AsyncIterator[dict[str, Any]] | None = None
    """Its rows, if they come asynchronously."""

    @classmethod
    def of(cls, rows: Rows, *, is_awaited: bool = False) -> RowSource:
        """The rows of a table, whatever it is.

        Args:
            rows: The table.
            is_awaited: Whether it may be an asynchronous iterator.

        Raises:
            InvalidRequest: It is none, or a file cannot be read.
        """
        if isinstance(rows, str | Path):
            return cls(_file_reader(Path(rows)), is_repeatable=True)
        if is_awaited and isinstance(rows, AsyncIterable):
            return cls(lambda: iter(()), is_repeatable=False, arriving=_of_async(rows))
        if hasattr(rows, "collect") and hasattr(rows, "collect_schema"):  # lazy, of Polars
            rows = rows.collect()
        if hasattr(rows, "itertuples") and hasattr(rows, "columns"):
            return cls(lambda: _of_pandas(rows), is_repeatable=True)
        if hasattr(rows, "fetchmany") or hasattr(rows, "fetchall"):  # DuckDB has `iter_rows`, too
            return cls(lambda: _of_cursor(rows), is_repeatable=False)
        if hasattr(rows, "iter_rows"):
            return cls(lambda: map(plain_row, rows.iter_rows(named=True)), is_repeatable=True)
        if hasattr(rows, "to_batches"):
            return cls(lambda: _of_batches(rows.to_batches()), is_repeatable=True)
        if hasattr(rows, "__arrow_c_stream__"):
            return cls(lambda: _of_arrow(rows), is_repeatable=False)
        if not isinstance(rows, Iterable) or isinstance(rows, Mapping | bytes):
            is_async = isinstance(rows, AsyncIterable)
            raise InvalidRequest([_ASYNC if is_async else f"rows is {kind_of(rows)}; {_FORMS}"])
        _check_reader(rows)
        is_repeatable = iter(rows) is not rows
        read = lambda: (_of_any(nth, row) for nth, row in enumerate(rows))  # noqa: E731 -- as above
        return cls(read, is_repeatable, may_pause=not is_repeatable)

    def reader(self) -> RowReader:
        """Reads the rows as they are asked for."""
        if self.arriving is not None:
            return TaskReader(self.arriving)
        return ThreadReader(self.open()) if self.may_pause else RowReader(self.open())


# --- kinds of tables -----------------------------------------------------------------------------


def _of_pandas(frame: Any) -> Iterator[dict[str, Any]]:
    names = distinct([str(name) for name in frame.columns], "The frame")
    for values in frame.itertuples(index=False, name=None):
        yield plain_row(dict(zip(names, values, strict=True)))


def _of_cursor(cursor: Any) -> Iterator[dict[str, Any]]:
    described = getattr(cursor, "description", None)
    names = [one[0] for one in described or ()] or list(getattr(cursor, "columns", ()))
    if not names:
        raise InvalidRequest(["The cursor has no columns; give one that has executed a SELECT."])
    distinct(names, "The cursor")
    for values in _fetch(cursor):
        row = values if isinstance(values, Mapping) else dict(zip(names, values, strict=True))
        yield plain_row(row)


def _check_reader(rows: Any) -> None:
    if isinstance(rows, csv.DictReader):
        distinct([*(rows.fieldnames or ())], "The header")


def distinct(names: list[str], what: str) -> list[str]:
    """The names of columns. Of two with one name, a row would have the last one's cells alone."""
    twice = dict.fromkeys(name for name in names if name and names.count(name) > 1)
    if twice:
        raise InvalidRequest([f"{what} has several columns named {', '.join(twice)}; rename them."])
    return names


def _fetch(cursor: Any) -> Iterator[Any]:
    if not hasattr(cursor, "fetchmany"):  # a relation of DuckDB 2
        yield from cursor.iter_rows()
        return
    while fetched := cursor.fetchmany(_FETCHED):
        yield from fetched


def _of_batches(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        distinct(list(batch.schema.names), "The table")
        yield from map(plain_row, batch.to_pylist())


def _of_arrow(table: Any) -> Iterator[dict[str, Any]]:
    try:
        pyarrow: Any = import_module("pyarrow")
    except ModuleNotFoundError:
        raise InvalidRequest(
            ["A table of Arrow needs pyarrow: `pip install pyarrow`, or give its rows as dicts."]
        ) from None
    yield from _of_batches(pyarrow.RecordBatchReader.from_stream(table))


async def _of_async(rows: AsyncIterable[Any]) -> AsyncIterator[dict[str, Any]]:
    nth = 0
    async for row in rows:
        yield _of_any(nth, row)
        nth += 1


def _of_any(nth: int, row: Any) -> dict[str, Any]:
    if isinstance(row, str):
        return {TEXT_COLUMN: row}
    if isinstance(row, ResearchRow):  # of an earlier table, to be continued
        return EarlierRow(row)
    if isinstance(row, BaseModel):
        plain = row.model_dump(mode="json")
        if any(isinstance(value, list | dict) for value in plain.values()):  # one may be a set
            plain = with_sets_in_order(plain, row.model_dump())
        return plain_row(plain)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return plain_row(dataclasses.asdict(row))
    if isinstance(row, Mapping):
        if isinstance(row.get(None), list):  # what a `csv.DictReader` has left over
            raise InvalidRequest([f"rows[{nth}] has more cells than columns."])
        return plain_row(row)
    if hasattr(row, "_asdict"):  # a named tuple, a row of SQLAlchemy
        distinct(list(getattr(row, "_fields", ())), f"rows[{nth}]")
        return plain_row(row._asdict())
    if hasattr(row, "keys"):  # a row of SQLite
        names = distinct(list(row.keys()), f"rows[{nth}]")
        return plain_row({name: row[name] for name in names})
    raise InvalidRequest(
        [f"rows[{nth}] is {kind_of(row)}; a row is a dict, a model, a dataclass or a text."]
    )


# --- files ---------------------------------------------------------------------------------------


def _file_reader(path: Path) -> Callable[[], Iterator[dict[str, Any]]]:
    readers = {".csv": _of_csv, ".tsv": _of_csv, ".jsonl": _of_jsonl, ".ndjson": _of_jsonl}
    reader = {**readers, ".parquet": _of_parquet}.get(path.suffix.lower())
    if reader is None:
        raise InvalidRequest([f"{path.name!r:.100} has no known ending; {_FORMS}"])
    if not path.is_file():
        raise InvalidRequest([f"There is no file {str(path)!r:.200}."])
    return lambda: reader(path)


def _of_csv(path: Path) -> Iterator[dict[str, Any]]:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter=separator, strict=True)
        try:
            _check_header(list(reader.fieldnames or ()), path)
            for row in reader:
                if None in row:
                    raise InvalidRequest(
                        [f"Line {reader.line_num} of {path.name} has more cells than columns."]
                    )
                yield {name: value or None for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidRequest([f"{path.name} is no CSV file in UTF-8: {error}."]) from None


def _check_header(names: list[str], path: Path) -> None:
    for separator in (";", "\t"):
        if len(names) == 1 and separator in names[0]:
            raise InvalidRequest(
                [
                    (
                        f"{path.name} has one column, {names[0]!r:.100}: its cells seem to be separated by "
                        f"{separator!r}. Give `csv.DictReader(open(path), delimiter={separator!r})`."
                    )
                ]
            )
    distinct(names, path.name)


def _of_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                raise InvalidRequest([f"Line {number} of {path.name}: {error}."]) from None
            if not isinstance(row, dict):
                raise InvalidRequest(
                    [f"Line {number} of {path.name} is {kind_of(row)}, no object."]
                )
            yield plain_row(row)


def _of_parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        pass
    else:
        yield from _of_batches(parquet.ParquetFile(path).iter_batches(batch_size=_FETCHED))
        return
    try:
        polars: Any = import_module("polars")
    except ModuleNotFoundError:
        raise InvalidRequest(["Parquet needs pyarrow or polars: `pip install pyarrow`."]) from None
    yield from map(plain_row, polars.read_parquet(path).iter_rows(named=True))
