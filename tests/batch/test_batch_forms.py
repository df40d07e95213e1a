"""Forms in which engines hand over batches. `make engines` has the real ones; stand-ins do here."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from langchain_parallel.batch.batch_forms import Column, read_batch
from langchain_parallel.errors import InvalidRequest

ROWS: list[dict[str, Any]] = [{"id": 1, "city": "Bonn"}, {"id": 2, "city": None}]
ADDED = {
    "mayor": Column(None, ["Ada", None]),
    "people": Column(int, [5, None]),
    "area": Column(float, [0.5, None]),
    "is_port": Column(bool, [True, None]),
}


class Frame:
    """What pandas, Polars and Arrow have in common: columns by name, in order."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.by_name = columns
        self.index = range(2)

    def rows(self) -> list[dict[str, Any]]:
        return [
            dict(zip(self.by_name, row, strict=True))
            for row in zip(*self.by_name.values(), strict=True)
        ]


class Pandas(Frame):
    @property
    def columns(self) -> list[str]:
        return list(self.by_name)

    def itertuples(self, *, index: bool, name: None) -> Any:
        return (tuple(row.values()) for row in self.rows())

    def assign(self, **added: Any) -> Pandas:
        return Pandas({**self.by_name, **added})


class Polars(Frame):
    @property
    def columns(self) -> list[str]:
        return list(self.by_name)

    def iter_rows(self, *, named: bool) -> Any:
        return iter(self.rows())

    def with_columns(self, added: Any) -> Polars:
        return Polars({**self.by_name, **{name: (values, kind) for name, values, kind in added}})


class Schema(list[tuple[str, str]]):
    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]

    def append(self, field: tuple[str, str]) -> Schema:  # type: ignore[override]
        return Schema([*self, field])


class Arrow(Frame):
    def __init__(self, columns: dict[str, Any], schema: Schema | None = None) -> None:
        super().__init__(columns)
        self.schema = schema or Schema((name, "theirs") for name in columns)

    @property
    def columns(self) -> list[Any]:
        return list(self.by_name.values())

    def to_pylist(self) -> list[dict[str, Any]]:
        return self.rows()

    @classmethod
    def from_arrays(cls, arrays: list[Any], schema: Schema) -> Arrow:
        return cls(dict(zip(schema.names, arrays, strict=True)), schema)


LIBRARIES: dict[str, Any] = {
    "pandas": SimpleNamespace(Series=lambda values, index, dtype: (values, dtype)),
    "polars": SimpleNamespace(
        Series=lambda name, values, kind: (name, values, kind),
        Int64="Int64",
        Float64="Float64",
        Boolean="Boolean",
        String="String",
    ),
    "pyarrow": SimpleNamespace(
        array=lambda values, kind: (values, kind),
        field=lambda name, kind: (name, kind),
        int64=lambda: "int64",
        float64=lambda: "double",
        bool_=lambda: "bool",
        string=lambda: "string",
    ),
}


@pytest.mark.parametrize(
    ("make", "library", "types"),
    [
        (Pandas, "pandas", [object, "Int64", "Float64", "boolean"]),
        (Polars, "polars", ["String", "Int64", "Float64", "Boolean"]),
        (Arrow, "pyarrow", ["string", "int64", "double", "bool"]),
    ],
)
def test_a_table_comes_back_with_typed_columns_beside_its_own(
    make: Any, library: str, types: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, LIBRARIES[library])
    own = {name: [row[name] for row in ROWS] for name in ("id", "city")}
    form = read_batch(make(own))
    assert (form.columns, form.rows) == (["id", "city"], ROWS)
    out: Any = form.extend(ADDED)
    assert type(out) is make
    added = {
        name: (column.values, kind)
        for (name, column), kind in zip(ADDED.items(), types, strict=True)
    }
    assert out.by_name == {**own, **added}


class _FrameTwice:
    """Of pandas, after a join."""

    columns = ("company", "company")

    def itertuples(self, *, index: bool, name: None) -> list[tuple[str, str]]:
        return [("A", "B")]

    def assign(self, **columns: Any) -> Any: ...


class _TableTwice:
    """Of Arrow."""

    class schema:  # noqa: N801 -- an attribute of pyarrow's
        names = ("company", "company")

    def to_pylist(self) -> list[dict[str, str]]:
        return [{"company": "B"}]


@pytest.mark.parametrize("batch", [_FrameTwice(), _TableTwice()])
def test_a_batch_with_two_columns_of_one_name_is_refused(batch: Any) -> None:
    """As a table is: one of the two cells would be asked about, and the other lost."""
    with pytest.raises(InvalidRequest, match="several columns named company"):
        read_batch(batch)
