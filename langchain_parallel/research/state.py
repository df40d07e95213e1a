"""What a research session is: the graph's state.

Rule: plain JSON only (R7), LangChain's own messages aside, and no excerpts or reasoning (R8). A checkpoint of
this state is the session: the head's `interaction_id`, every turn with its own and its parent's, and the
ledger its runs are in.
"""

# Annotations are evaluated here, once: LangGraph reads those of the state ten times for each graph.
from typing import Annotated, Any, Literal, TypeAlias, cast

from langchain_core.messages import AnyMessage
from typing_extensions import NotRequired, TypedDict

from ..checks import CheckedAnswer
from ..findings import Findings
from ..options import SessionLimits
from ..processors import is_chat
from ._channels import (
    PLANNED,
    CheckedEnd,
    CheckedLimits,
    CheckedOnce,
    CheckedPending,
    CheckedValue,
    CheckedVerdict,
    MergedTurns,
    check_turns,
    merge_messages,
)
from .turn_codec import unpack_turns

AskedBy: TypeAlias = Literal["caller", "evaluation", "person", "elsewhere"]
"""Who asked. `elsewhere`: a run of the session's ledger that no turn of this state has asked for; see
`unknown_runs.py`.
"""


class Question(TypedDict):
    """What is to be asked."""

    question: str
    continue_from: NotRequired[str]
    """An interaction of the session; the head, unless given."""
    processor: NotRequired[str]
    """The graph's choice, unless given."""
    output_schema: NotRequired[dict[str, Any] | str]
    """JSON schema, or a description as text; the graph's, unless given."""


class Verdict(TypedDict):
    """What an evaluation decides.

    `accept`: the answer will do. `follow_up`: ask `question`; the other fields are those of `Question`.
    `branch`: ask several `questions` at the same time, each from where it says. `review`: ask a person,
    who may agree to the `proposal` (to accept, unless given) or decide otherwise. `stop`: end without being
    satisfied. `reason` says why, for people and for the record.
    """

    action: Literal["accept", "follow_up", "branch", "review", "stop"]
    """What happens next; see above."""
    reason: NotRequired[str]
    """Why, for people and for the record."""
    question: NotRequired[str]
    continue_from: NotRequired[str]
    processor: NotRequired[str]
    output_schema: NotRequired[dict[str, Any] | str]
    questions: NotRequired[list[Question]]
    """Of `branch`."""
    proposal: NotRequired[dict[str, Any]]
    """A verdict of one of the other kinds."""
    decided_by: NotRequired[Literal["person"]]
    """A person decided so, or agreed to it."""
    unsupported: NotRequired[dict[str, int]]
    """By interaction, how many fields of its answer lack the evidence that this evaluation wants. A processor
    policy learns from it whether a follow-up helped; unless given, the turn's `unsupported_fields` count.
    """


