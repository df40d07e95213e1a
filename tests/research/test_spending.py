"""The cost of a turn is on the custom stream, and where LangSmith's cost view looks for it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from langchain_parallel._core.timestamps import elapsed_seconds
from langchain_parallel.errors import ParallelError
from langchain_parallel.options import Limits
from langchain_parallel.simulator import Fault, RunScript
from tests.secrets_kit import LangSmith

from .harness import Mode, Session, script

FORK: Any = {"action": "branch", "questions": [{"question": "Left?"}, {"question": "Right?"}]}


def traced(session: Session, *questions: str | None) -> list[Any]:
    """Metadata of the runs in the trace that carry a cost, as LangSmith gets it."""
    langsmith = LangSmith()
    config = {**session.config, "callbacks": [langsmith.tracer()], "metadata": {"who": "a test"}}
    for question in questions:
        with suppress(ParallelError):
            session.ask(question, config=config)
        session.simulator.faults.clear()
    runs = [json.loads(text) for text in langsmith.texts]
    started = [run for run in runs if run.get("name") == "parallel_run" and run.get("extra")]
    return [run["extra"]["metadata"] for run in {run["id"]: run for run in started}.values()]


def test_a_run_is_in_the_trace_with_its_cost_and_ids(session: Session) -> None:
    (metadata,) = traced(session, "How large is it?")
    (run,) = session.runs
    assert metadata["usage_metadata"] == {"total_cost": 0.1}
    assert metadata["run_id"] == run["run_id"]
    assert metadata["interaction_id"] == run["interaction_id"]
    assert metadata["processor"] == "pro"
    assert metadata["seconds"]
    assert metadata["seconds"] == elapsed_seconds(run["created_at"], run["modified_at"])
    assert metadata["who"] == "a test"


def test_a_failed_run_costs_nothing_in_the_trace(session: Session) -> None:
    session.simulator.scripts.add(RunScript("failed"))
    (metadata,) = traced(session, "How large is it?")
    assert metadata["usage_metadata"] == {"total_cost": 0.0}


def test_the_costs_in_the_trace_add_up_to_what_the_session_spent(mode: Mode) -> None:
    session = Session(
        mode, options={"evaluate": script(FORK), "limits": Limits(max_runs_per_question=5)}
    )
    costs = [m["usage_metadata"]["total_cost"] for m in traced(session, "How large is it?")]
    assert len(costs) == 3
    assert sum(costs) == pytest.approx(session.state()["spent_usd"])


def test_a_cost_is_in_the_trace_once_even_if_steps_run_again(mode: Mode) -> None:
    session = Session(
        mode, options={"evaluate": script(FORK), "limits": Limits(max_runs_per_question=5)}
    )
    away = Fault("refuse", method="POST", path="*/runs", contains="Right?", times=None)
    session.simulator.faults.add(away)
    told = [metadata["run_id"] for metadata in traced(session, "How large is it?", None)]
    assert sorted(told) == sorted(run["run_id"] for run in session.runs)
    assert len(told) == 3
