"""A session: questions on one thread share their context, branch, and are counted and paid once."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from langchain_parallel import InteractionTree
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import SourcePolicy, TaskAdvancedSettings
from langchain_parallel.options import RequestOptions

from .harness import Session


def test_a_first_question_is_answered_with_evidence(session: Session) -> None:
    out = session.ask("Map the landscape")
    (turn,) = out["turns"]
    assert turn["status"] == "completed"
    assert "Map the landscape" in json.dumps(out["answer"])
    assert turn["citations"][0]["url"].startswith("https://")
    assert set(turn["confidence"].values()) <= {"high", "medium", "low"}
    assert out["interaction_id"] == turn["interaction_id"] != turn["run_id"]
    assert out["spent_usd"] == 0.1


def test_the_next_question_on_the_thread_builds_on_the_first(session: Session) -> None:
    first = session.ask("Map the landscape")
    second = session.ask("What about the risks?")
    turn = second["turns"][1]
    assert turn["parent_interaction_id"] == first["interaction_id"]
    assert "Map the landscape" in json.dumps(second["answer"])  # the simulator quotes its context
    assert [turn["processor"] for turn in second["turns"]] == ["pro", "core-fast"]
    assert second["spent_usd"] == 0.125


def test_continue_from_branches_and_is_used_up(session: Session) -> None:
    first = session.ask("Map the landscape")["interaction_id"]
    session.ask("What about the risks?")
    branch = session.ask("What about prices?", continue_from=first)
    assert branch["turns"][2]["parent_interaction_id"] == first
    assert "What about the risks?" not in json.dumps(branch["answer"])
    after = session.ask("And in Europe?")
    assert after["turns"][3]["parent_interaction_id"] == branch["interaction_id"]
    below = [node.question for node in InteractionTree.of(after).roots[0].children]
    assert below == ["What about the risks?", "What about prices?"]


WRONG_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"branches": [{"question": "Left?"}]}, "'branches' means nothing .* asked one at a time"),
    ({"questions": ["Left?", "Right?"]}, "'questions' means nothing .* asked one at a time"),
    ({"follow_up": "And why?"}, "'follow_up' means nothing .* asked one at a time"),
    ({"pending": {"question": "Left?"}}, "'pending' means nothing"),
    ({"source_policy": {"include_domains": ["a.org"]}}, r"RequestOptions\(source_policy=…\)"),
    ({"timeout": 5}, "'timeout' .* give it to create_research_graph"),
    ({"output_schema": 5}, "output_schema must be a JSON schema"),
    ({"continue_form": "trun_1"}, "did you mean continue_from"),
    (
        {"colour": "red"},
        "'colour' means nothing beside a question; question, messages, continue_from, ",
    ),
    ({"colour": "red", "max_cost_usd": 1}, "'colour' .* 'max_cost_usd'"),
]

STRICT = RequestOptions(strict=True)


@pytest.mark.parametrize(("more", "words"), WRONG_KEYS, ids=str)
def test_nothing_beside_a_question_is_dropped_without_a_word(
    session: Session, more: Any, words: str
) -> None:
    first = session.ask("Map the landscape")["interaction_id"]
    with pytest.raises(InvalidRequest, match=words):
        session.ask("What about prices?", **more)
    assert len(session.runs) == 1
    out = session.ask("What about risks?")  # and the thread takes the next question
    assert [turn["parent_interaction_id"] for turn in out["turns"]] == [None, first]
    assert len(session.runs) == 2


def test_an_answered_session_may_be_given_back_as_it_is(session: Session) -> None:
    first = session.ask("Map the landscape")
    session.config = {"configurable": {"thread_id": "another"}}
    out = session.ask(**{**first, "question": "What about prices?", "pending": None})
    assert out["turns"][1]["parent_interaction_id"] == first["interaction_id"]


def test_a_processor_for_one_question_is_used_up(session: Session) -> None:
    session.ask("Map the landscape", processor="lite")
    out = session.ask("What about the risks?")
    assert [turn["processor"] for turn in out["turns"]] == ["lite", "core-fast"]


def test_the_same_question_later_in_the_session_is_a_new_run(session: Session) -> None:
    session.ask("What is new?")
    session.ask("What is new?")
    assert len(session.runs) == 2


def test_every_setting_reaches_the_run(session: Session) -> None:
    session.options = {
        "output_schema": {"type": "object", "properties": {"size": {"type": "string"}}},
        "request": RequestOptions(
            source_policy=SourcePolicy(
                include_domains=["example.org"], after_date=date(2026, 1, 1)
            ),
            advanced_settings=TaskAdvancedSettings(location="de"),
            memory_scope_key="team",
            metadata={"team": "research"},
        ),
    }
    out = session.ask("How large is it?")
    (request,) = (e for e in session.simulator.requests if e.method == "POST" and "runs" in e.path)
    (sent,) = request.body["inputs"]
    assert sent["task_spec"]["output_schema"]["type"] == "json"
    assert sent["source_policy"] == {"include_domains": ["example.org"], "after_date": "2026-01-01"}
    assert sent["advanced_settings"] == {"location": "de"}
    assert sent["memory_scope_key"] == "team"
    assert sent["metadata"]["team"] == "research"
    assert sent["metadata"]["thread_id"] == "thread"
    assert sent["enable_events"] is True
    assert set(out["answer"]) == {"size"}


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_costs_nothing(session: Session, question: str) -> None:
    with pytest.raises(InvalidRequest, match=r"no question; invoke the graph with"):
        session.ask(question)
    assert session.simulator.requests == []


def test_a_question_too_long_costs_nothing(session: Session) -> None:
    session.options["request"] = RequestOptions(strict=True)
    with pytest.raises(InvalidRequest, match=r"26,000 characters together, 1,000 over the 25,000"):
        session.ask("x" * 26_000)
    assert session.runs == []


def test_an_unknown_processor_for_one_question_costs_nothing(session: Session) -> None:
    with pytest.raises(InvalidRequest, match="'pros' is unknown; did you mean pro"):
        session.ask("Map the landscape", processor="pros")
    assert session.runs == []
    assert session.ask("Map the landscape")["turns"][0]["processor"] == "pro"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"processor": "ultra9x"}, r"'ultra9x' is unknown; did you mean ultra"),
        ({"processor": ("pro", "cor-fast")}, r"did you mean core-fast"),
        ({"processor": ("pro", "base", "lite")}, r"give a name, or two"),
        ({"processor": ("pro",)}, r"give a name, or two"),
        ({"processor": ("pro", None)}, r"give a name, or two"),
        ({"wait": "prak"}, r"wait is 'prak'; 'block' or 'park' is allowed"),
        ({"timeout": -1}, r"timeout is -1; give seconds, from 0 up"),
        ({"wait": "background"}, r"wait is 'background'; 'block' or 'park' is allowed"),
        ({"evaluate": None}, r"evaluator must be a function of the state and its last turn"),
        ({"evaluate": lambda state: None}, r"evaluator must be a function"),
        ({"output_schema": {"type": "array"}, "request": STRICT}, r"root must be an object"),
        (
            {"request": RequestOptions(metadata={"a key that is too long": "x"}, strict=True)},
            r"16 are allowed",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_when_the_graph_is_made(
    session: Session, options: dict[str, object], words: str
) -> None:
    session.options = options
    with pytest.raises(InvalidRequest, match=words):
        session.graph()
    assert session.simulator.requests == []
