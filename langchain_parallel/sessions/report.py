"""A session as a report: every claim with its sources and confidence, every turn with its cost and ancestors.

Rule: one number is one url, in the whole report. The numbers of a turn's own citations begin at 1 in every
turn, so they are translated in `claims.py`, and appear nowhere else. An answer's text is kept as it came,
with the marks that it wrote itself; `to_markdown` shows these apart (`[2.1]` is what the text of turn 2
wrote as `[1]`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError, computed_field, model_validator
from typing_extensions import Self

from .._core.timestamps import covered_seconds, span
from ..errors import InvalidRequest
from ..evidence import NO_ANSWERS, is_hollow
from ..findings.question_turns import turns_in
from ..research.state import Turn, was_sent
from .audit_html import audit_html
from .audit_markdown import audit_markdown
from .claims import report_values
from .reader_html import reader_fragment, reader_html
from .reader_markdown import reader_markdown
from .report_parts import ReportedAnswer, ReportedTurn, ReportPart, Source, Totals, Underway

_VERSION = 1

Style: TypeAlias = Literal["reader", "audit"]
"""For whom a report is written."""


class SessionReport(ReportPart):
    """A research session for people and programs to read, with `to_markdown`, `to_html` and `to_json`."""

    version: Literal[1] = 1
    answers: tuple[ReportedAnswer, ...] = ()
    """What was found of each question, in the order in which they were asked."""
    turns: tuple[ReportedTurn, ...] = ()
    underway: tuple[Underway, ...] = ()
    sources: tuple[Source, ...] = ()
    ledger_id: str | None = None
    """The session's ledger, where the state was given."""
    limits: dict[str, Any] | None = None
    """Limits that were set or raised for this session, where the state was given."""

    @classmethod
    def of(
        cls, state_or_turns: Mapping[str, Any] | Iterable[Turn], *, checks: bool = False
    ) -> Self:
        """The report of a graph's state (`graph.get_state(config).values`, or what `invoke` returns), or of a
        list of turns.

        Args:
            state_or_turns: Of the session.
            checks: Check the answers against the excerpts of their citations, where the session has kept
                these. Unless given, the report has the checks that the graph has made.

        Raises:
            InvalidRequest: There are no turns in it, or something among them is no turn.
        """
        state: Any = state_or_turns
        if not isinstance(state, Mapping):
            state = {"turns": turns_in(state)}
        return cls._validate(report_values(state, checks=checks))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The report that `to_json` wrote.

        Raises:
            InvalidRequest: The text is no report, or one of a newer version.
        """
        try:
            data = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            data = None
        version = data.get("version") if isinstance(data, dict) else None
        if type(version) is not int or version < 1:
            raise InvalidRequest(
                ["This is no report of a session."], hint="Pass what `to_json` returned."
            )
        if version > _VERSION:
            raise InvalidRequest(
                [f"This report is of version {version}; this package reads up to {_VERSION}."],
                hint="Update langchain-parallel.",
            )
        return cls._validate(data)

    def to_json(self) -> str:
        """The whole report as JSON in ASCII: no character in it is hidden, and any file takes it."""
        return json.dumps(self.model_dump(mode="json"), indent=1)

    def to_markdown(self, style: Style = "reader") -> str:
        """The report as a document.

        Args:
            style: `reader`: the answers first, a text as the Markdown it is, sources as footnotes, what is
                uncertain and what contradicts. `audit`: every turn with all that is known of it.

        Raises:
            InvalidRequest: There is no such style.
        """
        return _writer(style, reader_markdown, audit_markdown)(self)

    def to_html(self, style: Style = "reader") -> str:
        """The report as one page without scripts that loads nothing, for screens and for paper.

        Args:
            style: As for `to_markdown`.

        Raises:
            InvalidRequest: There is no such style.
        """
        return _writer(style, reader_html, audit_html)(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What notebooks show: also those that are not trusted, because there is no script and no frame."""
        return {
            "text/plain": self.to_markdown(),
            "text/markdown": self.to_markdown(),
            "text/html": reader_fragment(self),
        }

    def way_to(self, number: int) -> tuple[int, ...]:
        """The numbers of the turns that a turn builds on, the first question first.

        Raises:
            InvalidRequest: There is no such turn.
        """
        if not 1 <= number <= len(self.turns):
            raise InvalidRequest([f"There is no turn {number}; there are {len(self.turns)}."])
        way: dict[int, None] = {number: None}
        while (before := self.turns[next(reversed(way)) - 1].builds_on) and before not in way:
            way[before] = None
        return tuple(way)[:0:-1]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def totals(self) -> Totals:
        """Cost, runs and time of the whole session."""
        sent = sum(1 for question in self.underway if question.run_id)
        begun = [t for t in self.turns if was_sent(t.run_id, t.processor, t.status)]
        costs = [turn.cost_usd for turn in begun if turn.cost_usd is not None]
        times = [times for t in begun if (times := span(t.started_at, t.ended_at)) is not None]
        runs = len(begun) + sent
        return Totals(
            runs=runs,
            answered=sum(not is_hollow(turn.answer, NO_ANSWERS) for turn in self.turns),
            cost_usd=round(math.fsum(costs), 6),
            cost_unknown=runs - len(costs),
            seconds=covered_seconds(times),
            seconds_unknown=runs - len(times),
        )

    @classmethod
    def _validate(cls, data: dict[str, Any]) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidRequest(
                [
                    f"{'.'.join(map(str, e['loc'])) or 'report'}: {e['msg']}."
                    for e in error.errors()
                ],
                hint="This is no report of a session.",
            ) from None

    @model_validator(mode="after")
    def _one_number_for_one_url(self) -> Self:
        if [source.number for source in self.sources] != list(range(1, len(self.sources) + 1)):
            raise ValueError("sources are numbered from 1, in order")
        if len({source.url for source in self.sources}) != len(self.sources):
            raise ValueError("a url has one number")
        return self


def _writer(
    style: str,
    reader: Callable[[SessionReport], str],
    audit: Callable[[SessionReport], str],
) -> Callable[[SessionReport], str]:
    if style not in ("reader", "audit"):
        raise InvalidRequest([f"There is no style {style!r}."], hint="Say 'reader' or 'audit'.")
    return reader if style == "reader" else audit


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
