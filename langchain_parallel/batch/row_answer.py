"""A row with its answer, cell by cell; or with the error that came in its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ParallelError
from ..evidence import TEXT_FIELD, citations, confidence, rank, with_parents
from ..models import TaskRunResult
from ..processors import price_usd
from .questions import RowTicket


@dataclass(frozen=True, slots=True)
class CellSource:
    """A page that a cell rests on. Title and address are untrusted text of the web."""

    url: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of an answer, with its evidence."""

    value: Any
    confidence: str | None = None
    """`high`, `medium`, `low`, of the least certain part; None if the processor gives none."""
    sources: tuple[CellSource, ...] = ()


class EarlierRow(dict[str, Any]):
    """A row of an earlier table, to be continued."""

    def __init__(self, row: ResearchRow) -> None:
        super().__init__({**row.row, **row.values, "interaction_id": row.interaction_id})
        self.answered: frozenset[str] = answered_columns(row.row) | frozenset(row.cells)
        """The columns that the web has filled."""
        self.has_failed: bool = row.error is not None
        """It lacks the columns of an answer."""


def answered_columns(row: Mapping[str, Any]) -> frozenset[str]:
    """The columns of a row that an earlier table has found, and are untrusted text."""
    return row.answered if isinstance(row, EarlierRow) else frozenset()


@dataclass(frozen=True, slots=True)
class ResearchRow:
    """A row of a researched table.

    What the web wrote stands in `cells`, and is untrusted text.
    """

    number: int
    """Of the row, counted from 0."""
    row_id: str
    row: Mapping[str, Any]
    """As it was given."""
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """By column of the answer; a text answer has the one column `output`."""
    error: ParallelError | None = None
    """Why there is no answer; with the ids that there are."""
    run_id: str | None = None
    interaction_id: str | None = None
    """Continues this row's research."""
    cost_usd: float | None = 0.0
    """The list price, if the run was billed; None if that is unknown."""
    duplicates: tuple[str, ...] = ()
    """Further runs of this row, which should not exist."""

    def __getitem__(self, column: str) -> Any:
        """A value of the answer, or else of the row."""
        if column in self.cells:
            return self.cells[column].value
        if column in self.row or self.error is None:
            return self.row[column]
        raise KeyError(f"{column}: this row has no answer, but an error: {self.error}")

    def keys(self) -> list[str]:
        """The names of its columns: its own, and those of the answer."""
        return list(dict.fromkeys([*self.row, *self.cells]))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, column: object) -> bool:
        return column in self.cells or column in self.row

    @property
    def values(self) -> dict[str, Any]:
        """The values of the answer, by column."""
        return {name: cell.value for name, cell in self.cells.items()}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "row": dict(self.row),
            "answer": self.values if self.error is None else None,
            "confidence": {n: c.confidence for n, c in self.cells.items() if c.confidence},
            "sources": {
                name: [{"url": one.url, "title": one.title} for one in cell.sources]
                for name, cell in self.cells.items()
                if cell.sources
            },
            "row_id": self.row_id,
            "run_id": self.run_id,
            "interaction_id": self.interaction_id,
            "cost_usd": self.cost_usd,
            "error": None if self.error is None else str(self.error),
        }


def with_answer(ticket: RowTicket, result: TaskRunResult, columns: Sequence[str]) -> ResearchRow:
    """The row with the answer of its run.

    Args:
        ticket: The row's.
        result: The answer of its run.
        columns: Those of the schema, which every row has; others are added where an answer has them.
    """
    content, run = result.output.content, result.run
    values = dict(content) if isinstance(content, dict) else {TEXT_FIELD: content}
    names = dict.fromkeys([*columns, *values])
    words, sources = _by_column(names, result)
    return ResearchRow(
        number=ticket.number,
        row_id=ticket.row_id,
        row=ticket.row,
        cells={
            name: Cell(
                values.get(name),
                min(words[name], key=rank, default=None),
                (*sources[name].values(),),
            )
            for name in names
        },
        run_id=run.run_id,
        interaction_id=run.interaction_id,
        cost_usd=price_usd(run.processor),
        duplicates=ticket.duplicates,
    )


def with_error(ticket: RowTicket, error: ParallelError, processor: str) -> ResearchRow:
    """The row with the error that came in place of an answer."""
    billed = price_usd(processor) if error.billed else None
    return ResearchRow(
        number=ticket.number,
        row_id=ticket.row_id,
        row=ticket.row,
        error=error,
        run_id=error.run_id,
        interaction_id=error.interaction_id,
        cost_usd=0.0 if error.billed is False else billed,
        duplicates=ticket.duplicates,
    )


def _by_column(
    names: Collection[str], result: TaskRunResult
) -> tuple[dict[str, list[str]], dict[str, dict[str, CellSource]]]:
    """The confidences of each column and of its parts, and their sources by address."""
    columns: dict[str, list[str]] = {}
    """By path: the columns that it is within."""

    def within(path: str) -> list[str]:
        if path not in columns:
            columns[path] = [one for one in with_parents(path) if one in names]
        return columns[path]

    words: dict[str, list[str]] = {name: [] for name in names}
    sources: dict[str, dict[str, CellSource]] = {name: {} for name in names}
    for path, word in confidence(result).items():
        for name in within(path):
            words[name].append(word)
    for one in citations(result):
        source = CellSource(one["url"], one["title"])
        for path in one["fields"]:
            for name in within(path):
                sources[name][source.url] = source
    return words, sources


def as_text(value: Any) -> str:
    """A value as the text of one cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
