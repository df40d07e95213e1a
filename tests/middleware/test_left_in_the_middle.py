"""A cancelled call, two messages at once: the agent takes the next message, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel.middleware import ParallelResearchMiddleware
from langchain_parallel.models import TaskRunInput
from langchain_parallel.options import Limits

from ..cut import is_exhaustive
from .harness import SAID, Account, Model, calls, more, record, start, texts, thread


def check_history(state: dict[str, Any]) -> None:
    """Every tool call is answered right behind its message."""
    messages = list(state["messages"])
    for at, message in enumerate(messages):
        if isinstance(message, AIMessage) and message.tool_calls:
            n = len(message.tool_calls)
            behind = messages[at + 1 : at + 1 + n]
            assert all(isinstance(one, ToolMessage) for one in behind)
            assert {one.tool_call_id for one in behind} == {c["id"] for c in message.tool_calls}


def check_nothing_is_lost(account: Account, state: dict[str, Any]) -> None:
    known = {one["run_id"] for one in state.get("parallel_research", {}).values()}
    assert {run["run_id"] for run in account.runs} <= known


def asks_two() -> AIMessage:
    return calls(start("One?"), start("Two?"))


@pytest.mark.larger
@pytest.mark.parametrize("wait", ["block", "background"])
def test_cancelled_at_any_await_it_takes_the_next_message(wait: Any) -> None:
    cut = 0
    for steps in range(2, 1_000, 9 if is_exhaustive() else 29):
        account, saver = Account("async"), InMemorySaver()
        agent = account.agent(
            Model(asks_two(), "done"), wait=wait, compiled={"checkpointer": saver}
        )

        async def cancelled(agent: Any = agent, steps: int = steps) -> bool:
            task = asyncio.ensure_future(agent.ainvoke(SAID, thread(), durability="sync"))
            for _ in range(steps):
                await asyncio.sleep(0)
            return task.cancel() and not (await asyncio.wait([task]))[1]

        if not asyncio.run(cancelled()):
            break
        cut += 1
        agent = account.agent(
            Model(calls(start("Three?")), "done"), wait=wait, compiled={"checkpointer": saver}
        )
        state = account.invoke(agent, more(), thread())
        check_history(state)
        check_nothing_is_lost(account, state)
        assert len(account.asked) == len(set(account.asked))
    assert cut > 1


class Interrupted(BaseException):
    """As KeyboardInterrupt, which would end the tests."""


@pytest.mark.parametrize("nth", range(12))
def test_interrupted_at_any_request_it_takes_the_next_message(nth: int) -> None:
    account, saver = Account("sync"), InMemorySaver()
    left = [nth]
    handle = account.simulator.handle

    def cut(request: Any) -> Any:
        response = handle(request)
        left[0] -= 1
        if left[0] == -1:
            raise Interrupted
        return response

    account.simulator.handle = cut  # type: ignore[method-assign]
    agent = account.agent(Model(asks_two(), "done"), compiled={"checkpointer": saver})
    with suppress(Interrupted):
        account.invoke(agent, SAID, thread())
    agent = account.agent(Model("done"), compiled={"checkpointer": saver})
    state = account.invoke(agent, more(), thread())
    check_history(state)
    check_nothing_is_lost(account, state)


def test_the_answer_of_an_interrupted_call_says_what_became_of_it() -> None:
    account, saver = Account("async"), InMemorySaver()
    account.script(seconds=1_000)

    @tool
    def other() -> str:
        """Something else."""
        return "x"

    both = asks_two()
    both.tool_calls.append({"name": "other", "args": {}, "id": "9", "type": "tool_call"})
    how = {"checkpointer": saver, "tools": [other]}
    agent = account.agent(Model(both, "done"), compiled=how, wait="background")

    async def cancelled() -> None:
        task = asyncio.ensure_future(agent.ainvoke(SAID, thread(), durability="sync"))
        while len(account.runs) < 2:  # noqa: ASYNC110 -- in virtual time nothing tells of a run
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    agent = account.agent(Model("done"), compiled=how)
    state = account.invoke(agent, more(), thread())
    check_history(state)
    assert texts(state)[0].startswith("This call was interrupted before it had an answer.")
    assert "r1 (" in texts(state)[0]
    assert texts(state)[2] == "This call was interrupted before it had an answer."
    agent = account.agent(Model("done"), compiled=how)
    assert texts(account.invoke(agent, more(), thread())) == texts(state)  # once


def test_two_messages_at_the_same_instant_are_both_paid_once_and_kept() -> None:
    account, saver = Account("sync"), InMemorySaver()
    together = threading.Barrier(2, timeout=60)

    def asking(question: str) -> Any:
        def says(messages: Any) -> Any:
            together.wait()  # both have read the thread, and neither has written
            return calls(start(question))

        return says

    agents = [
        account.agent(Model(asking(q), "done"), compiled={"checkpointer": saver})
        for q in ("Left?", "Right?")
    ]
    agent = account.agent(Model(calls(start("First?")), "done"), compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())

    def one(agent: Any) -> None:
        agent.invoke(more(), thread())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, agents))
    assert account.billed == 3
    model = Model(calls(start("Next?")), "done")
    agent = account.agent(model, compiled={"checkpointer": saver})
    state = account.invoke(agent, more(), thread())
    assert account.billed == 4
    check_history(state)
    check_nothing_is_lost(account, state)
    (found,) = [one for one in state["parallel_research"].values() if "@" in one["handle"]]
    assert found["asked_by"] == "elsewhere"
    assert found["status"] == "completed"  # polled like any other
    assert found["handle"] in model.notes[-1]


def stray(account: Account, state: dict[str, Any], question: str = "Stray?") -> str:
    """A run in the agent's ledger that another process has started."""
    ledger_id = record(state, "r1")["ledger_id"]
    request = TaskRunInput(input=question, processor="lite")
    return account.client().submit(ledger_id, request, position="other").run.run_id


