"""`web_research` in a process of one's own: one text for a question, on a thread or without one."""

from __future__ import annotations

import os
import traceback
from types import FrameType
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_parallel.errors import Forbidden
from langchain_parallel.options import Limits, RequestOptions
from langchain_parallel.server.answer_graph import WebQuestion, create_answer_graph
from langchain_parallel.simulator import Fault, RunningServer, RunScript, Simulator

from ..fences import inside
from ..research.harness import Mode, invoke


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def api(simulated_api: str, simulator_server: RunningServer) -> Simulator:
    """The simulator behind the environment's address."""
    return simulator_server.simulator


def text(mode: Mode, graph: Any, config: Any = None, **given: Any) -> str:
    answer: str = invoke(mode, graph, given, config or {})["answer"]
    return answer


def test_a_question_has_one_fenced_text_and_a_handle_to_follow_up(
    mode: Mode, api: Simulator
) -> None:
    graph = create_answer_graph(processor="lite").compile()
    first = text(mode, graph, question="Who makes cargo bikes?")
    assert "[simulated]" in inside(first)[0]
    assert "Cost: $0.005. Run: trun_" in first
    handle = first.rpartition("continue_from=")[2]
    assert "Who makes cargo bikes?" in text(
        mode, graph, question="And in Europe?", continue_from=handle
    )
    assert len(api.runs()) == 2


def test_what_ends_without_an_answer_is_said_in_words(mode: Mode, api: Simulator) -> None:
    limits = Limits(approve_above="lite")
    graph = create_answer_graph(processor="core", limits=limits).compile()
    assert "Nothing was researched" in text(mode, graph, question="Who?")
    assert api.runs() == []
    api.scripts.add(RunScript("failed", message="No sources."))
    graph = create_answer_graph(processor="lite", request=RequestOptions()).compile()
    assert "There is no answer (status failed)" in text(mode, graph, question="Who?")


def test_an_error_is_said_in_words_only_where_there_is_no_thread_to_resume(
    mode: Mode, api: Simulator
) -> None:
    refuse = Fault("status_before", method="POST", path="*/runs", status=403, times=2)
    api.faults.add(refuse)
    made = create_answer_graph(processor="lite")
    assert "403" in text(mode, made.compile(), question="Who?")
    kept, thread = made.compile(checkpointer=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    with pytest.raises(Forbidden):
        text(mode, kept, thread, question="Who?")
    assert invoke(mode, kept, None, thread)["answer"]
    assert len(api.runs()) == 1


def test_a_handle_that_nobody_was_given_is_refused_in_words(mode: Mode, api: Simulator) -> None:
    graph = create_answer_graph(processor="lite").compile()
    through_a_server = {"configurable": {"langgraph_request_id": "1"}}
    told = text(mode, graph, through_a_server, question="Who?", continue_from="intr_1~0")
    assert "no handle that you were given" in told
    assert api.runs() == []


def test_a_users_key_is_in_no_variable_of_this_package_when_an_error_is_reported(
    mode: Mode, api: Simulator
) -> None:
    api.faults.add(Fault("status_before", method="POST", path="*/runs", status=403))
    kept = create_answer_graph(processor="lite").compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t", "__parallel_api_key": "key-of-anna"}}
    with pytest.raises(Forbidden) as raised:
        text(mode, kept, config, question="Who?")
    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    ours = [frame for frame in frames if f"{os.sep}langchain_parallel{os.sep}" in _file(frame)]
    assert any(_file(frame).endswith("answer_graph.py") for frame in ours)
    assert not [_file(frame) for frame in ours if "key-of-anna" in repr(dict(frame.f_locals))]


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def test_a_model_is_shown_two_arguments(api: Simulator) -> None:
    graph = create_answer_graph().compile(name="web_research")
    assert graph.get_input_jsonschema() == WebQuestion.model_json_schema()
    assert set(graph.get_input_jsonschema()["properties"]) == {"question", "continue_from"}
