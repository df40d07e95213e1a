"""The research graph itself as a sub-agent: a deep agent delegates to it, and so does a supervisor.

Neither needs a model of its own for the research: the last message is the question, and the answer comes back
as one message with numbered, linked sources.
"""

from __future__ import annotations

from typing import Annotated, Any

from deepagents import CompiledSubAgent, create_deep_agent
from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from scripted import run

from langchain_parallel import create_research_graph
from langchain_parallel.research import Turn, merge_turns
from langchain_parallel.testing import call

QUESTIONS = ["How large is the market for cargo bikes?", "And in Europe?"]
SCRIPT = {
    "lead": [
        call("task", subagent_type="researcher", description="How large is the market?"),
        "It is large, as the researcher's sources say.",
        call("task", subagent_type="researcher", description="How large is it in Europe?"),
        "In Europe, too.",
    ],
    "supervisor": [
        call("to_researcher", task="How large is the market?"),
        "It is large, as the researcher's sources say.",
        call("to_researcher", task="How large is it in Europe?"),
        "In Europe, too.",
    ],
}


def build(models: Any, **options: Any) -> Any:
    """The deep agent; `options` are further ones of the graph. Each task is a session of its own."""
    researcher: CompiledSubAgent = {
        "name": "researcher",
        "description": "Researches a question on the web. Give it one whole question, without context.",
        "runnable": create_research_graph(**{"processor": "lite", **options}).compile(),
    }
    return create_deep_agent(
        models["lead"],
        system_prompt="Delegate research. Cite the addresses that the researcher gives.",
        subagents=[researcher],
        checkpointer=InMemorySaver(),
    )


class TeamState(MessagesState):
    """The conversation, and the research session that goes on from task to task."""

    turns: Annotated[list[Turn], merge_turns]
    interaction_id: str | None
    ledger_id: str


@tool
def to_researcher(task: str, runtime: ToolRuntime) -> Command[Any]:
    """Hand a question to the researcher, who builds on what was found before."""
    asked = runtime.state["messages"][-1]
    said = ToolMessage("Handed over.", tool_call_id=runtime.tool_call_id)
    update = {"messages": [asked, said, HumanMessage(task, name="supervisor")]}
    return Command(goto="researcher", graph=Command.PARENT, update=update)


def build_team(models: Any, **options: Any) -> Any:
    """A supervisor with the graph as its researcher."""
    supervisor = create_agent(
        models["supervisor"],
        tools=[to_researcher],
        system_prompt="Hand research over, then answer.",
        name="supervisor",
    )
    team = StateGraph(TeamState)
    team.add_node("supervisor", supervisor, destinations=("researcher",))
    team.add_node("researcher", create_research_graph(**{"processor": "lite", **options}).compile())
    team.add_edge(START, "supervisor")
    team.add_edge("researcher", "supervisor")
    return team.compile(checkpointer=InMemorySaver())


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS, ()) or run(build_team, SCRIPT, QUESTIONS, ()))
