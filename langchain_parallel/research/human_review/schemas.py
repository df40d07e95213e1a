"""What a person is asked, and what is answered: plain JSON, typed.

It fits LangChain's human-in-the-loop schema (`HITLRequest`, `HITLResponse` of
`langchain.agents.middleware`), so any UI that handles those requests can handle these. Our own keys are
additional.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from ..._graph.quotas import QuotaUse
from ..._graph.recollections import Recollection
from ..._session_options import LIMIT_NAMES
from ...options import SessionLimits
from ...processors import CHAT_PROCESSORS, PROCESSORS
from ...text.format import usd
from ..usage import Forecast

DecisionType: TypeAlias = Literal["approve", "edit", "reject", "respond"]


class Action(TypedDict):
    """What is to be done, by name."""

    name: str
    args: dict[str, Any]


class ActionRequest(TypedDict):
    """What is proposed, to be decided on. The description is Markdown."""

    name: str
    args: dict[str, Any]
    description: str


class ReviewConfig(TypedDict):
    """How an action may be decided on."""

    action_name: str
    allowed_decisions: list[DecisionType]
    args_schema: dict[str, Any]


class Finding(TypedDict):
    """What a turn found, in short. The answer is untrusted text of at most 4,000 characters."""

    question: str
    answer: str
    unsupported_fields: list[str]
    warnings: list[str]
    cost_usd: float | None
    interaction_id: str | None
    run_id: str


class HumanRequest(TypedDict):
    """What an interrupt of the research graph asks.

    `spend`: may these runs be started (an action each)? `review`: is the proposed verdict right?
    """

    kind: Literal["spend", "review"]
    """What is asked; see above."""
    action_requests: list[ActionRequest]
    """What is proposed, in order: `name`, `args`, and a `description` in Markdown."""
    review_configs: list[ReviewConfig]
    """For each of them, how it may be decided on."""
    reasons: list[str]
    """Why it is asked."""
    cost_usd: float | None
    """What the runs cost that approving everything starts, in USD; None if a price is unknown."""
    spent_usd: float
    limits: SessionLimits
    """The limits as they are."""
    used_if_approved: Forecast
    """What the session will have used if everything is approved. In a `spend` request that raises the limits
    to this; after a review the limits hold, and a person is asked once more.
    """
    found: list[Finding]
    """The last turns' answers, the latest last."""
    quotas: NotRequired[list[QuotaUse]]
    """What is used of the quotas of the user who asked, if there are any."""
    known: NotRequired[list[list[Recollection]]]
    """For each action, what earlier sessions have found on its question, with age and price. An approval asks
    it anew.
    """
    refused: NotRequired[list[str]]
    """What was wrong with the answer before this one."""


class HumanDecision(TypedDict):
    """Decides on an action. `edit` needs `edited_action`, `respond` needs `message`, `reject` may have it."""

    type: DecisionType
    """`approve`, `edit`, `reject` or `respond`."""
    edited_action: NotRequired[Action]
    """What is to be done instead: `name` and `args`."""
    message: NotRequired[str]
    """What is to be asked, or why not."""


class HumanAnswer(TypedDict):
    """The answer that resumes such an interrupt: a decision for each action, in their order.

    For one action, a decision by itself is accepted, too.
    """

    decisions: list[HumanDecision]
    """One for each of `action_requests`."""
    limits: NotRequired[SessionLimits]
    """New limits. Unless given, an approval raises them just as far as the approved runs need."""


_TEXT = {"type": "string"}
_ALL = (*PROCESSORS.values(), *CHAT_PROCESSORS.values())
_PRICES = ", ".join(f"{processor.name} {usd(processor.usd)}" for processor in _ALL)
QUESTION_ARGS: dict[str, Any] = {
    "question": _TEXT,
    "processor": {"type": "string", "description": f"What a run costs: {_PRICES}."},
    "continue_from": {"type": "string", "description": "An interaction id of the session."},
}
SPEND_ARGS: dict[str, Any] = {
    "type": "object",
    "properties": QUESTION_ARGS,
    "required": ["question", "processor"],
    "additionalProperties": False,
}
_ANY_QUESTION = {**QUESTION_ARGS, "output_schema": {"type": ["object", "string"]}}
REVIEW_ARGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        **_ANY_QUESTION,
        "reason": _TEXT,
        "questions": {"type": "array", "items": {"type": "object", "properties": _ANY_QUESTION}},
    },
    "additionalProperties": False,
}


def response_schema(request: HumanRequest) -> dict[str, Any]:
    """JSON schema of a `HumanAnswer` to this request, for those who show a form."""
    config, count = request["review_configs"][0], len(request["action_requests"])
    decision = {
        "type": "object",
        "properties": {
            "type": {"enum": config["allowed_decisions"]},
            "message": _TEXT,
            "edited_action": {
                "type": "object",
                "properties": {"name": _TEXT, "args": config["args_schema"]},
                "required": ["name", "args"],
            },
        },
        "required": ["type"],
    }
    number = {"type": "number", "minimum": 0}
    return {
        "type": "object",
        "properties": {
            "decisions": {
                "type": "array",
                "items": decision,
                "minItems": count,
                "maxItems": count,
            },
            "limits": {
                "type": "object",
                "properties": dict.fromkeys(LIMIT_NAMES, number),
                "additionalProperties": False,
            },
        },
        "required": ["decisions"],
    }
