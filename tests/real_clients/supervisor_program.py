"""A supervisor of `langgraph-supervisor`, which hands two tasks to the research graph.

python supervisor_program.py

Prints a JSON line for each program: its name, and what failed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolCall
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState
from langgraph.types import Command
from typing_extensions import NotRequired

from langchain_parallel import Limits, create_research_graph
from langchain_parallel.research import Turn, merge_turns

THREAD: Any = {"configurable": {"thread_id": "team"}}
ASKED, AGAIN = "How large is the market for cargo bikes?", "And in Europe?"


class TeamState(MessagesState):
    """The conversation, and the session that goes on from task to task."""

    remaining_steps: NotRequired[int]
    turns: Annotated[list[Turn], merge_turns]
    interaction_id: str | None
    ledger_id: str


class Model(GenericFakeChatModel):
    """Says what it was told to."""

    def bind_tools(self, *args: Any, **options: Any) -> Any:
        """The same."""
        return self


def hand_over() -> AIMessage:
    """What a model says that transfers to the researcher."""
    call = ToolCall(name="transfer_to_researcher", args={}, id="call", type="tool_call")
    return AIMessage("", tool_calls=[call])


def team(*said: Any, **options: Any) -> Any:
    """The supervisor and its researcher."""
    researcher = create_research_graph(**{"processor": "lite", **options})
    made: Any = import_module("langgraph_supervisor").create_supervisor(
        [researcher.compile(name="researcher")],
        model=Model(messages=iter(said)),
        state_schema=TeamState,
        output_mode="last_message",
    )
    return made.compile(checkpointer=InMemorySaver())


def is_cited(state: Any, turns: int) -> None:
    """The researcher's message has its sources, and its session went on."""
    told = [m.text for m in state["messages"] if "Sources:" in m.text]
    assert len(told) == turns, state["messages"]
    parents = [turn["parent_interaction_id"] for turn in state["turns"]]
    before = [None, *(turn["interaction_id"] for turn in state["turns"])]
    assert parents == before[:turns], state["turns"]


def two_tasks() -> None:
    """The second question on the thread is a follow-up."""
    made = team(hand_over(), "It is large.", hand_over(), "There, too.")
    is_cited(made.invoke({"messages": [("user", ASKED)]}, THREAD), 1)
    is_cited(made.invoke({"messages": [("user", AGAIN)]}, THREAD), 2)


def awaited() -> None:
    """The same, asynchronously."""
    made = team(hand_over(), "It is large.")
    is_cited(asyncio.run(made.ainvoke({"messages": [("user", ASKED)]}, THREAD)), 1)


def approved() -> None:
    """A person's interrupt reaches through the supervisor."""
    made = team(hand_over(), "It is large.", processor="base", limits=Limits(approve_above="lite"))
    out = made.invoke({"messages": [("user", ASKED)]}, THREAD)
    (asked,) = out["__interrupt__"]
    assert asked.value["kind"] == "spend", asked
    answer: Any = Command(resume={asked.id: {"decisions": [{"type": "approve"}]}})
    is_cited(made.invoke(answer, THREAD), 1)


def programs() -> Iterator[Callable[[], None]]:
    """All of them."""
    yield from (two_tasks, awaited, approved)


if __name__ == "__main__":
    for program in programs():
        failed = ""
        try:
            program()
        except Exception as error:  # noqa: BLE001 -- told
            failed = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps({"name": program.__name__, "failed": failed}), flush=True)