@pytest.mark.parametrize("how", ["sync", "async"])
def test_runs_that_the_state_does_not_know_count_as_spent(how: Any) -> None:
    account = Account(how)
    limits, saver = Limits(max_runs=2, on_exceed="stop"), InMemorySaver()
    how_compiled = {"checkpointer": saver}
    agent = account.agent(Model(calls(start("One?"))), limits=limits, compiled=how_compiled)
    state = account.invoke(agent, SAID, thread())
    run_id = stray(account, state)
    model = Model(calls(start("Two?")), calls(start("Three?")))
    agent = account.agent(model, limits=limits, compiled=how_compiled)
    state = account.invoke(agent, more(), thread())
    assert len(account.runs) == 2
    assert record(state, "r2")["status"] == "declined"
    assert "the limit is 2" in texts(state)[1]
    assert "started elsewhere" in texts(state)[1]
    assert "Make the call again" not in texts(state)[1]
    assert run_id in {one["run_id"] for one in state["parallel_research"].values()}
    assert "the limit is 2" in texts(state)[2]


def test_the_model_is_told_to_call_again_where_a_person_is_asked() -> None:
    account = Account("sync")
    how: Any = {"limits": Limits(max_runs=2), "compiled": {"checkpointer": InMemorySaver()}}
    state = account.invoke(account.agent(Model(calls(start("One?"))), **how), SAID, thread())
    stray(account, state)
    agent = account.agent(Model(calls(start("Two?")), calls(start("Two?"))), **how)
    state = account.invoke(agent, more(), thread())
    assert "Make the call again, and a person is asked." in texts(state)[1]
    (asked,) = state["__interrupt__"]
    assert asked.value["used_if_approved"]["runs"] == 3
    assert len(account.runs) == 2


def test_where_nothing_is_unknown_no_request_is_made_for_it() -> None:
    account, saver, before = Account("sync"), InMemorySaver(), 0
    for question in ("One?", "Two?"):
        agent = account.agent(
            Model(calls(start(question)), "done"), compiled={"checkpointer": saver}
        )
        before = len(account.simulator.requests)
        account.invoke(agent, more(), thread())
    after = account.simulator.requests[before:]
    assert not [entry for entry in after if "include_input" in str(entry)]


def test_the_middleware_has_no_answer_for_calls_that_are_about_to_be_made() -> None:
    middleware: Any = ParallelResearchMiddleware(processor="lite", api_key="key")
    messages = [*more()["messages"], asks_two()]
    assert middleware.before_model({"messages": messages}, None) is None
