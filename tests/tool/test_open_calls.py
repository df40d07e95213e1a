"""A call that is interrupted: when the model speaks again, no tool call is without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.tools import tool as own_tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel.middleware import AnswerOpenCalls

from .helpers import START, Account, How, Scripted, answers, calls, invoke, thread

HERE = thread("a.thread")
ONE = {"input": "Who leads?"}


class Refused(Exception):
    """What a provider says to a history that holds a tool call without an answer, or with two."""


class Strict(Scripted):
    def _generate(self, messages: list[BaseMessage], *args: Any, **options: Any) -> Any:
        check(messages)
        return super()._generate(messages, *args, **options)


def check(messages: Sequence[BaseMessage]) -> None:
    waiting = list[Any]()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise Refused(f"no call {message.tool_call_id}")
            waiting.remove(message.tool_call_id)
        elif waiting:
            raise Refused(f"tool_call_ids without an answer: {waiting}")
        else:
            waiting = [call["id"] for call in getattr(message, "tool_calls", ())]
    if waiting:
        raise Refused(f"tool_call_ids without an answer: {waiting}")


class Interrupted(BaseException):
    """As KeyboardInterrupt, which would end the tests."""


def interrupt_at(account: Account, nth: int) -> None:
    handle, left = account.simulator.handle, [nth]

    def cut(request: Any) -> Any:
        response = handle(request)
        left[0] -= 1
        if left[0] == -1:
            raise Interrupted
        return response

    account.simulator.handle = cut  # type: ignore[method-assign]


@own_tool
def other() -> str:
    """Something else."""
    return "x"


def strict(account: Account, *says: AIMessage | str, **options: Any) -> Any:
    model = Strict(messages=iter(says), disable_streaming=True)
    return create_agent(
        model, tools=[account.tool(), other], middleware=[AnswerOpenCalls()], **options
    )


@pytest.mark.parametrize("nth", range(3))
async def test_after_an_interrupted_call_the_agent_takes_the_next_message_and_pays_once(
    account: Account, how: How, nth: int
) -> None:
    saver = InMemorySaver()
    interrupt_at(account, nth)
    asked = calls(ONE)
    asked.tool_calls.append(tool_call(name="other", args={}, id="2"))
    with pytest.raises(Interrupted):
        await invoke(strict(account, asked, checkpointer=saver), START, how, HERE)
    agent = strict(account, calls(ONE), "done", checkpointer=saver)
    state = await invoke(agent, {"messages": [("user", "Go on")]}, how, HERE)
    check(state["messages"])
    assert state["messages"][-1].text == "done"
    assert "interrupted before it had an answer" in answers(state)[0].text
    assert answers(state)[-1].artifact["run_id"] == account.runs[0]["run_id"]
    assert len(account.runs) == account.billed == 1


async def test_a_history_without_an_open_call_stays_as_it_is(account: Account, how: How) -> None:
    agent = strict(account, calls(ONE), "done", checkpointer=InMemorySaver())
    state = await invoke(agent, START, how, HERE)
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    assert account.billed == 1
