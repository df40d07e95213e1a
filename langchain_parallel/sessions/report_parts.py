"""The parts of a report: plain, frozen values."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, computed_field

from .._core.timestamps import elapsed_seconds
from .tree_nodes import RecordedVerdict


class ReportPart(BaseModel):
    """Frozen; what a later version of the report adds is ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True
    )


class Claim(ReportPart):
    """A field of an answer."""

    field: str
    """The basis's name, such as `revenue` or `key_executives.0`; `output` for a text answer."""
    confidence: str | None = None
    """`high`, `medium`, `low`; None where the processor gave none."""
    unsupported: bool = False
    """Of low confidence, or without a source."""
    sources: tuple[int, ...] = ()
    """Numbers of the report's sources."""


class OtherValue(ReportPart):
    """Another value that was found of a field. Untrusted."""

    value: Any = None
    confidence: str | None = None
    sources: tuple[int, ...] = ()
    turn: int
    """The number of the turn that it is from."""
    contradicts: bool = False
    """It and the value in the answer cannot both be true; else it says less, or is a list of its own."""


class Origin(OtherValue):
    """Where the value of a field is from, and what else was found of it."""

    field: str
    value: Any = None
    """None for what is in the answer."""
    in_answer: bool = True
    """False: the answer has no place for it, as for a text beside an object."""
    agrees: bool = True
    """False: one of the `others` contradicts it."""
    supported_by: tuple[int, ...] = ()
    """The numbers of all turns that gave an equal value."""
    others: tuple[OtherValue, ...] = ()


class ReportedAnswer(ReportPart):
    """What a session has found of a question, in all turns that asked about it."""

    question: str
    turns: tuple[int, ...] = ()
    """The numbers of the question's turn, of its follow-ups and of its branches."""
    answer: Any = None
    """Made of the best-supported values; None where nothing was found. Untrusted."""
    claims: tuple[Claim, ...] = ()
    origins: tuple[Origin, ...] = ()
    beside: tuple[ReportedAnswer, ...] = ()
    """What its turns found of something else."""


class ReportedCheck(ReportPart):
    """Whether the excerpts of its citations have what a sentence or a value of an answer says."""

    field: str
    text: str
    """Untrusted."""
    support: str
    """`supported`, `not_found`, `no_excerpt`. Never whether it is true."""
    not_found: tuple[str, ...] = ()
    """The quotes, numbers, dates and names that are in no excerpt. Untrusted."""


class SourceProblem(ReportPart):
    """Something wrong with a source."""

    number: int | None = None
    """None for one without an address."""
    problem: str
    """`no_address`, `repeated`, `excluded`."""
    same_as: int | None = None


class ReportedChecks(ReportPart):
    """The checks of a turn's answer against its excerpts."""

    claims: tuple[ReportedCheck, ...] = ()
    """A session keeps those alone that were not found."""
    sources: tuple[SourceProblem, ...] = ()
    supported: int = 0
    not_found: int = 0
    no_excerpt: int = 0


class CitedBy(ReportPart):
    """Where a source is cited."""

    turn: int
    fields: tuple[str, ...] = ()
    excerpts: tuple[str, ...] = ()
    """What the turn's answer quotes of it, where the session kept excerpts. Untrusted."""


class Source(ReportPart):
    """A page that answers cite. Url and title are untrusted."""

    number: int
    url: str
    title: str | None = None
    """The first that any turn gave."""
    cited_by: tuple[CitedBy, ...] = ()


class ReportedTurn(ReportPart):
    """One question with its answer."""

    number: int
    """From 1, in the order asked; the report's word for the turn."""
    question: str
    asked_by: str = ""
    approved_by: str | None = None
    """`person`, where somebody approved the run before it was started."""
    processor: str = ""
    status: str
    """`completed`, `failed`, `cancelled`, `refused`, `unfinished`, `lost`."""
    answer: Any = None
    """Text or a JSON object, as it came; None without an answer. Untrusted."""
    claims: tuple[Claim, ...] = ()
    checks: ReportedChecks | None = None
    """None where it was not checked."""
    sources: tuple[int, ...] = ()
    """The report's numbers in the order of the turn's own: the first is what the turn numbers 1."""
    content_hash: str | None = None
    """SHA-256 (hex) of the answer as JSON with sorted keys and without blanks, in UTF-8; None without one."""
    builds_on: int | None = None
    """The number of the turn that it continues; `SessionReport.way_to` has all before it."""
    continues: str | None = None
    """The interaction before all of them, if the branch began outside this session."""
    interaction_id: str | None = None
    parent_interaction_id: str | None = None
    run_id: str
    """Empty where the API refused to start it, and of a quick turn."""
    key: str = ""
    """In the ledger."""
    ledger_id: str | None = None
    """The ledger of its run: another one than the session's, if the turn was carried over."""
    duplicates: tuple[str, ...] = ()
    """Other runs of the same request, where it was started more than once."""
    cost_usd: float | None = None
    """None where it is not known."""
    started_at: str | None = None
    ended_at: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    verdict: RecordedVerdict | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds(self) -> float | None:
        """From the run's start to its end; None where a time is missing."""
        return elapsed_seconds(self.started_at, self.ended_at)


class Underway(ReportPart):
    """A question that has no answer yet."""

    question: str
    processor: str = ""
    run_id: str | None = None
    """None: planned, and not known to be sent."""
    interaction_id: str | None = None
    parent_interaction_id: str | None = None


class Totals(ReportPart):
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
