"""In other people's graphs: as a node, streamed, and with a state that any checkpointer can keep."""

from __future__ import annotations

import json
import operator
import os
import sys
from pathlib import Path
from subprocess import run
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph

from langchain_parallel import ParallelTaskTool, create_research_graph
from langchain_parallel.research import Turn, merge_turns
from langchain_parallel.simulator import ManualClock, Simulator

from .harness import Mode, Session, as_json, blocking_client, invoke, stream


class Shared(TypedDict, total=False):
    """A parent that keeps the session: the names it shares with the subgraph."""

    topic: str
    question: str
    answer: Any
    interaction_id: str | None
    ledger_id: str
    turns: Annotated[list[Turn], merge_turns]
    notes: Annotated[list[str], operator.add]


def parent(simulator: Simulator) -> Any:
    graph: Any = StateGraph(Shared)
    graph.add_node("brief", lambda state: {"question": f"What about {state['topic']}?"})
    research = create_research_graph(processor="lite", client=blocking_client(simulator))
    graph.add_node("research", research.compile())
    graph.add_node("note", lambda state: {"notes": [json.dumps(state["answer"])]})
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "research")
    graph.add_edge("research", "note")
    graph.add_edge("note", END)
    return graph.compile(checkpointer=InMemorySaver())


CONFIG = {"configurable": {"thread_id": "parent"}}


def test_as_a_node_it_shares_its_session_with_the_parent(mode: Mode) -> None:
    simulator = Simulator(ManualClock())
    graph = parent(simulator)
    invoke(mode, graph, {"topic": "trams"}, CONFIG)
    out = invoke(mode, graph, {"topic": "buses"}, CONFIG)
    assert [turn["question"] for turn in out["turns"]] == ["What about trams?", "What about buses?"]
    assert out["turns"][1]["parent_interaction_id"] == out["turns"][0]["interaction_id"]
    assert "What about trams?" in out["notes"][1]
    assert out["topic"] == "buses"


class Foreign(TypedDict, total=False):
    """A parent that shares nothing."""

    subject: str
    report: Any


def test_in_a_parent_with_other_state_it_is_called_by_a_node(mode: Mode) -> None:
    simulator = Simulator(ManualClock())
    made: Any = create_research_graph(processor="lite", client=blocking_client(simulator))
    research = made.compile()

    def blocking(state: Foreign) -> Foreign:
        return {"report": research.invoke({"question": state["subject"]})["answer"]}

    async def asynchronous(state: Foreign) -> Foreign:
        return {"report": (await research.ainvoke({"question": state["subject"]}))["answer"]}

    graph: Any = StateGraph(Foreign)
    graph.add_node("research", blocking if mode == "sync" else asynchronous)
    graph.add_edge(START, "research")
    out = invoke(mode, graph.compile(checkpointer=InMemorySaver()), {"subject": "trams"}, CONFIG)
    assert "trams" in json.dumps(out["report"])
    assert set(out) == {"subject", "report"}


def test_it_runs_without_a_checkpointer(mode: Mode) -> None:
    client = blocking_client(Simulator(ManualClock()))
    graph = create_research_graph(processor="lite", client=client).compile()
    out = invoke(mode, graph, {"question": "What about trams?"}, {})
    assert out["verdict"]["action"] in ("accept", "stop")


def test_updates_values_and_progress_stream(session: Session) -> None:
    chunks = stream(
        session.mode,
        session.graph(),
        {"question": "Map the landscape"},
        session.config,
        stream_mode=["updates", "values", "custom"],
    )
    updated = [next(iter(chunk)) for kind, chunk in chunks if kind == "updates"]
    assert updated == ["plan", "submit", "wait", "evaluate"]
    progress = [chunk for kind, chunk in chunks if kind == "custom"]
    run_id = session.runs[0]["run_id"]
    assert {step["run_id"] for step in progress} == {run_id}
    # The server closes a stream after 570 s, and says how the run is.
    statuses = ["queued", "running", "completed"]
    assert [step["status"] for step in progress if "status" in step] == statuses
    assert any(step.get("kind") == "search" for step in progress)
    meters = [step["progress"] for step in progress if "progress" in step]
    assert meters == sorted(meters)
    assert "output" not in json.dumps(progress)
    assert [chunk for kind, chunk in chunks if kind == "values"][-1]["verdict"]


