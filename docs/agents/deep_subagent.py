"""A deep agent whose sub-agents do the research, each in sessions of its own.

The lead sees what they report, and cites what they cite. Their records are copied to its state, which has
keys for them. Their marks say which agent found it, and in which ledger: `[market-1@c65c64]`,
`[patents-1@42d1f0]`.
"""

from __future__ import annotations

from typing import Any

from deepagents import create_deep_agent
from deepagents.graph import DeepAgentState
from langgraph.checkpoint.memory import InMemorySaver
from scripted import run

from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.testing import call, calls

NAMES = ("market", "patents")
QUESTIONS = ["How large is the market for cargo bikes, and who holds the patents?"]
SCRIPT = {
    "lead": [
        calls(
            ("task", {"subagent_type": "market", "description": "How large is it?"}),
            ("task", {"subagent_type": "patents", "description": "Who holds them?"}),
        ),
        "It grows [market-101]; a few hold the patents [patents-1].",
    ],
    "market": [
        call("start_market", question="How large is the market for cargo bikes?"),
        call("follow_up_market", handle="market-1", question="How fast does it grow?"),
        "It is large [market-1] and grows [market-101].",
    ],
    "patents": [
        call("start_patents", question="Who holds patents on cargo bikes?"),
        "A few companies do [patents-1].",
    ],
}


def build(models: Any, **options: Any) -> Any:
    """The lead; `options` are further ones of its sub-agents' middleware."""
    market, patents = (
        ParallelResearchMiddleware(processor="lite", name=name, **options) for name in NAMES
    )

    class State(market.state_schema, patents.state_schema, DeepAgentState):  # type: ignore[name-defined,misc]
        """The lead's state, with a place for its sub-agents' research."""

    return create_deep_agent(
        models["lead"],
        system_prompt="Give research to your sub-agents. Cite with the marks that they cite with.",
        subagents=[
            {
                "name": research_name,
                "description": f"Finds out about the {research_name}.",
                "system_prompt": "Research. Cite your sources by their marks.",
                "model": models[research_name],
                "tools": [],
                "middleware": [middleware],
            }
            for research_name, middleware in zip(NAMES, (market, patents), strict=True)
        ],
        state_schema=State,
        checkpointer=InMemorySaver(),
    )


if __name__ == "__main__":
    raise SystemExit(run(build, SCRIPT, QUESTIONS, NAMES))
