"""Plans the runs that the tool calls of a model's message ask for, and gives them handles.

Rule: a pure function of the state and the message. A message that a kill or a replay has the model write
again gets the same handles, and a handle is the run's position in the ledger: so what was paid for is found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, ToolMessage
from pydantic import BaseModel, ValidationError

from ..errors import InvalidRequest
from ..research.turns import new_turn
from ..text.untrusted import harmless
from .agent_config import AgentConfig
from .agent_state import AgentTurn, Research

_NAMED_HANDLES = 20
_QUESTION_CHARS = 60
_NO_ANSWER_YET = frozenset({"planned", "running", "unknown", "action_required"})
_EDITED = "hitl_edited_tool_calls"
"""The state key of calls edited in `HumanInTheLoopMiddleware`; its older versions edit the message."""


class PaidCall(NamedTuple):
    """A tool call that costs money, with arguments that fit."""

    id: str | None
    place: str
    """Names the model message and the tool call."""
    name: str
    asked: dict[str, Any]
    """Its arguments, defaults included."""
    hashed: str
    """A hash of the tool and the arguments."""

    @classmethod
    def of(cls, message: AIMessage, id: str | None, name: str, asked: dict[str, Any]) -> PaidCall:
        """The call of a message with this id."""
        return cls(id, call_of(message, id), name, asked, hash_of(name, asked))


def call_of(message: AIMessage, tool_call_id: str | None) -> str:
    """A tool call's name, unique in its thread: some models number their calls anew in every message."""
    return f"{message.id}/{tool_call_id or ''}"


