"""Progress: LangChain custom events, and LangGraph's custom stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

from langchain_parallel import ParallelTaskTool
from langchain_parallel.models import ErrorEvent, McpServer, TaskRunError, UnknownEvent
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import Fault
from langchain_parallel.text.progress import CUSTOM_EVENT, progress

from .helpers import START, Account, How, agent, answers, calls, invoke

QUESTION = {"input": "Who leads?"}
KINDS = ["plan", "search", "result", "search", "exec_status"]


def check(messages: list[Any], account: Account) -> None:
    """The whole course of one run, each step once, as plain JSON and without its output."""
    (run,) = account.runs
    assert json.loads(json.dumps(messages)) == messages
    for message in messages:
        assert message["run_id"] == run["run_id"]
        assert message["interaction_id"] == run["interaction_id"]
        assert "output" not in message
    assert [m["status"] for m in messages if "status" in m] == ["queued", "completed"]
    assert [m["kind"] for m in messages if "kind" in m] == KINDS
    meters = [m["progress"] for m in messages if "progress" in m]
    assert meters == sorted(meters)
    assert len(meters) == len(KINDS)
    stats = next(m for m in messages if m["type"] == "task_run.progress_stats")
    assert 0 <= stats["sources_read"] <= stats["sources_considered"]
    assert any("Searching for" in m.get("message", "") for m in messages)


class Listener(BaseCallbackHandler):
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        assert name == CUSTOM_EVENT == "parallel_progress"
        self.heard.append(data)


class AsyncListener(AsyncCallbackHandler, Listener):
    async def on_custom_event(self, name: str, data: Any, **_: Any) -> None:  # type: ignore[override]  # awaited
        self.heard.append(data)


async def test_a_callback_handler_hears_it(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    listener = Listener()
    await invoke(tool, QUESTION, how, {"callbacks": [listener]})
    check(listener.heard, account)


async def test_an_async_callback_handler_hears_it(account: Account, tool: ParallelTaskTool) -> None:
    listener = AsyncListener()
    await tool.ainvoke(QUESTION, {"callbacks": [listener]})
    check(listener.heard, account)


async def test_astream_events_shows_it_for_the_tool_alone(
    account: Account, tool: ParallelTaskTool
) -> None:
    events = [event async for event in tool.astream_events(QUESTION, version="v2")]
    started = next(e for e in events if e["event"] == "on_tool_start")
    custom = [e for e in events if e["event"] == "on_custom_event"]
    assert {e["name"] for e in custom} == {CUSTOM_EVENT}
    assert {e["run_id"] for e in custom} == {started["run_id"]}
    check([e["data"] for e in custom], account)


async def test_astream_events_shows_it_for_an_agent(
    account: Account, tool: ParallelTaskTool
) -> None:
    graph = agent(tool, calls(QUESTION), "done")
    events = [event async for event in graph.astream_events(START, version="v2")]
    check([e["data"] for e in events if e["event"] == "on_custom_event"], account)


async def test_langgraphs_custom_stream_shows_it(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    graph = agent(tool, calls(QUESTION), "done")
    if how == "async":
        messages = [m async for m in graph.astream(START, stream_mode="custom")]
    else:
        messages = list(graph.stream(START, stream_mode="custom"))
    check(messages, account)


async def test_progress_names_the_run_of_each_parallel_call(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    listener = Listener()
    graph = agent(tool, calls(QUESTION, {"input": "Who follows?"}), "done")
    state = await invoke(graph, START, how, {"callbacks": [listener]})
    asked = {m.artifact["run_id"] for m in answers(state)}
    assert {m["run_id"] for m in listener.heard} == asked
    assert len(asked) == 2


async def test_calls_to_mcp_servers_are_shown(account: Account, how: How) -> None:
    listener = Listener()
    tool = account.tool(
        request=RequestOptions(mcp_servers=[McpServer(url="https://mcp.example", name="crm")])
    )
    await invoke(tool, QUESTION, how, {"callbacks": [listener]})
    assert [m["message"] for m in listener.heard if m.get("kind") == "tool_call"] == [
        "[simulated] Calling crm"
    ]


async def test_a_stream_that_breaks_shows_every_step_once_and_costs_no_answer(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    listener = Listener()
    account.simulator.faults.add(Fault("sse_cut", path="*/events", after_events=4))
    await invoke(tool, QUESTION, how, {"callbacks": [listener]})
    steps = [m for m in listener.heard if "status" not in m]
    assert [m["kind"] for m in steps if "kind" in m] == KINDS
    assert len(steps) == 2 * len(KINDS)


class Broken(BaseCallbackHandler):
    def on_custom_event(self, *_: Any, **__: Any) -> None:
        raise ValueError("a listener's own fault")


async def test_a_listener_that_fails_costs_no_answer(tool: ParallelTaskTool, how: How) -> None:
    answer = await invoke(tool, QUESTION, how, {"callbacks": [Broken()]})
    assert "Who leads?" in answer


@pytest.mark.parametrize("type_", ["task_run.telepathy", ""])
def test_an_event_of_an_unknown_type_is_passed_on_by_its_type(type_: str) -> None:
    assert progress(UnknownEvent(type=type_), "trun_1", None) == {
        "type": type_,
        "run_id": "trun_1",
        "interaction_id": None,
    }


def test_trouble_inside_a_stream_is_passed_on_in_the_servers_words() -> None:
    event = ErrorEvent(error=TaskRunError(message="overloaded"))
    assert progress(event, "trun_1", "intr_1")["message"] == "overloaded"
