"""A row with its answer, cell by cell; or with the error that came in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ParallelError
from ..evidence import TEXT_FIELD, citations, confidence, is_within, rank
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
        self.has_failed = row.error is not None
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
    words, sources = confidence(result), _sources(result)
    return ResearchRow(
        number=ticket.number,
        row_id=ticket.row_id,
        row=ticket.row,
        cells={
            name: _cell(name, values.get(name), words, sources)
            for name in dict.fromkeys([*columns, *values])
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


def _sources(result: TaskRunResult) -> list[tuple[list[str], CellSource]]:
    """The sources of an answer, each with the fields that rest on it."""
    return [
        (source["fields"], CellSource(source["url"], source["title"]))
        for source in citations(result)
    ]


def _cell(
    name: str,
    value: Any,
    words: Mapping[str, str],
    sources: Sequence[tuple[list[str], CellSource]],
) -> Cell:
    own = [word for path, word in words.items() if is_within(path, name)]
    found = (source for fields, source in sources if any(is_within(one, name) for one in fields))
    return Cell(value, min(own, key=rank, default=None), tuple(found))


def as_text(value: Any) -> str:
    """A value as the text of one cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
