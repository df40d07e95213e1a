"""Rows from whatever they are in: kinds of tables are known by what they can do, so stand-ins do here."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import math
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from langchain_parallel.batch.row_source import RowSource
from langchain_parallel.batch.row_values import plain_value
from langchain_parallel.errors import InvalidRequest

from .tables import Office

ROWS: list[dict[str, Any]] = [{"company": "A", "size": 1}, {"company": "B", "size": None}]


class Pandas:
    columns = ("company", "size")

    def itertuples(self, *, index: bool, name: None) -> Iterator[tuple[Any, ...]]:
        yield from [("A", 1), ("B", math.nan)]


class Polars:
    def iter_rows(self, *, named: bool) -> Iterator[dict[str, Any]]:
        yield from ROWS


class Relation:
    """Of DuckDB; a database cursor has `description` in place of `columns`."""

    columns = ("company", "size")

    def __init__(self) -> None:
        self._left = [("A", 1), ("B", None)]

    def iter_rows(self) -> Iterator[tuple[Any, ...]]:
        yield from self._left

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        left, self._left = self._left, []
        return left


class Relation2:
    """Of DuckDB 2."""

    columns = ("company", "size")

    def iter_rows(self) -> Iterator[tuple[Any, ...]]:
        yield from [("A", 1), ("B", None)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [*self.iter_rows()]


class Arrow:
    class schema:  # noqa: N801 -- an attribute of pyarrow's
        names = ("company", "size")

    def to_batches(self) -> list[Any]:
        return [self]

    def to_pylist(self) -> list[dict[str, Any]]:
        return ROWS


class Model(BaseModel):
    company: str
    size: int | None


@dataclasses.dataclass
class Data:
    company: str
    size: int | None


MODELS = [Model(company="A", size=1), Model(company="B", size=None)]


@pytest.mark.parametrize(
    "table",
    [
        Pandas(),
        Polars(),
        Relation(),
        Relation2(),
        Arrow(),
        ROWS,
        MODELS,
        [Data("A", 1), Data("B", None)],
    ],
    ids=lambda table: type(table).__name__,
)
def test_every_kind_of_table_has_the_same_rows(table: Any) -> None:
    source = RowSource.of(table)
    assert list(source.open()) == ROWS
    if source.is_repeatable:
        assert list(source.open()) == ROWS


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", '\ufeffcompany,size\r\nA,1\r\n"B, b",\r\n', [("A", "1"), ("B, b", None)]),
        ("a.tsv", "company\tsize\nA\t1\n", [("A", "1")]),
        (
            "a.jsonl",
            '{"company": "A", "size": 1}\n\n{"company": "B", "size": null}\n',
            [("A", 1), ("B", None)],
        ),
    ],
)
def test_files_are_read(tmp_path: Path, name: str, text: str, rows: Any) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    found = [tuple(row.values()) for row in RowSource.of(tmp_path / name).open()]
    assert found == rows


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "company\nA,1\n"),
        ("a.csv", "company,company\nA,B\n"),
        ("a.csv", "company;size\nA;1\n"),
        ("a.csv", "company\tsize\nA\t1\n"),
        ("a.csv", 'company\n"A\nB\nC\n'),
        ("a.jsonl", "[1]\n"),
        ("a.jsonl", "{broken\n"),
        ("a.jsonl", '{"company": ' + "[" * 100_000),
        ("latin.jsonl", '{"company": "é"}\n'),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(InvalidRequest):
        list(RowSource.of(str(tmp_path / name)).open())


class _Size(str, Enum):
    BIG = "big"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (math.nan, None),
        (dt.date(2026, 1, 2), "2026-01-02"),
        ({"a": (1, 2.5)}, {"a": [1, 2.5]}),
        (type("NAType", (), {})(), None),
        (type("Scalar", (), {"tolist": lambda self: 5})(), 5),
        (Decimal("1.50"), "1.50"),
        (Decimal("NaN"), None),
        (b"caf\xc3\xa9", "café"),
        (bytearray(b"\xff"), "\\xff"),
        (dt.timedelta(hours=1), "1:00:00"),
        (_Size.BIG, "big"),
        (float("inf"), None),
        ({1: {2}}, {"1": [2]}),
        (object(), None),
        (math.sqrt, "<built-in function sqrt>"),
    ],
)
def test_values_become_plain_json(value: Any, plain: Any) -> None:
    assert plain_value(value) == plain


def test_texts_are_questions(office: Office) -> None:
    table = office.research(["Who runs A?", "Who runs B?"], "question")
    assert [row["question"] for row in table] == ["Who runs A?", "Who runs B?"]
    assert set(office.asked) == {"Who runs A?", "Who runs B?"}


def test_columns_are_sent_as_an_object(office: Office) -> None:
    office.research(ROWS, ["company", "size"])
    assert [run.request["input"] for run in office.sim.all_runs()] == ROWS


def test_a_function_asks(office: Office) -> None:
    office.research(ROWS, lambda row: f"{row['company']}?")
    assert set(office.asked) == {"A?", "B?"}


class _Named(NamedTuple):
    company: str
    size: int | None


def test_rows_of_databases_are_rows() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    read = connection.execute("SELECT 'A' AS company, 1 AS size UNION SELECT 'B', NULL").fetchall()
    connection.close()
    for rows in (read, [_Named(**row) for row in ROWS]):
        assert list(RowSource.of(rows).open()) == ROWS


def test_two_columns_of_one_name_are_refused() -> None:
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute("SELECT 'A' AS name, 'B' AS name")
    frame = Pandas()
    frame.columns = ("name", "name")
    for rows in (cursor, frame):
        with pytest.raises(InvalidRequest, match="several columns named name"):
            list(RowSource.of(rows).open())
    connection.close()


def test_fetched_rows_with_two_columns_of_one_name_are_refused() -> None:
    """As their cursor is: one of the two cells would be asked about, and the other lost."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    fetched = connection.execute("SELECT 'A' AS name, 'B' AS name").fetchall()
    connection.close()
    for rows in (fetched, [_JoinedRow()], _ArrowTwice()):
        with pytest.raises(InvalidRequest, match="several columns named name"):
            list(RowSource.of(rows).open())


