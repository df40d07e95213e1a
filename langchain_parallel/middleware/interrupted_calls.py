"""Tool calls that a cancelled invocation left without an answer.

Neither LangGraph nor `create_agent` answers them when the next message comes, and model providers refuse a
history that holds one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from .agent_config import AgentConfig
from .agent_state import Research, brief
from .call_plan import answered_and_open_calls, call_of

_INTERRUPTED = "This call was interrupted before it had an answer."
_AGAIN = "If the answer is still wanted, make the same call again, word for word."


class AnswerOpenCalls(AgentMiddleware[Any, Any, Any]):
    """Before a model speaks, each tool call of any tool that a cancelled invocation left open gets an answer.

    For agents that have `ParallelTaskTool` and no `ParallelResearchMiddleware`, which does the same. Made
    again, a call of `ParallelTaskTool` goes on with the run that was paid for.
    """

    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Answer them in the history."""
        return with_whole_history(_whole(state.get("messages") or (), _anyone, _again))

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """As `before_model`; awaited."""
        return self.before_model(state, runtime)


def with_whole_history(whole: Sequence[Any]) -> dict[str, Any] | None:
    """The update of an agent's state that puts these messages in the place of its own; None without any."""
    return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *whole]} if whole else None


def answer_interrupted(
    agent: AgentConfig, messages: Sequence[Any], research: Research
) -> list[Any]:
    """The messages with an answer to each interrupted call, where one of ours is among them; else empty.

    All calls of such a message are answered: beside ours, another tool's was interrupted, too. What became of
    the research is in the answer.
    """
    names = agent.names
    ours = (*names.paid, names.check, names.read, names.list)

    def became(message: AIMessage, call: Any) -> str:
        name = call_of(message, call["id"])
        records = [record for record in research.values() if record["call"] == name]
        return f"What became of it: {'; '.join(map(brief, records))}." if records else ""

    return _whole(messages, lambda call: call["name"] in ours, became)


def _whole(
    messages: Sequence[Any],
    concerns: Callable[[Any], bool],
    say: Callable[[AIMessage, Any], str],
) -> list[Any]:
    _, open_calls = answered_and_open_calls(messages)
    whole: list[Any] = []
    left: list[ToolMessage] = []
    found = False
    for message in messages:
        if not isinstance(message, ToolMessage):
            whole += left  # behind the answers that the message has
            left = []
        whole.append(message)
        if isinstance(message, AIMessage):
            calls = [c for c in message.tool_calls if call_of(message, c["id"]) in open_calls]
            if any(map(concerns, calls)):
                found = True
                left = [_answer(call, say(message, call)) for call in calls]
    return whole + left if found and messages[-1] is not _last_speaker(messages) else []


def _anyone(call: Any) -> bool:
    return True


def _again(message: AIMessage, call: Any) -> str:
    return _AGAIN


def _last_speaker(messages: Sequence[Any]) -> AIMessage | None:
    """The last message of a model: its calls are about to be made, if nothing follows it."""
    return next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)


def _answer(call: Any, more: str) -> ToolMessage:
    return ToolMessage(
        f"{_INTERRUPTED} {more}".rstrip(),
        name=call["name"],
        tool_call_id=call["id"] or "",
        status="error",
    )
