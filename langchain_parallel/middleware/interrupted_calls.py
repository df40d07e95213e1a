"""Tool calls that a cancelled invocation left without an answer.

Neither LangGraph nor `create_agent` answers them when the next message comes, and model providers refuse a
history that holds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage

from .agent_config import AgentConfig
from .agent_state import Research, brief
from .call_plan import answered_and_open_calls, call_of


def answer_interrupted(
    agent: AgentConfig, messages: Sequence[Any], research: Research
) -> list[Any]:
    """The messages with an answer to each interrupted call, where one of ours is among them; else empty.

    All calls of such a message are answered: beside ours, another tool's was interrupted, too. What became of
    the research is in the answer.
    """
    _, open_calls = answered_and_open_calls(messages)
    whole: list[Any] = []
    left: list[ToolMessage] = []
    found = False
    for message in messages:
        if not isinstance(message, ToolMessage):
            whole += left  # behind the answers that the message has
            left = []
        whole.append(message)
        if isinstance(message, AIMessage) and _is_interrupted(agent, message, open_calls):
            found = True
            calls = [c for c in message.tool_calls if call_of(message, c["id"]) in open_calls]
            left = [_answer(message, call, research) for call in calls]
    return whole + left if found and messages[-1] is not _last_speaker(messages) else []


def _is_interrupted(agent: AgentConfig, message: AIMessage, open_calls: set[str]) -> bool:
    names = agent.names
    ours = (*names.paid, names.check, names.read, names.list)
    return any(
        call["name"] in ours and call_of(message, call["id"]) in open_calls
        for call in message.tool_calls
    )


def _last_speaker(messages: Sequence[Any]) -> AIMessage | None:
    """The last message of a model: its calls are about to be made, if nothing follows it."""
    return next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)


def _answer(message: AIMessage, call: Any, research: Research) -> ToolMessage:
    name = call_of(message, call["id"])
    records = [record for record in research.values() if record["call"] == name]
    became = f" What became of it: {'; '.join(map(brief, records))}." if records else ""
    return ToolMessage(
        f"This call was interrupted before it had an answer.{became}",
        name=call["name"],
        tool_call_id=call["id"] or "",
        status="error",
    )
