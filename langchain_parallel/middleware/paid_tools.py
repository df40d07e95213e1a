"""The tools that cost money: start, follow up, branch.

Rule: a hook has planned, reviewed and recorded what a call asks for (`middleware.py`). It is planned here
only if a person has changed the call since, or if there is no hook.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import tool_call
from langgraph.types import Command

from .._core.calls import Calls
from .._graph.runtime import was_resumed_recently
from ..errors import InvalidRequest, ParallelError
from ..parked.interrupts import is_parking, park
from ..text.untrusted import harmless
from ..tools.tool_messages import error_for_model
from .agent_messages import quote_error
from .agent_state import Research, is_ended
from .call_approval import assume_approved, review_calls
from .call_plan import (
    PaidCall,
    call_of,
    calling,
    filled_in,
    is_twin,
    paid_calls,
    planned_call,
)
from .pages import finding
from .recovery import sent_for
from .research_tool import Asked
from .runs import durable, finish, ledger_of, start, unsent_record

_TWIN = "Nothing was started: this call has the id of another call in the same message. Make it again, alone."
_FIRST_TIME = "Nothing was started yet: research is set up now. Make the same call again."

_FAR = 1_000
"""More than the positions in any thread. A position also fixes the range of a run's citation numbers."""


def ask(asked: Asked) -> Calls[Command[Any]]:
    """Start the runs that this call asks for, and wait for them as configured."""
    agent, message = asked.agent, _message(asked)
    if is_twin(message, asked.runtime.tool_call_id, asked.name, asked.args):
        return asked.answer(_TWIN, failed=True)
    if not durable(agent, asked.state, asked.config):
        return (yield from _set_up(asked, message))
    mine, budget = yield from _planned(asked, message)
    if isinstance(mine, str):
        return asked.answer(mine, failed=True)
    try:
        ledger_id = yield from ledger_of(agent, asked.state, asked.config, str(message.id))
    except ParallelError as error:
        ledger_id, records = "", {handle: unsent_record(r, error) for handle, r in mine.items()}
    else:
        records = yield from _started(asked, mine, ledger_id)
    records = yield from _waited_for(asked, records)
    more: dict[str, Any] = {agent.names.ledger: ledger_id} if ledger_id else {}
    if budget:
        more[agent.names.limits] = budget
    failed = all(r["status"] in ("declined", "refused", "unknown") for r in records.values())
    text = _told(asked, records)
    told: Research = {
        k: {**r, "seen_by_model": True} if is_ended(r) else r for k, r in records.items()
    }
    return asked.answer(text, told, failed=failed, **more)


def _set_up(asked: Asked, message: AIMessage) -> Calls[Command[Any]]:
    """Record the ledger in the state, and send nothing yet: a process that is killed after sending, before
    its ledger was recorded, would pay twice. If a hook has made the ledger, the state has it already.
    """
    agent, call = asked.agent, call_of(message, asked.runtime.tool_call_id)
    planned = {h: r for h, r in asked.research.items() if r["call"] == call}
    try:
        ledger_id = yield from ledger_of(agent, asked.state, asked.config, str(message.id))
    except ParallelError as error:
        unset = {handle: unsent_record(record, error) for handle, record in planned.items()}
        return asked.answer(
            f"Nothing was started. {quote_error(error_for_model(error))}", unset, failed=True
        )
    waiting: Research = {
        handle: {
            **r,
            "status": "declined",
            "error": _FIRST_TIME,
            "cost_usd": 0.0,
            "seen_by_model": True,
        }
        for handle, r in planned.items()
        if r["status"] == "planned"
    }
    return asked.answer(_FIRST_TIME, waiting, failed=True, **{agent.names.ledger: ledger_id})


def _started(asked: Asked, mine: Research, ledger_id: str) -> Calls[Research]:
    records = dict(mine)
    for handle, record in mine.items():
        if record["status"] == "planned":
            records[handle] = yield from start(asked.agent, record, ledger_id, asked.config)
        elif record is not asked.research.get(handle) and was_resumed_recently(asked.config):
            # Declined just now: a killed process may have had another decision, and have sent it.
            sent = yield from sent_for(asked.agent, record, ledger_id)
            records[handle] = sent or record
    return records


def _message(asked: Asked) -> AIMessage:
    """The model's message that this call is in."""
    found = calling(asked.state.get("messages") or (), asked.runtime.tool_call_id)
    if found is not None and found.id:
        return found
    # Without a message, or if it has no id, the id of the task stands in for it.
    place = asked.config.get("configurable", {}).get("checkpoint_ns") or uuid.uuid4().hex
    call = tool_call(name=asked.name, args=dict(asked.args), id=asked.runtime.tool_call_id)
    calls = [call] if found is None else found.tool_calls
    return AIMessage("", id=str(place), tool_calls=calls)


