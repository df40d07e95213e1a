"""A supervisor that hands over to a researcher, which continues its earlier sessions.

`checkpointer=True` keeps the researcher's sessions from one hand-off to the next. The team's state has keys
for its records, so that the sources of the supervisor's answers can be looked up.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from scripted import run

from langchain_parallel.middleware import ParallelResearchMiddleware, ResearchAgentState
from langchain_parallel.testing import call

QUESTIONS = ["Who makes cargo bikes?", "And which of them are in Europe?"]
SCRIPT = {
    "supervisor": [
        call("to_researcher", task="Who makes cargo bikes?"),
        "Several makers do [1].",
        call("to_researcher", task="Which of those are in Europe?"),
        "Most of them are [101].",
    ],
    "researcher": [
        call("start_research", question="Who makes cargo bikes?"),
        "I found several makers [1].",
        call("follow_up", handle="r1", question="Which of them are in Europe?"),
        "I found that most are [101].",
    ],
}


@tool
def to_researcher(task: str, runtime: ToolRuntime) -> Command[Any]:
    """Hand a task to the researcher, who remembers what it has found before."""
    asked = runtime.state["messages"][-1]
    said = ToolMessage(f"The researcher's task: {task}", tool_call_id=runtime.tool_call_id)
    return Command(goto="researcher", graph=Command.PARENT, update={"messages": [asked, said]})


def build(models: Any, **options: Any) -> Any:
    """The team; `options` are further ones of the researcher's middleware."""
    supervisor = create_agent(
        models["supervisor"],
        tools=[to_researcher],
        system_prompt="Hand research over. Then answer; cite with the marks that were cited.",
        name="supervisor",
    )
    researcher = create_agent(
        models["researcher"],
        middleware=[ParallelResearchMiddleware(processor="lite", **options)],
        system_prompt="Do the task that was handed to you last. Cite sources by their marks.",
        name="researcher",
        checkpointer=True,
    )
    team = StateGraph(ResearchAgentState)
    team.add_node("supervisor", supervisor, destinations=("researcher",))
    team.add_node("researcher", researcher)
    team.add_edge(START, "supervisor")
    team.add_edge("researcher", "supervisor")
    return team.compile(checkpointer=InMemorySaver())


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS))
