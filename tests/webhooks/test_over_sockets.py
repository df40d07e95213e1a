"""The whole way over real sockets: the API delivers, some of it twice, forged or not at all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel.models import Webhook
from langchain_parallel.options import RequestOptions
from langchain_parallel.parked import sweep
from langchain_parallel.simulator import Fault, RealClock, RunScript, Simulator, serve
from langchain_parallel.webhooks import QueueOptions, webhook_app

from ..client.both import QUICK
from .deliveries import SECRET, delivery
from .serving import listening, served, until

THREADS = 20


def config_of(nth: int) -> Any:
    return {"configurable": {"thread_id": f"thread {nth}"}}


@pytest.mark.parametrize("blocking", [False, True], ids=["asynchronous", "blocking"])
def test_every_thread_is_resumed_once_whatever_the_deliveries_are_like(blocking: bool) -> None:
    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript(seconds=0.3, times=None))
    evaluated: Counter[str] = Counter()
    guard = threading.Lock()

    def evaluate(state: Any, turn: Any) -> None:
        with guard:
            evaluated[turn["run_id"]] += 1

    sock, url = listening()
    with serve(simulator) as server:
        client = ParallelClient("k", server.url, retry_policy=QUICK)
        saver: Any = InMemorySaver()
        graph = create_research_graph(
            processor="lite",
            wait="park",
            evaluate=evaluate,
            request=RequestOptions(webhook=Webhook(url=f"{url}/parallel/webhook")),
            client=client,
        ).compile(checkpointer=saver)
        simulator.faults.add(
            Fault("webhook_duplicate", times=5),
            Fault("webhook_forge", times=5, skip=2),
            Fault("webhook_lose", times=3, skip=4),
        )
        app = webhook_app(graph, secrets=[SECRET], blocking=blocking, client=client)
        with served(app, sock):
            for nth in range(THREADS):
                graph.invoke({"question": f"No. {nth}?"}, config_of(nth), durability="sync")

            def left() -> list[int]:
                return [n for n in range(THREADS) if graph.get_state(config_of(n)).next]

            until(lambda: len(left()) == 3)
            until(lambda: httpx.get(f"{url}/health", trust_env=False).json()["open"] == 0)
            assert len(left()) == 3  # those whose delivery was lost
            swept = sweep(graph, client, per_second=1_000)
            assert len(swept.resumed) == 3
            assert left() == []
    assert set(evaluated.values()) == {1}
    assert len(evaluated) == len(simulator.runs()) == THREADS


def test_an_answer_takes_milliseconds_even_while_threads_are_slow(tmp_path: Any) -> None:
    simulator = Simulator(RealClock())
    simulator.scripts.add(RunScript(seconds=0.2, times=None))
    resumed = threading.Event()

    def slow(state: Any, turn: Any) -> None:
        assert resumed.wait(20)

    sock, url = listening()
    with serve(simulator) as server, SqliteSaver.from_conn_string(f"{tmp_path}/c.db") as saver:
        client = ParallelClient("k", server.url, retry_policy=QUICK)
        graph = create_research_graph(
            processor="lite", wait="park", evaluate=slow, client=client
        ).compile(checkpointer=saver)
        app = webhook_app(
            graph,
            secrets=[SECRET],
            blocking=True,
            client=client,
            queue=QueueOptions(concurrency=2),
        )
        runs = []
        for nth in range(4):
            graph.invoke({"question": f"No. {nth}?"}, config_of(nth), durability="sync")
            runs.append(simulator.runs()[-1]["run_id"])
        time.sleep(0.25)
        with served(app, sock), httpx.Client(trust_env=False) as http:
            took = []
            for nth, run_id in enumerate(runs):
                body, signed = delivery(run_id, f"whevent_{nth}")
                started = time.perf_counter()
                answer = http.post(f"{url}/parallel/webhook", content=body, headers=signed)
                took.append(time.perf_counter() - started)
                assert answer.status_code == 202
            resumed.set()
            until(lambda: not any(graph.get_state(config_of(n)).next for n in range(4)))
    assert sorted(took)[1] < 0.1