class Turn(TypedDict):
    """One question, from its plan to its answer.

    A turn that is planned or on its way is in `pending` or `branches`; one that has ended, in `turns`.
    """

    key: str
    """The key in the ledger; empty while it is planned."""
    position: int
    """How many turns the session had before it."""
    round: int
    """Position of the first turn that was asked at the same time: its own, but for branches."""
    question: str
    asked_by: AskedBy
    """`caller`, `evaluation`, `person`; `elsewhere` for a run that only the ledger knows of."""
    processor: str
    parent_interaction_id: str | None
    """The interaction that it continues; None where it continues none."""
    interaction_id: str | None
    run_id: str
    """A turn that is run again finds the same run, and replaces itself. Empty until it is started, and in a
    quick turn, which has a key alone.
    """
    status: str
    """`planned`, then `running`; `completed`, `failed`, `cancelled`; `refused` where a branch was not
    started, `unknown` where that cannot be known; `lost` where the answer of a quick turn may be paid for and
    cannot be had any more; `unfinished` where another question came in between, or where it was asked
    elsewhere; `withheld` where it was asked there with other MCP
    credentials or for another `identity`.
    """
    content: Any
    """Text or a JSON object; None without an answer. Untrusted."""
    confidence: dict[str, str]
    """By field: `high`, `medium`, `low`."""
    unsupported_fields: list[str]
    """Fields of low confidence or without citations: what `EvidenceRule()` finds."""
    citations: list[dict[str, Any]]
    """`number`, `url`, `title`, `fields`; `excerpts` only with `keep_excerpts=True`."""
    warnings: list[str]
    error: str | None
    cost_usd: float | None
    """None where the processor's price is not known."""
    started_at: str | None
    """When the API made the run (RFC 3339)."""
    ended_at: str | None
    """When it last changed it."""
    verdict: Verdict | None
    """What the evaluation made of it."""
    checks: NotRequired[CheckedAnswer]
    """What the checks against the excerpts found, with `checks=True`; only claims that were not found."""
    duplicates: NotRequired[list[str]]
    """Other runs of the same request, where it was started more than once; `cost_usd` counts them."""
    ledger_id: NotRequired[str]
    """The ledger of its run: another one than the session's, if the turn was carried over."""
    approved_by: NotRequired[Literal["person"]]
    """A person approved the run before it was started."""
    message_key: NotRequired[str]
    """Made from the id and the text of the human message that asked it, in a chat."""
    seal: NotRequired[str]
    """The proof that this package wrote its ids (`_graph/ownership.py`)."""

    # Only while it is planned or on its way:
    output_schema: NotRequired[dict[str, Any] | str]
    """Of this question, where it has its own: JSON schema, or a description as text."""
    source_policy: NotRequired[dict[str, Any]]
    """Where a call's context has one."""
    ledger_position: NotRequired[int]
    """The position in its key, if this question was overtaken by another one and then asked again."""
    cleared: NotRequired[str]
    """A seal of what may be started: a plan that was edited afterwards is reviewed again."""
    approved: NotRequired[str]
    """A seal of what a person has approved."""
    on_hold: NotRequired[bool]
    """A person has to approve it first; it has not been sent."""
    no_credit: NotRequired[bool]
    """The API refused it for want of credit."""
    sent_again: NotRequired[bool]
    """Perhaps started twice: once it has ended, its duplicate is looked for."""


PLANNING_FIELDS = (
    "output_schema",
    "source_policy",
    "ledger_position",
    "cleared",
    "approved",
    "on_hold",
    "no_credit",
    "sent_again",
)


def id_of(turn: Turn) -> str:
    """What tells a turn apart: its run, or its key where it has none, as a quick turn."""
    return turn["run_id"] or turn["key"]


def was_sent(run_id: str | None, processor: str, status: str) -> bool:
    """Whether a turn has cost money, or may have: it has a run, or is a quick one that was asked."""
    return bool(run_id) or (is_chat(processor) and status in ("completed", "lost", "unfinished"))


def merge_turns(turns: list[Turn] | None, new: list[Turn] | None) -> list[Turn]:
    """Turns by run, in the order of their positions: one that is known is replaced, another added.

    What has no `question` is a change of a known turn, and leaves the rest of it as it is. What is known of a
    run as a turn of the session comes before what its ledger says of it.
    """
    # A graph with this reducer alone gets them as another one's checkpoint has them.
    turns, new = unpack_turns(turns), unpack_turns(new)
    check_turns(new, "run_id", "key", "position")
    merged: dict[str, Turn] = {}
    for turn in (*(turns or ()), *(new or ())):
        id = id_of(turn)
        if is_elsewhere(turn) and not is_elsewhere(merged.get(id, turn)):
            continue
        is_change = id in merged and "question" not in turn
        merged[id] = {**merged[id], **turn} if is_change else turn
    return sorted(merged.values(), key=lambda turn: (turn["position"], not is_elsewhere(turn)))


_TURNS = MergedTurns(list[Turn], merge_turns)


def change(turn: Turn, **values: Any) -> Turn:
    """What `merge_turns` needs to change a known turn: a checkpointer writes a turn's answer once."""
    named = {"key": turn["key"], "position": turn["position"], "run_id": turn["run_id"]}
    return cast(Turn, {**named, **values})


