"""Everything that the simulator answers, each with the document's name for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_parallel.simulator import ManualClock, RunScript, Scenario, Simulator

from ..simulator.helpers import (
    CHAT,
    GROUPS,
    RUNS,
    add_runs,
    create,
    http_to,
    new_group,
    parsed,
    result,
    stream,
)

Answer = tuple[str, Any]
MEMORY = "/v1beta/memory"
_EVENTS = {
    "task_run.state": "TaskRunEvent",
    "task_run.progress_stats": "TaskRunProgressStatsEvent",
    "task_group_status": "TaskGroupStatusEvent",
    "error": "ErrorEvent",
}
_FULL = {
    "metadata": {"k": "v"},
    "mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "n"}],
    "source_policy": {"include_domains": ["a.example"]},
    "webhook": {"url": "https://hook.example", "event_types": ["task_run.status"]},
    "advanced_settings": {"location": "us"},
    "enable_events": True,
}


def answers() -> Iterator[Answer]:
    """Names and values, of runs of every kind, groups, streams and refusals."""
    for spec in (None, "text", {"type": "auto"}):
        for extra in ({}, _FULL):
            simulator = Simulator(ManualClock())
            body: dict[str, Any] = {
                **extra,
                **({"task_spec": {"output_schema": spec}} if spec else {}),
            }
            yield from _of_run(simulator, **body)
    scenario = Simulator(ManualClock(), scenario=Scenario.builtin())
    yield from _of_run(scenario, "Map the competitive landscape", processor="pro")
    yield from _of_group()
    yield from _of_web()
    yield from _of_memory()
    yield from _of_chat()
    yield from _refusals()


def _of_run(simulator: Simulator, question: str = "q", **body: Any) -> Iterator[Answer]:
    with http_to(simulator, timeout=None) as http:
        run = create(http, question, **body)
        yield "TaskRun", run
        path = f"{RUNS}/{run['run_id']}"
        yield "TaskRunInput", http.get(f"{path}/input").json()
        yield from _events(stream(http, f"{path}/events"))
        yield "TaskRunResult", result(http, run)
        yield from _events(stream(http, f"{path}/events"))
        yield "TaskRun", http.get(path).json()


def _of_group() -> Iterator[Answer]:
    simulator = Simulator(ManualClock())
    with http_to(simulator, timeout=None) as http:
        group = new_group(http)
        yield "TaskGroupResponse", http.get(f"{GROUPS}/{group}").json()
        simulator.scripts.add(RunScript("failed", contains="bad", warnings=("careful",)))
        yield "TaskGroupRunResponse", add_runs(http, group, "good", "bad")
        yield "TaskGroupRunResponse", add_runs(http, group, "more")
        yield from _events(stream(http, f"{GROUPS}/{group}/events"))
        whole = {"include_input": True, "include_output": True}
        yield from _events(stream(http, f"{GROUPS}/{group}/runs", **whole))
        failed = next(run for run in simulator.runs() if run["status"] == "failed")
        yield "TaskRun", failed
        yield "ErrorResponse", http.get(f"{RUNS}/{failed['run_id']}/result").json()


def _of_web() -> Iterator[Answer]:
    settings = {"max_results": 25, "location": "xx"}
    read = {"urls": ["https://a.example", "https://b.invalid", "https://c.example/status/503"]}
    with http_to(Simulator(ManualClock()), timeout=None) as http:
        queries = {"search_queries": ["q"]}
        yield "V1SearchResponse", http.post("/v1/search", json=queries).json()
        whole = {**queries, "advanced_settings": settings}
        yield "V1SearchResponse", http.post("/v1/search", json=whole).json()
        yield "V1ExtractResponse", http.post("/v1/extract", json=read).json()
        full = {**read, "advanced_settings": {"full_content": True}}
        yield "V1ExtractResponse", http.post("/v1/extract", json=full).json()
        yield "ErrorResponse", http.post("/v1/search", json={}).json()
        yield "ErrorResponse", http.post("/v1/extract", json={}).json()


def _of_chat() -> Iterator[Answer]:
    """Only of streams: a whole answer as the guide has it is not what the document says."""
    turn = {"model": "lite", "messages": [{"role": "user", "content": "q"}], "stream": True}
    with http_to(Simulator(ManualClock()), timeout=None) as http:
        chunks = http.post(CHAT, json=turn).text.replace("data: [DONE]\n", "")
        yield from (("ChatCompletionResponseChunk", chunk) for chunk in parsed(chunks))
        yield "HTTPValidationError", http.post(CHAT, json={}).json()


def _of_memory() -> Iterator[Answer]:
    simulator = Simulator(ManualClock())
    with http_to(simulator, timeout=None) as http:
        result(http, create(http, "Who makes boats?", memory_scope_key="boats"))
        for asked in ({}, {"query": "boats", "memory_scope_key": "boats"}):
            yield "MemoryRetrieveResponse", http.post(f"{MEMORY}/retrieve", json=asked).json()
        yield "HTTPValidationError", http.post(f"{MEMORY}/evict", json={}).json()


def _refusals() -> Iterator[Answer]:
    with http_to(Simulator(ManualClock(), credit_usd=0)) as http:
        group = new_group(http)
        yield "ErrorResponse", http.post(RUNS, json={}).json()
        yield "ErrorResponse", http.post(RUNS, json={"input": "q", "processor": "lite"}).json()
        yield "ErrorResponse", http.get(f"{RUNS}/trun_none").json()
        yield "ErrorResponse", http.get(f"{RUNS}/trun_none", headers={"x-api-key": ""}).json()
        yield "HTTPValidationError", http.post(GROUPS, json=[]).json()
        yield "HTTPValidationError", http.post(f"{GROUPS}/{group}/runs", json={}).json()


def _events(events: list[dict[str, Any]]) -> Iterator[Answer]:
    for event in events:
        yield _EVENTS.get(event["type"], "TaskRunProgressMessageEvent"), event
