"""What does it take to park a thread and to wake it, compared with bare LangGraph?

Rule: the control does exactly LangGraph's part of the work. It has the same channels and the same steps,
and each step writes what the research graph's step of that name writes. It trusts what it is resumed with,
records no parked thread, and takes no lock.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Case, Goal
from benchmarks.standalone.job import Job

from . import by_hand
from .throughput import KEY, PROCESSOR, accept, open_client

OURS, BARE = "research graph", "bare LangGraph, one GET"
GUARDED = "the same, with requests and queries of ours"
_STEPS = ("plan", "submit", "wait", "evaluate")


def thread_config(thread_id: str) -> Any:
    """LangGraph's config for a thread."""
    return {"configurable": {"thread_id": thread_id}}


def research_graph(client: Any, **options: Any) -> Any:
    """The research graph, whose evaluator accepts everything."""
    from langchain_parallel import create_research_graph

    made = {"processor": PROCESSOR, "evaluate": accept, **options}
    return create_research_graph(client=client, **made)


@cache
def record_writes() -> dict[str, Any]:
    """What the research graph's steps write to the state, and (`parked`) the value of its interrupt."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    from langchain_parallel import ParallelClient
    from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport

    simulator = Simulator(ManualClock())
    how: Any = {"transport": SimulatorTransport(simulator), "clock": simulator.clock}
    graph = research_graph(ParallelClient(KEY, **how), wait="park")
    compiled = graph.compile(checkpointer=InMemorySaver())
    found: dict[str, Any] = {}
    inputs: tuple[Any, Any] = ({"question": "What is recorded?"}, Command(resume="look"))
    for given in inputs:
        for update in compiled.stream(given, thread_config("recorded"), stream_mode="updates"):
            found.update(update)
        simulator.clock.sleep(3_600.0)
    [parked] = found.pop("__interrupt__")
    return {**found, "parked": parked.value}


def bare_graph(wait: Callable[[Any], Awaitable[str]], run_ids: dict[str, str] | None = None) -> Any:
    """Bare LangGraph with the same steps and writes. `wait` takes the config, and returns a run's id."""
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph import END, START, StateGraph

    from langchain_parallel.research import ResearchState

    writes = record_writes()

    def step(name: str) -> Callable[..., Awaitable[Any]]:
        async def run(state: Any, config: Any) -> Any:
            if name == "wait":
                run_id = await wait(config)
                if run_ids is not None:
                    run_ids[config["configurable"]["thread_id"]] = run_id
            return writes[name]

        run.__annotations__["config"] = RunnableConfig  # LangGraph looks at it
        return run

    graph: Any = StateGraph(ResearchState)
    for before, name in zip((START, *_STEPS), _STEPS, strict=False):
        graph.add_node(name, step(name))
        graph.add_edge(before, name)
    graph.add_edge(_STEPS[-1], END)
    return graph


