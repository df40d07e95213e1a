"""Steps that another process runs, as with Temporal's LangGraph plugin: JSON crosses to them and back, they
see neither checkpointer nor store, and the workflow itself has no threads. `make real-clients` has the real
thing.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from langchain_parallel import Limits, create_research_graph
from langchain_parallel.research import ResearchContext
from langchain_parallel.simulator import ManualClock, Simulator

from .harness import Session, blocking_client, script

THREAD: Any = {"configurable": {"thread_id": "thread"}}
_SENT = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map", "__pregel_task_id")
_PUT_BACK = ("__pregel_scratchpad", "__pregel_runtime", "__pregel_send")


def across(value: Any) -> Any:
    """What arrives in another process."""

    def plain(one: Any) -> Any:
        if isinstance(one, BaseModel):
            return one.model_dump()
        raise TypeError(f"{type(one)} does not leave the process")

    return json.loads(json.dumps(value, default=plain))


def elsewhere(graph: Any) -> Any:
    """The graph with its steps as the plugin makes them."""
    for node in graph.nodes.values():
        step: Callable[..., Any] = node.runnable.func

        async def run(state: Any, config: Any, step: Any = step) -> Any:
            given = config["configurable"]
            sent = {"metadata": {}, "configurable": {k: given[k] for k in _SENT if k in given}}
            beside = {k: given[k] for k in _PUT_BACK}
            runtime = beside["__pregel_runtime"]
            context = across(runtime.context) if runtime.context else None
            beside["__pregel_runtime"] = runtime.override(context=context, store=None)
            whole: Any = {"configurable": {**sent["configurable"], **beside}}
            here = contextvars.copy_context()
            here.run(var_child_runnable_config.set, whole)
            return across(here.run(step, across(state), sent))

        node.runnable.afunc, node.runnable.func = run, None
    return graph


class NoThreads(asyncio.SelectorEventLoop):
    """The event loop of a workflow."""

    def run_in_executor(self, *args: Any) -> Any:  # type: ignore[override]  # it takes anything
        raise NotImplementedError


def run(graph: Any, given: Any, **options: Any) -> Any:
    with contextlib.closing(NoThreads()) as loop:
        return loop.run_until_complete(graph.ainvoke(given, THREAD, **options))


def made(simulator: Simulator, **options: Any) -> Any:
    client = blocking_client(simulator)
    graph = create_research_graph(client=client, **{"processor": "lite", **options})
    return elsewhere(graph).compile(checkpointer=InMemorySaver())


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(ManualClock())


pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Temporal's plugin wants Python 3.11"
)


def test_questions_and_messages_are_answered_in_one_session(simulator: Simulator) -> None:
    graph = made(simulator)
    run(graph, {"question": "How large is the market?"})
    out = run(graph, {"messages": [("user", "And in Europe?")]})
    first, second = out["turns"]
    assert second["parent_interaction_id"] == first["interaction_id"]
    assert second["question"] == "And in Europe?"
    assert all(isinstance(one, BaseMessage) for one in out["messages"])
    again = run(graph, {"messages": out["messages"]})
    assert len(again["turns"]) == len(simulator.runs()) == 2


def test_branches_are_sent_and_waited_for(simulator: Simulator) -> None:
    questions = [{"question": "Makers?"}, {"question": "Buyers?"}]
    judge = script({"action": "branch", "questions": questions})
    graph = made(simulator, evaluate=judge, limits=Limits(max_runs_per_question=3))
    out = run(graph, {"question": "How large is the market?"})
    assert [turn["question"] for turn in out["turns"]][1:] == ["Makers?", "Buyers?"]
    assert [turn["status"] for turn in out["turns"]] == ["completed"] * 3
    assert len(simulator.runs()) == 3


def test_a_person_is_asked_and_answers(simulator: Simulator) -> None:
    graph = made(simulator, processor="base", limits=Limits(approve_above="lite"))
    out = run(graph, {"question": "How large is the market?"})
    assert out["__interrupt__"][0].value["kind"] == "spend"
    assert not simulator.runs()
    out = run(graph, Command(resume={"decisions": [{"type": "approve"}]}))
    assert out["turns"][0]["status"] == "completed"


def test_a_run_is_parked_and_looked_at_again(simulator: Simulator) -> None:
    graph = made(simulator, wait="park")
    out = run(graph, {"question": "How large is the market?"})
    assert out["__interrupt__"][0].value["kind"] == "parked"
    simulator.clock.sleep(3_600)
    assert run(graph, Command(resume="look"))["turns"][0]["status"] == "completed"


def test_the_context_holds(simulator: Simulator) -> None:
    context: Mapping[str, Any] = {"processor": "base", "limits": {"max_runs": 1}}
    graph = made(simulator)
    out = run(graph, {"question": "How large is the market?"}, context=context)
    assert out["turns"][0]["processor"] == "base"
    out = run(graph, {"question": "And in Europe?"}, context=ResearchContext(**context))
    assert out["__interrupt__"][0].value["reasons"]
    assert len(simulator.runs()) == 1


def test_without_a_checkpointer_nobody_is_asked(session: Session) -> None:
    """A step that LangGraph itself runs sees whether there is one."""
    session.options = {"limits": Limits(approve_above="lite")}
    session.checkpointer = None
    assert "needs a checkpointer" in session.ask("How large is the market?")["verdict"]["reason"]
