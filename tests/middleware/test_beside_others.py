"""Beside LangChain's own middleware: people edit, tools are retried, messages are summarised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command

from langchain_parallel.middleware import sources
from langchain_parallel.options import Limits

from .harness import (
    SAID,
    Account,
    Model,
    calls,
    follow_up,
    more,
    read,
    record,
    start,
    texts,
    thread,
)


def reviewed(account: Account, model: Model, first: str, **options: Any) -> Any:
    """An agent with a person before every question, whose middleware stands before or after ours."""
    gated = {"start_research": True, "follow_up": True}
    person: Any = HumanInTheLoopMiddleware(interrupt_on=gated)  # type: ignore[arg-type]
    ours = account.middleware(**options)
    both = [person, ours] if first == "person" else [ours, person]
    return create_agent(model, middleware=both, checkpointer=InMemorySaver())


def decide(*decisions: Any) -> Command[Any]:
    return Command(resume={"decisions": list(decisions)})


def edit(name: str, **args: Any) -> dict[str, Any]:
    return {"type": "edit", "edited_action": {"name": name, "args": args}}


@pytest.mark.parametrize("first", ["person", "ours"])
def test_calls_that_a_person_edits_together_are_reviewed_together(
    account: Account, first: str
) -> None:
    options: dict[str, Any] = {"model_may_choose": ("lite", "pro")}
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    agent = reviewed(
        account, model, first, limits=Limits(max_cost_usd=0.15, on_exceed="stop"), **options
    )
    account.invoke(agent, SAID, thread())
    dear = [edit("start_research", question=f"{n}?", processor="pro") for n in ("One", "Two")]
    state = account.invoke(agent, decide(*dear, {"type": "approve"}), thread())
    assert sorted(account.asked) == ["One?", "Three?"]
    assert record(state, "r2")["status"] == "declined"
    assert account.simulator.billing.total_usd <= 0.15


def over_budget(account: Account, model: Model, first: str, wait: str) -> Any:
    options: dict[str, Any] = {"model_may_choose": ("lite", "pro"), "wait": wait}
    return reviewed(
        account, model, first, limits=Limits(max_cost_usd=0.005, on_exceed="stop"), **options
    )


@pytest.mark.parametrize("first", ["person", "ours"])
def test_a_declined_call_that_a_person_makes_cheaper_is_known_and_counts(
    account: Account, first: str
) -> None:
    model = Model(calls(start("Who leads?", processor="pro")), "meanwhile", calls(start("More?")))
    agent = over_budget(account, model, first, "background")
    account.invoke(agent, SAID, thread())
    cheap = edit("start_research", question="Who leads?", processor="lite")
    state = account.invoke(agent, decide(cheap), thread())
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]
    account.pass_time()
    account.invoke(agent, more(), thread())
    state = account.invoke(agent, decide({"type": "approve"}), thread())
    assert record(state, "r1")["status"] == "completed"
    assert record(state, "r2")["status"] == "declined"
    assert account.asked == ["Who leads?"]


@pytest.mark.parametrize("first", ["person", "ours"])
def test_a_declined_call_that_is_sent_and_then_abandoned_is_found(
    account: Account, first: str
) -> None:
    model = Model(calls(start("Who leads?", processor="pro")), "later", "done")
    agent = over_budget(account, model, first, "park")
    account.invoke(agent, SAID, thread())
    cheap = edit("start_research", question="Who leads?", processor="lite")
    state = account.invoke(agent, decide(cheap), thread())
    assert state["__interrupt__"][0].value["kind"] == "parked"
    account.pass_time()
    state = account.invoke(agent, more(), thread())
    assert record(state, "r1")["run_id"] == account.runs[0]["run_id"]


def test_a_call_that_another_middleware_has_answered_counts_against_no_limit(
    account: Account,
) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    limit: Any = ToolCallLimitMiddleware(run_limit=1, exit_behavior="continue")
    ours = account.middleware(limits=Limits(max_runs=1, on_exceed="stop"))
    state = account.invoke(create_agent(model, middleware=[ours, limit]), SAID)
    assert account.asked == ["One?"]
    assert list(state["parallel_research"]) == ["r1"]


@pytest.mark.parametrize("first", ["person", "ours"])
def test_what_a_person_edits_is_what_is_paid_for(account: Account, first: str) -> None:
    agent = reviewed(account, Model(calls(start("Who leads?")), "done"), first)
    account.invoke(agent, SAID, thread())
    edited = edit("start_research", question="Who leads in Europe?")
    state = account.invoke(agent, decide(edited), thread())
    assert account.asked == ["Who leads in Europe?"]
    assert list(state["parallel_research"]) == ["r1"]
    assert record(state, "r1")["question"] == "Who leads in Europe?"
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == 1


@pytest.mark.parametrize("first", ["person", "ours"])
def test_what_a_person_rejects_costs_nothing_and_no_longer_counts(
    account: Account, first: str
) -> None:
    model = Model(calls(start("Who leads?")), calls(start("Who follows?")), "done")
    agent = reviewed(account, model, first, limits=Limits(max_runs=1, on_exceed="stop"))
    account.invoke(agent, SAID, thread())
    account.invoke(agent, decide({"type": "reject"}), thread())
    state = account.invoke(agent, decide({"type": "approve"}), thread())
    assert account.asked == ["Who follows?"]
    assert account.billed == 1
    assert "completed" in texts(state)[-1]


@pytest.mark.parametrize("first", ["person", "ours"])
def test_edits_of_parallel_calls_get_handles_of_their_own(account: Account, first: str) -> None:
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    agent = reviewed(account, model, first)
    account.invoke(agent, SAID, thread())
    approve: Any = {"type": "approve"}
    edits = [edit("start_research", question=f"Better {n}?") for n in (1, 3)]
    state = account.invoke(agent, decide(edits[0], approve, edits[1]), thread())
    assert sorted(account.asked) == ["Better 1?", "Better 3?", "Two?"]
    assert len(state["parallel_research"]) == 3
    assert {r["status"] for r in state["parallel_research"].values()} == {"completed"}


@pytest.mark.skipif(
    "interrupt_mode" not in signature(HumanInTheLoopMiddleware).parameters,
    reason="this LangChain asks for all calls of a message at once only",
)
def test_a_person_who_is_asked_call_by_call_edits_and_rejects_in_any_order(
    account: Account,
) -> None:
    person: Any = HumanInTheLoopMiddleware(
        interrupt_on={"start_research": True}, interrupt_mode="per_call"
    )
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    agent = account.agent(model, person, compiled={"checkpointer": InMemorySaver()})
    account.invoke(agent, SAID, thread())
    state: dict[str, Any] = {}
    decisions: dict[str, Any] = {
        "Three?": {"type": "reject", "message": "No."},
        "One?": edit("start_research", question="Better?"),
        "Two?": {"type": "approve"},
    }
    for question, decision in decisions.items():
        waiting = agent.get_state(thread()).interrupts
        (due,) = [i.id for i in waiting if i.value["args"]["question"] == question]
        state = account.invoke(agent, Command(resume={due: decision}), thread())
    assert sorted(account.asked) == ["Better?", "Two?"]
    assert {h: r["status"] for h, r in state["parallel_research"].items()} == {
        "r1": "completed",
        "r2": "completed",
        "r3": "declined",
    }


@pytest.mark.parametrize("first", ["person", "ours"])
def test_an_edit_to_an_unknown_handle_is_reported(account: Account, first: str) -> None:
    agent = reviewed(account, Model(calls(start("Who leads?")), "done"), first)
    account.invoke(agent, SAID, thread())
    edited = edit("follow_up", handle="r9", question="Why?")
    state = account.invoke(agent, decide(edited), thread())
    assert "There is no research 'r9'" in texts(state)[0]
    assert account.runs == []


@pytest.mark.parametrize("first", ["person", "ours"])
def test_an_edit_to_an_expensive_processor_needs_approval(account: Account, first: str) -> None:
    options: Any = {"model_may_choose": ("lite", "ultra"), "limits": Limits(approve_above="pro")}
    agent = reviewed(account, Model(calls(start("Who leads?")), "done"), first, **options)
    account.invoke(agent, SAID, thread())
    edited = edit("start_research", question="Who leads?", processor="ultra")
    state = account.invoke(agent, decide(edited), thread())
    assert state["__interrupt__"][0].value["kind"] == "spend"
    assert account.runs == []
    state = account.invoke(agent, decide({"type": "approve"}), thread())
    assert record(state, "r1")["processor"] == "ultra"
    assert account.billed == 1


@pytest.mark.parametrize("first", ["person", "ours"])
def test_an_edit_into_several_questions_gives_each_a_handle(account: Account, first: str) -> None:
    model = Model(calls(start("Who leads?")), calls(follow_up("r1", "Why?")), "done")
    agent = reviewed(account, model, first)
    account.invoke(agent, SAID, thread())
    account.invoke(agent, decide({"type": "approve"}), thread())
    edited = edit("branch", handle="r1", questions=["Why?", "Where?", "When?"])
    state = account.invoke(agent, decide(edited), thread())
    assert sorted(account.asked) == ["When?", "Where?", "Who leads?", "Why?"]
    assert len(state["parallel_research"]) == 4
    assert {r["status"] for r in state["parallel_research"].values()} == {"completed"}


@pytest.mark.parametrize("first", ["person", "ours"])
def test_edits_of_parallel_calls_into_several_questions_do_not_collide(
    account: Account, first: str
) -> None:
    both = calls(follow_up("r1", "A?"), follow_up("r1", "B?"))
    agent = reviewed(account, Model(calls(start("Who leads?")), both, "done"), first)
    account.invoke(agent, SAID, thread())
    account.invoke(agent, decide({"type": "approve"}), thread())
    edits = [edit("branch", handle="r1", questions=[f"{n}1?", f"{n}2?"]) for n in "AB"]
    state = account.invoke(agent, decide(*edits), thread())
    assert sorted(account.asked) == ["A1?", "A2?", "B1?", "B2?", "Who leads?"]
    asked = {r["question"]: r["run_id"] for r in state["parallel_research"].values()}
    assert len(asked) == len(set(asked.values())) == 5
    urls: dict[int, set[str]] = {}
    for found in state["parallel_research"].values():
        for source in found["citations"]:
            urls.setdefault(source["number"], set()).add(source["url"])
    assert all(len(those) == 1 for those in urls.values())


@pytest.mark.parametrize("first", ["person", "ours"])
def test_edits_of_parallel_calls_do_not_take_each_others_budget(
    account: Account, first: str
) -> None:
    model = Model(calls(start("One?"), start("Two?")), "done")
    agent = reviewed(account, model, first, limits=Limits(max_runs=2, on_exceed="stop"))
    account.invoke(agent, SAID, thread())
    edits = [edit("start_research", question=f"Better {n}?") for n in (1, 2)]
    account.invoke(agent, decide(*edits), thread())
    assert sorted(account.asked) == ["Better 1?", "Better 2?"]


@pytest.mark.parametrize("first", ["person", "ours"])
def test_calls_that_were_invalid_before_they_were_edited_do_not_collide(
    account: Account, first: str
) -> None:
    wrong = calls(follow_up("r8", "A?"), start("Right?"), follow_up("r9", "B?"))
    agent = reviewed(account, Model(wrong, "done"), first)
    account.invoke(agent, SAID, thread())
    edits = [edit("start_research", question=f"{n}?") for n in "AB"]
    state = account.invoke(agent, decide(edits[0], {"type": "approve"}, edits[1]), thread())
    assert sorted(account.asked) == ["A?", "B?", "Right?"]
    assert {r["question"] for r in state["parallel_research"].values()} == {"A?", "B?", "Right?"}
    assert len(sources(state)) == sum(
        len(r["citations"]) for r in state["parallel_research"].values()
    )


class Flaky(AgentMiddleware[Any, Any, Any]):
    """Loses what a tool has answered, the first times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def _lose(self, answer: Any) -> Any:
        if self.left:
            self.left -= 1
            raise ConnectionError("lost")
        return answer

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        return self._lose(handler(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        return self._lose(await handler(request))


@pytest.mark.parametrize("wait", ["block", "background"])
def test_a_tool_that_is_retried_pays_once(account: Account, wait: str) -> None:
    model = Model(calls(start("Who leads?"), start("Who follows?")), "done")
    retry = ToolRetryMiddleware(max_retries=3, initial_delay=0, jitter=False)
    agent = account.agent(model, retry, Flaky(2), wait=wait)
    account.invoke(agent, SAID)
    assert sorted(account.asked) == ["Who follows?", "Who leads?"]


def test_what_a_retry_gives_up_on_is_found_again(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(read("r1")), "done")
    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    agent = account.agent(model, retry, Flaky(2))
    state = account.invoke(agent, SAID)
    assert len(account.runs) == account.billed == 1
    assert texts(state)[1].startswith("r1 completed")


def test_handles_survive_summarisation(account: Account) -> None:
    saver = InMemorySaver()
    summary = SummarizationMiddleware(
        model=Model("They spoke."), trigger=("messages", 4), keep=("messages", 1)
    )
    model = Model(calls(start("Who leads?")), "done", calls(follow_up("r1", "Why?")), "done")
    agent = account.agent(model, summary, compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    state = account.invoke(agent, more(), thread())
    assert "Earlier research" in model.notes[2]
    assert "r1 (completed) “Who leads?”" in model.notes[2]
    assert record(state, "r1.2")["parent_handle"] == "r1"
    assert record(state, "r1.2")["status"] == "completed"


def test_handles_survive_the_loss_of_all_messages(account: Account) -> None:
    saver, model = InMemorySaver(), Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    agent.update_state(thread(), {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]})
    model.says(calls(read("r1")), calls(start("Who leads?")), "done")
    state = account.invoke(agent, more(), thread())
    assert texts(state)[0].startswith("r1 completed")
    assert list(state["parallel_research"]) == ["r1", "r2"]
    assert account.billed == 2  # asked again later, it is another run
