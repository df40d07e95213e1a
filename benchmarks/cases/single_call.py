"""What does one small call cost, one after the other?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

import httpx

from benchmarks.harness import Case, Goal, Official
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import KEY, PACKAGE, PROCESSOR, SDK, accept

SAME, FEWEST = "httpx, the client's requests", "httpx, the fewest requests"
TWO = "httpx, the tool's requests"
CLIENT, TOOL, GRAPH = "client", "tool", "graph"


def _calls(job: Job, ask: Callable[[str], object]) -> None:
    """Ask one question after the other."""
    took = []
    with job.measured():
        for number in range(job.setting["n"]):
            begun = time.perf_counter()
            assert ask(job.question(number))
            took.append((time.perf_counter() - begun) * 1e3)
    job.figures["answered"] = len(took)
    job.figures["ms"] = median(took)
    job.figures["cpu_ms"] = job.figures["cpu"] * 1e3 / len(took)


def _http(job: Job) -> AbstractContextManager[httpx.Client]:
    return httpx.Client(base_url=job.url, headers=by_hand.HEADERS, timeout=by_hand.TIMEOUT)


def same_requests(job: Job) -> None:
    """A run in a group, the run itself, and its events, over bare httpx."""
    _in_a_group(job, reads_run=True)


def two_requests(job: Job) -> None:
    """A run in a group, and its events, over bare httpx."""
    _in_a_group(job, reads_run=False)


def _in_a_group(job: Job, *, reads_run: bool) -> None:
    with _http(job) as http:
        group_id = http.post("/v1/tasks/groups", json={}).json()["taskgroup_id"]

        def ask(question: str) -> object:
            inputs = [{"input": question, "processor": PROCESSOR}]
            sent = http.post(f"/v1/tasks/groups/{group_id}/runs", json={"inputs": inputs})
            run_id = sent.raise_for_status().json()["run_ids"][0]
            if reads_run:
                assert http.get(f"/v1/tasks/runs/{run_id}").raise_for_status().json()["run_id"]
            with http.stream("GET", f"/v1/tasks/runs/{run_id}/events") as stream:
                data = [line[6:] for line in stream.iter_lines() if line.startswith("data: ")]
            return json.loads(data[-1])["output"]

        _calls(job, ask)


def fewest_requests(job: Job) -> None:
    """A POST and a GET, over bare httpx."""
    with _http(job) as http:

        def ask(question: str) -> object:
            body = {"input": question, "processor": PROCESSOR}
            run_id = http.post("/v1/tasks/runs", json=body).raise_for_status().json()["run_id"]
            return http.get(f"/v1/tasks/runs/{run_id}/result").raise_for_status().json()["output"]

        _calls(job, ask)


def client(job: Job) -> None:
    """`submit`, at a place of the ledger that no request can have used, and `wait`."""
    from langchain_parallel import ParallelClient
    from langchain_parallel.models import TaskRunInput

    with ParallelClient(KEY, job.url) as made:
        ledger = made.create_group().taskgroup_id

        def ask(question: str) -> object:
            request = TaskRunInput(input=question, processor=PROCESSOR)
            return made.wait(made.submit(ledger, request, lookup="none").run.run_id).output

        _calls(job, ask)


def tool(job: Job) -> None:
    """`ParallelTaskTool.invoke`."""
    from langchain_parallel import ParallelClient, ParallelTaskTool

    with ParallelClient(KEY, job.url) as made:
        one = ParallelTaskTool(processor=PROCESSOR, client=made)
        _calls(job, lambda question: one.invoke({"input": question}))


def graph(job: Job) -> None:
    """The research graph, one turn after the other on one thread, with checkpoints in memory."""
    from langgraph.checkpoint.memory import InMemorySaver

    from langchain_parallel import ParallelClient, create_research_graph

    with ParallelClient(KEY, job.url) as made:
        built: Any = create_research_graph(processor=PROCESSOR, evaluate=accept, client=made)
        compiled = built.compile(checkpointer=InMemorySaver())
        numbers = iter(range(job.setting["n"]))

        def ask(question: str) -> object:
            config = {"configurable": {"thread_id": str(next(numbers))}}
            return compiled.invoke({"question": question}, config)["answer"]

        _calls(job, ask)


def sdk(job: Job) -> None:
    """The official SDK: create, then result."""
    from parallel import Parallel

    with Parallel(api_key=KEY, base_url=job.url) as made:

        def ask(question: str) -> object:
            run = made.task_run.create(input=question, processor=PROCESSOR)
            return made.task_run.result(run.run_id).output

        _calls(job, ask)


CASE = Case(
    name="single_call",
    title="One small call",
    text="""\
A hundred blocking calls one after the other, each with a run that ends at once, so that only
the way itself takes time. *The tool's requests* are a POST to the group and the run's
events. *The client's* are these and the run itself, whose interaction id `submit` returns
before the answer is there. Milliseconds are the median of the calls; the graph has a new
thread for each.""",
    ways={
        FEWEST: fewest_requests,
        TWO: two_requests,
        SAME: same_requests,
        CLIENT: client,
        TOOL: tool,
        GRAPH: graph,
        PACKAGE: Official("calls"),
        SDK: sdk,
    },
    settings=({"n": 100},),
    tiny={"n": 2},
    columns={
        "ms": "ms a call",
        "cpu_ms": "CPU ms a call",
        "requests": "requests",
        "connections": "connections",
        "answered": "answered",
    },
    bars="ms",
    controls=(FEWEST, TWO, SAME, PACKAGE, SDK),
    goals=(
        Goal(
            "a call of the client: time, relative to the same requests over bare httpx",
            lambda t: t.ratio(CLIENT, SAME, "ms"),
            1.4,
        ),
        Goal(
            "a hundred calls of the tool: connections", lambda t: t.median(TOOL, "connections"), 1
        ),
        Goal("a hundred calls of the tool: requests", lambda t: t.median(TOOL, "requests"), 203),
    ),
    budget=30.0,
)
