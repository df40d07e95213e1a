"""The official SDK works with the simulator unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import parallel
import pytest
from parallel.types import TaskRunJsonOutput, TaskRunTextOutput
from pydantic import BaseModel

from langchain_parallel.simulator import Fault, RunningServer, RunScript, Simulator, serve


class Country(BaseModel):
    capital: str
    population: int
    languages: list[str]


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with serve(Simulator(latency_scale=0.0005)) as server:
        yield server


@pytest.fixture
def sdk(server: RunningServer) -> Iterator[parallel.Parallel]:
    with parallel.Parallel(api_key="simulated", base_url=server.url) as client:
        yield client


@pytest.fixture
async def asdk(server: RunningServer) -> AsyncIterator[parallel.AsyncParallel]:
    async with parallel.AsyncParallel(api_key="simulated", base_url=server.url) as client:
        yield client


def test_task_runs(sdk: parallel.Parallel) -> None:
    run = sdk.task_run.create(
        input="q",
        processor="pro",
        metadata={"key": "value"},
        source_policy={"include_domains": ["a.example"]},
        mcp_servers=[{"url": "https://mcp.example", "name": "files", "headers": {"k": "v"}}],
        memory_scope_key="scope",
        advanced_settings={"location": "us"},
    )
    assert run.status == "queued"
    assert run.metadata == {"key": "value"}
    events = list(sdk.task_run.events(run.run_id))
    kinds = [e.type for e in events]
    assert kinds[0] == kinds[-1] == "task_run.state"
    assert "task_run.progress_msg.tool_call" in kinds
    assert [e.type for e in sdk.task_run.events(run.run_id)] == ["task_run.state"]
    final = events[-1]
    assert isinstance(final, parallel.types.TaskRunEvent)
    assert final.output is not None
    result = sdk.task_run.result(run.run_id)
    assert isinstance(result.output, TaskRunJsonOutput)
    assert result.output.content == final.output.content
    assert result.output.mcp_tool_calls
    assert sdk.task_run.retrieve(run.run_id).status == "completed"
    given = sdk.task_run.retrieve_input(run.run_id)
    assert given.memory_scope_key == "scope"
    assert given.mcp_servers is not None
    assert given.mcp_servers[0].headers is None


def test_follow_ups(sdk: parallel.Parallel) -> None:
    first = sdk.task_run.execute(input="who makes apples", processor="lite", output="a line")
    after = sdk.task_run.create(
        input="and pears",
        processor="lite-fast",
        previous_interaction_id=first.run.interaction_id,
        task_spec={"output_schema": "a line"},
    )
    output = sdk.task_run.result(after.run_id, api_timeout=30).output
    assert isinstance(output, TaskRunTextOutput)
    assert "who makes apples" in output.content


def test_execute_with_a_pydantic_class(sdk: parallel.Parallel) -> None:
    result = sdk.task_run.execute(input="France", processor="lite", output=Country)
    assert isinstance(result.output.parsed, Country)
    fields = [b.field for b in result.output.basis]
    assert fields == ["capital", "population", "languages", "languages.0", "languages.1"]


def test_task_groups(sdk: parallel.Parallel) -> None:
    group = sdk.task_group.create(metadata={"a": "b"})
    added = sdk.task_group.add_runs(
        group.task_group_id,
        inputs=[{"input": f"q{n}", "processor": "lite", "metadata": {"n": n}} for n in range(3)],
        default_task_spec={"output_schema": "a line"},
        refresh_status=True,
    )
    assert added.status.num_task_runs == 3
    events = list(sdk.task_group.events(group.task_group_id, api_timeout=30))
    ended = [e for e in events if e.type == "task_run.state"]
    assert sorted(e.run.run_id for e in ended) == sorted(added.run_ids)
    runs = list(
        sdk.task_group.get_runs(group.task_group_id, include_input=True, include_output=True)
    )
    assert [r.run.run_id for r in runs if r.type == "task_run.state"] == added.run_ids
    for n, listed in enumerate(runs):
        assert listed.type == "task_run.state"
        assert listed.input is not None
        assert listed.input.metadata == {"n": n}
        assert isinstance(listed.output, TaskRunTextOutput)
    rest = sdk.task_group.get_runs(group.task_group_id, last_event_id="2")
    assert len(list(rest)) == 1
    status = sdk.task_group.retrieve(group.task_group_id).status
    assert status.task_run_status_counts == {"completed": 3}
    one = sdk.task_group.retrieve_run(added.run_ids[0], task_group_id=group.task_group_id)
    assert one.task_group_id == group.task_group_id


def test_search_and_extract(sdk: parallel.Parallel, server: RunningServer) -> None:
    found = sdk.search(
        search_queries=["fast trains"],
        objective="Which trains are the fastest?",
        mode="fast",
        advanced_settings={"max_results": 12, "source_policy": {"after_date": "2026-01-01"}},
        session_id="mine",
    )
    assert (len(found.results), found.session_id) == (12, "mine")
    assert found.usage is not None
    assert [item.count for item in found.usage] == [1, 2]
    urls = [found.results[0].url, "https://nowhere.invalid"]
    read = sdk.extract(
        urls=urls, session_id=found.session_id, advanced_settings={"full_content": True}
    )
    assert [(page.url, bool(page.full_content)) for page in read.results] == [(urls[0], True)]
    assert [error.url for error in read.errors] == urls[1:]
    assert server.simulator.billing.total_usd == pytest.approx(0.004)
    with pytest.raises(parallel.UnprocessableEntityError, match="search_queries"):
        sdk.search(search_queries=[])
    with pytest.raises(parallel.UnprocessableEntityError, match="urls"):
        sdk.extract(urls=[])


async def test_async_calls(asdk: parallel.AsyncParallel) -> None:
    run = await asdk.task_run.create(input="q", processor="pro")
    kinds = [e.type async for e in await asdk.task_run.events(run.run_id)]
    assert kinds[-1] == "task_run.state"
    assert len(kinds) > 5
    assert (await asdk.task_run.result(run.run_id)).run.status == "completed"
    assert (await asdk.task_run.retrieve_input(run.run_id)).input == "q"
    executed = await asdk.task_run.execute(input="France", processor="lite", output=Country)
    assert isinstance(executed.output.parsed, Country)
    group = await asdk.task_group.create()
    added = await asdk.task_group.add_runs(
        group.task_group_id, inputs=[{"input": "q", "processor": "lite"}] * 2
    )
    events = [e async for e in await asdk.task_group.events(group.task_group_id)]
    assert len([e for e in events if e.type == "task_run.state"]) == 2
    runs = [e async for e in await asdk.task_group.get_runs(group.task_group_id)]
    assert len(runs) == 2
    assert (await asdk.task_group.retrieve(group.task_group_id)).status.is_active is False
    one = await asdk.task_group.retrieve_run(added.run_ids[0], task_group_id=group.task_group_id)
    assert one.status == "completed"
    assert (await asdk.search(search_queries=["q"])).results
    assert (await asdk.extract(urls=["https://a.example"])).results


async def test_many_waiters_at_once(asdk: parallel.AsyncParallel, server: RunningServer) -> None:
    async def ask(n: int) -> str:
        run = await asdk.task_run.create(input=f"q{n}", processor="core")
        return (await asdk.task_run.result(run.run_id)).run.status

    assert await asyncio.gather(*map(ask, range(100))) == ["completed"] * 100
    assert len(server.simulator.billing.billed_runs()) == 100


def test_errors_have_the_sdks_classes(sdk: parallel.Parallel, server: RunningServer) -> None:
    once = sdk.with_options(max_retries=0)
    with pytest.raises(parallel.UnprocessableEntityError, match="processor"):
        once.task_run.create(input="q", processor="nosuch")
    with pytest.raises(parallel.NotFoundError):
        once.task_run.retrieve("trun_nobody")
    server.simulator.faults.add(Fault("rate_limit"), Fault("status_before", status=503))
    with pytest.raises(parallel.RateLimitError):
        once.task_run.create(input="q", processor="lite")
    with pytest.raises(parallel.InternalServerError):
        once.task_run.create(input="q", processor="lite")
    server.simulator.scripts.add(RunScript("failed", message="out of luck"))
    run = once.task_run.create(input="q", processor="lite")
    with pytest.raises(parallel.NotFoundError, match="out of luck"):
        once.task_run.result(run.run_id)


def test_the_sdk_pays_again_after_a_lost_response(
    sdk: parallel.Parallel, server: RunningServer
) -> None:
    """This is what our own package prevents."""
    server.simulator.faults.add(Fault("drop_after", method="POST"))
    run = sdk.task_run.create(input="q", processor="lite")
    sdk.task_run.result(run.run_id)
    assert [line.run_id for line in server.simulator.billing.billed_runs()][-1] == run.run_id
    assert len(server.simulator.runs()) == 2
