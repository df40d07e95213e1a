"""Chat: turns of the same tree as runs, whole or as a stream, as the guide has them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import Fault, ManualClock, RunScript, Simulator

from .helpers import CHAT, RUNS, create, error, http_to, listed_errors, manual, parsed, result

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
AS_SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}


def chat(http: httpx.Client, question: str = "who", **body: Any) -> httpx.Response:
    turn = {"model": "lite", "messages": [{"role": "user", "content": question}], **body}
    return http.post(CHAT, json=turn)


def said(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_a_chat_turn_and_a_task_run_continue_each_other(simulator_http: httpx.Client) -> None:
    run = create(simulator_http, "who makes apples")
    result(simulator_http, run)
    turn = chat(simulator_http, "and pears", previous_interaction_id=run["interaction_id"])
    assert "[simulated]" in said(turn)
    assert "who makes apples" in said(turn)
    spec = {"output_schema": "a line"}
    after = turn.json()["interaction_id"]
    last = create(simulator_http, "compare", previous_interaction_id=after, task_spec=spec)
    text = result(simulator_http, last)["output"]["content"]
    assert "who makes apples" in text
    assert "and pears" in text


def test_an_answer_is_as_the_guide_has_it(simulator_http: httpx.Client) -> None:
    turn = chat(simulator_http, seed=5, tools=[{"type": "x"}], max_tokens=3).json()
    empty = ("id", "object", "model", "usage")
    assert not any(turn[name] for name in empty)
    [choice] = turn["choices"]
    assert (choice["message"]["role"], choice["finish_reason"]) == ("assistant", "")
    assert [entry["field"] for entry in turn["basis"]] == ["output"]
    assert turn["interaction_id"].startswith("intr_")
    assert chat(simulator_http, model="speed").json()["basis"] == []


@pytest.mark.parametrize(
    "form", [AS_SCHEMA, {"type": "json_object"}], ids=lambda form: form["type"]
)
def test_json_is_answered_where_it_is_asked_for(simulator_http: httpx.Client, form: Any) -> None:
    turn = chat(simulator_http, response_format=form)
    value = json.loads(said(turn))
    assert set(value) >= ({"name"} if form is AS_SCHEMA else {"summary"})
    assert {entry["field"] for entry in turn.json()["basis"]} >= set(value)


def test_a_stream_has_the_text_in_pieces_and_the_evidence_last(
    simulator_http: httpx.Client,
) -> None:
    whole = chat(simulator_http)
    text = chat(simulator_http, stream=True).text
    assert text.endswith("data: [DONE]\n\n")
    chunks = parsed(text.removesuffix("data: [DONE]\n\n"))
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == said(whole)
    assert len(pieces) > 3
    assert chunks[-1]["basis"] == whole.json()["basis"]
    assert [bool(chunk["interaction_id"]) for chunk in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]


def test_earlier_messages_are_seen(simulator_http: httpx.Client) -> None:
    before = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why"}]
    assert 'system "be brief"' in said(chat(simulator_http, messages=before))


def test_a_turn_costs_what_its_model_costs_and_is_no_run() -> None:
    for model, price in {"speed": 0.005, "lite": 0.005, "base": 0.01, "core": 0.025}.items():
        simulator = Simulator(ManualClock())
        with http_to(simulator, timeout=None) as http:
            turn = chat(http, model=model).json()
        [line] = simulator.billing.billed_runs()
        assert (line.usd, line.processor, line.run_id) == (price, f"chat:{model}", "")
        assert line.interaction_id == turn["interaction_id"]
        assert simulator.runs() == []
        [turn_seen] = simulator.context_of(turn["interaction_id"])
        assert turn_seen.processor == f"chat:{model}"


def test_openais_clients_find_it_under_the_apis_own_address_with_a_bearer_key() -> None:
    simulator = Simulator(ManualClock(), api_keys={"k"})
    with http_to(simulator, timeout=None) as http:
        del http.headers["x-api-key"]
        body = {"model": "lite", "messages": [{"role": "user", "content": "q"}]}
        for scheme, key, status in (
            ("Bearer", "k", 200),
            ("Bearer", "x", 401),
            ("Basic", "k", 401),
        ):
            headers = {"authorization": f"{scheme} {key}"}
            answer = http.post("/chat/completions", json=body, headers=headers)
            assert answer.status_code == status
        run = {"input": "q", "processor": "lite"}
        bearer = {"authorization": "Bearer k"}
        assert http.post(RUNS, json=run, headers=bearer).status_code == 401


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": None}, "model"),
    "an unknown model": ({"model": "pro"}, "model"),
    "no messages": ({"messages": []}, "messages"),
    "a tool's message": ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
    "a picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
    "an unknown interaction": ({"previous_interaction_id": "intr_0"}, "previous_interaction_id"),
    "a format without a schema": ({"response_format": {"type": "json_schema"}}, "response_format"),
    "an ignored parameter of a wrong type": ({"temperature": "hot"}, "temperature"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_turn_is_422_in_the_documented_shape_and_costs_nothing(
    simulator: Simulator, simulator_http: httpx.Client, name: str, stream: bool
) -> None:
    body, field = WRONG[name]
    answer = chat(simulator_http, stream=stream, **body)
    assert answer.status_code == 422
    assert {problem["loc"][1] for problem in listed_errors(answer)} == {field}
    assert simulator.billing.reserved_usd == simulator.billing.total_usd == 0


def test_credit_and_quota_are_checked() -> None:
    simulator = Simulator(ManualClock(), credit_usd=0.011, quota_per_minute=2)
    with http_to(simulator, timeout=None) as http:
        assert chat(http, model="core").status_code == 402
        assert chat(http).status_code == 200
        assert "Too many" in error(chat(http))["message"]
        manual(simulator).advance(60)
        assert chat(http).status_code == 200


@pytest.mark.parametrize("fault", [Fault("drop_after"), Fault("sse_cut", after_events=2)])
def test_a_turn_whose_answer_is_lost_is_billed(simulator: Simulator, fault: Fault) -> None:
    simulator.faults.add(fault)
    with http_to(simulator, timeout=None) as http, pytest.raises(httpx.RemoteProtocolError):
        chat(http, stream=True)
    manual(simulator).advance(100)
    assert simulator.billing.total_usd == 0.005


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_that_fails_is_free(simulator: Simulator, stream: bool) -> None:
    simulator.scripts.add(RunScript("failed", message="[simulated] it broke"))
    with http_to(simulator, timeout=None) as http:
        answer = chat(http, stream=stream)
    assert "it broke" in answer.text
    assert answer.status_code == (200 if stream else 500)
    assert simulator.billing.total_usd == 0