def filled_in(model: type[BaseModel], args: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments, checked, defaults included, without what LangGraph injects.

    Raises:
        pydantic.ValidationError: They do not fit.
    """
    given = {name: value for name, value in args.items() if name != "runtime"}
    return model.model_validate(given).model_dump(exclude={"runtime"})


def hash_of(name: str, asked: Mapping[str, Any]) -> str:
    """A hash of a call: the tool, and its arguments as `filled_in` returns them."""
    canonical = json.dumps([name, dict(asked)], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def calling(messages: Sequence[Any], tool_call_id: str | None = None) -> AIMessage | None:
    """The last model message; of those with this tool call, if one is given."""
    for message in reversed(messages):
        if not isinstance(message, AIMessage):
            continue
        if tool_call_id is None or any(c["id"] == tool_call_id for c in message.tool_calls):
            return message
    return None


def all_calls(messages: Sequence[Any]) -> set[str]:
    """The names (`call_of`) of the tool calls in these messages."""
    spoken = [message for message in messages if isinstance(message, AIMessage)]
    return {call_of(message, call["id"]) for message in spoken for call in message.tool_calls}


def answered_calls(messages: Sequence[Any]) -> set[str]:
    """The names of the tool calls that have an answer, from a tool or from another middleware."""
    found, speaker = set(), None
    for message in messages:
        if isinstance(message, AIMessage):
            speaker = message
        elif isinstance(message, ToolMessage) and speaker is not None:
            found.add(call_of(speaker, message.tool_call_id))
    return found


def is_twin(
    message: AIMessage, tool_call_id: str | None, name: str, args: Mapping[str, Any]
) -> bool:
    """Whether a call has no id, or that of an earlier one: their records could not be told apart."""
    if tool_call_id is None:
        return True  # LangGraph accepts no answer to such a call, so it must not cost anything
    same = [c for c in message.tool_calls if c["id"] == tool_call_id]
    if len(same) < 2:
        return False
    given = {key: value for key, value in same[0]["args"].items() if key != "runtime"}
    return name != same[0]["name"] or any(args.get(key) != given[key] for key in given)


def paid_calls(
    agent: AgentConfig,
    state: Mapping[str, Any],
    message: AIMessage,
    arguments: Mapping[str, type[BaseModel]],
    *,
    edited: bool = False,
) -> Iterator[PaidCall]:
    """The valid calls of a message that cost money and will be made, in their order.

    Args:
        agent: The middleware's.
        state: The agent's: calls that have an answer already will not be made.
        message: The model's.
        arguments: What arguments each tool takes.
        edited: Use the calls that a person edited, which the state holds. Only for tools: while a hook runs,
            the state may still hold those of an earlier message.
    """
    seen: set[str] = set()
    over = answered_calls(state.get("messages") or ())
    changed = (state.get(_EDITED) or {}) if edited else {}
    for call in message.tool_calls:
        id = call["id"]
        if id is None or id in seen:
            continue  # without an id of its own the tool refuses it: see `is_twin`
        seen.add(id)
        made = changed.get(id, call)
        name, args = made["name"], made["args"]
        if name not in agent.names.asking or call_of(message, id) in over:
            continue
        if not isinstance(args, Mapping):  # a person's edit may be anything
            continue
        try:
            yield PaidCall.of(message, id, name, filled_in(arguments[name], args))
        except ValidationError:
            continue  # the tool itself says what is wrong


def plan(agent: AgentConfig, research: Research, paid: Iterable[PaidCall]) -> Research:
    """The runs that these calls ask for. Calls that already have records, and invalid ones, are left out: the
    tool itself reports what is wrong.
    """
    made: Research = {}
    done = {record["call"] for record in research.values()}
    for call in paid:
        if call.place not in done:
            with suppress(InvalidRequest):
                made |= planned_call(agent, {**research, **made}, call)
    return made


def planned_call(agent: AgentConfig, research: Research, call: PaidCall) -> Research:
    """The runs that one call asks for.

    Raises:
        InvalidRequest: The handle is wrong, or the API would refuse the request.
    """
    names, asked = agent.names, call.asked
    parent = None if call.name == names.start else answered(research, asked["handle"])
    questions = asked["questions"] if call.name == names.branch else [asked["question"]]
    if not questions:
        raise InvalidRequest(["There is no question."], hint="Nothing was started.")
    default = agent.processors.follow_up if parent else agent.processors.first
    how = asked.get("processor") or default, (call.place, call.hashed)
    made: Research = {}
    for question in questions:
        record = _record(agent, {**research, **made}, question.strip(), parent, how)
        record["round"] = record["position"] - len(made)
        agent.check(record)
        made[record["handle"]] = record
    return made


def _record(
    agent: AgentConfig,
    research: Research,
    question: str,
    parent: AgentTurn | None,
    how: tuple[str, tuple[str, str]],
) -> AgentTurn:
    processor, place = how
    if not question:
        raise InvalidRequest(["The question is empty."], hint="Nothing was started.")
    position = len(research)
    turn = new_turn(
        question=question,
        processor=processor,
        parent_interaction_id=parent and parent["interaction_id"],
        plan_id=agent.clients.process_id,
        position=position,
    )
    return AgentTurn(
        **turn,  # type: ignore[typeddict-item]  # mypy does not follow it into a subclass
        handle=_next(agent, research, parent),
        parent_handle=parent and parent["handle"],
        ledger_id="",
        call=place[0],
        asked_args=place[1],
    )


# --- handles ---------------------------------------------------------------------------------------


def _next(agent: AgentConfig, research: Research, parent: AgentTurn | None) -> str:
    """The next free handle, in the parent's session; in a new one for a sub-agent's finding (`r1@…`)."""
    if parent is None or "@" in parent["handle"]:
        number = 1
        while agent.names.session(number) in research:
            number += 1
        return agent.names.session(number)
    session, number = parent["handle"].partition(".")[0], 2
    while f"{session}.{number}" in research:
        number += 1
    return f"{session}.{number}"


def known(research: Research, handle: str) -> AgentTurn:
    """The record of a handle, which a model may write as `R1` or ` r1 `.

    Raises:
        InvalidRequest: There is none; names those there are.
    """
    name = handle.strip().strip("[]`'\"").lower()
    name = name.removesuffix(".1") if name not in research else name
    by_lower = {key.lower(): record for key, record in research.items()}
    if name in by_lower:
        return by_lower[name]
    there = "; ".join(map(brief, list(research.values())[-_NAMED_HANDLES:]))
    more = len(research) - _NAMED_HANDLES
    older = f"; and {more} older ones" if more > 0 else ""
    raise InvalidRequest(
        [f"There is no research {harmless(handle, 40)!r}. Known: {there or 'none yet'}{older}."],
        hint="Nothing was started.",
    )


def answered(research: Research, handle: str) -> AgentTurn:
    """The record of a handle that has an answer to build on.

    Raises:
        InvalidRequest: There is none, or it has no answer (yet).
    """
    record = known(research, handle)
    if record["status"] != "completed" or not record["interaction_id"]:
        still = "has no answer yet" if record["status"] in _NO_ANSWER_YET else "has none"
        raise InvalidRequest(
            [f"{record['handle']} {still} ({record['status']}), so nothing can build on it."],
            hint="Nothing was started.",
        )
    return record


def brief(record: AgentTurn) -> str:
    """A record in a few words: its handle, status and question."""
    question = harmless(record["question"], _QUESTION_CHARS)
    return f"{record['handle']} ({record['status']}) “{question}”"