def test_progress_reaches_a_parents_stream_with_subgraphs(mode: Mode) -> None:
    graph = parent(Simulator(ManualClock()))
    chunks = stream(
        mode, graph, {"topic": "trams"}, CONFIG, stream_mode=["custom", "updates"], subgraphs=True
    )
    inner = {space[0].partition(":")[0] for space, kind, _ in chunks if kind == "custom"}
    assert inner == {"research"}


PLAIN = str | int | float | bool | None


def assert_plain(value: Any) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (str, int, float, bool, type(None)), type(value)


def test_every_checkpoint_is_plain_json(session: Session) -> None:
    session.ask("Map the landscape")
    session.ask("What about the risks?")
    for snapshot in session.graph().get_state_history(session.config):
        values = snapshot.values
        assert_plain({name: value for name, value in values.items() if name != "messages"})


def test_excerpts_stay_out_of_the_state_unless_asked_for(session: Session) -> None:
    session.ask("Map the landscape")
    bare = len(as_json(session.state()["turns"]))
    assert "excerpts" not in as_json(session.state())
    session.options["keep_excerpts"] = True
    session.config = {"configurable": {"thread_id": "other"}}
    session.ask("Map the landscape")
    assert session.state()["turns"][0]["citations"][0]["excerpts"]
    assert len(as_json(session.state()["turns"])) > 3 * bare


STRICT = """
import sys, warnings
warnings.simplefilter("error")
# LangSmith's, on Python 3.14
warnings.filterwarnings("ignore", "'asyncio.iscoroutinefunction'", DeprecationWarning)
from langgraph.checkpoint.sqlite import SqliteSaver
from tests.research.harness import Session
with SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    session = Session("sync", checkpointer=saver)
    session.ask("Map the landscape")
    session.ask("What about the risks?")
    assert len(session.state()["turns"]) == 2
"""


def test_strict_msgpack_reads_a_session_back_without_a_warning(tmp_path: Any) -> None:
    pytest.importorskip("langgraph.checkpoint.sqlite")
    done = run(
        [sys.executable, "-c", STRICT, str(tmp_path / "db.sqlite")],
        cwd=Path(__file__).parents[2],
        env={"LANGGRAPH_STRICT_MSGPACK": "true", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_its_input_and_output_can_be_described() -> None:
    """Studio and servers ask a graph for the schemas of what goes in and comes out."""
    graph = Session("sync").graph()
    assert "question" in graph.get_input_jsonschema()["properties"]
    assert "spent_usd" in graph.get_output_jsonschema()["properties"]


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
@pytest.mark.parametrize("is_task", [True, False])
def test_in_a_flow_of_functions_a_second_attempt_pays_nothing(
    is_task: bool, durability: Any
) -> None:
    """LangGraph names a checkpoint of its own for what a `@task` began from, which is never written."""
    simulator, saver = Simulator(ManualClock()), InMemorySaver()

    def flow_of(fails: bool) -> Any:
        client = blocking_client(simulator)
        graph = create_research_graph(processor="lite", client=client).compile()
        tool = ParallelTaskTool(processor="lite", client=client)

        def research(question: str) -> Any:
            return graph.invoke({"question": question})["turns"][0]["status"]

        def call(question: str) -> Any:
            return tool.invoke({"input": question})

        tasks = [task(research), task(call)]

        @entrypoint(checkpointer=saver)
        def flow(question: str) -> Any:
            if is_task:
                answers = [one(question).result() for one in tasks]
            else:
                answers = [research(question), call(question)]
            if fails:
                raise RuntimeError("after what is paid for")
            return answers[0]

        return flow

    here: Any = {"configurable": {"thread_id": "thread"}}
    with pytest.raises(RuntimeError, match="after what is paid for"):
        flow_of(True).invoke("How large is it?", here, durability=durability)
    assert flow_of(False).invoke(None, here, durability=durability) == "completed"
    assert len([*simulator.runs()]) == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph gives such nodes no config there")
def test_nodes_are_functions_with_names_of_their_own_that_say_where_they_run() -> None:
    graphs = [create_research_graph(api_key="k", name=name) for name in ("research", "other")]
    nodes = [node for graph in graphs for node in graph.nodes.values()]
    functions: list[Any] = [getattr(node.runnable, "func", None) for node in nodes]
    assert all((node.metadata or {}).get("execute_in") == "activity" for node in nodes)
    assert all(type(node.runnable).__name__ == "RunnableCallable" for node in nodes)
    names = {function.__qualname__ for function in functions}
    assert len(names) == len(nodes)
    assert not any("<" in name for name in names)
