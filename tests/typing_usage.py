"""Typed usage as a reader of the docs would write it: checked by mypy, never run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from typing_extensions import assert_type

from langchain_parallel import (
    AsyncParallelClient,
    ParallelClient,
    ParallelTaskTool,
    create_research_graph,
)
from langchain_parallel.models import (
    ChatAnswer,
    ChatPiece,
    Event,
    McpServer,
    SearchResponse,
    SourcePolicy,
    Submission,
    TaskRunInput,
    TaskRunResult,
    TaskSpec,
)
from langchain_parallel.research import ResearchState, Turn, Verdict


class Market(BaseModel):
    size: str


def blocking(client: ParallelClient) -> None:
    request = TaskRunInput(
        input={"market": "cargo bikes"},
        processor="core-fast",
        task_spec=TaskSpec(output_schema=Market, input_schema={"type": "object"}),
        source_policy=SourcePolicy(include_domains=[".gov"]),
        mcp_servers=[
            McpServer(url="https://example.com/mcp", name="files", headers={"x": "secret"})
        ],
        metadata={"team": "research", "urgent": True},
    )
    submission = client.submit(client.create_group().taskgroup_id, request, 1, position="3")
    assert_type(submission, Submission)
    result = client.wait(submission.run.run_id, on_event=print)
    assert_type(result, TaskRunResult)
    assert_type(result.parse(Market), Market)
    for event in client.events(submission.run.run_id):
        assert_type(event, Event)
    answer = client.chat("Which are listed?", model="base", output_schema=list[Market])
    assert_type(answer, ChatAnswer)
    assert_type(answer.parse(Market), Market)
    for piece in client.chat_stream([{"role": "user", "content": "And?"}]):
        assert_type(piece, ChatPiece)
    found = client.search("cargo bikes", advanced_settings={"max_results": 3}, mode="fast")
    assert_type(found, SearchResponse)
    assert_type(client.extract([found.results[0].url]).results[0].full_content, str | None)


async def asynchronous(client: AsyncParallelClient) -> None:
    async def listen(event: Event) -> None: ...

    async with client:
        assert_type(await client.chat("?"), ChatAnswer)
        async for piece in client.chat_stream("?"):
            assert_type(piece, ChatPiece)
        run = await client.create(TaskRunInput(input="?", processor="lite"))
        assert_type(await client.wait(run.run_id, on_event=listen), TaskRunResult)
        assert_type(await client.search(["cargo bikes"]), SearchResponse)
        async for event in client.events(run.run_id):
            assert_type(event, Event)


def tools() -> list[Any]:
    return [
        ParallelTaskTool(processor="core-fast"),
        ParallelTaskTool(output_schema=Market, model_may_choose=["base", "pro"], timeout=60),
    ]


def graphs() -> None:
    def evaluate(state: ResearchState, turn: Turn) -> Verdict | None:
        return {"action": "follow_up", "question": f"More than {state['spent_usd']}?"}

    async def aevaluate(state: ResearchState, turn: Turn) -> Verdict | None:
        return None

    create_research_graph(evaluate=evaluate, output_schema=Market).compile()
    create_research_graph(evaluate=aevaluate, output_schema="a sentence").compile()
