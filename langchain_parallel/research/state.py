"""What a research session is: the graph's state.

Rule: plain JSON only (R7), and no excerpts or reasoning (R8). A checkpoint of this state is the session:
the head's `interaction_id`, every turn with its own and its parent's, and the ledger its runs are in.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from langgraph.channels import EphemeralValue
from typing_extensions import NotRequired, TypedDict


class Verdict(TypedDict):
    """What an evaluation decides.

    `accept`: the answer will do. `follow_up`: ask `question`, on `continue_from` (the turn just judged
    unless given) with `processor` (the graph's for follow-ups unless given). `stop`: end without being
    satisfied. `reason` says why, for people and for the record.
    """

    action: Literal["accept", "follow_up", "stop"]
    reason: NotRequired[str]
    question: NotRequired[str]
    continue_from: NotRequired[str]
    processor: NotRequired[str]


class Turn(TypedDict):
    """One question with its answer."""

    key: str
    """The key in the ledger."""
    position: int
    """How many turns the session had before it."""
    question: str
    asked_by: Literal["caller", "evaluation"]
    processor: str
    parent_interaction_id: str | None
    interaction_id: str | None
    run_id: str
    """A turn that is run again finds the same run, and replaces itself."""
    status: str
    """`completed`, `failed`, `cancelled`; `unfinished` where another question came in between."""
    content: Any
    """Text or a JSON object; None without an answer. Untrusted."""
    confidence: dict[str, str]
    """By field: `high`, `medium`, `low`."""
    weak_fields: list[str]
    """Fields of low confidence or without citations."""
    citations: list[dict[str, Any]]
    """`number`, `url`, `title`, `fields`; excerpts only if the graph was told to keep them."""
    warnings: list[str]
    error: str | None
    cost_usd: float | None
    """None where the processor's price is not known."""
    verdict: Verdict | None
    """What the evaluation made of it."""


class Pending(TypedDict):
    """A turn on its way: planned, then submitted."""

    position: int
    question: str
    asked_by: Literal["caller", "evaluation"]
    processor: str
    parent_interaction_id: str | None
    plan_id: str
    """Names the process that planned it: another one that finds it here cannot know whether it was sent."""
    key: NotRequired[str]
    run_id: NotRequired[str]
    interaction_id: NotRequired[str | None]
    resent: NotRequired[bool]
    """Perhaps started twice: once it has ended, its twin is looked for."""


def merge_turns(turns: list[Turn] | None, new: list[Turn] | None) -> list[Turn]:
    """Turns by run, in order: one that is known is replaced, another appended."""
    merged = {turn["run_id"]: turn for turn in (*(turns or ()), *(new or ()))}
    return list(merged.values())


class ResearchInput(TypedDict):
    """What a session is asked.

    A thread that has had turns goes on from its head; `continue_from` names another interaction to go
    on from, which makes a branch.
    """

    question: str
    continue_from: NotRequired[Annotated[str | None, EphemeralValue]]
    """For this question only, like `processor`: the next one on the thread does not inherit it."""
    processor: NotRequired[Annotated[str | None, EphemeralValue]]
    interaction_id: NotRequired[str | None]
    """The head, where a parent graph keeps it."""
    ledger_id: NotRequired[str]
    """The session's ledger; give another one to begin a new ledger, which knows of no earlier run."""
    turns: NotRequired[Annotated[list[Turn], merge_turns]]


class ResearchOutput(TypedDict):
    """What a session answers."""

    answer: Any
    """The content of the last completed turn; None if the last turn has none."""
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]
    spent_usd: float
    verdict: Verdict


class ResearchState(TypedDict, total=False):
    """The whole state, inputs and outputs included."""

    question: str
    continue_from: Annotated[str | None, EphemeralValue]
    processor: Annotated[str | None, EphemeralValue]
    interaction_id: str | None
    ledger_id: str
    ledger_cursor: list[str]
    """The ledger, and where in its list the last turn stands: a look begins there."""
    turns: Annotated[list[Turn], merge_turns]
    pending: Pending | None
    answer: Any
    spent_usd: float
    verdict: Verdict
