"""A sweep finds every parked thread whose run has ended, and resumes it once."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import create_research_graph
from langchain_parallel._core.calls import adrive, drive
from langchain_parallel.errors import AuthenticationFailed, InvalidRequest
from langchain_parallel.options import Limits
from langchain_parallel.parked import (
    GraphThreads,
    Outcome,
    SweepResult,
    aresume_parked,
    asweep,
    create_sweep_graph,
    resume_parked,
    sweep,
)
from langchain_parallel.parked.checkpoint_scan import scan_checkpoints
from langchain_parallel.research import ResearchState
from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator

from ..crash.storage import aopened, opened
from ..research.harness import Mode, async_client, blocking_client, client_of, script
from ..research.test_parking import FORK

PLACES = ["memory", "sqlite", "postgres"]


class Fleet:
    """Many threads on one account, over one kind of storage, driven blocking or awaiting."""

    def __init__(self, mode: Mode, place: str, *, store: bool) -> None:
        self.mode, self.place, self.store = mode, place, store
        self.simulator = Simulator(ManualClock())
        self.options: dict[str, Any] = {"processor": "lite", "wait": "park"}
        self.options["limits"] = Limits(max_runs_per_question=5)
        self.tag = f"{time.time_ns()}"  # PostgreSQL is shared with other tests
        self.memory = {"checkpointer": InMemorySaver()} | (
            {"store": InMemoryStore()} if store else {}
        )
        self.evaluated: list[str] = []
        self.alone = False
        self.node = f"research_{self.tag}"
        """The node threads wait in; another test's threads wait in others."""

    def do(self, work: Callable[[Any], Any], awork: Callable[[Any], Any]) -> Any:
        """Do something with the graph, as a new process would build it."""
        if self.mode == "sync":
            with self._storage() as storage:
                return work(self._graph(storage))

        async def awaiting() -> Any:
            async with self._astorage() as storage:
                return await awork(self._graph(storage))

        return asyncio.run(awaiting())

    def ask(self, *threads: str) -> None:
        def blocking(graph: Any) -> None:
            for thread in threads:
                graph.invoke(question(thread), self.config(thread), durability="sync")

        async def awaiting(graph: Any) -> None:
            for thread in threads:
                await graph.ainvoke(question(thread), self.config(thread), durability="sync")

        self.do(blocking, awaiting)

    def sweep(self, **options: Any) -> SweepResult:
        """What a sweep found; threads by their names here."""
        client = client_of(self.mode, self.simulator)
        more = {"per_second": 100_000.0, **options}
        swept = self.do(
            lambda graph: sweep(graph, client, **more),
            lambda graph: asweep(graph, client, **more),
        )
        for name in ("resumed", "already_resumed", "action_required"):
            found = [id.removesuffix(f" {self.tag}") for id in getattr(swept, name)]
            setattr(swept, name, sorted(found))
        return swept  # type: ignore[no-any-return]

    def state(self, thread: str) -> Any:
        config = self.config(thread)
        return self.do(lambda g: g.get_state(config), lambda g: g.aget_state(config))

    def config(self, thread: str) -> Any:
        return {"configurable": {"thread_id": f"{thread} {self.tag}"}}

    def pass_time(self, seconds: float = 3_600.0) -> None:
        self.simulator.clock.sleep(seconds)

    def run_of(self, thread: str) -> str:
        (found,) = (
            run["run_id"]
            for run in self.simulator.runs()
            if run["metadata"]["thread_id"] == f"{thread} {self.tag}"
        )
        return str(found)

    def _graph(self, storage: dict[str, Any]) -> Any:
        def evaluate(state: Any, turn: Any) -> Any:
            self.evaluated.append(turn["run_id"])

        options = {"evaluate": evaluate, **self.options, "client": blocking_client(self.simulator)}
        if self.alone:
            return create_research_graph(**options).compile(**storage)
        parent: Any = StateGraph(ResearchState)
        parent.add_node(self.node, create_research_graph(**options).compile())
        parent.add_edge(START, self.node)
        parent.add_edge(self.node, END)
        return parent.compile(**storage)

    @contextmanager
    def _storage(self) -> Iterator[dict[str, Any]]:
        if self.place == "memory":
            yield self.memory
            return
        with opened(self.place, store=self.store) as storage:
            yield storage

    @asynccontextmanager
    async def _astorage(self) -> AsyncIterator[dict[str, Any]]:
        if self.place == "memory":
            yield self.memory
            return
        async with aopened(self.place, store=self.store) as storage:
            yield storage


