"""`web_research` for callers who keep no thread: the same call, made again, pays nothing again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from langchain_parallel.research import ResearchContext
from langchain_parallel.server.answer_graph import create_answer_graph
from langchain_parallel.simulator import RunningServer, RunScript, Simulator
from langchain_parallel.tools.tool_messages import GIVEN_AGAIN

from ..research.harness import Mode
from .running import until


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def api(simulated_api: str, simulator_server: RunningServer) -> Simulator:
    """The simulator behind the environment's address."""
    return simulator_server.simulator


class Callers:
    """Each call is a thread of its own, as on a server."""

    def __init__(self, mode: Mode, store: InMemoryStore | None, **options: Any) -> None:
        self.mode: Mode = mode
        self.store: Any = store
        self.graph: Any = create_answer_graph(**{"processor": "lite", **options}).compile(
            store=store
        )
        self._threads = 0

    def config(self, user: str | None = None) -> Any:
        self._threads += 1
        given = {"thread_id": f"of request {self._threads}", "langgraph_request_id": "1"}
        return {"configurable": given | ({"langgraph_auth_user_id": user} if user else {})}

    async def asked(
        self,
        question: str = "Who leads?",
        user: str | None = None,
        *,
        context: Any = None,
        **more: Any,
    ) -> str:
        given = {"question": question, **more}
        out = await self.graph.ainvoke(given, self.config(user), context=context)
        return str(out["answer"])

    def ask(self, question: str = "Who leads?", user: str | None = None, **more: Any) -> str:
        if self.mode == "async":
            return asyncio.run(self.asked(question, user, **more))
        context = more.pop("context", None)
        given = {"question": question, **more}
        return str(self.graph.invoke(given, self.config(user), context=context)["answer"])


@pytest.fixture
def callers(mode: Mode, api: Simulator) -> Callers:
    return Callers(mode, InMemoryStore())


def test_an_answer_that_may_not_have_arrived_is_given_again(
    callers: Callers, api: Simulator
) -> None:
    first, second, third = [callers.ask() for _ in range(3)]
    assert GIVEN_AGAIN not in first
    assert second.endswith(GIVEN_AGAIN)
    assert third.endswith(GIVEN_AGAIN)
    handles = {text.rpartition("continue_from=")[2].split()[0] for text in (first, second, third)}
    assert len(handles) == len(api.runs()) == 1


def test_a_quick_answer_is_given_again_too(mode: Mode, api: Simulator) -> None:
    callers = Callers(mode, InMemoryStore(), processor="chat:speed")
    texts = [callers.ask() for _ in range(2)]
    assert [text.endswith(GIVEN_AGAIN) for text in texts] == [False, True]
    assert len(api.chats()) == 1


def test_a_call_that_gave_up_goes_on(mode: Mode, api: Simulator) -> None:
    callers = Callers(mode, InMemoryStore(), timeout=0.3)
    api.scripts.add(RunScript(outcome="stay_queued"))
    told = callers.ask()
    assert "still queued" in told
    assert told.endswith(
        "Call again with the same arguments: that goes on with the run, for nothing."
    )
    api.settle(api.runs()[0]["run_id"])
    answer = callers.ask()
    assert "[simulated]" in answer
    assert GIVEN_AGAIN not in answer
    assert len(api.runs()) == 1


def test_a_call_that_is_cancelled_goes_on(api: Simulator) -> None:
    callers = Callers("async", InMemoryStore())
    api.scripts.add(RunScript(outcome="stay_queued"))

    async def cancel() -> str:
        call = asyncio.create_task(callers.asked())
        while not api.runs():  # noqa: ASYNC110 -- the simulator's thread tells no loop
            await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        api.settle(api.runs()[0]["run_id"])
        return await callers.asked()

    answer = asyncio.run(cancel())
    assert "[simulated]" in answer
    assert GIVEN_AGAIN not in answer
    assert len(api.runs()) == 1


