"""Plans the runs that the tool calls of a model's message ask for: handles, limits, a person's approval.

Rule: a plan is a pure function of the state and the message. A message that a kill or a replay has the model
write again gets the same handles, and a handle is the run's position in the ledger: so what was paid for is
found. All runs of one message are reviewed together, in their order, before any of them is sent; what was
cleared counts as spent, so no two of them can take the same dollar.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from pydantic import ValidationError

from .._core.calls import Calls
from ..errors import InvalidRequest
from ..options import SessionLimits
from ..research.approval import SpendingPlan, check_each, review_each
from ..research.human_review.decision import apply_edit
from ..research.human_review.schemas import HumanDecision
from ..research.spending_rules import SpendingRules
from ..research.turns import new_turn
from ..tools import thread_citations
from ..tools.arguments import OUTPUT, described_shape
from .agent_config import AgentConfig
from .agent_state import UNPROVEN, WITHHELD, AgentTurn, Research, is_active, is_ended, turns_of
from .citations import next_range
from .parents import Parent, find_parent
from .quick_records import refuse_lost

_EDITED = "hitl_edited_tool_calls"
"""The state key of calls edited in `HumanInTheLoopMiddleware`; its older versions edit the message."""
_BEYOND = 1_000
"""More than the positions in any thread."""

# --- the calls of a message ------------------------------------------------------------------------


class PaidCall(NamedTuple):
    """A tool call that costs money, with arguments that fit."""

    call: str
    """The model message and the tool call, as in its records."""
    name: str
    args: dict[str, Any]
    """Its arguments, defaults included."""
    nth: int
    """Its place among the calls of the message, from 1."""
    is_edited: bool
    """It is not as the message has it."""

    @property
    def hash(self) -> str:
        """A short hash of the tool and its arguments."""
        # Keys in order: a model that writes its message again may give the arguments in another one.
        canonical = json.dumps([self.name, self.args], sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def find_message(messages: Sequence[Any], tool_call_id: str | None = None) -> AIMessage | None:
    """The last model message; of those with this tool call, if one is given."""
    for message in reversed(messages):
        if not isinstance(message, AIMessage):
            continue
        if tool_call_id is None or any(c["id"] == tool_call_id for c in message.tool_calls):
            return message
    return None


def call_of(message: AIMessage, tool_call_id: str | None) -> str:
    """A tool call's name, unique in its thread: some models number their calls anew in every message."""
    return f"{message.id}/{tool_call_id or ''}"


def answered_and_open_calls(messages: Sequence[Any]) -> tuple[set[str], set[str]]:
    """The names of the calls that have an answer, of a tool or of another middleware; and of the others."""
    calls, answered = set[str](), set[str]()
    speaker: AIMessage | None = None
    for message in messages:
        if isinstance(message, AIMessage):
            speaker = message
            calls |= {call_of(message, call["id"]) for call in message.tool_calls}
        elif isinstance(message, ToolMessage) and speaker is not None:
            answered.add(call_of(speaker, message.tool_call_id))
    return answered, calls - answered


def has_id_of_another(
    message: AIMessage, tool_call_id: str | None, name: str, args: Mapping[str, Any]
) -> bool:
    """Whether a call has no id, or that of an earlier one: their records could not be distinguished."""
    if tool_call_id is None:
        return True  # LangGraph accepts no answer to such a call, so it must not cost anything
    same = [c for c in message.tool_calls if c["id"] == tool_call_id]
    if len(same) < 2:
        return False
    # The first call of the id is the one that was planned. LangChain adds defaults to a tool's arguments, so
    # only those that the message gives are compared.
    given = {key: value for key, value in same[0]["args"].items() if key != "runtime"}
    return name != same[0]["name"] or any(args.get(key) != given[key] for key in given)


def paid_calls(
    agent: AgentConfig, state: Mapping[str, Any], message: AIMessage, edits: Mapping[str, Any]
) -> Iterator[PaidCall]:
    """The valid calls of a message that cost money and have no answer yet, in their order.

    Args:
        agent: The middleware's.
        state: The agent's.
        message: The model's.
        edits: By their ids, the calls that a person or another middleware has changed.
    """
    answered, _ = answered_and_open_calls(state.get("messages") or ())
    # A call without an id of its own is refused by its tool: `has_id_of_another`.
    seen: set[str | None] = {None}
    for nth, call in enumerate(message.tool_calls, start=1):
        id, name = call["id"], call_of(message, call["id"])
        made = _fitting_call(agent, edits.get(id or "", call))
        if made and id not in seen and name not in answered:
            yield PaidCall(name, *made, nth, made != _fitting_call(agent, call))
        seen.add(id)