def question(thread: str) -> Any:
    return {"question": f"What of {thread}?"}


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[False, True], ids=["listing", "store"])
def store(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def fleet(mode: Mode, store: bool) -> Fleet:
    return Fleet(mode, "memory", store=store)


@pytest.mark.grid
@pytest.mark.parametrize("place", PLACES)
def test_threads_whose_runs_have_ended_are_resumed_and_the_others_wait(
    place: str, mode: Mode, store: bool, tmp_path: Path, postgres_uri: Callable[[], str]
) -> None:
    where = {"sqlite": str(tmp_path), "memory": place}.get(place) or postgres_uri()
    fleet = Fleet(mode, where, store=store)
    fleet.simulator.scripts.add(RunScript(contains="long", seconds=50_000.0))
    fleet.ask("one", "two", "three", "long")
    assert fleet.sweep().resumed == []
    fleet.pass_time()
    swept = fleet.sweep(concurrency=2)
    assert swept.resumed == ["one", "three", "two"]
    assert swept.failed == {}
    assert fleet.state("one").values["turns"][0]["status"] == "completed"
    assert fleet.state("long").next == (fleet.node,)
    assert fleet.sweep().resumed == []
    fleet.pass_time(5 * 86_400.0)
    assert fleet.sweep().resumed == ["long"]
    assert sorted(fleet.evaluated) == sorted(run["run_id"] for run in fleet.simulator.runs())
    assert len(fleet.simulator.runs()) == 4


def test_it_reports_what_it_found(fleet: Fleet) -> None:
    fleet.simulator.scripts.add(RunScript(contains="long", seconds=50_000.0))
    fleet.simulator.scripts.add(RunScript("action_required", contains="person"))
    fleet.ask("one", "long", "person")
    fleet.pass_time()
    swept = fleet.sweep()
    assert swept.threads == 3
    assert swept.still_active == 1
    assert (swept.resumed, swept.action_required) == (["one"], ["person"])
    assert swept.counts() == {
        "threads": 3,
        "still_active": 1,
        "resumed": 1,
        "already_resumed": 0,
        "in_progress": 0,
        "not_found": 0,
        "other_graphs": 0,
        "action_required": 1,
        "failed": 0,
        "skipped": 0,
    }
    assert str(swept) == (
        "3 threads were parked: 1 resumed, 1 still waiting, 1 waiting for a person on Parallel's side."
    )
    assert str(SweepResult()) == "No thread is parked."


def test_a_thread_that_fails_does_not_stop_the_others(fleet: Fleet) -> None:
    def evaluate(state: Any, turn: Any) -> None:
        if "two" in turn["question"] and not fleet.evaluated:
            fleet.evaluated.append("failed once")
            raise LookupError("a fault of the caller's own")

    fleet.options["evaluate"] = evaluate
    fleet.ask("one", "two", "three")
    fleet.pass_time()
    swept = fleet.sweep()
    assert swept.resumed == ["one", "three"]
    (error,) = swept.failed.values()
    assert isinstance(error, LookupError)
    assert fleet.sweep(stranded_after=0.0).resumed == ["two"]
    assert fleet.state("two").next == ()


def test_a_run_that_cannot_be_read_does_not_stop_the_others(fleet: Fleet) -> None:
    fleet.ask("one", "two", "three")
    fleet.pass_time()
    path = f"*/{fleet.run_of('two')}"
    fleet.simulator.faults.add(Fault("status_before", path=path, times=None))
    swept = fleet.sweep(concurrency=1)
    assert swept.resumed == ["one", "three"]
    assert len(swept.failed) == 1
    fleet.simulator.faults.clear()
    assert fleet.sweep().resumed == ["two"]


def test_an_api_that_is_down_is_not_asked_for_every_thread(fleet: Fleet) -> None:
    fleet.ask(*map(str, range(10)))
    fleet.pass_time()
    fleet.simulator.faults.add(Fault("status_before", method="GET", times=None))
    swept = fleet.sweep(concurrency=2)
    assert len(swept.failed) + swept.skipped == 10
    assert swept.skipped == 4
    fleet.simulator.faults.clear()
    assert len(fleet.sweep().resumed) == 10


def test_a_wrong_key_ends_the_sweep(fleet: Fleet) -> None:
    fleet.ask("one")
    fleet.simulator.faults.add(Fault("status_before", method="GET", status=401))
    with pytest.raises(AuthenticationFailed):
        fleet.sweep()


@pytest.mark.parametrize("alone", [False, True], ids=["in a parent", "alone"])
def test_a_thread_that_was_left_in_the_middle_is_resumed_after_a_while(
    fleet: Fleet, alone: bool
) -> None:
    """Its worker was killed when it had taken in the answer, and was not done."""

    class Killed(BaseException):
        pass

    def evaluate(state: Any, turn: Any) -> None:
        if not fleet.evaluated:
            fleet.evaluated.append("killed")
            raise Killed

    fleet.options["evaluate"] = evaluate
    fleet.alone = alone
    fleet.ask("one")
    fleet.pass_time()
    client, run_id = client_of(fleet.mode, fleet.simulator), fleet.run_of("one")
    with pytest.raises(Killed):
        fleet.do(
            lambda graph: resume_parked(graph, run_id, client),
            lambda graph: aresume_parked(graph, run_id, client),
        )
    assert fleet.state("one").next == (("evaluate",) if alone else (fleet.node,))
    assert fleet.sweep(stranded_after=None).resumed == ([] if alone else ["one"])
    assert fleet.sweep(stranded_after=600.0).resumed == []
    assert fleet.sweep(stranded_after=0.0).resumed == (["one"] if alone else [])
    assert fleet.state("one").next == ()


def test_branches_are_asked_for_with_one_list(mode: Mode) -> None:
    fleet = Fleet(mode, "memory", store=False)
    fleet.options["evaluate"] = script(FORK)
    fleet.alone = True
    fleet.ask("one")
    fleet.pass_time()
    assert fleet.sweep().resumed == ["one"]
    fleet.simulator.scripts.add(RunScript(contains="Right", seconds=50_000.0))
    before = len(fleet.simulator.requests)
    assert fleet.sweep().still_active == 1
    asked = fleet.simulator.requests[before:]
    assert all("/groups/" in entry.path for entry in asked)
    assert len(asked) == 2  # the list is read on until it brings nothing new


def test_threads_of_another_graph_with_the_same_storage_are_left_alone(
    mode: Mode, store: bool
) -> None:
    ours, theirs = Fleet(mode, "memory", store=store), Fleet(mode, "memory", store=store)
    theirs.memory, theirs.node, theirs.simulator = ours.memory, "other", ours.simulator
    theirs.ask("theirs")
    ours.ask("ours")
    ours.pass_time()
    swept = ours.sweep()
    assert (swept.threads, swept.resumed) == (1, ["ours"])
    assert theirs.sweep().resumed == ["theirs"]


def records(fleet: Fleet) -> list[Any]:
    kept: Any = fleet.memory["store"]
    return list(kept.search(("langchain_parallel", "parked")))


def test_the_record_of_a_thread_is_deleted_once_it_was_resumed(mode: Mode) -> None:
    fleet = Fleet(mode, "memory", store=True)
    fleet.ask("one")
    (item,) = records(fleet)
    assert item.value["run_id"] == fleet.run_of("one")
    assert item.value["node"] == fleet.node
    fleet.sweep()
    assert len(records(fleet)) == 1
    fleet.pass_time()
    fleet.sweep()
    assert records(fleet) == []


def test_the_record_of_a_thread_resumed_by_hand_is_deleted_after_a_minute(mode: Mode) -> None:
    """Before that, the thread may be one that is about to park."""
    fleet = Fleet(mode, "memory", store=True)
    fleet.ask("one")
    fleet.pass_time()
    given: Any = (Command(resume=1), fleet.config("one"))
    fleet.do(lambda graph: graph.invoke(*given), lambda graph: graph.ainvoke(*given))
    assert fleet.sweep().already_resumed == ["one"]
    (item,) = records(fleet)
    kept: Any = fleet.memory["store"]
    kept.put(item.namespace, item.key, {**item.value, "at": time.time() - 61})
    assert fleet.sweep().already_resumed == ["one"]
    assert records(fleet) == []


@pytest.mark.grid
@pytest.mark.parametrize("page_size", [1, 2, 1_000])
def test_a_long_list_of_checkpoints_is_read_page_by_page(
    mode: Mode, page_size: int, postgres_uri: Callable[[], str]
) -> None:
    fleet = Fleet(mode, postgres_uri(), store=False)
    fleet.ask("one", "two", "three")
    owns_node = fleet.node.__eq__

    def listed(graph: Any) -> Any:
        return scan_checkpoints(graph.checkpointer, owns_node, page_size)

    found = fleet.do(lambda graph: drive(listed(graph)), lambda graph: adrive(listed(graph)))
    runs = {run_id for each in found for run_id in each.runs}
    assert runs == {each["run_id"] for each in fleet.simulator.runs()}
    assert len(found) == 3


def test_old_processed_deliveries_are_forgotten(mode: Mode) -> None:
    fleet = Fleet(mode, "memory", store=True)
    kept: Any = fleet.memory["store"]
    space = ("langchain_parallel", "webhooks")
    kept.put(space, "old", {"at": time.time() - 73 * 3600})
    kept.put(space, "young", {"at": time.time() - 71 * 3600})
    fleet.sweep()
    assert [item.key for item in kept.search(space)] == ["young"]


def test_it_keeps_to_its_pace(mode: Mode) -> None:
    fleet = Fleet(mode, "memory", store=False)
    fleet.ask(*map(str, range(6)))
    started = time.monotonic()
    fleet.sweep(concurrency=2, per_second=40.0)
    took = time.monotonic() - started
    assert took >= 2 * 2 / 40.0


def test_sweeps_and_wakes_at_once_resume_a_thread_once(store: bool) -> None:
    fleet = Fleet("async", "memory", store=store)
    fleet.ask("one", "two")
    fleet.pass_time()
    run_id = fleet.run_of("one")

    async def everybody(graph: Any) -> None:
        client = async_client(fleet.simulator)
        await asyncio.gather(
            *(asweep(graph, client, per_second=1e5) for _ in range(4)),
            *(aresume_parked(graph, run_id, client) for _ in range(4)),
        )

    fleet.do(lambda graph: None, everybody)
    assert sorted(fleet.evaluated) == sorted([run_id, fleet.run_of("two")])
    assert fleet.state("one").next == fleet.state("two").next == ()


def test_a_cron_sweeps_by_running_a_graph(fleet: Fleet) -> None:
    fleet.ask("one", "two")
    fleet.pass_time()
    client = client_of(fleet.mode, fleet.simulator)

    def cron(graph: Any) -> Any:
        options: Any = {"client": client, "per_second": 1e5}
        return create_sweep_graph(graph, **options).compile(checkpointer=InMemorySaver())

    given: Any = ({}, {"configurable": {"thread_id": "cron"}})
    out = fleet.do(
        lambda graph: cron(graph).invoke(*given), lambda graph: cron(graph).ainvoke(*given)
    )
    assert out["counts"]["resumed"] == 2
    assert fleet.state("one").next == fleet.state("two").next == ()


class Elsewhere:
    """Threads that are in no graph of this process, as far as a sweep can tell."""

    def __init__(self, graph: Any) -> None:
        threads = GraphThreads(graph)
        self.store, self.owns_node = threads.store, threads.owns_node
        self.list_parked, self.resume_if = threads.list_parked, threads.resume_if


def test_threads_may_live_elsewhere(fleet: Fleet) -> None:
    fleet.ask("one", "two")
    fleet.pass_time()
    client, run_id = client_of(fleet.mode, fleet.simulator), fleet.run_of("one")
    woken = fleet.do(
        lambda graph: resume_parked(Elsewhere(graph), run_id, client),
        lambda graph: aresume_parked(Elsewhere(graph), run_id, client),
    )
    assert woken.outcome is Outcome.RESUMED
    swept = fleet.do(
        lambda graph: sweep(Elsewhere(graph), client),
        lambda graph: asweep(Elsewhere(graph), client),
    )
    assert len(swept.resumed) == 1


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"per_second": 0.0}, {"per_second": -1.0}])
def test_a_sweep_that_makes_no_sense_is_refused(fleet: Fleet, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        fleet.sweep(**options)


def test_without_a_checkpointer_there_is_nothing_to_sweep() -> None:
    client = blocking_client(Simulator(ManualClock()))
    graph: Any = create_research_graph(wait="park", client=client).compile()
    with pytest.raises(InvalidRequest, match="checkpointer"):
        sweep(graph, client)


async def test_a_cancelled_sweep_leaves_nothing_running() -> None:
    fleet = Fleet("async", "memory", store=False)
    started = asyncio.Event()

    async def evaluate(state: Any, turn: Any) -> None:
        started.set()
        await asyncio.sleep(3_600)

    fleet.options["evaluate"] = evaluate
    graph = fleet._graph(fleet.memory)
    await graph.ainvoke(question("one"), fleet.config("one"), durability="sync")
    fleet.pass_time()
    task = asyncio.ensure_future(asweep(graph, async_client(fleet.simulator)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [t for t in others if not t.done()] == []


def test_context_variables_around_a_sweep_do_not_reach_the_threads(fleet: Fleet) -> None:
    around: contextvars.ContextVar[str] = contextvars.ContextVar("around", default="nothing")
    seen: list[str] = []

    def evaluate(state: Any, turn: Any) -> None:
        seen.append(around.get())

    fleet.options["evaluate"] = evaluate
    fleet.ask("one")
    fleet.pass_time()
    token = around.set("a graph's config")
    fleet.sweep()
    around.reset(token)
    assert seen == ["nothing"]
