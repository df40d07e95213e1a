"""Time travel in an agent: which run a replayed or forked call finds, and which it starts anew.

A call's place is the model message that made it. Going back to before the tools keeps that message; going
back to before the model lets it speak again, in a message of its own, and so asks anew.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START as BEGIN
from langgraph.graph import StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy

from langchain_parallel import ParallelTaskTool

from ..cut import either_way
from .helpers import START, Account, How, agent, answers, calls, invoke, run_ids, thread
from .test_ledger import Notes, WithLedger

QUESTION = {"input": "Who leads?"}
HERE = thread("a.thread")
KEEPERS = ("store", "configured", "state", "tool object", "checkpointer")
"""Who knows the ledger when one goes back. The `tool object` is in the process that asked; everywhere else
another process goes back, with a tool of its own.
"""


class Kept:
    """An account, and what an agent's processes share."""

    def __init__(self, account: Account, keeper: str) -> None:
        self.account, self.keeper = account, keeper
        self.options: dict[str, Any] = {"checkpointer": InMemorySaver()}
        self.ledger = account.new_ledger()
        if keeper == "store":
            self.options["store"] = InMemoryStore()
        if keeper == "state":
            self.options["state_schema"] = WithLedger
        self.start = {**START, "ledger_id": self.ledger} if keeper == "state" else START
        self.own = self.tool()

    def tool(self) -> ParallelTaskTool:
        """As a new process makes it."""
        known = {"ledger_id": self.ledger} if self.keeper == "configured" else {}
        return self.account.tool(**known)

    def agent(self, *says: AIMessage | str) -> Any:
        tool = self.own if self.keeper == "tool object" else self.tool()
        return agent(tool, *says, **self.options)

    async def ask(self, how: How, *says: AIMessage | str) -> Any:
        return await invoke(self.agent(*says), self.start, how, HERE)

    async def go_back(self, how: How, place: str, *says: AIMessage | str) -> Any:
        graph = self.agent(*says)
        at = next(s for s in graph.get_state_history(HERE) if s.next == (place,))
        return await invoke(graph, None, how, at.config)

    @property
    def started(self) -> int:
        return len(self.account.runs)


def said(message_id: str | None = None, **arguments: Any) -> AIMessage:
    return calls({**QUESTION, **arguments}).model_copy(update={"id": message_id})


TABLE = {
    # Runs started by going back to before the tools, or the model, by who knows the ledger.
    "tools": dict.fromkeys(KEEPERS, 0),
    "model": dict.fromkeys(KEEPERS, 1),
}


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("place", TABLE)
async def test_a_replay_starts_as_many_runs_as_the_table_says(
    account: Account, how: How, place: str, keeper: str
) -> None:
    kept = Kept(account, keeper)
    first = await kept.ask(how, said(), "done")
    repeated = [said()] if place == "model" else []
    again = await kept.go_back(how, place, *repeated, "done again")
    anew = TABLE[place][keeper]
    assert kept.started == account.billed == 1 + anew
    assert (run_ids(answers(again)) == run_ids(answers(first))) == (not anew)
    assert (again["messages"][-3].id == first["messages"][-3].id) is (place == "tools")


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_a_model_that_repeats_its_message_id_and_all_makes_the_same_call(
    account: Account, how: How, keeper: str
) -> None:
    """As a cache of a model's answers does; even another tool call id would not matter."""
    kept = Kept(account, keeper)
    await kept.ask(how, said("the message"), "done")
    repeated = said("the message")
    repeated.tool_calls[0]["id"] = "another"
    await kept.go_back(how, "model", repeated, "done again")
    assert kept.started == 1


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_a_finished_agent_invoked_again_without_input_asks_nothing(
    account: Account, how: How, keeper: str
) -> None:
    kept = Kept(account, keeper)
    await kept.ask(how, said(), "done")
    await invoke(kept.agent(), None, how, HERE)
    assert kept.started == 1


@pytest.mark.grid
@pytest.mark.parametrize("keeper", KEEPERS)
async def test_the_same_question_in_the_threads_next_turn_is_a_new_run(
    account: Account, how: How, keeper: str
) -> None:
    kept = Kept(account, keeper)
    for _ in range(2):
        await kept.ask(how, said(), "done")
    assert kept.started == account.billed == 2


