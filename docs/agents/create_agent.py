"""An agent made with `create_agent`: it researches two things at the same time, and follows up on one."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver
from scripted import run

from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.testing import call, calls

QUESTIONS = ["Who makes cargo bikes, and who buys them?", "Which of the makers are in Europe?"]
SCRIPT = {
    "agent": [
        calls(
            ("start_research", {"question": "Who makes cargo bikes?"}),
            ("start_research", {"question": "Who buys cargo bikes?"}),
        ),
        "Several makers do [1]; mostly families buy them [101].",
        call("follow_up", handle="r1", question="Which of them are in Europe?"),
        "Most of them are [201].",
    ]
}


def build(models: Any, **options: Any) -> Any:
    """The agent; `options` are further ones of the middleware."""
    research = ParallelResearchMiddleware(processor=("core", "lite"), **options)
    return create_agent(
        models["agent"],
        system_prompt="Research what you do not know. Cite your sources as [1].",
        middleware=[research],
        checkpointer=InMemorySaver(),  # the second question knows of the first
    )


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS))
