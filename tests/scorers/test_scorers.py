"""A score is what the stored session says, in whatever form it is stored."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import given
from langsmith import Client, evaluate
from langsmith.schemas import Example
from pydantic import BaseModel

from langchain_parallel import ParallelTaskTool, SessionReport, create_research_graph, scorers
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.scorers import (
    ExampleSession,
    Score,
    citation_validity,
    consistency,
    correctness,
    cost_per_supported_field,
    coverage,
    example_sessions,
    groundedness,
    score_session,
    support,
)
from langchain_parallel.testing import simulated_client

from ..sessions.building import cite, some, turn, turns
from .make_example_sessions import QUESTION, SCHEMA, examples

ALL = (
    *(support, coverage, groundedness, citation_validity, consistency, correctness),
    cost_per_supported_field,
)
EXAMPLES = {example["name"]: example for example in example_sessions()}


class Expected(NamedTuple):
    support: float | None = 1
    coverage: float | None = 1
    groundedness: float | None = 1
    citation_validity: float | None = 1
    consistency: float | None = 1
    correctness: float | None = 1
    cost_per_supported_field: float | None = 0.008333  # $0.025 for three


EXPECTED = {
    "good": Expected(),
    "good after a follow-up": Expected(cost_per_supported_field=0.006667),  # twice $0.01
    "unsupported": Expected(
        support=0, groundedness=0, citation_validity=None, cost_per_supported_field=0.025
    ),
    "incomplete": Expected(
        support=0.3333, coverage=0.3333, correctness=0.5, cost_per_supported_field=0.025
    ),
    "contradicted": Expected(
        consistency=0.6667, correctness=0.5, cost_per_supported_field=0.016667
    ),
    "wrong and well cited": Expected(correctness=0.5),
    "false quote": Expected(groundedness=0.6667),
    "one page cited as three": Expected(citation_validity=0.6),
    "expensive": Expected(cost_per_supported_field=0.8),
    "failed": Expected(0, 0, None, None, None, 0, None),
}


def scores(outputs: Any, example: ExampleSession) -> dict[str, float | None]:
    found = score_session(outputs, example["inputs"], example["reference_outputs"])
    return {score["key"]: score["score"] for score in found}


def test_the_dataset_has_the_form_and_the_scores_of_what_the_graph_makes() -> None:
    for made in examples():
        stored = EXAMPLES[made["name"]]
        assert stored["inputs"] == made["inputs"]
        forms = [[turn.keys() for turn in one["outputs"]["turns"]] for one in (stored, made)]
        assert forms[0] == forms[1], "run: python -m tests.scorers.make_example_sessions"
        assert scores(made["outputs"], made) == EXPECTED[made["name"]]._asdict()


def test_each_flaw_of_the_dataset_is_seen_by_the_scores_that_are_about_it() -> None:
    assert {name: scores(one["outputs"], one) for name, one in EXAMPLES.items()} == {
        name: expected._asdict() for name, expected in EXPECTED.items()
    }


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "turns": lambda state: state["turns"],
    "report": SessionReport.of,
    "report as JSON": lambda state: SessionReport.of(state).to_json(),
    "parsed report": lambda state: json.loads(SessionReport.of(state).to_json()),
    "state as JSON": json.dumps,
    "bytes": lambda state: json.dumps(state).encode(),
    "wrapped": lambda state: {"output": SessionReport.of(state)},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_forms_of_a_session_have_the_same_scores(name: str) -> None:
    example = EXAMPLES[name]
    for make in FORMS.values():
        assert scores(make(example["outputs"]), example) == EXPECTED[name]._asdict()


def test_all_forms_of_an_answer_have_the_scores_of_a_session_of_one_run() -> None:
    options: dict[str, Any] = {"client": simulated_client(), "processor": "base"}
    answer = ParallelTaskTool(output_schema=SCHEMA, **options).research(QUESTION)
    call = {"name": "parallel_task", "args": {"input": QUESTION}, "id": "1", "type": "tool_call"}
    artifact = ParallelTaskTool(output_schema=SCHEMA, **options).invoke(call).artifact
    graph = create_research_graph(evaluate=lambda state, turn: None, checks=True, **options)
    state = graph.compile().invoke({"question": QUESTION, "output_schema": SCHEMA})
    example = EXAMPLES["good"]
    found = [
        scores(form, example)
        for form in (answer, answer.result, artifact, json.dumps(artifact), state)
    ]
    assert len(found[0]) == len(ALL)
    assert found == [found[0]] * 5


# --- as evaluators --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("evaluators", [ALL, (score_session,)], ids=["each", "all at once"])
def test_langsmith_takes_them_as_evaluators(evaluators: Any) -> None:
    data = [
        Example(
            id=uuid4(), inputs={"name": name, **one["inputs"]}, outputs=one["reference_outputs"]
        )
        for name, one in EXAMPLES.items()
    ]

    def stored(inputs: dict[str, Any]) -> dict[str, Any]:
        return EXAMPLES[inputs["name"]]["outputs"]

    nowhere = Client("http://127.0.0.1:9", api_key="none", auto_batch_tracing=False, info={})
    experiment = evaluate(
        stored,
        data=data,
        evaluators=list(evaluators),
        upload_results=False,
        client=nowhere,
    )
    found = {
        (row["example"].inputs or {})["name"]: {
            one.key: one.score for one in row["evaluation_results"]["results"]
        }
        for row in experiment
    }
    assert found == {name: expected._asdict() for name, expected in EXPECTED.items()}


@pytest.mark.parametrize("scorer", ALL)
def test_they_are_called_as_openevals_calls_its_own(scorer: Callable[..., Score]) -> None:
    example = EXAMPLES["contradicted"]
    before = copy.deepcopy(example)
    score = scorer(
        inputs=example["inputs"],
        outputs=example["outputs"],
        reference_outputs=example["reference_outputs"],
    )
    assert score.keys() == {"key", "score", "comment"}
    assert score["key"] == scorer.__name__
    assert scorer(example["outputs"])["key"] == scorer.__name__
    assert example == before


@pytest.mark.parametrize(
    "given", [None, 7, {}, {"output": None}, "no JSON", "[1]", {"run": 1, "output": 2}]
)
def test_what_is_no_research_is_refused(given: Any) -> None:
    for scorer in ALL:
        with pytest.raises(InvalidRequest):
            scorer(given)


@given(session=turns)
@some
def test_any_session_has_scores_that_are_shares_or_dollars(session: Any) -> None:
    for score in score_session(session, {"output_schema": SCHEMA}, {"answer": {"revenue": 1}}):
        json.dumps(score)
        is_share = score["key"] != "cost_per_supported_field"
        assert score["score"] is None or 0 <= score["score"] <= (1 if is_share else float("inf"))
        assert "\n" not in score["comment"]


# --- single scores --------------------------------------------------------------------------------


def test_a_session_without_questions_has_no_scores() -> None:
    assert [score["score"] for score in score_session([])] == [None] * 6


def test_a_field_is_as_well_supported_as_its_weakest_part() -> None:
    content = {"makers": ["A", "B"], "size": {"value": 5, "bikes": 7}}
    confidence = {"makers.0": "high", "makers.1": "low", "size": "high", "size.bikes": "low"}
    fields = ["makers.0", "makers.1", "size", "size.bikes"]
    cited = [cite(1, "https://a.example", *fields)]
    score = support([turn(content=content, confidence=confidence, citations=cited)])
    assert score["comment"].partition("; ")[2] == "not: makers, size.bikes"


@pytest.mark.parametrize(("words", "score"), [("hh", 1), ("hl", 0), ("lh", 0)])
def test_a_list_is_supported_if_each_part_is(words: str, score: float) -> None:
    confidence = {f"makers.{n}": {"h": "high", "l": "low"}[word] for n, word in enumerate(words)}
    cited = [cite(1, "https://a.example", *confidence)]
    one = turn(content={"makers": ["A", "B"]}, confidence=confidence, citations=cited)
    assert support([one])["score"] == score


def test_a_field_without_a_value_is_not_supported_however_sure_the_api_is() -> None:
    cited = [cite(1, "https://a.example", "revenue")]
    score = support([turn(content={"revenue": None}, citations=cited)])
    assert score["comment"] == "0 of 1 fields; not: revenue"


def test_what_branches_found_of_something_else_counts_too() -> None:
    about: Any = {"asked_by": "evaluation", "round": 1, "parent_interaction_id": "intr_0"}
    first, second = (
        turn(n, content={"name": name, "size": n}, confidence={}, **about)
        for n, name in ((1, "Velomar"), (2, "Pedalex"))
    )
    session = [turn(content=None, confidence={}), first, second]
    assert coverage(session)["comment"] == "4 of 4 fields"


def test_values_contradict_that_cannot_all_be_true() -> None:
    def said(position: int, value: object, word: str) -> Any:
        by = "evaluation" if position else "caller"
        return turn(position, content={"staff": value}, confidence={"staff": word}, asked_by=by)

    vague = said(1, "over 300", "medium")
    assert consistency([said(0, 350, "high"), vague])["score"] == 1
    score = consistency([said(0, 350, "high"), vague, said(2, 400, "low")])
    assert score["comment"].endswith("not: staff (350 or 400)")
    others = [said(n, 1_000 + n, "medium") for n in range(1, 25)]
    score = consistency([said(0, "over 1000", "high"), *others, said(25, 10, "low")])
    assert score["comment"].endswith("not: staff (over 1000 or 10)")


def test_what_has_no_place_in_the_answer_is_a_field_with_a_value() -> None:
    text = turn(1, content="About 5 bn.", confidence={}, asked_by="evaluation")
    assert consistency([turn(), text])["comment"] == "2 of 2 fields with a value"
    example = EXAMPLES["incomplete"]
    assert consistency(example["outputs"])["comment"] == "1 of 1 fields with a value"


def test_the_last_question_that_found_a_value_answers() -> None:
    session = [turn(0), turn(1, content={"revenue": "6 bn"}), turn(2, content={"other": 1})]
    assert correctness(session, None, {"answer": {"revenue": "6 bn"}})["score"] == 1


def test_excerpts_that_a_session_has_kept_are_looked_into() -> None:
    source = {**cite(1, "https://a.example", "output"), "excerpts": ["Sales rose by 11 %."]}
    text: dict[str, Any] = {"content": "Sales rose by 12 %.", "citations": [source]}
    for session in ([turn(**text)], {"turns": [turn(**text)]}):
        assert groundedness(session)["comment"] == "0 of 1 claims; not: output (12 %)"


def test_a_citation_without_an_address_and_an_excluded_one_are_not_valid() -> None:
    cited = [{"url": ""}, {"url": "https://a.example"}]
    basis = [{"field": "output", "reasoning": "", "citations": cited}]
    result = {
        "run": {"run_id": "trun_1", "status": "completed", "processor": "lite", "is_active": False},
        "output": {"type": "text", "content": "Five.", "basis": basis},
    }
    assert citation_validity(result)["comment"] == "1 of 2 citations; not: one without an address"
    excluded = {"number": 1, "url": "https://a.example", "problem": "excluded"}
    counts = {"supported": 0, "not_found": 0, "no_excerpt": 0}
    checks = {"claims": [], "sources": [excluded], **counts}
    session = [turn(citations=[cite(1, "https://a.example", "revenue")], checks=checks)]
    assert citation_validity(session)["score"] == 0


@pytest.mark.parametrize(("paid", "usd"), [({}, "$0.005"), ({"cost_usd": 0.25}, "$0.25")])
def test_a_result_costs_what_was_paid_or_the_list_price(paid: dict[str, Any], usd: str) -> None:
    run = {"run_id": "trun_1", "status": "completed", "processor": "lite", "is_active": False}
    output = {"type": "text", "content": "Five.", "basis": []}
    score = cost_per_supported_field({"run": run, "output": output, **paid})
    assert score["comment"] == f"{usd} for 0 supported fields"


def test_a_text_is_one_field() -> None:
    text: dict[str, Any] = {"content": "About 5 bn.", "confidence": {"output": "high"}}
    cited = {**text, "citations": [cite(1, "https://a.example", "output")]}
    assert support([turn(**text)])["score"] == 0
    assert support([turn(**cited)])["score"] == 1
    assert correctness([turn(**cited)], reference_outputs={"answer": "about 5 bn"})["score"] == 1


def test_every_question_of_a_session_counts() -> None:
    weak = turn(1, content={"revenue": "5 bn"}, confidence={"revenue": "low"})
    sure = turn(0, citations=[cite(1, "https://a.example", "revenue")])
    assert support([sure, weak])["comment"] == "1 of 2 fields; not: revenue"


def test_claims_of_a_turn_that_no_answer_is_made_of_do_not_count() -> None:
    wrong = {"claims": [], "sources": [], "supported": 0, "not_found": 4, "no_excerpt": 0}
    right = {**wrong, "supported": 1, "not_found": 0}
    first = turn(0, confidence={"revenue": "low"}, checks=wrong)
    second = turn(1, asked_by="evaluation", checks=right)
    assert groundedness([first])["score"] == 0
    assert groundedness([first, second])["score"] == 1


class Place(BaseModel):
    city: str
    country: str


class Company(BaseModel):
    name: str
    seat: Place


@pytest.mark.parametrize(
    "schema", [Company, Company.model_json_schema(), {"json_schema": Company.model_json_schema()}]
)
def test_the_fields_asked_for_are_those_of_the_schema(schema: Any) -> None:
    session = [
        turn(content={"name": "Acme", "seat": {"city": "Port Alder"}, "more": 1}, confidence={})
    ]
    score = coverage(session, {"output_schema": schema}, {"answer": {"more": 1}})
    assert score["comment"] == "2 of 3 fields asked for; not: seat.country"
    assert coverage(session, {"question": "?"}, {"answer": {"more": 1}})["score"] == 1
    assert coverage(session)["comment"] == "3 of 3 fields"


def test_unknown_costs_are_said() -> None:
    cited = [cite(1, "https://a.example", "revenue")]
    known, unknown = turn(0, citations=cited), turn(1, cost_usd=None, citations=cited)
    assert cost_per_supported_field([unknown])["score"] is None
    assert cost_per_supported_field([known, unknown])["comment"].startswith("at least $0.10 for 2")


def test_each_public_scorer_is_tested_here() -> None:
    others = {"ExampleSession", "Score", "Scored", "example_sessions", "score_session"}
    assert {scorer.__name__ for scorer in ALL} == set(scorers.__all__) - others