FORKS: dict[str, tuple[dict[str, Any], int]] = {
    # What a fork says instead of the model, in a message of the same id, and the runs it starts.
    "the same": ({}, 0),
    "another question": ({"input": "Who follows?"}, 1),
    "another processor": ({"processor": "lite"}, 1),
    "another interaction": ({"previous_interaction_id": "the first"}, 1),
}


@pytest.mark.grid
@pytest.mark.parametrize("fork", FORKS)
async def test_a_fork_is_a_new_run_if_it_asks_something_else(
    account: Account, how: How, fork: str
) -> None:
    """A node that edits the call before it is made, as a review does."""
    tool = account.tool(processor="core-fast", model_may_choose=("core-fast", "lite"))
    options = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    graph = agent(tool, said("one"), "done", said("two"), "done", "done again", **options)
    first = await invoke(graph, START, how, HERE)
    await invoke(graph, START, how, HERE)
    changed, anew = FORKS[fork]
    interaction_id = answers(first)[0].artifact["interaction_id"]
    changed = {k: interaction_id if v == "the first" else v for k, v in changed.items()}
    at = next(s for s in graph.get_state_history(HERE) if s.next == ("tools",))
    edited = {"messages": [said("two", **changed)]}
    place = graph.update_state(at.config, edited, as_node="model")
    await invoke(graph, None, how, place)
    assert len(account.runs) == account.billed == 2 + anew


async def test_parallel_calls_are_replayed_each_to_its_own_run(account: Account, how: How) -> None:
    kept = Kept(account, "store")
    asked = [{"input": f"Who leads in {place}?"} for place in ("Europe", "Asia", "Africa")]
    first = await kept.ask(how, calls(*asked), "done")
    graph = kept.agent("done again")
    at = next(s for s in graph.get_state_history(HERE) if set(s.next) == {"tools"})
    again = await invoke(graph, None, how, at.config)
    assert run_ids(answers(again)) == run_ids(answers(first))
    assert kept.started == len(set(run_ids(answers(first)))) == 3


# --- the tool called by a node of one's own ------------------------------------------------------


def own_node(account: Account, *, faults: int = 0, **options: Any) -> Any:
    """A node that calls the tool, and fails so often afterwards."""
    tool, left = account.tool(), iter(range(faults))

    def noted(state: Notes, answer: str) -> dict[str, Any]:
        if next(left, None) is not None:
            raise RuntimeError("the network is away")
        return {"found": [*state.found, answer.splitlines()[-1]]}

    def blocking(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return noted(state, tool.invoke(QUESTION, config))

    async def awaited(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return noted(state, await tool.ainvoke(QUESTION, config))

    graph: Any = StateGraph(Notes)
    policy = RetryPolicy(
        max_attempts=3, initial_interval=0.001, jitter=False, retry_on=RuntimeError
    )
    graph.add_node("research", RunnableLambda(blocking, awaited), retry_policy=policy)
    graph.add_edge(BEGIN, "research")
    return graph.compile(**options)


@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
@pytest.mark.parametrize("late_commit", [0.0, 100_000.0])
async def test_a_retry_policy_on_the_node_pays_once(
    account: Account, how: How, late_commit: float, store: bool
) -> None:
    """Its place is the node's task; and what this process started it knows, though no list shows it."""
    account.script(late_commit=late_commit)
    kept: dict[str, Any] = {"store": InMemoryStore() if store else None}
    graph = own_node(account, faults=2, checkpointer=InMemorySaver(), **kept)
    state = await invoke(graph, {"found": []}, how, HERE)
    assert state["found"] == [f"run_id: {account.runs[0]['run_id']}"]
    assert len(account.wire.paid) == account.billed == 1


@pytest.mark.parametrize("store", [False, True], ids=["bare", "store"])
async def test_a_replay_from_before_such_a_node_finds_its_run_in_another_process(
    account: Account, how: How, store: bool
) -> None:
    kept: dict[str, Any] = {"store": InMemoryStore() if store else None}
    kept["checkpointer"] = InMemorySaver()
    await invoke(own_node(account, **kept), {"found": []}, how, HERE)
    graph = own_node(account, **kept)
    at = next(s for s in graph.get_state_history(HERE) if s.next == ("research",))
    await invoke(graph, None, how, at.config)
    assert len(account.runs) == account.billed == 1
