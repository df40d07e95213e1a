"""A process that resumes a thread on SQLite when it may go.

python -m tests.races.resuming '{"door": …, "api": …, "database": …, "go": …}'
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from langchain_parallel import ParallelClient, ParallelTaskTool
from langchain_parallel.batch import create_table_node
from langchain_parallel.client import RetryPolicy
from langchain_parallel.errors import ParallelError

DOORS = ["tool", "table"]
THREAD: RunnableConfig = {"configurable": {"thread_id": "two"}}


class State(TypedDict, total=False):
    companies: list[dict[str, str]]
    answers: Any


class Saver(SqliteSaver):
    """Slow where it is written which ledger a session has: two that both write it have both found none."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if str(metadata.get("langchain_parallel_name")).startswith("ledger of"):
            time.sleep(0.5)
        return super().put(config, checkpoint, metadata, new_versions)


def plant(door: str, url: str, database: str | Path, *, dies: bool = False) -> Any:
    """A graph that asks one question; one that dies asks none."""
    settle = RetryPolicy(settle_seconds=2.0)
    client = ParallelClient("key-of-two-on-sqlite", base_url=url, retry_policy=settle)
    tool = ParallelTaskTool(client=client, processor="lite")

    def die(state: State) -> State:
        raise InterruptedError

    def ask(state: State, config: RunnableConfig) -> State:
        return {"answers": tool.invoke("Who runs Airbus?", config)}

    table = create_table_node(
        "companies", "answers", "Who runs {company}?", client=client, processor="lite"
    )
    node: Any = die if dies else ask if door == "tool" else table
    graph = StateGraph(State)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    saver = Saver(sqlite3.connect(database, check_same_thread=False, timeout=30.0))
    return graph.compile(checkpointer=saver)


def start(graph: Any) -> None:
    """The input of the thread, and no more."""
    with suppress(InterruptedError):
        graph.invoke({"companies": [{"company": "Airbus"}]}, THREAD, durability="sync")


def main() -> None:
    job = json.loads(sys.argv[1])
    graph = plant(job["door"], job["api"], job["database"])
    print("ready", flush=True)
    while not Path(job["go"]).exists():
        time.sleep(0.0005)
    try:
        graph.invoke(None, THREAD, durability="sync")
    except ParallelError:
        print(json.dumps("busy"))
    else:
        print(json.dumps("answered"))


if __name__ == "__main__":
    main()
