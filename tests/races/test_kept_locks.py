"""Another process of this machine keeps the locks: it was suspended, or hangs, with them in hand.

A session that has its ledger goes on. One that has none yet is not begun, for the other process may be about
to pay in the ledger that it makes; the error names the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from langchain_parallel import ParallelTaskTool
from langchain_parallel._core.calls import drive
from langchain_parallel._locks.machine import FOLDER, open_machine_locks
from langchain_parallel.batch import create_table_node, research_table
from langchain_parallel.errors import ThreadBusy
from langchain_parallel.simulator import ManualClock, Simulator

from ..faults.test_storage import DOORS, OTHER, QUESTION, THREAD, invoke
from ..middleware.harness import Model
from ..research.harness import Mode, client_of
from ..tool.helpers import calls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="POSIX locks, and who has them")

KEEP = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("kept", flush=True)
    sys.stdin.read()
"""


@contextmanager
def kept() -> Iterator[int]:
    """Another process, of this id, has every lock of the machine."""
    drive(open_machine_locks())
    file = Path(os.environ[FOLDER], "langchain_parallel.locks")
    command = [sys.executable, "-I", "-S", "-c", KEEP, str(file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "kept\n"
        yield other.pid
        assert other.stdin is not None
        other.stdin.close()


class Rows(TypedDict, total=False):
    companies: list[dict[str, str]]
    answers: Any


def table(client: Any, wait: Any) -> tuple[Any, Any]:
    node = create_table_node(
        "companies", "answers", "Who runs {company}?", client=client, processor="lite"
    )
    graph = StateGraph(Rows)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile, {"companies": [{"company": "Airbus"}]}


@pytest.mark.parametrize("door", [*DOORS, "table"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_session_is_not_begun_beside_another_process_that_begins_it(
    mode: Mode, door: str
) -> None:
    simulator = Simulator(ManualClock())
    make, wait = {**DOORS, "table": (table, "block")}[door]
    build, question = make(client_of(mode, simulator), wait)
    graph = build(checkpointer=InMemorySaver())
    with kept() as process:
        with pytest.raises(ThreadBusy, match=rf"machine \({process}\).* 30 s.*sent nothing"):
            invoke(mode, graph, question, "sync")
        assert not simulator.runs()
        if not door.startswith("two"):  # each call in a thread of its own moves the clock
            assert simulator.clock.monotonic() == pytest.approx(30.0, abs=1.0)
    assert graph.get_state(THREAD).next  # it can be resumed
    invoke(mode, graph, None, "sync")
    assert len(simulator.runs()) == 1 + door.startswith("two")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_session_that_has_its_ledger_waits_for_no_process(mode: Mode) -> None:
    simulator = Simulator(ManualClock())
    tool = ParallelTaskTool(client=client_of(mode, simulator), processor="lite")
    with ExitStack() as stack:

        def ask_more(messages: list[Any]) -> AIMessage:
            stack.enter_context(kept())
            return calls({"input": OTHER})

        model = Model(calls({"input": QUESTION}), ask_more, AIMessage("done"))
        graph = create_agent(model, tools=[tool], checkpointer=InMemorySaver())
        state = invoke(mode, graph, {"messages": [("user", "Ask.")]}, "sync")
    answers = [one for one in state["messages"] if isinstance(one, ToolMessage)]
    assert [one.status for one in answers] == ["success", "success"]
    assert {run.text for run in simulator.all_runs()} == {QUESTION, OTHER}
    assert len({run["taskgroup_id"] for run in simulator.runs()}) == 1


def test_a_table_is_not_gone_on_with_beside_another_process_that_may_count_its_use() -> None:
    simulator = Simulator(ManualClock())
    client = client_of("sync", simulator)
    dies = [True, True, False]

    def ask(state: Rows, config: RunnableConfig) -> Rows:
        table = research_table(
            state["companies"], "Who runs {company}?", client=client, config=config
        )
        if dies.pop(0):
            raise InterruptedError
        return {"answers": table.errors}

    graph = StateGraph(Rows)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    compiled = graph.compile(checkpointer=InMemorySaver())
    with pytest.raises(InterruptedError):
        compiled.invoke({"companies": [{"company": "Airbus"}]}, THREAD, durability="sync")
    with kept(), pytest.raises(ThreadBusy):
        compiled.invoke(None, THREAD, durability="sync")
    with pytest.raises(InterruptedError):
        compiled.invoke(None, THREAD, durability="sync")
    assert not compiled.invoke(None, THREAD, durability="sync")["answers"]
    assert len(simulator.runs()) == 1
