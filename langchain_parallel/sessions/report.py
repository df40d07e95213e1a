"""A session as a report: every claim with its sources, its confidence, its cost, and how it was reached.

Rule: one number is one url, in the whole report. The numbers of a turn's own citations begin anew in
every turn, so they are translated here, once, and appear nowhere else. An answer's text is kept as it
came, with whatever marks it wrote itself: they are its own, and `to_markdown` shows them apart
(`[2.1]` is what the text of turn 2 wrote as `[1]`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    computed_field,
    model_validator,
)
from typing_extensions import Self

from .._core.timestamps import covered_seconds, elapsed, span
from ..errors import InvalidRequest
from ..research.state import Turn
from .claims import report_of
from .report_markdown import markdown

_VERSION = 1


class _Part(BaseModel):
    """Frozen; what a later version of the report adds is passed over."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True
    )


class Claim(_Part):
    """A field of an answer."""

    field: str
    """The basis's name, such as `revenue` or `key_executives.0`; `output` for a text answer."""
    confidence: str | None = None
    """`high`, `medium`, `low`; None where the processor gave none."""
    weak: bool = False
    """Of low confidence, or without a source."""
    sources: tuple[int, ...] = ()
    """Numbers of the report's sources."""


class Citing(_Part):
    """Where a source is cited."""

    turn: int
    fields: tuple[str, ...] = ()


class Source(_Part):
    """A page that answers cite. Url and title are untrusted."""

    number: int
    url: str
    title: str | None = None
    """The first that any turn gave."""
    cited_by: tuple[Citing, ...] = ()


class Judgement(_Part):
    """What the evaluation, or a person, made of an answer."""

    action: str
    reason: str | None = None
    decided_by: str | None = None


class ReportedTurn(_Part):
    """One question with its answer."""

    number: int
    """From 1, in the order asked; the report's word for the turn."""
    question: str
    asked_by: str = ""
    processor: str = ""
    status: str
    """`completed`, `failed`, `cancelled`, `refused`, `unfinished`."""
    answer: Any = None
    """Text or a JSON object, as it came; None without an answer. Untrusted."""
    claims: tuple[Claim, ...] = ()
    sources: tuple[int, ...] = ()
    """The report's numbers in the order of the turn's own: the first is what the turn numbers 1."""
    builds_on: tuple[int, ...] = ()
    """How the answer was reached: the turns before it on its branch, the first question first."""
    continues: str | None = None
    """The interaction before all of them, if the branch began outside this session."""
    interaction_id: str | None = None
    parent_interaction_id: str | None = None
    run_id: str
    """Empty where the API refused to start it."""
    cost_usd: float | None = None
    """None where it is not known."""
    started_at: str | None = None
    ended_at: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    verdict: Judgement | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds(self) -> float | None:
        """From the run's start to its end; None where a time is missing."""
        return elapsed(self.started_at, self.ended_at)

    @property
    def times(self) -> tuple[float, float] | None:
        """Start and end in seconds since 1970."""
        return span(self.started_at, self.ended_at)


class Underway(_Part):
    """A question that has no answer yet."""

    question: str
    processor: str = ""
    run_id: str | None = None
    """None: planned, and not known to be sent."""
    interaction_id: str | None = None
    parent_interaction_id: str | None = None


class Totals(_Part):
    """Sums over the session. What is unknown is counted beside them: the sums say "at least"."""

    runs: int
    answered: int
    cost_usd: float
    cost_unknown: int
    """Runs whose cost is not known, those still on their way included."""
    seconds: float
    """In which at least one run was active."""
    seconds_unknown: int
    """Runs whose time is not known."""


class SessionReport(_Part):
    """A research session for people and programs to read, with `to_markdown` and `to_json`."""

    version: Literal[1] = 1
    turns: tuple[ReportedTurn, ...] = ()
    underway: tuple[Underway, ...] = ()
    sources: tuple[Source, ...] = ()

    @classmethod
    def of(cls, state_or_turns: Mapping[str, Any] | Iterable[Turn]) -> Self:
        """The report of a graph's state (`graph.get_state(config).values`, or what `invoke` returns),
        or of turns alone.

        Raises:
            InvalidRequest: There is something among the turns that is no turn.
        """
        state = state_or_turns if isinstance(state_or_turns, Mapping) else {"turns": state_or_turns}
        return cls._checked(report_of(state))

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
        return cls._checked(data)

    def to_json(self) -> str:
        """The whole report as JSON in ASCII: no character in it is hidden, and any file takes it."""
        return json.dumps(self.model_dump(mode="json"), indent=1)

    def to_markdown(self) -> str:
        """The report as a document. Nothing in it is a link, heading or HTML but what this package
        wrote; the links are the sources' http and https urls.
        """
        return markdown(self)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def totals(self) -> Totals:
        """Cost, runs and time of the whole session."""
        sent = sum(1 for question in self.underway if question.run_id)
        begun = [turn for turn in self.turns if turn.run_id]
        costs = [turn.cost_usd for turn in begun if turn.cost_usd is not None]
        times = [turn.times for turn in begun if turn.times is not None]
        runs = len(begun) + sent
        return Totals(
            runs=runs,
            answered=sum(turn.answer is not None for turn in self.turns),
            cost_usd=round(math.fsum(costs), 6),
            cost_unknown=runs - len(costs),
            seconds=covered_seconds(times),
            seconds_unknown=runs - len(times),
        )

    @classmethod
    def _checked(cls, data: dict[str, Any]) -> Self:
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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
