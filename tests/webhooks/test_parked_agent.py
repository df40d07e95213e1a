"""A parked agent over real sockets: the API delivers the webhook, and the agent answers, paid for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from langchain_parallel import AsyncParallelClient, ParallelClient, ParallelResearchMiddleware
from langchain_parallel.models import Webhook
from langchain_parallel.options import RequestOptions
from langchain_parallel.parked import sweep
from langchain_parallel.simulator import Fault, RealClock, RunScript, Simulator, serve
from langchain_parallel.webhooks import webhook_app

from ..client.both import QUICK
from ..middleware.harness import Model, calls, start
from .deliveries import SECRET
from .serving import listening, served, until

THREADS = 6


def answer_or_ask(*questions: str) -> Callable[[list[BaseMessage]], AIMessage]:
    """Ask the questions at once; when their answers are there, answer."""

    def say(messages: list[BaseMessage]) -> AIMessage:
        if isinstance(messages[-1], ToolMessage):
            return AIMessage("the answer")
        return calls(*map(start, questions))

    return say


@pytest.mark.parametrize("store", [False, True], ids=["no store", "store"])
@pytest.mark.parametrize("blocking", [False, True], ids=["asynchronous", "blocking"])
def test_a_parked_agent_is_woken_by_its_webhooks_and_pays_once(
    *, blocking: bool, store: bool
) -> None:
    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript(contains="Later?", seconds=0.6, times=None))
    simulator.scripts.add(RunScript(seconds=0.3, times=None))
    simulator.faults.add(
        Fault("webhook_duplicate", times=4), Fault("webhook_forge", times=4, skip=1)
    )
    sock, url = listening()
    with serve(simulator) as server:
        make: Any = ParallelClient if blocking else AsyncParallelClient
        client = make("k", server.url, retry_policy=QUICK)
        research = ParallelResearchMiddleware(
            processor="lite",
            wait="park",
            request=RequestOptions(webhook=Webhook(url=f"{url}/parallel/webhook")),
            client=client,
        )
        agent: Any = create_agent(
            Model(*[answer_or_ask("Sooner?", "Later?")] * 2 * THREADS),
            middleware=[research],
            checkpointer=InMemorySaver(),
            store=InMemoryStore() if store else None,
        )
        app = webhook_app(agent, secrets=[SECRET], blocking=blocking, client=client)
        configs: Any = [{"configurable": {"thread_id": f"thread {n}"}} for n in range(THREADS)]
        with served(app, sock):
            for config in configs:
                said = {"messages": [("user", "What do you know?")]}
                state = agent.invoke(said, config, durability="sync")
                assert len(state["__interrupt__"]) == 2
            until(lambda: not any(agent.get_state(config).next for config in configs))
            until(lambda: httpx.get(f"{url}/health", trust_env=False).json()["open"] == 0)
        for config in configs:
            messages = agent.get_state(config).values["messages"]
            assert messages[-1].text == "the answer"
            assert [m.text.split()[1] for m in messages if m.type == "tool"] == ["completed"] * 2
        assert sweep(agent, client, per_second=1_000).resumed == []
    assert len(simulator.runs()) == len(simulator.billing.billed_runs()) == 2 * THREADS
