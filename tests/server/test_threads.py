"""The threads of a LangGraph server: woken and swept through its own API, each by one run of its queue."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langgraph.types import Command

from langchain_parallel import create_research_graph
from langchain_parallel._core.calls import adrive
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.parked import (
    Outcome,
    SweepResult,
    ThreadStatus,
    WakeResult,
    aresume_parked,
    asweep,
    sweep,
)
from langchain_parallel.server.server_api import ServerStore, ServerThreads
from langchain_parallel.simulator import ManualClock, Simulator

from ..research.harness import async_client, blocking_client
from .fakes import CONTEXT, FakeServer

RECORDS = ("langchain_parallel", "parked")


class Account:
    """A server with a research graph, and the API."""

    def __init__(self) -> None:
        self.simulator = Simulator(ManualClock())
        self.server = FakeServer()
        self.threads = ServerThreads(self.server)
        self.evaluated: list[str] = []
        self.fails = False
        """Whether the evaluator does, once."""
        graph = create_research_graph(
            processor="lite",
            wait="park",
            evaluate=self._evaluate,
            client=blocking_client(self.simulator),
        )
        self.server.graph = graph.compile(checkpointer=self.server.saver, store=self.server.kept)

    async def sweep(self, **options: Any) -> SweepResult:
        client = async_client(self.simulator)
        return await asweep(self.threads, client, **{"per_second": 1e5, **options})

    async def wake(self, thread: str) -> WakeResult:
        return await aresume_parked(self.threads, self.run_of(thread), async_client(self.simulator))

    def run_of(self, thread: str) -> str:
        (found,) = (r for r in self.simulator.runs() if r["metadata"]["thread_id"] == thread)
        return str(found["run_id"])

    def pass_time(self) -> None:
        self.simulator.clock.sleep(3_600.0)

    def record_count(self) -> int:
        return len(self.server.kept.search(RECORDS, limit=100))

    def age(self, seconds: float) -> None:
        """Make all records that much older."""
        for record in self.server.kept.search(RECORDS):
            older = {**record.value, "at": record.value["at"] - seconds}
            self.server.kept.put(record.namespace, record.key, older)

    async def finished(self, thread: str) -> bool:
        state = await self.server.get_state(thread)
        return not state["tasks"] and state["values"]["turns"][0]["status"] == "completed"

    def _evaluate(self, state: Any, turn: Any) -> None:
        if self.fails:
            self.fails = False
            raise LookupError("a fault of the caller's own")
        self.evaluated.append(turn["run_id"])


@pytest.fixture
def account() -> Account:
    return Account()


async def test_a_sweep_queues_a_run_for_each_thread_whose_run_has_ended(account: Account) -> None:
    await account.server.ask("one")
    await account.server.ask("two")
    assert (await account.sweep()).still_active == 2
    account.pass_time()
    await account.server.ask("three")
    swept = await account.sweep()
    assert (sorted(swept.resumed), swept.still_active) == (["one", "two"], 1)
    assert account.server.queue["one"]["assistant_id"] == "assistant-7"
    assert account.server.queue["one"]["context"] == CONTEXT
    await account.server.work()
    assert await account.finished("one")
    assert await account.finished("two")
    assert len(account.simulator.runs()) == 3


async def test_the_record_of_a_thread_is_deleted_once_it_is_seen_to_have_been_resumed(
    account: Account,
) -> None:
    await account.server.ask("one")
    account.pass_time()
    await account.sweep()
    await account.server.work()
    account.age(61.0)
    assert (await account.sweep()).already_resumed == ["one"]
    assert account.record_count() == 0


async def test_the_record_of_a_deleted_thread_is_deleted_after_a_week(account: Account) -> None:
    await account.server.ask("one")
    account.pass_time()
    account.server.forget("one")
    assert (await account.sweep()).not_found == ["one"]
    account.age(6 * 86_400.0)
    assert (await account.sweep()).not_found == ["one"]
    assert account.record_count() == 1
    account.age(86_400.0)
    assert (await account.sweep()).not_found == ["one"]
    assert account.record_count() == 0


async def test_a_second_caller_while_the_server_runs_the_thread_gets_thread_busy(
    account: Account,
) -> None:
    await account.server.ask("one")
    account.pass_time()
    assert (await account.wake("one")).outcome is Outcome.RESUMED
    second = await account.wake("one")
    assert (second.outcome, second.is_settled) == (Outcome.IN_PROGRESS, False)
    assert (await account.sweep()).in_progress == ["one"]
    await account.server.work()
    assert (await account.wake("one")).outcome is Outcome.NOT_PARKED
    assert account.evaluated == [account.run_of("one")]


async def test_a_thread_that_failed_while_it_read_its_run_is_swept_again(account: Account) -> None:
    """The webhook's work is done; that the run failed, only the sweep gets to know."""
    await account.server.ask("one")
    account.pass_time()
    await account.wake("one")
    account.server.queue.clear()  # three workers died with it
    assert (await account.sweep()).resumed == ["one"]
    await account.server.work()
    assert await account.finished("one")


