"""A session of odd answers: its branches, its judges, its people, its views and what is carried on go on."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel, ConfigDict

from langchain_parallel import Limits
from langchain_parallel.errors import OutputMismatch
from langchain_parallel.evidence import is_hollow
from langchain_parallel.middleware import sources, structured_finding
from langchain_parallel.research import all_of, by_evidence, by_model, by_person, first_objection
from langchain_parallel.sessions import InteractionTree, SessionReport, carry_over, with_findings

from .cut import examples
from .middleware import harness as agents
from .research.harness import Session, invoke, script
from .research.judging import ScriptedModel
from .test_odd_answers import EDIT, UNEXPLAINED, mutated, wire

FORK = {"action": "branch", "questions": [{"question": "a?"}, {"question": "b?"}]}
ACCEPT = {"action": "accept", "reason": "ok"}
APPROVE = {"decisions": [{"type": "approve"}]}
MODES = st.sampled_from(["sync", "async"])
few = settings(max_examples=examples(40), phases=UNEXPLAINED)


@pytest.fixture(autouse=True)
def _edited() -> Any:
    yield
    EDIT.set(None)


def answering(output: Any) -> Any:
    """Every answer is this one."""
    EDIT.set(lambda body: {**body, "output": output} if body.get("output") else body)
    return wire()


@given(output=mutated(), mode=MODES)
@few
def test_a_session_goes_on(mode: Any, output: Any) -> None:
    simulator = answering(output)
    model = ScriptedModel(says=[ACCEPT] * 9, heard=[])
    judges = all_of(by_evidence(required=("name",), min_confidence="medium"), by_model(model, "?"))
    evaluate = first_objection(script(FORK), by_person(judges))
    options = {"evaluate": evaluate, "limits": Limits(max_runs=9, max_runs_per_question=4)}
    session = Session(mode, simulator, options={**options, "keep_excerpts": True})
    asked = session.ask("q")["__interrupt__"]
    assert len(asked[0].value["found"]) == 3
    done = invoke(mode, session.graph(), Command(resume=APPROVE), session.config)
    assert [turn["status"] for turn in done["turns"][:3]] == ["completed"] * 3
    shown(done)
    answered = [turn for turn in done["turns"] if not is_hollow(turn["content"])]
    if answered:
        with_findings("And now?", answered, max_chars=20_000).encode()
    next_one = Session(mode, simulator)
    shown(next_one.ask("And now?", **carry_over(done)))


def shown(state: dict[str, Any]) -> None:
    tree, report = InteractionTree.of(state), SessionReport.of(state)
    assert len(tree) == len(state["turns"])
    pages = report.to_markdown("audit"), report.to_html(), report.to_html("audit")
    bundles = (*tree._repr_mimebundle_().values(), *report._repr_mimebundle_().values())
    for text in (tree.text(60), *bundles, report.to_markdown(), *pages):
        text.encode()
    assert SessionReport.from_json(report.to_json()) == report


class Known(BaseModel):
    name: str


class Whatever(BaseModel):
    model_config = ConfigDict(extra="allow")


@given(output=mutated(), mode=MODES)
@few
def test_an_agent_goes_on(mode: Any, output: Any) -> None:
    account = agents.Account(mode, simulator=answering(output))
    looks = (agents.read("r1"), agents.read("r1", field="name"), agents.read("r1", page=2))
    model = agents.Model(
        agents.calls(agents.start("q")),
        agents.calls(*looks, agents.follow_up("r1", "more"), agents.listing(), agents.check("r1")),
        agents.calls(agents.branch("r1", "x", "y")),
        "done [1]",
    )
    agent = account.agent(model, max_chars=1500, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, agents.SAID, agents.thread())
    json.dumps([state["parallel_research"], agents.texts(state)], ensure_ascii=False).encode()
    assert {record["status"] for record in state["parallel_research"].values()} == {"completed"}
    assert len(account.runs) == 4
    for kind in (Known, Whatever):
        with suppress(OutputMismatch):
            found = structured_finding(kind, state, "r1")
            cited = {s["number"] for listed in found.citations.values() for s in listed}
            assert cited <= {*sources(state)}