@asynccontextmanager
async def open_sqlite(folder: str) -> AsyncIterator[dict[str, Any]]:
    """Checkpointer and store in files of a folder."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.store.sqlite.aio import AsyncSqliteStore

    path = Path(folder)
    async with (
        AsyncSqliteSaver.from_conn_string(str(path / "checkpoints.sqlite")) as checkpointer,
        AsyncSqliteStore.from_conn_string(str(path / "store.sqlite")) as store,
    ):
        await store.setup()
        await store.conn.execute("PRAGMA journal_mode = WAL")  # LangGraph's saver sets one itself
        yield {"checkpointer": checkpointer, "store": store}


async def _time_each(job: Job, name: str, work: Callable[[str], Awaitable[object]]) -> None:
    """One thread after the other: the median of milliseconds."""
    took, cpu = [], time.process_time()
    for number in range(job.setting["n"]):
        begun = time.perf_counter()
        await work(f"thread-{number}")
        took.append((time.perf_counter() - begun) * 1e3)
    job.figures[f"{name}_ms"] = median(took)
    job.figures[f"{name}_cpu_ms"] = (time.process_time() - cpu) * 1e3 / len(took)


def ours(job: Job) -> None:
    """The research graph, woken as by a webhook: by the id of the run."""
    from langchain_parallel.parked import aresume_parked

    async def work(folder: str) -> None:
        async with open_client(job) as client, open_sqlite(folder) as storage:
            graph = research_graph(client, wait="park").compile(**storage)
            run_ids: dict[str, str] = {}

            async def park(thread_id: str) -> None:
                given = {"question": f"How large is the market of {thread_id}?"}
                config = thread_config(thread_id)
                parked = await graph.ainvoke(given, config, durability="sync")
                run_ids[thread_id] = parked["__interrupt__"][0].value["runs"][0]["run_id"]

            async def wake(thread_id: str) -> None:
                found = await aresume_parked(graph, run_ids[thread_id], client)
                assert found.outcome == "resumed", found

            await _time_each(job, "park", park)
            await asyncio.sleep(job.setting["seconds"])
            await _time_each(job, "wake", wake)
            job.figures["answered"] = await _count_answers(graph, job)

    record_writes()  # which loads all that either way needs
    with tempfile.TemporaryDirectory() as folder, job.measured():
        asyncio.run(work(folder))


def bare(job: Job) -> None:
    """Bare LangGraph in the same database, which gets the answer from the API when it is resumed."""

    async def start(http: Any, store: Any, thread_id: str) -> str:
        """One request, because the research graph's run costs at least one, too."""
        run = await http.post("/v1/tasks/runs", json=_BODY)
        return str(run.raise_for_status().json()["run_id"])

    async def resume(graph: Any, run_id: str, thread_id: str) -> None:
        await graph.ainvoke(_answer(run_id), thread_config(thread_id), durability="sync")

    _run_by_hand(job, start, resume)


def guarded(job: Job) -> None:
    """The same with the requests and the queries that a kill at any moment takes, and nothing else."""

    async def start(http: Any, store: Any, thread_id: str) -> str:
        group = await http.post("/v1/tasks/groups", json={"metadata": {"thread_id": thread_id}})
        place = f"/v1/tasks/groups/{group.raise_for_status().json()['taskgroup_id']}/runs"
        records, names = ("by hand", "records"), [f"{thread_id} {name}" for name in ("at", "last")]
        await asyncio.gather(*[store.aget(records, name) for name in names])
        ledger = {"ledger_id": place, "at": time.time(), "open": True}
        named = [*names, f"{thread_id} made"]
        await asyncio.gather(*[store.aput(records, name, ledger, index=False) for name in named])
        intent = f"{thread_id} intent"
        assert await store.aget(records, intent) is None
        await store.aput(records, intent, {"open": True}, index=False)
        sent = await http.post(f"{place}?refresh_status=false", json={"inputs": [_BODY]})
        run_id = str(sent.raise_for_status().json()["run_ids"][0])
        run = (await http.get(f"/v1/tasks/runs/{run_id}")).raise_for_status().json()
        outcome = {"open": False, "run_id": run_id, "interaction_id": run["interaction_id"]}
        await asyncio.gather(
            store.aput(records, intent, outcome, index=False),
            store.aput(("by hand", run_id), thread_id, {"thread_id": thread_id}, index=False),
        )
        return run_id

    async def resume(graph: Any, run_id: str, thread_id: str) -> None:
        [found] = await graph.store.asearch(("by hand", run_id), limit=500)
        config = thread_config(found.value["thread_id"])
        assert (await graph.aget_state(config)).interrupts
        await graph.ainvoke(_answer(run_id), config, durability="sync")
        ledger = {"at": time.time(), "open": False}
        await graph.store.aput(("by hand", "records"), f"{thread_id} last", ledger, index=False)
        await graph.store.adelete(("by hand", run_id), thread_id)

    _run_by_hand(job, start, resume)


