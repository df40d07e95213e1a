"""`tool.research`: an answer as an object, for code that calls the tool by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from pydantic import BaseModel

from langchain_parallel import Limits, ParallelTaskTool
from langchain_parallel.errors import (
    InvalidRequest,
    LimitExceeded,
    OutputMismatch,
    RunFailed,
    StillRunning,
)
from langchain_parallel.text.markdown import UNVERIFIED
from langchain_parallel.tools import Answer

from ..sessions.hostile import HOSTILE
from ..sessions.page_reader import Page
from .helpers import Account, How, invoke, thread


class Market(BaseModel):
    size: str
    leaders: list[str]


async def research(tool: ParallelTaskTool, how: How, question: Any, **options: Any) -> Answer:
    if how == "async":
        return await tool.aresearch(question, **options)
    return tool.research(question, **options)


async def test_it_gives_the_answer_with_its_evidence_ids_and_cost(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    got = await research(tool, how, "Who leads?")
    (run,) = account.runs
    assert (got.run_id, got.run_ids) == (run["run_id"], (run["run_id"],))
    assert got.interaction_id == run["interaction_id"]
    assert got.cost_usd == 0.025
    assert got.citations[0]["number"] == 1
    assert got.citations[0]["url"].startswith("https://")
    assert set(got.confidence.values()) <= {"high", "medium", "low"}
    assert got.parsed == got.content
    assert got.text in str(got)
    assert got.citations[0]["url"] in str(got)
    assert account.billed == 1
    assert str(got.content) not in repr(got)


async def test_an_answer_is_read_as_the_callers_own_type(account: Account, how: How) -> None:
    of_tool = await research(account.tool(output_schema=Market), how, "The market?")
    of_call = await research(account.tool(), how, "The market?", output_schema=Market)
    of_list = await research(account.tool(), how, "The markets?", output_schema=list[Market])
    assert isinstance(of_tool.parsed, Market)
    assert of_call.parsed == Market.model_validate(of_call.content)
    assert all(isinstance(one, Market) for one in of_list.parsed)
    assert "size: " in of_call.text
    assert account.billed == 3


async def test_a_follow_up_builds_on_it_with_the_processor_for_follow_ups(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    first = await research(tool, how, "Who leads?")
    await research(tool, how, "In Asia?", previous_interaction_id=first.interaction_id)
    assert account.sent[1]["previous_interaction_id"] == first.interaction_id
    assert [sent["processor"] for sent in account.sent] == ["core", "base"]


async def test_a_question_may_have_a_processor_of_its_own(account: Account, how: How) -> None:
    tool = account.tool(model_may_choose=("lite", "core"))
    for processor in ("pro", None):
        await research(tool, how, "Who leads?", processor=processor)
    assert [sent["processor"] for sent in account.sent] == ["pro", "lite"]


async def test_an_answer_that_does_not_fit_is_there_all_the_same(
    account: Account, how: How
) -> None:
    account.script(output={"content": {"size": 1}})
    got = await research(account.tool(), how, "The market?", output_schema=Market)
    with pytest.raises(OutputMismatch) as raised:
        _ = got.parsed
    assert raised.value.run_id == got.run_id
    assert got.content == {"size": 1}


@pytest.mark.parametrize(
    ("question", "options", "words"),
    [
        (" ", {}, "empty"),
        (5, {}, "do not fit"),
        ("Who?", {"processor": "quick"}, "quick"),
        ("Who?", {"output_schema": 5}, "is no schema"),
    ],
)
async def test_what_may_not_be_sent_is_refused_with_our_own_error(
    account: Account, how: How, question: Any, options: Any, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await research(account.tool(), how, question, **options)
    assert not account.sent


async def test_errors_are_the_packages_own_with_the_ids_of_the_run(
    account: Account, how: How
) -> None:
    account.script(outcome="failed")
    with pytest.raises(RunFailed) as failed:
        await research(account.tool(), how, "Who leads?")
    assert failed.value.run_id == account.runs[0]["run_id"]
    with pytest.raises(StillRunning) as going_on:
        await research(account.tool(timeout=0), how, "Who follows?")
    assert going_on.value.interaction_id == account.runs[1]["interaction_id"]


async def test_the_tools_limits_hold(account: Account, how: How) -> None:
    tool = account.tool(limits=Limits(max_runs=1, on_exceed="stop"))
    await research(tool, how, "Who leads?")
    with pytest.raises(LimitExceeded):
        await research(tool, how, "Who follows?")
    assert account.billed == 1


async def test_own_fields_are_given_as_an_object_or_as_a_mapping(
    account: Account, how: How
) -> None:
    tool = account.tool(input_schema=Market)
    for asked in (Market(size="large", leaders=[]), {"size": "large", "leaders": []}):
        await research(tool, how, asked)
    assert [sent["input"] for sent in account.sent] == [{"size": "large", "leaders": []}] * 2


async def test_it_is_traced_as_a_call_of_the_tool(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    class Trace(BaseCallbackHandler):
        started: list[str] = []  # noqa: RUF012 -- of this test

        def on_tool_start(self, serialized: Any, input_str: str, **_: Any) -> None:
            self.started.append(serialized["name"])

    await research(tool, how, "Who leads?", config={"callbacks": [Trace()]})
    assert Trace.started == [tool.name]


async def test_inside_a_graph_a_replay_finds_its_run(account: Account) -> None:
    tool = account.tool()

    @entrypoint(checkpointer=InMemorySaver())
    def workflow(question: str) -> str:
        return tool.research(question).run_id

    here: Any = thread("a.thread")
    first = workflow.invoke("Who leads?", here)
    at = next(s for s in workflow.get_state_history(here) if s.next)
    assert await invoke(workflow, None, "sync", at.config) == first
    assert account.billed == 1


async def test_warnings_and_failed_calls_of_mcp_servers_are_told(
    account: Account, how: How
) -> None:
    call = {"tool_call_id": "1", "server_name": "crm", "tool_name": "find", "arguments": "{}"}
    failed = {**call, "content": "", "error": "no access"}
    account.script(output={"mcp_tool_calls": [failed]}, warnings=("Too many fields.",))
    got = await research(account.tool(), how, "Who leads?")
    assert [w.partition(": ")[0] for w in got.warnings] == ["Warning", "MCP tool error"]
    assert "no access" in str(got)


@pytest.mark.parametrize("hostile", HOSTILE, ids=repr)
def test_a_notebook_shows_it_as_markdown_that_no_text_of_the_web_shapes(
    account: Account, hostile: str
) -> None:
    cited = [{"url": "https://example.org/a", "title": hostile}]
    entry = {"field": hostile, "reasoning": "", "confidence": "low", "citations": cited}
    account.script(
        output={"type": "json", "content": {hostile: hostile}, "basis": [entry]},
        warnings=(hostile,),
    )
    answer = account.tool().research("Who leads?")
    bundle = answer._repr_mimebundle_()
    assert bundle["text/plain"] == str(answer)
    assert Page(bundle["text/html"]).links == ["https://example.org/a"]
    shown = bundle["text/markdown"]
    assert shown == answer._repr_markdown_()
    assert shown.startswith("*From the web, not verified")
    assert f"Run {answer.run_id.replace('_', chr(92) + '_')}, " in shown
    ours = re.sub(
        r"- \[1\]|^- \*\*|\*\*: |<https://example\.org/a>| \[1\]", "", shown, flags=re.MULTILINE
    )
    ours = re.sub(r"(?<!\\)`[^`]*`", "", ours)  # addresses are code
    for line in ours.removeprefix(UNVERIFIED).splitlines():
        assert not re.search(r"(?<!\\)[<>`\[\]$|]", line), line