class _JoinedRow:
    """Of SQLAlchemy: its dict has one of the cells."""

    _fields = ("name", "name")

    def _asdict(self) -> dict[str, str]:
        return {"name": "B"}


class _ArrowTwice:
    """A table of Arrow, and its one batch."""

    class schema:  # noqa: N801 -- an attribute of pyarrow's
        names = ("name", "name")

    def to_batches(self) -> list[_ArrowTwice]:
        return [self]

    def to_pylist(self) -> list[dict[str, str]]:
        return [{"name": "B"}]


def test_a_dict_reader_is_as_strict_as_a_csv_file() -> None:
    """It is what a file with semicolons is read with."""
    twice = csv.DictReader(io.StringIO("name;name\nA;B\n"), delimiter=";")
    with pytest.raises(InvalidRequest, match="several columns named name"):
        RowSource.of(twice)
    text = "name;city\nA;B\nSmith; Sons;C\n"
    read, at_once = (csv.DictReader(io.StringIO(text), delimiter=";") for _ in range(2))
    for rows in (read, list(at_once)):
        opened = RowSource.of(rows).open()
        assert next(opened) == {"name": "A", "city": "B"}
        with pytest.raises(InvalidRequest, match=r"rows\[1\] has more cells than columns"):
            next(opened)


class _Place(BaseModel):
    names: set[str]


class _Trip(BaseModel):
    places: list[_Place]
    by_day: dict[str, frozenset[str]]
    first: dt.date


@dataclasses.dataclass
class _Tagged:
    tags: frozenset[str]


def test_a_set_is_asked_in_the_same_order_by_every_process() -> None:
    """Python gives its members in another order in each: the row would be another one, and paid for again."""
    names = {f"Name {number}" for number in range(100, 140)}
    ordered = sorted(names)
    trip = _Trip(
        places=[_Place(names=names)], by_day={"1": frozenset(names)}, first=dt.date(2026, 1, 2)
    )
    rows = [{"tags": names}, _Tagged(frozenset(names)), trip]
    assert list(RowSource.of(rows).open()) == [
        {"tags": ordered},
        {"tags": ordered},
        {"places": [{"names": ordered}], "by_day": {"1": ordered}, "first": "2026-01-02"},
    ]
    assert plain_value({2, "a", None}) == ["a", 2, None]


def test_a_cursor_without_a_result_is_no_empty_table(office: Office) -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(InvalidRequest, match="executed a SELECT"):
        office.research(connection.execute("CREATE TABLE firms (company TEXT)"))
    assert not office.research(connection.execute("SELECT company FROM firms"))
    connection.close()
