"""Scripted answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import ManualClock, Scenario, Simulator

from .helpers import RUNS, ask, create, http_to, manual, result, stream

Q1 = "Map the competitive landscape of autonomous vehicle companies"
Q2 = (
    "Do a side-by-side comparison of the top two competitors on their technology, "
    "product strategy, main suppliers, and major risks"
)
Q3 = "Which of these risks is the most pressing?"


def simulated(*turns: dict[str, Any], **options: Any) -> httpx.Client:
    scenario = Scenario.parse({"name": "test", "turns": list(turns)})
    return http_to(Simulator(ManualClock(), scenario=scenario, **options), timeout=None)


def test_the_turns_of_the_announcement_build_on_each_other() -> None:
    simulator = Simulator(ManualClock(), scenario=Scenario.builtin("announcement"))
    with http_to(simulator, timeout=None) as http:
        one = create(http, Q1, processor="pro")
        messages = [
            e["message"] for e in stream(http, f"{RUNS}/{one['run_id']}/events") if "message" in e
        ]
        assert all(m.startswith("[simulated]") for m in messages)
        assert len(messages) >= 5
        first = result(http, one)["output"]
        names = [c["name"] for c in first["content"]["companies"]]
        assert len(names) == 4
        assert all("Simulated" in n for n in names)
        assert "low" in {b["confidence"] for b in first["basis"]}
        two = create(http, Q2, processor="core-fast", previous_interaction_id=one["interaction_id"])
        second = result(http, two)["output"]["content"]
        assert (second["first"], second["second"]) == tuple(names[:2])
        third = ask(http, Q3, previous_interaction_id=two["interaction_id"])["content"]
        assert names[0] in third["summary"]
        assert third["earlier_risks"] == second["major_risks"]


def test_without_its_context_a_scripted_follow_up_shows_the_loss() -> None:
    simulator = Simulator(ManualClock(), scenario=Scenario.builtin())
    with http_to(simulator, timeout=None) as http:
        content = ask(http, Q2, processor="core-fast")["content"]
    assert content["first"] == "(nothing found earlier)"


NO_STATEMENTS = "supported", "refuted", "unknown"
"""Words of which a schema allows no other form, or which say that there is none."""


@pytest.mark.parametrize("name", ["announcement", "examples"])
def test_every_shipped_text_says_that_it_is_simulated(name: str) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        parts = value.values() if isinstance(value, dict) else value
        return [t for p in parts for t in texts(p)] if isinstance(value, (dict, list)) else []

    for turn in Scenario.builtin(name).turns:
        for text in texts(turn.content) + texts(dict(turn.basis)):
            if text in ("high", "medium", "low", *NO_STATEMENTS):
                continue
            assert "simulated" in text.lower() or text.startswith("{{")


def test_the_first_match_answers_and_case_is_ignored() -> None:
    with simulated(
        {"match": "APPLES", "content": "by text"},
        {"match": {"regex": "^pears?$"}, "content": "by pattern"},
        {"match": "pear", "content": "too late"},
    ) as http:
        spec = {"task_spec": {"output_schema": "text"}}
        assert ask(http, "about apples", **spec)["content"] == "by text"
        assert ask(http, "pears", **spec)["content"] == "by pattern"
        assert ask(http, "a pear", **spec)["content"] == "too late"
        assert "[simulated]" in ask(http, "plums", **spec)["content"]


def test_a_turn_can_be_for_one_processor() -> None:
    with simulated({"match": "q", "processor": "pro", "content": {"a": 1}}) as http:
        assert ask(http, "q", processor="pro")["content"] == {"a": 1}
        assert ask(http, "q", processor="lite")["content"] != {"a": 1}


def test_every_field_of_a_turn_has_its_effect() -> None:
    turn = {
        "match": "q",
        "content": {"size": "big"},
        "basis": {"size": {"confidence": "low", "reasoning": "so", "citations": []}},
        "progress": [{"type": "plan", "message": "first"}, {"message": "second"}],
        "seconds": 40,
        "warnings": ["careful"],
    }
    with simulated(turn, latency_scale=0.5) as http:
        run = create(http, "q", enable_events=True)
        assert [w["message"] for w in run["warnings"]] == ["careful"]
        events = stream(http, f"{RUNS}/{run['run_id']}/events")
        progress = [(e["type"], e["message"]) for e in events if "message" in e]
        assert progress == [
            ("task_run.progress_msg.plan", "first"),
            ("task_run.progress_msg.exec_status", "second"),
        ]
        [entry] = result(http, run)["output"]["basis"]
        assert entry == {"field": "size", "confidence": "low", "reasoning": "so", "citations": []}
        transport: Any = http._transport
        assert manual(transport.simulator).monotonic() == 20


def test_a_turn_can_fail() -> None:
    with simulated({"match": "q", "status": "failed", "error": "scripted"}) as http:
        run = create(http, "q")
        answer = http.get(f"{RUNS}/{run['run_id']}/result")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "scripted")


def test_a_scripted_answer_never_breaks_the_schema_of_the_request() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "additionalProperties": False,
    }
    spec = {"task_spec": {"output_schema": {"type": "json", "json_schema": schema}}}
    with simulated({"match": "q", "content": {"a": "no number", "b": "kept", "c": 1}}) as http:
        content = ask(http, "q", **spec)["content"]
    assert content["b"] == "kept"
    assert isinstance(content["a"], int)
    assert set(content) == {"a", "b"}


def test_placeholders_are_replaced_anywhere_in_the_content() -> None:
    first = {"match": "one", "content": {"list": [{"n": 5}], "text": "found"}}
    second = {
        "match": "two",
        "content": {
            "x": ["{{last.list.0.n}}", "{{ turns.0.text }}", "{{count}}", "{{question}}"],
            "y": "{{last.list.7.n}} {{nonsense}}",
        },
    }
    with simulated(first, second) as http:
        run = create(http, "one")
        result(http, run)
        content = ask(http, "two", previous_interaction_id=run["interaction_id"])["content"]
    assert content["x"] == ["5", "found", "1", "two"]
    assert content["y"] == "(nothing found earlier) (nothing found earlier)"


def test_a_scenario_loads_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"name": "n", "turns": [{"match": "q", "content": "c"}]}))
    assert Scenario.load(file).name == "n"


@pytest.mark.parametrize("turn", [{"content": "c"}, {"match": "q", "contents": "c"}])
def test_a_wrong_scenario_is_refused(turn: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="scenario turn"):
        Scenario.parse({"turns": [turn]})