def _planned(asked: Asked, message: AIMessage) -> Calls[tuple[Research | str, Any]]:
    """The records of this call, planned by the hook, or planned now if a person has changed the call or there
    is no hook. A text that says what is wrong if it cannot be done.

    Every tool of a message replays the planning of the calls before its own, so that parallel tools agree on
    handles, and no two take the same dollar of the limits.
    """
    agent, research = asked.agent, asked.research
    known = list(paid_calls(agent, asked.state, message, asked.arguments, edited=True))
    for call in _calls_until(asked, message, known):
        own = call.id == asked.runtime.tool_call_id
        mine = {handle: r for handle, r in research.items() if r["call"] == call.place}
        if mine and all(record["asked_args"] == call.hashed for record in mine.values()):
            if own:
                return mine, None
            continue
        others = {handle: r for handle, r in research.items() if handle not in mine}
        state = {**asked.state, agent.names.channel: others}
        try:
            planned = planned_call(agent, others, call)
        except InvalidRequest as error:
            if own:
                return harmless(str(error)), None
            continue
        if mine or call not in known:
            planned = _kept_apart(planned, mine, message, call)
        if own:
            reviewed = yield from review_calls(agent, state, planned, asked.config)
            return reviewed.records, reviewed.limits
        research = {**others, **assume_approved(agent, state, planned, asked.config)}
    raise AssertionError("A tool call is one of its message's.")


def _calls_until(asked: Asked, message: AIMessage, known: Sequence[PaidCall]) -> Iterator[PaidCall]:
    """The calls before this one as planned, then this one with the arguments that the tool really got."""
    ids = [call["id"] for call in message.tool_calls]
    for call in known:
        if ids.index(call.id) < ids.index(asked.runtime.tool_call_id):
            yield call
    args = filled_in(asked.arguments[asked.name], asked.args)
    yield PaidCall.of(message, asked.runtime.tool_call_id, asked.name, args)


_Place: TypeAlias = tuple[str, int]
"""Handle and position."""


def _places(mine: Research, count: int) -> list[_Place]:
    """The handles and positions of a call's records before it was edited, and further ones after the last.
    They are derived from the last, because parallel calls may be edited at the same time and take any other
    handle.
    """
    last = list(mine.values())[-1]
    places = [(handle, record["position"]) for handle, record in mine.items()]
    return places + [
        (f"{last['handle']}{chr(ord('a') + nth)}", last["position"] + nth * _FAR)
        for nth in range(1, count)
    ]


def _own_places(planned: Research, message: AIMessage, call_id: str | None) -> list[_Place]:
    """Handles and positions of its own for a call that could be planned only after it was edited."""
    ids = [call["id"] for call in message.tool_calls]
    nth = ids.index(call_id) if call_id in ids else 0
    return [
        (f"{handle}x{nth + 1}", record["position"] + (10 + nth) * _FAR)
        for handle, record in planned.items()
    ]


def _kept_apart(planned: Research, mine: Research, message: AIMessage, call: PaidCall) -> Research:
    """The plan of a changed call, under handles and positions that no parallel call takes."""
    if not mine:
        return _renamed(planned, _own_places(planned, message, call.id))
    # The planning process stays on record, too: it may have sent the run before the call was edited.
    by = next(iter(mine.values()))["plan_id"]
    planned = {handle: {**record, "plan_id": by} for handle, record in planned.items()}
    return _renamed(planned, _places(mine, len(planned)))


def _renamed(planned: Research, places: Sequence[_Place]) -> Research:
    return {
        handle: {**record, "handle": handle, "position": position}
        for (handle, position), record in zip(places, planned.values(), strict=False)
    }


def _waited_for(asked: Asked, records: Research) -> Calls[Research]:
    agent, config = asked.agent, asked.config
    running = [record for record in records.values() if record["status"] == "running"]
    if parked := is_parking(agent.wait, config):
        ledger_id = running[0]["ledger_id"] if running else ""
        yield from park(agent.clients, running, ledger_id, config, raises=False)
    elif agent.wait != "block":
        return records
    ended = dict(records)
    for record in running:
        everything = {**asked.research, **ended}
        ended[record["handle"]] = yield from finish(
            agent, everything, record, config, has_ended=parked
        )
    return ended


def _told(asked: Asked, records: Research) -> str:
    everything = {**asked.research, **records}
    share = max(1_000, asked.agent.max_chars // len(records))
    return "\n\n".join(finding(asked.agent, everything, r, share) for r in records.values())
