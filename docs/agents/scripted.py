"""What the examples in this folder share: the model, the account, and how an answer is shown.

    python docs/agents/create_agent.py           a scripted model, a simulated account; free
    python docs/agents/create_agent.py --live    a real model and the real API; costs money

`--live` needs PARALLEL_API_KEY, and ANTHROPIC_API_KEY or OPENAI_API_KEY with its LangChain package; MODEL
names another model (`provider:model`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from langchain_parallel.middleware import find_citations
from langchain_parallel.simulator import Simulator, serve
from langchain_parallel.testing import ScriptedModel

MODELS = {
    "ANTHROPIC_API_KEY": "anthropic:claude-sonnet-4-5",
    "OPENAI_API_KEY": "openai:gpt-5",
}
"""The model for each key."""

# --- running an example ----------------------------------------------------------------------------


def models(script: Mapping[str, Sequence[AIMessage | str]]) -> dict[str, BaseChatModel]:
    """A scripted model for each agent of an example."""
    return {agent: ScriptedModel(*says) for agent, says in script.items()}


def real_models(script: Mapping[str, Any]) -> dict[str, BaseChatModel]:
    """The same real model for each of them."""
    name = os.environ.get("MODEL") or next(MODELS[key] for key in MODELS if os.environ.get(key))
    return dict.fromkeys(script, init_chat_model(name))


@contextmanager
def simulated() -> Iterator[None]:
    """A simulated account in the environment; its runs take a thousandth of their usual time."""
    with serve(Simulator(latency_scale=0.001)) as server:
        os.environ["PARALLEL_BASE_URL"] = server.url
        os.environ["PARALLEL_API_KEY"] = "simulated"
        yield


def run(
    build: Callable[..., Any],
    script: Mapping[str, Sequence[AIMessage | str]],
    questions: Sequence[str],
    names: Sequence[str] = ("research",),
) -> int:
    """Ask an example's agent its questions, on one thread.

    Args:
        build: Makes the agent from the models.
        script: What each agent's model says, if it is scripted.
        questions: The user's.
        names: Those of the research middlewares.
    """
    parser = argparse.ArgumentParser(description="An agent that does research.")
    parser.add_argument(
        "--live", action="store_true", help="a real model, the real API: costs money"
    )
    live: bool = parser.parse_args().live
    if live and (missing := missing_keys()):
        print(f"--live needs {missing}. Without it, everything is simulated.")
        return 2
    with nullcontext() if live else simulated():
        agent = build(real_models(script) if live else models(script))
        thread = {"configurable": {"thread_id": "example"}}
        for question in questions:
            state = agent.invoke({"messages": [("user", question)]}, thread, durability="sync")
            show(question, state, names)
    return 0


def missing_keys() -> str:
    """What is missing in the environment for `--live`; empty if nothing is."""
    missing = [] if os.environ.get("PARALLEL_API_KEY") else ["PARALLEL_API_KEY"]
    if not any(os.environ.get(name) for name in (*MODELS, "MODEL")):
        missing.append(" or ".join(MODELS))
    return ", and ".join(missing)


def show(question: str, state: Mapping[str, Any], names: Sequence[str] = ("research",)) -> None:
    """Print an answer, the sources that it cites, and what was asked for it so far."""
    answer = state["messages"][-1].text
    print(f"\n> {question}\n{answer}")
    for name in names:
        for number, source in find_citations(answer, state, name).sources.items():
            print(f"  [{number}] {source['handle']} {source['url']}")
        for handle, record in (state.get(f"parallel_{name}") or {}).items():
            print(f"  {handle} {record['status']}, {record['cost_usd']} USD: {record['question']}")