async def test_a_thread_that_failed_in_the_middle_is_resumed_after_a_while(
    account: Account,
) -> None:
    await account.server.ask("one")
    account.pass_time()
    account.fails = True
    await account.sweep()
    assert len(await account.server.work()) == 1
    account.age(61.0)
    assert (await account.sweep(stranded_after=600.0)).resumed == []
    assert account.record_count() == 1
    account.server.passed = 601.0
    assert (await account.sweep(stranded_after=600.0)).resumed == ["one"]
    assert "command" not in account.server.queue["one"]
    await account.server.work()
    assert await account.finished("one")
    assert len(account.simulator.runs()) == 1


async def test_a_thread_whose_next_checkpoint_was_not_written_is_resumed_after_a_while(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*given: Any) -> Any:
        raise LookupError("the database went away for a moment")

    await account.server.ask("one")
    account.pass_time()
    await account.sweep()
    with monkeypatch.context() as patch:
        patch.setattr(account.server.saver, "put", put)
        assert len(await account.server.work()) == 1
    assert account.server.queue == {}
    account.age(61.0)
    assert (await account.sweep()).resumed == []
    assert (await account.sweep(stranded_after=0.0)).resumed == ["one"]
    await account.server.work()
    assert await account.finished("one")
    assert len(account.simulator.runs()) == 1


async def test_a_thread_whose_assistant_was_deleted_fails_no_sweep_and_keeps_its_record(
    account: Account,
) -> None:
    await account.server.ask("one")
    account.pass_time()
    account.age(61.0)
    account.server.assistants = False
    swept = await account.sweep()
    assert (swept.failed, swept.not_found) == ({}, ["one"])
    assert (await account.wake("one")).outcome is Outcome.UNKNOWN_THREAD
    assert account.record_count() == 1


async def test_a_thread_that_writes_only_at_its_end_keeps_its_record(account: Account) -> None:
    await account.server.ask("one")
    account.pass_time()
    account.age(61.0)
    account.server.saver.storage.pop("one")
    await account.sweep()
    assert (await account.wake("one")).outcome is Outcome.UNKNOWN_THREAD
    assert account.record_count() == 1


async def test_a_webhook_that_comes_before_the_thread_has_parked_is_tried_again(
    account: Account,
) -> None:
    account.server.graph.interrupt_before_nodes = ["wait"]  # as far as it has got
    await account.server.ask("one")
    account.pass_time()
    woken = await account.wake("one")
    assert (woken.outcome, woken.is_settled) == (Outcome.IN_PROGRESS, False)
    assert account.server.queue == {}


async def test_a_thread_that_is_deleted_meanwhile_is_unknown(account: Account) -> None:
    await account.server.ask("one")

    def choose(status: ThreadStatus) -> list[str]:
        account.server.forget("one")
        return list(status.waiting)

    before, after = await adrive(account.threads.resume_if("one", choose))
    assert (before.exists, after) == (False, None)


async def test_more_than_ten_thousand_parked_threads_are_found(account: Account) -> None:
    for number in range(10_001):
        record = {"run_id": f"trun_{number}", "thread_id": f"{number}", "at": time.time()}
        account.server.kept.put((*RECORDS, f"trun_{number}"), "key", record)
    assert len(await adrive(account.threads.list_parked())) == 10_001


async def test_the_store_keeps_what_it_is_given(account: Account) -> None:
    store = account.threads.store
    assert await store.aget(RECORDS, "one") is None
    await store.aput(RECORDS, "one", {"at": 1.5}, index=False)
    assert account.server.indexed == [False]
    item = await store.aget(RECORDS, "one")
    assert item is not None
    assert (item.namespace, item.key, item.value) == (RECORDS, "one", {"at": 1.5})
    assert [found.value for found in await store.asearch(RECORDS, limit=5)] == [{"at": 1.5}]
    await store.adelete(RECORDS, "one")
    assert await store.asearch(RECORDS) == []


def test_without_awaiting_it_is_refused(account: Account) -> None:
    client = blocking_client(account.simulator)
    with pytest.raises(InvalidRequest, match="asynchronously only"):
        sweep(account.threads, client)
    with pytest.raises(InvalidRequest, match="asynchronously only"):
        ServerStore(account.server).get(RECORDS, "one")


async def test_a_redeploy_with_another_evaluator_is_reported_and_takes_over_what_is_named(
    account: Account,
) -> None:
    """A server has the thread's assistant go on with it, so the graph itself finds that it is another one."""
    server, client = account.server, blocking_client(account.simulator)
    await server.ask("one")
    account.pass_time()
    redeployed = create_research_graph(processor="lite", wait="park", client=client)
    server.graph = redeployed.compile(checkpointer=server.saver, store=server.kept)
    await account.sweep()
    assert await server.work() == []
    swept = await account.sweep()  # tried again, as the right graph may be back
    assert (swept.resumed, [*swept.other_graphs]) == ([], ["one"])
    assert (await account.wake("one")).outcome in (Outcome.OTHER_GRAPH, Outcome.IN_PROGRESS)
    assert await server.work() == []
    (task,) = (await server.get_state("one"))["tasks"]
    assert account.evaluated == []
    parked_by = task["interrupts"][0]["value"]["graph"]
    taking: Any = {"configurable": {"thread_id": "one", "take_over": parked_by}}
    await server.graph.ainvoke(Command(resume="look"), taking, durability="sync")
    assert await account.finished("one")
    assert account.evaluated == []
    assert len(account.simulator.runs()) == 1