def test_the_same_call_at_the_same_instant_is_one_run(api: Simulator) -> None:
    callers = Callers("async", InMemoryStore())

    async def five() -> list[str]:
        return await asyncio.gather(*(callers.asked() for _ in range(5)))

    assert all("[simulated]" in answer for answer in asyncio.run(five()))
    assert len(api.runs()) == 1


def test_what_differs_is_another_call(callers: Callers, api: Simulator) -> None:
    handle = (callers.ask(user="anna")).rpartition("continue_from=")[2]
    callers.ask("Who leads now?", user="anna")
    callers.ask(user="berta")
    callers.ask(user="anna", continue_from=handle)
    callers.ask(user="anna", context=ResearchContext(output_schema="A name."))
    assert len(api.runs()) == 5
    assert len({run["taskgroup_id"] for run in api.runs()}) == 5


def test_later_it_is_a_new_question(callers: Callers, api: Simulator) -> None:
    callers.ask()
    age(callers.store, 601)
    assert GIVEN_AGAIN not in callers.ask()
    assert (callers.ask()).endswith(GIVEN_AGAIN)
    assert len(api.runs()) == 2


def test_time_counts_from_the_first_answer(callers: Callers, api: Simulator) -> None:
    callers.ask()
    for _ in range(2):
        age(callers.store, 301)
        callers.ask()
    assert len(api.runs()) == 2


def age(store: Any, seconds: float) -> None:
    """Make everything that the store has so much older."""
    for item in store.search(("langchain_parallel",), limit=1_000):
        record = item.value.get("record", {})
        for name in {"at", "answered_at"} & set(record):
            record[name] -= seconds
        store.put(item.namespace, item.key, item.value)


def test_a_call_without_an_answer_is_asked_anew(callers: Callers, api: Simulator) -> None:
    api.scripts.add(RunScript("failed", message="No sources."))
    assert "There is no answer (status failed)" in callers.ask()
    assert "[simulated]" in callers.ask()
    assert len(api.runs()) == 2


def test_without_a_store_each_call_is_a_question(mode: Mode, api: Simulator) -> None:
    callers = Callers(mode, None)
    texts = [callers.ask() for _ in range(2)]
    assert not any(GIVEN_AGAIN in text for text in texts)
    assert len(api.runs()) == 2


def test_a_ledger_that_a_user_has_written_into_the_store_is_not_read(
    callers: Callers, api: Simulator
) -> None:
    callers.ask("What is the secret?", user="anna")
    foreign = api.runs()[0]["taskgroup_id"]
    callers.ask(user="berta")
    for item in callers.store.search(("langchain_parallel",), limit=1_000):
        if item.value.get("record", {}).get("ledger_id") not in (None, foreign):
            item.value["record"]["ledger_id"] = foreign
            callers.store.put(item.namespace, item.key, item.value)
    assert "secret" not in callers.ask(user="berta")
    assert [run["taskgroup_id"] for run in api.runs()].count(foreign) == 1


PROGRAM = """
import sys
from langgraph.store.sqlite import SqliteStore
from langchain_parallel.server.answer_graph import create_answer_graph

with SqliteStore.from_conn_string(sys.argv[1]) as store:
    store.setup()
    config = {"configurable": {"thread_id": "of a request", "langgraph_request_id": "1"}}
    graph = create_answer_graph(processor="lite").compile(store=store)
    graph.invoke({"question": "Who leads?"}, config)
"""


def test_a_process_that_is_killed_while_it_waits_is_continued_by_the_same_call(
    api: Simulator, tmp_path: Path
) -> None:
    sqlite = pytest.importorskip("langgraph.store.sqlite")
    api.latency_scale = 1.0
    api.scripts.add(RunScript(outcome="stay_queued"))
    database = str(tmp_path / "store.sqlite")
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM, database]) as process:
        until(api.runs, "it is sent")
        process.send_signal(signal.SIGKILL)
    api.settle(api.runs()[0]["run_id"])
    with sqlite.SqliteStore.from_conn_string(database) as store:
        callers = Callers("sync", store)
        given = {"question": "Who leads?"}
        assert "[simulated]" in callers.graph.invoke(given, callers.config())["answer"]
    assert len(api.runs()) == 1