_BODY = {"input": "How large is the market?", "processor": PROCESSOR}


def _answer(run_id: str) -> Any:
    from langgraph.types import Command

    return Command(resume=run_id)


def _run_by_hand(
    job: Job,
    start: Callable[[Any, Any, str], Awaitable[str]],
    resume: Callable[[Any, str, str], Awaitable[None]],
) -> None:
    """Bare LangGraph, whose runs are started by `start`, and whose threads are resumed by `resume`."""
    from langgraph.types import interrupt

    async def work(folder: str) -> None:
        async with by_hand.small_clients(job.url, 1) as (http,), open_sqlite(folder) as storage:

            async def wait(config: Any) -> str:
                run_id = str(interrupt(record_writes()["parked"]))
                answer = await http.get(f"/v1/tasks/runs/{run_id}/result")
                answer.raise_for_status().json()
                return run_id

            graph = bare_graph(wait).compile(**storage)
            run_ids: dict[str, str] = {}

            async def park(thread_id: str) -> None:
                run_ids[thread_id] = await start(http, storage["store"], thread_id)
                given = {"question": f"How large is the market of {thread_id}?"}
                await graph.ainvoke(given, thread_config(thread_id), durability="sync")

            async def wake(thread_id: str) -> None:
                await resume(graph, run_ids[thread_id], thread_id)

            await _time_each(job, "park", park)
            await asyncio.sleep(job.setting["seconds"])
            await _time_each(job, "wake", wake)
            job.figures["answered"] = await _count_answers(graph, job)

    record_writes()  # which loads all that either way needs
    with tempfile.TemporaryDirectory() as folder, job.measured():
        asyncio.run(work(folder))


async def _count_answers(graph: Any, job: Job) -> int:
    configs = [thread_config(f"thread-{number}") for number in range(job.setting["n"])]
    return sum([bool((await graph.aget_state(one)).values.get("answer")) for one in configs])


CASE = Case(
    name="parked",
    title="Parked threads",
    text="""\
200 threads are parked one after the other, with checkpoints and store in SQLite and
`durability="sync"`; when their runs have ended, each is woken by its run's id, as by a webhook.
Bare LangGraph has the same steps, channels and values in the same database: it sends each run
with one POST, is resumed with what it gets and asks for the answer with one GET. It keeps no
ledger, records no parked thread, takes no lock, and believes the id that it is resumed with. The same by hand
with the requests and the queries of the store by which a run is found after a kill is what no graph that
promises that can pass.""",
    ways={BARE: bare, GUARDED: guarded, OURS: ours},
    settings=({"n": 200, "seconds": 4.0},),
    tiny={"n": 2, "seconds": 0.1},
    columns={
        "park_ms": "to park, ms",
        "park_cpu_ms": "CPU ms",
        "wake_ms": "to wake, ms",
        "wake_cpu_ms": "CPU ms to wake",
        "requests": "requests",
        "connections": "connections",
        "answered": "answered",
    },
    bars="wake_ms",
    controls=(BARE, GUARDED),
    goals=(
        Goal(
            "to wake a thread: time, relative to bare LangGraph with one GET",
            lambda t: t.ratio(OURS, BARE, "wake_ms"),
            1.8,
        ),
        Goal(
            "to park and wake: time, relative to bare LangGraph",
            lambda t: _both(t, OURS) / _both(t, BARE) if _both(t, BARE) else None,
            1.8,
        ),
        Goal(
            "to park and wake: time, relative to the same requests and queries by hand",
            lambda t: _both(t, OURS) / _both(t, GUARDED) if _both(t, GUARDED) else None,
            1.5,
        ),
    ),
    limit=90.0,
    budget=40.0,
)


def _both(table: Any, way: str) -> float:
    return sum(table.median(way, figure) or 0.0 for figure in ("park_ms", "wake_ms"))