def is_elsewhere(turn: Turn) -> bool:
    """Whether a turn stands for a run that the session has only found in its ledger."""
    return turn.get("asked_by") == "elsewhere"


def merge_branches(branches: list[Turn] | None, new: list[Turn] | None) -> list[Turn]:
    """The branches of one round by position; another round's replace them, and an empty list ends it."""
    if not new:
        return []
    check_turns(new, *PLANNED)
    same = [branch for branch in branches or () if branch["round"] == new[0]["round"]]
    merged = {branch["position"]: branch for branch in (*same, *new)}
    return [turn for _, turn in sorted(merged.items()) if turn["status"] != "declined"]


class ResearchInput(TypedDict):
    """What a session is asked: a question, or messages of which the last human one is the question.

    A thread that has had turns continues from its head; `continue_from` names another interaction to continue
    from, which makes a branch.
    """

    question: NotRequired[str]
    """It comes before `messages`. Without either, as in `{"limits": …}`, the turns on their way continue."""
    messages: NotRequired[Annotated[list[AnyMessage], merge_messages]]
    """Only the text of the last human message is sent."""
    continue_from: NotRequired[Annotated[str | None, CheckedOnce]]
    """For this question only, like `processor`: the next one on the thread does not inherit it."""
    processor: NotRequired[Annotated[str | None, CheckedOnce]]
    output_schema: NotRequired[Annotated[dict[str, Any] | str | None, CheckedOnce]]
    """JSON schema, or a description as text; for this question only, too."""
    interaction_id: NotRequired[str | None]
    """The head, where a parent graph keeps it."""
    ledger_id: NotRequired[str]
    """The session's ledger; give another one to begin a new ledger, which knows of no earlier run."""
    turns: NotRequired[Annotated[list[Turn], _TURNS]]
    limits: NotRequired[Annotated[SessionLimits, CheckedLimits]]
    """Lower limits than the graph's for this session."""


class ResearchOutput(TypedDict):
    """What a session answers."""

    answer: Any
    """What the turns of the question have found together, in the shape of the first answer; None where they
    found nothing.
    """
    findings: NotRequired[Annotated[Findings | None, CheckedEnd]]
    """By field, where the answer is from, how well it is supported, and what else was found."""
    messages: Annotated[list[AnyMessage], merge_messages]
    """The answer, as one message with its sources; in a chat, behind the messages so far."""
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], _TURNS]
    spent_usd: float
    verdict: Verdict
    limits: NotRequired[SessionLimits]
    """Limits that were raised, or given for this session."""


class ResearchState(TypedDict, total=False):
    """The whole state, inputs and outputs included."""

    question: Annotated[str | None, CheckedValue]
    """What is to be asked; None once it has been planned."""
    messages: Annotated[list[AnyMessage], merge_messages]
    continue_from: Annotated[str | None, CheckedOnce]
    processor: Annotated[str | None, CheckedOnce]
    output_schema: Annotated[dict[str, Any] | str | None, CheckedOnce]
    interaction_id: Annotated[str | None, CheckedValue]
    ledger_id: Annotated[str, CheckedValue]
    turns: Annotated[list[Turn], _TURNS]
    pending: Annotated[Turn | None, CheckedPending]
    """The turn that is planned or on its way."""
    branches: Annotated[list[Turn], merge_branches]
    """Turns on their way at the same time, where a verdict branched."""
    limits: Annotated[SessionLimits, CheckedLimits]
    """Limits that were raised, or given for this session."""
    answer: Annotated[Any, CheckedValue]
    findings: Annotated[Findings | None, CheckedEnd]
    """Of the question that has just ended, until the next step: they repeat its answer with all sources.
    `last_findings(state)` makes them of `turns` at any time.
    """
    spent_usd: Annotated[float, CheckedValue]
    verdict: Annotated[Verdict, CheckedVerdict]
