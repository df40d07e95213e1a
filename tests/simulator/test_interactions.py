"""Context: what an answer knows about the earlier turns."""

from __future__ import annotations

import httpx
import pytest

from langchain_parallel.simulator import RunScript, Simulator

from .helpers import ask, create, manual, result

TEXT = {"task_spec": {"output_schema": "a paragraph"}}


def turn(http: httpx.Client, question: str, after: str | None = None) -> tuple[str, str]:
    """Interaction id and text of one turn."""
    run = create(http, question, previous_interaction_id=after, **TEXT)
    return run["interaction_id"], result(http, run)["output"]["content"]


def test_a_follow_up_quotes_every_earlier_question_and_finding(
    simulator_http: httpx.Client,
) -> None:
    one, first = turn(simulator_http, "who makes apples")
    two, second = turn(simulator_http, "and who pears", one)
    _, third = turn(simulator_http, "compare them", two)
    assert "who makes apples" in second
    assert "earlier" not in first
    assert "Builds on 2 earlier turns" in third
    for text in ("who makes apples", first.split("\n")[0], "and who pears", second.split("\n")[0]):
        assert text in third


def test_a_branch_knows_only_its_own_ancestors(simulator_http: httpx.Client) -> None:
    root, _ = turn(simulator_http, "the root")
    left, _ = turn(simulator_http, "the left branch", root)
    _, right = turn(simulator_http, "the right branch", root)
    _, leaf = turn(simulator_http, "the leaf", left)
    assert "left" not in right
    assert "the left branch" in leaf
    assert "right" not in leaf


def test_a_run_can_continue_from_what_was_asked_elsewhere(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    event = {"type": "text", "content": "Trams are faster now.", "basis": []}
    simulator.add_interaction("mevt_1", "What is new about trams?", event)
    _, text = turn(simulator_http, "why", "mevt_1")
    assert "What is new about trams?" in text
    assert "Trams are faster now." in text
    assert [run["processor"] for run in simulator.runs()] == ["lite"]
    assert len(simulator.billing.billed_runs()) == 1


def test_lost_context_changes_the_answer(simulator_http: httpx.Client) -> None:
    root, _ = turn(simulator_http, "the root")
    _, with_context = turn(simulator_http, "go on", root)
    _, without = turn(simulator_http, "go on")
    assert with_context.split("\n")[0] != without.split("\n")[0]
    assert "earlier" not in without


def test_context_of_returns_the_turns_oldest_first(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    one, _ = turn(simulator_http, "first")
    two, text = turn(simulator_http, "second", one)
    turns = simulator.context_of(two)
    assert [t.input for t in turns] == ["first", "second"]
    assert [t.interaction_id for t in turns] == [one, two]
    assert turns[-1].output is not None
    assert turns[-1].output["content"] == text


@pytest.mark.parametrize("spec", [None, {"type": "auto"}, "text", "json"])
def test_context_shows_in_every_kind_of_output(simulator_http: httpx.Client, spec: object) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}
    if spec == "json":
        spec = {"type": "json", "json_schema": schema}
    body = {} if spec is None else {"task_spec": {"output_schema": spec}}
    first = create(simulator_http, "who makes apples")
    result(simulator_http, first)
    output = ask(simulator_http, "more", previous_interaction_id=first["interaction_id"], **body)
    assert "who makes apples" in str(output["content"])
    assert all("who makes apples" in entry["reasoning"] for entry in output["basis"])


def test_a_parent_still_running_is_context_without_findings(
    simulator: Simulator, simulator_http: httpx.Client
) -> None:
    simulator.scripts.add(RunScript(seconds=1000, contains="slow"))
    slow = create(simulator_http, "slow parent")
    quick = create(simulator_http, "q", previous_interaction_id=slow["interaction_id"], **TEXT)
    manual(simulator).advance(1000)
    assert simulator.context_of(slow["interaction_id"])[0].output is not None
    text = result(simulator_http, quick)["output"]["content"]
    assert '"slow parent" and found: (no findings)' in text


def test_a_session_can_have_many_turns(simulator: Simulator, simulator_http: httpx.Client) -> None:
    run = create(simulator_http, "question 0")
    for n in range(1, 60):
        after = run["interaction_id"]
        run = create(simulator_http, f"question {n}", previous_interaction_id=after)
        manual(simulator).advance(200)
    assert len(simulator.context_of(run["interaction_id"])) == 60
    summary = result(simulator_http, run)["output"]["content"]["summary"]
    assert "Builds on 59 earlier turns" in summary


def test_a_follow_up_that_mentions_a_field_makes_its_confidence_high() -> None:
    from langchain_parallel.simulator import EvidenceSettings, ManualClock

    from .helpers import http_to

    evidence = EvidenceSettings(
        low_fields=frozenset({"market_size"}), uncited_fields=frozenset({"founder"})
    )
    schema = {
        "type": "object",
        "properties": {"market_size": {"type": "string"}, "founder": {"type": "string"}},
    }
    spec = {"task_spec": {"output_schema": {"type": "json", "json_schema": schema}}}
    with http_to(Simulator(ManualClock(), evidence=evidence)) as http:
        run = create(http, "tell me the market size and the founder", **spec)
        before = {b["field"]: b for b in result(http, run)["output"]["basis"]}
        after = ask(
            http,
            "look again at market size and founder",
            previous_interaction_id=run["interaction_id"],
            **spec,
        )
        again = {b["field"]: b for b in after["basis"]}
    assert before["market_size"]["confidence"] == "low"
    assert before["founder"]["citations"] == []
    assert again["market_size"]["confidence"] == "high"
    assert again["founder"]["citations"]


def test_an_auto_follow_up_has_the_fields_that_it_mentions(simulator_http: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"market_size": {"type": "string"}}}
    spec = {"task_spec": {"output_schema": {"type": "json", "json_schema": schema}}}
    run = create(simulator_http, "q", **spec)
    result(simulator_http, run)
    output = ask(simulator_http, "check market_size", previous_interaction_id=run["interaction_id"])
    assert "looked at again" in output["content"]["market_size"]
    assert {b["field"]: b["confidence"] for b in output["basis"]}["market_size"] == "high"
