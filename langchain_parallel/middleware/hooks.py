"""The hooks around a turn of the model: before its call, around it, and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from .._core.calls import Calls
from ..errors import InvalidRequest, ParallelError
from .agent_config import AgentConfig
from .agent_messages import note
from .agent_state import is_ended
from .background import poll, release, to_poll
from .call_approval import review_calls
from .call_plan import all_calls, answered_calls, calling, paid_calls, plan
from .runs import kept_in, ledger_of


def look_after(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig
) -> Calls[dict[str, Any] | None]:
    """Poll the runs that no tool call waits for; return the update of the state, if anything has changed."""
    research, messages = agent.research(state), state.get("messages") or ()
    if not research:
        return None
    over = answered_calls(messages)
    changed = yield from release(agent, research, config, over, all_calls(messages) - over)
    research = {**research, **changed}
    due = to_poll(research, len(messages))
    changed |= yield from poll(agent, research, config, due)
    return {agent.names.channel: changed} if changed else None


def with_news(
    agent: AgentConfig, tools: Sequence[BaseTool], request: ModelRequest[Any]
) -> ModelRequest[Any]:
    """The request with a note on what has happened since the last turn, for this call only.

    Raises:
        InvalidRequest: Another tool of the agent has the name of one of ours; only one would ever run.
    """
    _check_tools(tools, request)
    research = agent.research(request.state)
    shown = [message.id for message in request.messages if message.id]
    text = note(agent, research, shown) if research else ""
    if not text:
        return request
    said = request.system_message
    if said is None or isinstance(said.content, str):
        whole = "\n\n".join(filter(None, [said.text if said else "", text]))
        return request.override(system_message=SystemMessage(whole))
    blocks: list[Any] = [*said.content, {"type": "text", "text": text}]
    return request.override(system_message=SystemMessage(blocks))


def _check_tools(ours: Sequence[BaseTool], request: ModelRequest[Any]) -> None:
    by_name = {tool.name: tool for tool in ours}
    for tool in request.tools:
        name = getattr(tool, "name", None)
        if name in by_name and tool is not by_name[name]:
            raise InvalidRequest(
                [f"Another tool of this agent is called {name!r}, as one of this middleware is."],
                hint="Give ParallelResearchMiddleware another `name`. Nothing was sent.",
            )


def plan_turn(
    agent: AgentConfig,
    arguments: Mapping[str, type[BaseModel]],
    state: Mapping[str, Any],
    config: RunnableConfig,
) -> Calls[dict[str, Any] | None]:
    """Plan the runs that the message asks for, review them, and ask a person where approval is needed."""
    research = agent.research(state)
    told = {h: {**r, "seen_by_model": True} for h, r in research.items() if _is_news(r)}
    message = calling(state.get("messages") or ())
    if message is None:
        return None
    if not any(call["name"] in agent.names.asking for call in message.tool_calls):
        return {agent.names.channel: told} if told else None
    planned = plan(agent, research, paid_calls(agent, state, message, arguments))
    reviewed = yield from review_calls(agent, state, planned, config)
    # Also where nothing could be planned: a person may make sense of the call.
    ledger_id = yield from _ledger(agent, state, config, str(message.id))
    records = {
        h: {**kept_in(ledger_id, r, config), "planned_key": agent.key(r)}
        for h, r in reviewed.records.items()
    }
    update: dict[str, Any] = {agent.names.channel: {**told, **records}}
    if ledger_id:
        update[agent.names.ledger] = ledger_id
    if reviewed.limits:
        update[agent.names.limits] = reviewed.limits
    return update


def _ledger(
    agent: AgentConfig, state: Mapping[str, Any], config: RunnableConfig, place: str
) -> Calls[str]:
    try:
        return (yield from ledger_of(agent, state, config, place))
    except ParallelError:  # the tools try again, and tell the model
        return ""


def _is_news(record: Any) -> bool:
    return is_ended(record) and not record.get("seen_by_model")
