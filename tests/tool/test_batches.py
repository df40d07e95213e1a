"""Calls of the tool in a batch: sent together, answered as LangChain promises, each paid for once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from langchain_parallel import Limits, RequestOptions, errors

from .helpers import Account, How

pytestmark = pytest.mark.parametrize("how", ["sync", "async"])
QUESTIONS = [f"Who runs company {nth}?" for nth in range(12)]


def batch(how: How, runnable: Any, inputs: Any, config: Any = None, **more: Any) -> Any:
    if how == "sync":
        return runnable.batch(inputs, config, **more)
    return asyncio.run(runnable.abatch(inputs, config, **more))


def as_completed(how: How, tool: Any, inputs: Any, config: Any = None, **more: Any) -> list[Any]:
    if how == "sync":
        return [*tool.batch_as_completed(inputs, config, **more)]

    async def collect() -> list[Any]:
        return [each async for each in tool.abatch_as_completed(inputs, config, **more)]

    return asyncio.run(collect())


def asked(account: Account) -> Counter[str]:
    return Counter(run.text for run in account.simulator.all_runs())


class Listener(BaseCallbackHandler):
    run_inline = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def on_tool_start(self, serialized: Any, input_str: str, **more: Any) -> None:
        self.seen.append(("start", (input_str, more["tags"], more["metadata"].get("row"))))

    def on_tool_end(self, output: Any, **_: Any) -> None:
        self.seen.append(("end", str(output)[:0]))

    def on_tool_error(self, error: BaseException, **_: Any) -> None:
        self.seen.append(("error", type(error).__name__))


def test_the_calls_of_a_batch_are_sent_in_one_request_and_answered_in_order(how: How) -> None:
    account = Account()
    account.script(seconds=20.0, times=None)
    tool = account.tool(processor="lite")
    answers = batch(how, tool, QUESTIONS)
    assert len(account.wire.paid) == 1
    assert set(asked(account).values()) == {1}
    runs = {run.text: run.run_id for run in account.simulator.all_runs()}
    for question, answer in zip(QUESTIONS, answers, strict=True):
        assert runs[question] in answer
    assert len(account.simulator.requests) <= 8


def test_a_batch_is_gone_on_with_by_its_id_and_another_call_is_another_batch(how: How) -> None:
    account, kept = Account(), list[str]()
    first = batch(how, account.tool(processor="lite"), QUESTIONS, on_begin=kept.append)
    again = batch(how, account.tool(processor="lite"), QUESTIONS[::-1], batch_id=kept[0])
    assert again == first[::-1]
    assert set(asked(account).values()) == {1}
    more = batch(how, account.tool(processor="lite"), [*QUESTIONS, "New?"], batch_id=kept[0])
    assert len(more) == 13
    assert set(asked(account).values()) == {1}
    batch(how, account.tool(processor="lite"), QUESTIONS)
    assert sum(asked(account).values()) == 25


def test_inputs_are_texts_arguments_and_tool_calls(how: How) -> None:
    account = Account()
    tool = account.tool(processor="lite")
    call = tool_call(name=tool.name, args={"input": "A call?"}, id="call-7")
    text, arguments, message = batch(how, tool, ["A text?", {"input": "Arguments?"}, call])
    assert isinstance(text, str)
    assert isinstance(arguments, str)
    assert isinstance(message, ToolMessage)
    assert message.tool_call_id == "call-7"
    assert message.artifact["run_id"] in message.content
    assert set(asked(account)) == {"A text?", "Arguments?", "A call?"}


def test_the_same_question_twice_is_two_runs_as_without_a_batch(how: How) -> None:
    account, kept = Account(), list[str]()
    batch(how, account.tool(), ["Same?", "Same?"], on_begin=kept.append)
    assert asked(account) == {"Same?": 2}
    batch(how, account.tool(), ["Same?", "Same?"], batch_id=kept[0])
    assert asked(account) == {"Same?": 2}


def test_each_call_has_its_config_and_its_events(how: How) -> None:
    account, listener = Account(), Listener()
    configs = [
        {"callbacks": [listener], "tags": [f"tag-{nth}"], "metadata": {"row": nth}}
        for nth in range(3)
    ]
    batch(how, account.tool(), QUESTIONS[:3], configs)
    started = sorted(what for kind, what in listener.seen if kind == "start")
    assert started == [(QUESTIONS[nth], [f"tag-{nth}"], nth) for nth in range(3)]
    assert [kind for kind, _ in listener.seen].count("end") == 3


def test_exceptions_are_values_where_that_is_asked_for(how: How) -> None:
    account = Account()
    account.script(contains="company 1?", outcome="failed")
    tool = account.tool(handle_tool_error=False, handle_validation_error=False)
    inputs = [*QUESTIONS[:3], {"input": " "}, {}]
    got = batch(how, tool, inputs, return_exceptions=True)
    kinds = [type(one).__name__ for one in got]
    assert kinds == ["str", "ToolException", "str", "ToolException", "ValidationError"]
    assert isinstance(got[1].__cause__, errors.RunFailed)
    assert isinstance(got[3].__cause__, errors.InvalidRequest)
    assert len(account.runs) == 3
    account.script(contains="company 1?", outcome="failed")
    with pytest.raises(ToolException):
        batch(how, tool, inputs[:3])


def test_errors_are_texts_unless_the_tool_raises(how: How) -> None:
    account = Account()
    account.script(contains="company 1?", outcome="failed", message="No luck")
    got = batch(how, account.tool(), [*QUESTIONS[:3], {"input": ""}])
    assert "No luck" in got[1]
    assert len(account.runs) == 3


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_runs_are_on_their_way_than_the_concurrency_allows(how: How, most: int) -> None:
    account = Account()
    account.script(seconds=20.0, times=None)
    got = batch(how, account.tool(processor="lite"), QUESTIONS, {"max_concurrency": most})
    assert len(got) == 12
    runs = account.simulator.all_runs()
    moments = [(run.created, 1) for run in runs] + [(run.created + 20.0, -1) for run in runs]
    on_way = peak = 0
    for _, change in sorted(moments):
        on_way += change
        peak = max(peak, on_way)
    assert peak <= most


def test_as_completed_each_output_has_the_number_of_its_input(how: How) -> None:
    account = Account()
    account.script(contains="company 0?", seconds=500.0)
    account.script(seconds=5.0, times=None)
    got = as_completed(how, account.tool(), QUESTIONS[:4])
    assert sorted(number for number, _ in got) == [0, 1, 2, 3]
    if (
        how == "async"
    ):  # in virtual time a thread may have its answer before another has noticed its own
        assert got[-1][0] == 0
    runs = {run.text: run.run_id for run in account.simulator.all_runs()}
    assert all(runs[QUESTIONS[number]] in answer for number, answer in got)
    assert len(account.wire.paid) == 1


def test_what_had_no_answer_in_time_is_not_paid_for_again(how: How) -> None:
    """As for single calls: the next call of the same tool with the same question goes on with its run."""
    account = Account()
    account.script(contains="company 1?", seconds=500.0)
    tool = account.tool(processor="lite", timeout=90.0, handle_tool_error=False)
    kept: list[str] = []
    how_it_is: dict[str, Any] = {"on_begin": kept.append, "return_exceptions": True}
    late = batch(how, tool, QUESTIONS[:3], **how_it_is)[1]
    assert isinstance(late.__cause__, errors.StillRunning)
    assert kept[0] in late.__cause__.hint
    batch(how, tool, QUESTIONS[1:3], return_exceptions=True)
    assert asked(account)[QUESTIONS[1]] == 1
    account.simulator.clock.sleep(500.0)
    batch(how, tool, QUESTIONS[:3], batch_id=kept[0])
    assert asked(account)[QUESTIONS[1]] == 1
    batch(how, tool, QUESTIONS[1:3], return_exceptions=True)
    assert asked(account)[QUESTIONS[1]] == 2


def test_a_part_of_a_chain_is_a_batch_too(how: How) -> None:
    account, kept = Account(), list[str]()
    for batch_id in (None, "kept"):
        tool = account.tool().bind(batch_id=batch_id and kept[0], on_begin=kept.append)
        chain: Any = RunnableLambda(str.strip) | tool
        assert len(batch(how, chain, [f" {question} " for question in QUESTIONS])) == 12
    assert set(asked(account).values()) == {1}


def test_limits_bound_a_batch_with_an_id(how: How) -> None:
    account = Account()
    tool = account.tool(processor="lite", limits=Limits(max_runs=2), handle_tool_error=False)
    told: dict[str, Any] = {"on_begin": lambda _: None, "return_exceptions": True}
    got = batch(how, tool, QUESTIONS[:4], **told)
    refused = [one for one in got if isinstance(one, ToolException)]
    assert len(refused) == 2
    assert all(isinstance(one.__cause__, errors.LimitExceeded) for one in refused)
    assert len(account.runs) == 2
    dear = account.tool(processor="pro", limits=Limits(approve_above="lite"))
    with pytest.raises(errors.LimitExceeded):
        batch(how, dear, QUESTIONS[:2], **told)
    inputs = [{"input": "a", "processor": "base"}, {"input": "b"}]
    limits = Limits(max_cost_usd=1)
    mixed = account.tool(model_may_choose=("lite", "base"), limits=limits, processor="lite")
    with pytest.raises(errors.InvalidRequest, match="one processor"):
        batch(how, mixed, inputs, **told)


def test_limits_without_an_id_are_those_of_the_tool_as_ever(how: How) -> None:
    account = Account()
    tool = account.tool(processor="lite", limits=Limits(max_runs=3))
    for _ in range(2):
        batch(how, tool, QUESTIONS[:2])
    assert len(account.runs) == 3


def test_a_batch_that_is_not_there_is_each_calls_error(how: How) -> None:
    account = Account()
    tool = account.tool(handle_tool_error=False)
    got = batch(how, tool, QUESTIONS[:3], batch_id="tgrp_unknown", return_exceptions=True)
    assert [type(one.__cause__).__name__ for one in got] == ["LedgerNotFound"] * 3
    assert not account.runs


def test_another_sessions_interaction_is_refused_before_anything_is_sent(how: How) -> None:
    account = Account()
    closed = account.tool(request=RequestOptions(allow_foreign_ids=False), handle_tool_error=False)
    inputs = [{"input": "Follow up?", "previous_interaction_id": "intr_other"}, "Plain?"]
    got = batch(how, closed, inputs, return_exceptions=True)
    assert isinstance(got[0].__cause__, errors.InvalidRequest)
    assert set(asked(account)) == {"Plain?"}


def test_in_a_step_of_a_graph_a_batch_is_paid_for_once_without_an_id(how: How) -> None:
    """Each call has the position of its step, as a single one has."""
    account = Account()

    class State(TypedDict, total=False):
        answers: list[str]

    def step(state: State, config: Any) -> State:
        return {"answers": account.tool().batch(QUESTIONS[:3], config)}

    async def astep(state: State, config: Any) -> State:
        return {"answers": await account.tool().abatch(QUESTIONS[:3], config)}

    graph: Any = StateGraph(State)
    graph.add_node("ask", RunnableLambda(step, astep))
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    here: Any = {"configurable": {"thread_id": "t"}}
    first = asyncio.run(compiled.ainvoke({}, here)) if how == "async" else compiled.invoke({}, here)
    start = [*compiled.get_state_history(here)][-2].config
    again = (
        asyncio.run(compiled.ainvoke(None, start))
        if how == "async"
        else compiled.invoke(None, start)
    )
    assert first == again
    assert set(asked(account).values()) == {1}


@pytest.mark.parametrize("most", [0, -1, "two"])
def test_a_number_of_calls_at_once_that_is_none_is_refused_unpaid(how: How, most: Any) -> None:
    account = Account()
    with pytest.raises(errors.InvalidRequest, match="max_concurrency is"):
        batch(how, account.tool(), QUESTIONS[:3], {"max_concurrency": most})
    assert not account.simulator.runs()


def test_a_text_is_no_list_of_questions(how: How) -> None:
    """Each of its characters would be paid for."""
    account = Account()
    for inputs in ("Who?", {"input": "Who?"}):
        with pytest.raises(errors.InvalidRequest, match="give a list of inputs"):
            batch(how, account.tool(), inputs)
    assert not account.simulator.runs()


def test_an_id_that_nobody_would_keep_is_refused_before_anything_is_paid(how: How) -> None:
    async def keep(batch_id: str) -> None:
        del batch_id

    account = Account()
    for said in batch(how, account.tool(), QUESTIONS[:3], on_begin=keep):
        assert "on_begin is asynchronous" in said
    assert not account.simulator.runs()


def test_the_runs_are_on_their_way_before_the_calls_begin(how: How) -> None:
    """A thousand calls take as long to begin as some runs take, which need not wait for that."""
    account, sent = Account(), list[int]()

    class Counting(BaseCallbackHandler):
        run_inline = True

        def on_tool_start(self, *_: Any, **__: Any) -> None:
            sent.append(len(account.simulator.all_runs()))

    account.script(seconds=20.0, times=None)
    batch(how, account.tool(processor="lite"), QUESTIONS, {"callbacks": [Counting()]})
    assert sent == [len(QUESTIONS)] * len(QUESTIONS)
