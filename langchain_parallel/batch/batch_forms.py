"""A batch in the form in which an engine hands it over: its rows, and the same batch with further columns.

Rule: what comes back is of the same form, with the same rows in the same order and the caller's own columns
untouched. A further column has one type in every batch, also where all its values are missing: engines put
batches together by their types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

from .._core.kinds import kind_of
from ..errors import InvalidRequest
from .row_source import distinct
from .row_values import plain_row

Batch: TypeAlias = Any
"""A dict of arrays or lists; a DataFrame of pandas or Polars; a table or record batch of Arrow; a list of
dicts."""


class Column(NamedTuple):
    """A further column."""

    kind: type | None
    """`int`, `float`, `bool`; None: text."""
    values: list[Any]


class BatchForm(NamedTuple):
    """A batch, whatever its form."""

    columns: list[str]
    """The names of its own."""
    rows: list[dict[str, Any]]
    """As plain JSON."""
    extend: Callable[[Mapping[str, Column]], Batch]
    """The same batch with these columns beside its own."""


def read_batch(batch: Batch) -> BatchForm:
    """The rows of a batch.

    Raises:
        InvalidRequest: It is none, or its columns are not of one length.
    """
    if isinstance(batch, Mapping):
        return _of_columns(batch)
    if hasattr(batch, "itertuples") and hasattr(batch, "assign"):
        return _of_pandas(batch)
    if hasattr(batch, "iter_rows") and hasattr(batch, "with_columns"):
        return _of_polars(batch)
    if hasattr(batch, "to_pylist") and hasattr(batch, "schema"):
        return _of_arrow(batch)
    if isinstance(batch, list) and all(isinstance(row, Mapping) for row in batch):
        return _of_dicts(batch)
    raise InvalidRequest(
        [
            (
                f"The batch is {kind_of(batch)}; give a dict of columns, a DataFrame of pandas or Polars, a "
                "table of Arrow, or a list of dicts."
            )
        ]
    )


def _of_columns(batch: Mapping[str, Any]) -> BatchForm:
    lengths = {name: len(values) for name, values in batch.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidRequest([f"The columns of the batch differ in length: {lengths}."])
    rows = [
        plain_row(dict(zip(batch, values, strict=True)))
        for values in zip(*batch.values(), strict=True)
    ]
    is_numpy = any(type(values).__module__ == "numpy" for values in batch.values())

    def extend(added: Mapping[str, Column]) -> dict[str, Any]:
        make = _numpy_array if is_numpy else list
        return {**batch, **{name: make(column.values) for name, column in added.items()}}

    return BatchForm(list(batch), rows, extend)


def _numpy_array(values: Sequence[Any]) -> Any:
    """An array of objects: numpy has no missing whole number."""
    numpy: Any = import_module("numpy")
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def _of_pandas(frame: Any) -> BatchForm:
    names = distinct([str(name) for name in frame.columns], "The batch")
    rows = [
        plain_row(dict(zip(names, values, strict=True)))
        for values in frame.itertuples(index=False, name=None)
    ]

    def extend(added: Mapping[str, Column]) -> Any:
        pandas: Any = import_module("pandas")
        types: dict[type | None, Any] = {
            int: "Int64",
            float: "Float64",
            bool: "boolean",
            None: object,
        }
        return frame.assign(
            **{
                name: pandas.Series(column.values, index=frame.index, dtype=types[column.kind])
                for name, column in added.items()
            }
        )

    return BatchForm(names, rows, extend)


def _of_polars(frame: Any) -> BatchForm:
    rows = [plain_row(row) for row in frame.iter_rows(named=True)]

    def extend(added: Mapping[str, Column]) -> Any:
        polars: Any = import_module("polars")
        types: dict[type | None, Any] = {
            int: polars.Int64,
            float: polars.Float64,
            bool: polars.Boolean,
        }
        return frame.with_columns(
            polars.Series(name, column.values, types.get(column.kind, polars.String))
            for name, column in added.items()
        )

    return BatchForm(list(frame.columns), rows, extend)


def _of_arrow(table: Any) -> BatchForm:
    names = distinct(list(table.schema.names), "The batch")
    rows = [plain_row(row) for row in table.to_pylist()]

    def extend(added: Mapping[str, Column]) -> Any:
        arrow: Any = import_module("pyarrow")
        types: dict[type | None, Any] = {
            int: arrow.int64(),
            float: arrow.float64(),
            bool: arrow.bool_(),
        }
        schema, columns = table.schema, list(table.columns)
        for name, column in added.items():
            kind = types.get(column.kind, arrow.string())
            schema = schema.append(arrow.field(name, kind))
            columns.append(arrow.array(column.values, kind))
        return type(table).from_arrays(columns, schema=schema)

    return BatchForm(names, rows, extend)


def _of_dicts(rows: list[Mapping[str, Any]]) -> BatchForm:
    names = list(dict.fromkeys(str(name) for row in rows for name in row))

    def extend(added: Mapping[str, Column]) -> list[dict[str, Any]]:
        return [
            {**row, **{name: column.values[nth] for name, column in added.items()}}
            for nth, row in enumerate(rows)
        ]

    return BatchForm(names, [plain_row(row) for row in rows], extend)
