"""What is told of calls whose answer comes at once: chat turns, searches and extractions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from langchain_parallel import (
    ChatParallel,
    ParallelClient,
    ParallelExtractTool,
    ParallelSearchRetriever,
    ParallelSearchTool,
    create_research_graph,
)
from langchain_parallel.client import client_pair
from langchain_parallel.errors import ParallelError
from langchain_parallel.simulator import Fault, ManualClock, Simulator
from langchain_parallel.testing import simulated_client

from .conftest import Otel, Told, attributes

QUESTION = "Who bought the company in confidence?"
PAGE = "https://example.com/confidential"
Ask = Callable[[ParallelClient], Any]


def by_stream(client: ParallelClient) -> None:
    list(client.chat_stream(QUESTION))


CHAT = ("chat", "chat:lite", 0.005)
SEARCH = ("search", "search:advanced", 0.005)
FAST = ("search", "search:fast", 0.001)
EXTRACT = ("extract", "extract", 0.001)
CALLS: dict[str, tuple[Ask, tuple[str, str, float]]] = {
    "chat": (lambda client: client.chat(QUESTION), CHAT),
    "stream": (by_stream, CHAT),
    "search": (lambda client: client.search("secret", objective=QUESTION), SEARCH),
    "extract": (lambda client: client.extract(PAGE, objective=QUESTION), EXTRACT),
    "chat model": (lambda client: ChatParallel(client=client).invoke(QUESTION), CHAT),
    "search tool": (
        lambda client: ParallelSearchTool(client=client).invoke(
            {"search_queries": ["secret"], "objective": QUESTION}
        ),
        SEARCH,
    ),
    "extract tool": (
        lambda client: ParallelExtractTool(client=client).invoke({"urls": [PAGE]}),
        EXTRACT,
    ),
    "retriever": (
        lambda client: ParallelSearchRetriever(client=client, mode="fast").invoke(QUESTION),
        FAST,
    ),
    "graph": (
        lambda client: (
            create_research_graph(client=client, processor="chat:lite")
            .compile()
            .invoke({"question": QUESTION})
        ),
        CHAT,
    ),
}


@pytest.mark.parametrize("how", CALLS)
def test_a_call_is_told_when_it_is_sent_and_when_it_is_answered(
    how: str, told: Told, info: pytest.LogCaptureFixture
) -> None:
    ask, (kind, processor, usd) = CALLS[how]
    ask(simulated_client(Simulator(ManualClock())))
    assert [event.name for event in told] == ["requested", "answered"]
    first, last = (event.fields for event in told)
    assert (first["kind"], first["processor"], first["price_usd"]) == (kind, processor, usd)
    assert (last["kind"], last["processor"], last["cost_usd"]) == (kind, processor, usd)
    assert last["seconds"] > 0
    assert last[{"chat": "interaction_id"}.get(kind, f"{kind}_id")]
    shown = str([vars(record) for record in info.records if record.name == "langchain_parallel"])
    assert "A call was answered (kind " in shown
    for text in (QUESTION, PAGE, "secret"):
        assert text not in shown


def test_awaited_calls_tell_the_same(told: Told) -> None:
    client = client_pair(simulated_client())[1]

    async def main() -> None:
        await client.chat(QUESTION)
        async for _ in client.chat_stream(QUESTION):
            pass
        await client.search("secret")
        await client.extract(PAGE)

    asyncio.run(main())
    assert [event.name for event in told] == ["requested", "answered"] * 4


def test_what_a_call_continues_is_told(told: Told) -> None:
    client = simulated_client()
    answer = client.chat(QUESTION)
    client.chat("And since when?", previous_interaction_id=answer.interaction_id)
    client.search("secret", session_id="job")
    assert told[2].fields["previous_interaction_id"] == answer.interaction_id
    assert told[4].fields["session_id"] == "job"


@pytest.mark.parametrize("how", ["chat", "stream", "search", "extract"])
@pytest.mark.parametrize(
    ("fault", "name"),
    [(Fault("payment_required", times=None), "unanswered"), (Fault("drop_after"), "doubtful")],
)
def test_a_call_without_an_answer_is_told_by_what_it_may_cost(
    how: str, fault: Fault, name: str, told: Told
) -> None:
    ask, (kind, processor, _) = CALLS[how]
    simulator = Simulator(ManualClock())
    simulator.faults.add(fault)
    with pytest.raises(ParallelError) as caught:
        ask(simulated_client(simulator))
    [*_, last] = told
    assert last.name == name
    assert (last.fields["kind"], last.fields["processor"]) == (kind, processor)
    assert last.fields["error"] == type(caught.value).__name__
    assert [event.name for event in told if event.name == "answered"] == []


def test_calls_are_counted_priced_timed_and_traced(otel: Otel) -> None:
    client = simulated_client(Simulator(ManualClock()))
    for ask, _ in (CALLS["chat"], CALLS["search"], CALLS["extract"]):
        ask(client)
    models = ["chat:lite", "search:advanced", "extract"]
    calls = otel.points("langchain_parallel.calls")
    costs = otel.points("langchain_parallel.cost")
    times = otel.points("gen_ai.client.operation.duration")
    for model, usd in zip(models, [0.005, 0.005, 0.001], strict=True):
        of = {"gen_ai__request__model": model}
        assert calls[attributes(outcome="requested", **of)] == 1
        assert calls[attributes(outcome="answered", **of)] == 1
        assert costs[attributes(adopted="false", **of)] == usd
        named = {**of, "gen_ai__operation__name": model.partition(":")[0]}
        assert times[attributes(gen_ai__provider__name="parallel", **named)] > 0
    spans = otel.spans.get_finished_spans()
    assert [span.name for span in spans] == ["chat lite", "search advanced", "extract"]
    assert all((span.attributes or {})["langchain_parallel.cost_usd"] for span in spans)
    assert not any(QUESTION in span.to_json() for span in spans)


def test_a_refused_call_is_an_error_in_the_trace(otel: Otel) -> None:
    simulator = Simulator(ManualClock())
    simulator.faults.add(Fault("payment_required", times=None))
    with pytest.raises(ParallelError):
        simulated_client(simulator).search("secret")
    [span] = otel.spans.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "CreditExhausted"
    counted = otel.points("langchain_parallel.calls")
    assert counted[attributes(outcome="unanswered", gen_ai__request__model="search:advanced")] == 1
    assert otel.points("langchain_parallel.cost") == {}
