"""A deep agent (`deepagents`) that does its own research, besides its to-dos and files."""

from __future__ import annotations

from typing import Any

from deepagents import create_deep_agent
from langgraph.checkpoint.memory import InMemorySaver
from scripted import run

from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.testing import call, calls

QUESTIONS = ["Write notes on who makes cargo bikes and what they cost."]
SCRIPT = {
    "agent": [
        call("write_todos", todos=[{"content": "Research makers", "status": "in_progress"}]),
        call("start_research", question="Who makes cargo bikes?"),
        calls(
            ("follow_up", {"handle": "r1", "question": "What do they cost?"}),
            (
                "write_file",
                {"file_path": "/notes.md", "content": "Several makers [1]. Prices: see r1.2."},
            ),
        ),
        "The notes are in /notes.md. Several make them [1]; prices differ [101].",
    ]
}


def build(models: Any, **options: Any) -> Any:
    """The agent; `options` are further ones of the middleware."""
    return create_deep_agent(
        models["agent"],
        system_prompt="Research what you do not know. Cite your sources as [1].",
        middleware=[ParallelResearchMiddleware(processor="lite", **options)],
        checkpointer=InMemorySaver(),
    )


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS))