def _fitting_call(agent: AgentConfig, call: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """A tool and its arguments, defaults included; None if it costs nothing, or if they do not fit."""
    name, args = call["name"], call["args"]
    if name not in agent.names.paid or not isinstance(args, Mapping):  # an edit may be anything
        return None
    given = {key: value for key, value in args.items() if key != "runtime"}
    try:
        return name, agent.arguments[name].model_validate(given).model_dump(exclude={"runtime"})
    except ValidationError:
        return None  # the tool itself says what is wrong


# --- planning --------------------------------------------------------------------------------------


class ReviewedCalls(NamedTuple):
    """Records with what was decided on them, and the limits if they were changed."""

    records: Research
    limits: SessionLimits | None = None


def plan_message(
    agent: AgentConfig, state: Mapping[str, Any], message: AIMessage, config: RunnableConfig
) -> Calls[ReviewedCalls]:
    """The records of all runs that a message asks for, reviewed; of calls that have records already, none."""
    research, planned = agent.research(state), Research()
    known = {record["call"] for record in research.values()}
    # When a hook runs, the edits in the state may still be those of the message before.
    for call in paid_calls(agent, state, message, edits={}):
        if call.call not in known:
            with suppress(InvalidRequest):  # the tool itself says why it cannot be done
                here = {**state, agent.names.records: {**research, **planned}}
                planned |= _plan_records(agent, here, call)
    _plan_numbers(agent, state, planned)
    return (yield from _review(agent, state, planned, config))


def plan_call(
    agent: AgentConfig,
    state: Mapping[str, Any],
    message: AIMessage,
    made: Mapping[str, Any],
    config: RunnableConfig,
) -> Calls[ReviewedCalls]:
    """The records of one call, as its tool was called: `made`.

    They are those that were planned when the model spoke. A call that was changed since is planned anew, as
    is every call in a graph without the hook. Every tool of a message replays the planning of the calls
    before its own, so that parallel tools agree on handles, and on what the limits leave.

    Raises:
        InvalidRequest: The handle is wrong, or the request may not be sent.
    """
    research, rules = agent.research(state), agent.rules(state, config)
    for call in paid_calls(agent, state, message, {**(state.get(_EDITED) or {}), made["id"]: made}):
        is_own = call.call == call_of(message, made["id"])
        mine = {handle: r for handle, r in research.items() if r["call"] == call.call}
        # The hash tells whether this is still the call that was planned; the seal, whether it was cleared.
        if mine and all(_is_as_planned(rules, call, record) for record in mine.values()):
            if is_own:
                return ReviewedCalls(mine)
            continue
        others = {handle: r for handle, r in research.items() if handle not in mine}
        here = {**state, agent.names.records: others}
        try:
            planned = _plan_records(agent, here, call, list(mine.values()))
        except InvalidRequest:
            if is_own:
                raise
            continue
        # Where no hook has planned it, no tool beside it knows of it.
        if not (mine or call.is_edited):
            free = [one["name"] not in agent.names.paid for one in message.tool_calls]
            beside = max((n for n, is_free in enumerate(free, 1) if is_free), default=0)
            _plan_numbers(agent, here, planned, beside)
        if is_own:
            return (yield from _review(agent, here, planned, config))
        # Its own tool plans the same, and asks a person if need be; either way its money is not free.
        research = {**others, **(yield from _assume_approved(agent, here, planned, config))}
    raise AssertionError("A tool call is one of its message's.")


def _plan_numbers(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, beside: int = 0
) -> None:
    """Give each planned record its range of citation numbers, above all that the thread has.

    `beside`: how many ranges tools of the same message may take, which count from the same place.
    """
    free = next_range(agent.research(state))
    if agent.names.is_default:  # the numbers of a named one stand behind its name
        free = max(free, thread_citations.next_range(state.get("messages") or ()))
    for numbers_at, record in enumerate(planned.values(), start=free + beside):
        record["numbers_at"] = numbers_at


def _is_as_planned(rules: SpendingRules, call: PaidCall, record: AgentTurn) -> bool:
    is_own = record["status"] not in (UNPROVEN, WITHHELD) and record["call_hash"] == call.hash
    return is_own and (record["status"] != "planned" or rules.is_cleared(record))


def _plan_records(
    agent: AgentConfig, state: Mapping[str, Any], call: PaidCall, kept: Sequence[AgentTurn] = ()
) -> Research:
    """The records of the runs that one call asks for.

    A call that was changed keeps the handles and positions of its former records (`kept`). The further ones
    carry its place in the message: the tools beside it may not know of the change, and must not take them.

    Raises:
        InvalidRequest: The handle is wrong, or the request may not be sent.
    """
    names, args, made, research = agent.names, call.args, Research(), agent.research(state)
    handle = None if call.name == names.start else args["handle"]
    parent = None if handle is None else find_parent(agent, research, handle)
    default = agent.processors.follow_up if parent else agent.processors.first
    if call.name == names.quick:
        default = agent.processors.quick[0]
    is_changed, shape = call.is_edited or bool(kept), described_shape(args.get(OUTPUT))
    for question in args["questions"] if call.name == names.branch else [args["question"]]:
        if not question.strip():
            raise InvalidRequest(["The question is empty."], hint="Nothing was started.")
        everything = {**research, **made}
        processor = args.get("processor") or default
        if not kept:
            _refuse_repetition(agent, research, question.strip(), processor, parent)
            refuse_lost(agent, state, question.strip(), processor, parent)
        # The number of records is a position that no earlier call has had; records are never removed.
        handle = _free_handle(agent, everything, parent, f"x{call.nth}" if is_changed else "")
        position = len(everything) + call.nth * _BEYOND * is_changed
        if len(made) < len(kept):
            handle, position = kept[len(made)]["handle"], kept[len(made)]["position"]
        turn = new_turn(
            question=question.strip(),
            processor=processor,
            parent_interaction_id=parent.interaction_id if parent else None,
            position=position,
        )
        if shape is not None:
            turn["output_schema"] = shape
        made[handle] = AgentTurn(
            **turn,  # type: ignore[typeddict-item]  # mypy does not follow it into a subclass
            handle=handle,
            parent_handle=parent.handle if parent else None,
            ledger_id="",
            call=call.call,
            call_hash=call.hash,
        )
        if len(made) <= len(kept):
            former = kept[len(made) - 1]
            if "planned_key" in former:
                made[handle]["planned_key"] = former["planned_key"]
            if "numbers_at" in former:
                made[handle]["numbers_at"] = former["numbers_at"]
        # Runs of one call are asked at the same time: a tree shows them as one round.
        made[handle]["round"] = next(iter(made.values()))["position"]
        agent.check(made[handle])
    return made


def _refuse_repetition(
    agent: AgentConfig,
    research: Research,
    question: str,
    processor: str,
    parent: Parent | None,
) -> None:
    """Refuse what is asked already: to a model that did not get its answer, the same question is no new one.

    Raises:
        InvalidRequest: A run that asks it is active, or has an answer that the model was not shown.
    """
    asked = (question, processor, parent.interaction_id if parent else None)
    for record in research.values():
        is_unread = record["status"] == "completed" and not record.get("read_by_model")
        same = record["question"], record["processor"], record["parent_interaction_id"]
        if same == asked and (is_active(record) or is_unread):
            tool = agent.names.read if is_unread else agent.names.check
            how = "has the answer" if is_unread else "asks the same and is not finished"
            raise InvalidRequest(
                [f"{record['handle']} {how}: {tool}(handle='{record['handle']}') shows it."],
                hint="Nothing was started.",
            )


def _free_handle(agent: AgentConfig, research: Research, parent: Parent | None, suffix: str) -> str:
    """The next free handle, in the parent's session; in a new one for a sub-agent's finding (`r1@…`), and for
    what was found elsewhere.
    """
    if parent is None or parent.handle is None or "@" in parent.handle:
        handles = (f"{agent.names.session(number)}{suffix}" for number in count(1))
    else:
        session = parent.handle.partition(".")[0]
        handles = (f"{session}.{number}{suffix}" for number in count(2))
    return next(handle for handle in handles if handle not in research)


# --- reviewing -------------------------------------------------------------------------------------


def _review(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Calls[ReviewedCalls]:
    """The planned records, each cleared to start or declined with the reason.

    Ends this step with an interrupt where a person has to approve.
    """
    research = agent.research(state)

    def edit(record: AgentTurn, decision: HumanDecision) -> AgentTurn:
        edited = _with_parent(agent, research, record, apply_edit(record, decision))
        agent.check(edited)
        return edited

    rules = yield from agent.rules(state, config).with_quotas()
    rules = yield from rules.with_known(planned.values(), turns_of(research))
    plan = spending(agent, state, planned, rules)
    reviewed, limits = yield from review_each(plan, config, edit)
    return ReviewedCalls({record["handle"]: _without_news(record) for record in reviewed}, limits)


def _assume_approved(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, config: RunnableConfig
) -> Calls[Research]:
    """The planned records as the tool that makes their call has them after `_review`; where it asks a person,
    approval is assumed.
    """
    rules = yield from agent.rules(state, config).with_quotas()
    rules = yield from rules.with_known(planned.values(), turns_of(agent.research(state)))
    checked = check_each(spending(agent, state, planned, rules), config)
    return {record["handle"]: _without_news(record) for record in checked.turns}


def spending(
    agent: AgentConfig, state: Mapping[str, Any], planned: Research, rules: SpendingRules
) -> SpendingPlan[AgentTurn]:
    """The planned records, and what counts beside them."""
    others = agent.research(state).values()
    ended = [r for r in others if is_ended(r) and r["status"] != "declined"]
    counted = [r for r in others if is_active(r) or r["status"] == "planned"]
    return SpendingPlan([*planned.values()], ended, counted, rules)


def _without_news(record: AgentTurn) -> AgentTurn:
    """A declined record needs no announcement: the call's own answer tells the model."""
    return {**record, "seen_by_model": True} if record["status"] == "declined" else record


def _with_parent(
    agent: AgentConfig, research: Research, record: AgentTurn, edited: AgentTurn
) -> AgentTurn:
    """The edited record with its parent's interaction id and handle: a person may give either."""
    parent, edited = edited["parent_interaction_id"], {**edited, "edited": True}
    if parent is None:
        return {**edited, "parent_handle": None}
    if parent == record["parent_interaction_id"]:
        return edited
    # A form shows the interaction id; a person who has read the conversation knows the handle.
    found = find_parent(agent, research, parent)
    return {
        **edited,
        "parent_interaction_id": found.interaction_id,
        "parent_handle": found.handle,
    }
