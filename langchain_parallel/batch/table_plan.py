"""What a table will cost, before it is started."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .._core.plain_text import count
from ..processors import find_processor
from ..text.format import duration, usd


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table before it is started."""

    processor: str
    rows: int | None
    """None where the rows come from an iterator, which is not read ahead."""
    invalid: int
    """Rows that cannot be asked, such as those whose cells are empty; they cost nothing."""
    adopted: int
    """Rows whose runs an earlier process has started: already paid for."""
    cost_usd: float | None
    """The list price of the rows that are to be started; None where price or number is not known."""
    problems: tuple[str, ...] = ()
    """Of the first rows that cannot be asked."""

    @property
    def to_start(self) -> int | None:
        """The rows that are to be started."""
        return None if self.rows is None else self.rows - self.invalid - self.adopted

    @property
    def seconds(self) -> tuple[float, float] | None:
        """The usual shortest and longest time of a run, in seconds; None for an unknown processor."""
        known = find_processor(self.processor)
        return known.seconds if known else None

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON."""
        return {**asdict(self), "problems": list(self.problems), "to_start": self.to_start}

    def __str__(self) -> str:
        rows = "An unknown number of rows" if self.rows is None else count(self.rows, "row")
        parts = [f"{rows} with {self.processor}: {usd(self.cost_usd, 'price unknown')}"]
        are = "is" if self.adopted == 1 else "are"
        parts += [f"{self.adopted:,} {are} paid for already"] if self.adopted else []
        parts += [f"{self.invalid:,} cannot be asked"] if self.invalid else []
        if self.seconds:
            shortest, longest = map(duration, self.seconds)
            parts += [f"a run takes {shortest} to {longest}"]
        return "; ".join(parts) + "."
