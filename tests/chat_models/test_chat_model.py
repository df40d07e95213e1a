"""`ChatParallel`: what is sent, what an answer holds, and what is refused before it costs anything."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, load
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.base import message_to_dict, messages_to_dict
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import TypedDict

from langchain_parallel import AsyncParallelClient, ChatParallel, ParallelClient, errors
from langchain_parallel.chat_models import last_interaction_id
from langchain_parallel.errors import RequestWarning
from langchain_parallel.models import TaskRunInput
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunningServer,
    RunScript,
    Simulator,
    SimulatorTransport,
)

KEY = "sk-Zq8Rt2LmXw91"


@dataclass
class World:
    sim: Simulator
    client: ParallelClient

    def model(self, **options: Any) -> ChatParallel:
        return ChatParallel(client=self.client, **options)

    @property
    def sent(self) -> Any:
        """The body of the last turn."""
        return self.sim.requests[-1].body


@pytest.fixture
def world() -> Iterator[World]:
    sim = Simulator(ManualClock())
    with ParallelClient(KEY, transport=SimulatorTransport(sim), clock=sim.clock) as client:
        yield World(sim, client)


# --- an answer ------------------------------------------------------------------------------------


def ways(model: ChatParallel, question: Any, **options: Any) -> dict[str, AIMessage]:
    """The same question in every way in which a model can be asked."""
    whole: Any = None
    for chunk in model.stream(question, **options):
        whole = chunk if whole is None else whole + chunk

    async def rest() -> dict[str, AIMessage]:
        pieces: Any = None
        async for chunk in model.astream(question, **options):
            pieces = chunk if pieces is None else pieces + chunk
        [batched] = await model.abatch([question], **options)
        return {
            "astream": pieces,
            "ainvoke": await model.ainvoke(question, **options),
            "abatch": batched,
        }

    [batched] = model.batch([question], **options)
    asked = {"invoke": model.invoke(question, **options), "stream": whole, "batch": batched}
    return {**asked, **asyncio.run(rest())}


def test_every_way_to_ask_gives_the_text_and_all_that_is_known(world: World) -> None:
    answers = ways(world.model(), "who")
    assert len(world.sim.billing.billed_runs()) == len(answers) == 6
    [content] = {str(answer.content) for answer in answers.values()}
    assert "[simulated]" in content
    for way, answer in answers.items():
        known = answer.response_metadata
        assert set(known) == {
            *("model_name", "model_provider", "interaction_id", "basis", "cost_usd", "cost_note"),
            "created",
        }, way
        assert (known["model_name"], known["cost_usd"]) == ("lite", 0.005)
        assert known["basis"][0]["citations"][0]["excerpts"]
        assert answer.usage_metadata is None
    assert len({answer.response_metadata["interaction_id"] for answer in answers.values()}) == 6


def test_citations_are_annotations_of_the_text_in_every_way(world: World) -> None:
    for way, answer in ways(world.model(), "who").items():
        [block] = answer.content_blocks
        assert block["type"] == "text"
        assert block["text"] == answer.content, way
        cited = block["annotations"]
        first = answer.response_metadata["basis"][0]
        assert len(cited) == len(first["citations"]) == 3
        assert cited[0] == {
            "type": "citation",
            "url": first["citations"][0]["url"],
            "title": first["citations"][0]["title"],
            "cited_text": first["citations"][0]["excerpts"][0],
            "extras": {"field": "output", "confidence": first["confidence"]},
        }, way


def test_with_output_version_v1_the_content_is_blocks_with_citations(world: World) -> None:
    for way, answer in ways(world.model(output_version="v1"), "who").items():
        texts = [block for block in answer.content if isinstance(block, dict)]
        assert [block["type"] for block in texts] == ["text"], way
        assert len(texts[0]["annotations"]) == 3, way
        assert "[simulated]" in answer.text


def test_without_citations_there_are_no_annotations(world: World) -> None:
    [block] = world.model(model="speed").invoke("who").content_blocks
    assert "annotations" not in block


def test_an_address_that_is_none_of_the_web_is_no_citations_address(world: World) -> None:
    cited = [{"url": "javascript:alert(1)", "title": "t"}, {"url": "https://a.example"}]
    basis = [{"field": "output", "reasoning": "", "citations": cited}]
    world.sim.scripts.add(RunScript(output={"basis": basis}))
    [block] = world.model().invoke("who").content_blocks
    urls = [each.get("url") for each in block["annotations"]]  # type: ignore[typeddict-item]
    assert urls == [None, "https://a.example"]


def test_a_history_is_plain_json(world: World) -> None:
    answer = world.model().invoke("who")
    assert json.loads(json.dumps(message_to_dict(answer))) == message_to_dict(answer)
    assert messages_to_dict([answer])


# --- the tree and the history ---------------------------------------------------------------------

SYSTEM = SystemMessage("Be brief.")
HISTORY = [
    SYSTEM,
    HumanMessage("who makes apples"),
    AIMessage("Orchards."),
    HumanMessage("and pears"),
]


def roles(sent: Any) -> list[tuple[str, str]]:
    return [(each["role"], each["content"]) for each in sent["messages"]]


def test_without_a_previous_interaction_the_whole_history_is_sent(world: World) -> None:
    world.model().invoke(HISTORY)
    assert roles(world.sent) == [
        ("system", "Be brief."),
        ("user", "who makes apples"),
        ("assistant", "Orchards."),
        ("user", "and pears"),
    ]
    assert "previous_interaction_id" not in world.sent


def test_with_one_only_the_new_turn_is_sent(world: World) -> None:
    first = world.model().invoke("who makes apples")
    after = first.response_metadata["interaction_id"]
    new = [("system", "Be brief."), ("user", "and pears"), ("user", "today")]
    asked = [*HISTORY[:2], first, HISTORY[3], HumanMessage("today")]
    for model, options in (
        (world.model(previous_interaction_id=after), {}),
        (world.model(), {"previous_interaction_id": after}),
        (world.model(previous_interaction_id="intr_0"), {"previous_interaction_id": after}),
        (world.model(), {"extra_body": {"previous_interaction_id": after}}),
    ):
        answer = model.invoke(asked, **options)
        assert roles(world.sent) == new
        assert world.sent["previous_interaction_id"] == after
        assert "who makes apples" in str(answer.content)
    with pytest.raises(errors.InvalidRequest, match="no new turn"):
        world.model(previous_interaction_id=after).invoke([*HISTORY, first])


def test_the_last_interaction_of_a_history_is_found(world: World) -> None:
    first, second = world.model().invoke("a"), world.model().invoke("b")
    history = [HumanMessage("a"), first, HumanMessage("b"), second, HumanMessage("c")]
    assert last_interaction_id(history) == second.response_metadata["interaction_id"]
    assert (
        last_interaction_id([*history, AIMessage("of another model")])
        == (second.response_metadata["interaction_id"])
    )
    assert last_interaction_id(history[:1]) is None


def test_a_task_run_is_continued_and_continues(world: World) -> None:
    run = world.client.create(TaskRunInput(input="who makes apples", processor="lite"))
    world.client.wait(run.run_id)
    turn = world.model(previous_interaction_id=run.interaction_id).invoke("and pears")
    after = turn.response_metadata["interaction_id"]
    assert "who makes apples" in str(turn.content)
    last = world.client.create(
        TaskRunInput(input="compare", processor="lite", previous_interaction_id=after)
    )
    assert "and pears" in str(world.client.wait(last.run_id).output.content)


def test_messages_of_every_kind_that_chat_reads(world: World) -> None:
    blocks: list[str | dict[str, Any]] = [{"type": "text", "text": "a "}, "question"]
    world.model().invoke(
        [
            ChatMessage(content="x", role="system"),
            AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "b"}]),
            HumanMessage(blocks, name="Ann"),
        ]
    )
    assert roles(world.sent) == [("system", "x"), ("assistant", "b"), ("user", "a question")]
    assert world.sent["messages"][-1]["name"] == "Ann"


# --- refused, or named ----------------------------------------------------------------------------

CALL = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
UNREADABLE: list[tuple[list[Any], str]] = [
    ([HumanMessage("q"), ToolMessage("r", tool_call_id="1")], "answer of a tool"),
    ([HumanMessage("q"), AIMessage("", tool_calls=[CALL])], "calls tools"),
    (
        [HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}])],
        "holds image_url; Chat reads text",
    ),
    ([HumanMessage([{"type": "audio", "base64": "x"}])], "no picture, sound or file"),
    ([SystemMessage("only this")], "no question"),
    ([], "no question"),
    ([ChatMessage(content="q", role="developer")], "developer"),
]


@pytest.mark.parametrize(("messages", "said"), UNREADABLE, ids=[said for _, said in UNREADABLE])
def test_what_chat_does_not_read_is_refused(world: World, messages: list[Any], said: str) -> None:
    for ask in (world.model().invoke, lambda given: list(world.model().stream(given))):
        with pytest.raises(errors.InvalidRequest, match=said):
            ask(messages)
    assert world.sim.requests == []


def test_what_the_api_ignores_is_named_at_the_model_and_at_the_call(world: World) -> None:
    with pytest.warns(RequestWarning, match=r"Chat ignores max_tokens, temperature\."):
        model = world.model(temperature=0, max_tokens=100, top_p=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.invoke("q")
    assert not {"temperature", "max_tokens", "top_p"}.intersection(world.sent)
    with pytest.warns(RequestWarning, match=r"Chat ignores seed, stop\."):
        model.invoke("q", stop=["x"], seed=5, temperature=None)
    with pytest.raises(ValidationError, match="Chat ignores temperature"):
        world.model(temperature=0, strict=True)
    with pytest.raises(errors.InvalidRequest, match="Chat ignores stop"):
        world.model(strict=True).invoke("q", stop=["x"])


def test_what_is_no_option_is_refused_by_name(world: World) -> None:
    with pytest.raises(ValidationError, match="modle"):
        world.model(modle="core")
    with pytest.raises(errors.InvalidRequest, match="previous_interaction: no option of a turn"):
        world.model().invoke("q", previous_interaction="intr_1")
    with pytest.raises(errors.InvalidRequest, match="extra_body is a list"):
        world.model().invoke("q", extra_body=[1])
    assert world.model(extra_body=None, timeout=None).invoke("q").content
    with pytest.raises(ValidationError, match="retry_policy"):
        world.model(max_retries=5)
    with pytest.raises(errors.MissingKey):
        ChatParallel()
    with pytest.warns(RequestWarning, match="known are speed"), pytest.raises(errors.Unprocessable):
        world.model(model="pro").invoke("q")
    assert world.model(model_name="core").model == "core"


def test_tools_are_refused_in_words_that_help(world: World) -> None:
    with pytest.raises(NotImplementedError, match="ParallelTaskTool"):
        world.model().bind_tools([])


def test_options_of_a_call_win_over_those_of_the_model(world: World) -> None:
    model = world.model(model="base", extra_body={"a": 1, "b": 1}, response_format={"type": "text"})
    form = {"type": "json_object"}
    answer = model.invoke("q", model="core", extra_body={"b": 2}, response_format=form)
    assert {name: world.sent[name] for name in ("model", "a", "b")} == {
        "model": "core",
        "a": 1,
        "b": 2,
    }
    assert world.sent["response_format"] == form
    assert answer.response_metadata["cost_usd"] == 0.025
    model.invoke("q", output_schema=Joke)
    assert world.sent["response_format"]["json_schema"]["name"] == "Joke"


# --- structured output ----------------------------------------------------------------------------


class Joke(BaseModel):
    """A joke."""

    setup: str
    rating: int = Field(ge=0)


class Told(TypedDict):
    """What was told."""

    setup: str


@dataclass
class Teller:
    name: str


BARE = {"title": "bare", "type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (Joke, Joke),
        (list[Joke], list),
        (Joke | None, Joke),
        (Told, dict),
        (Teller, Teller),
        (BARE, dict),
        ({"type": "json", "json_schema": BARE}, dict),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": BARE}}, dict),
        ("auto", dict),
    ],
    ids=str,
)
def test_every_form_of_a_schema_is_sent_and_read(world: World, form: Any, kind: type) -> None:
    for method in ("json_schema", "function_calling"):
        read = world.model().with_structured_output(form, method=method).invoke("q")
        assert isinstance(read, kind)
        assert world.sent["response_format"]["type"] in ("json_schema", "json_object")
        assert "minimum" not in str(world.sent)  # it is said in the description instead
    assert asyncio.run(world.model().with_structured_output(form).ainvoke("q"))


def test_a_strict_schema_is_asked_for_as_such(world: World) -> None:
    world.model().with_structured_output(Joke, strict=True).invoke("q")
    assert world.sent["response_format"]["json_schema"]["strict"] is True
    world.model().with_structured_output(Joke, previous_interaction_id=None).invoke("q")
    assert "strict" not in world.sent["response_format"]["json_schema"]


def test_json_mode_asks_for_any_object_and_reads_the_schema(world: World) -> None:
    fenced = "```json\n" + json.dumps({"setup": "a", "rating": 1}) + "\n```"
    world.sim.scripts.add(RunScript(output={"content": fenced}, times=2))
    assert world.model().with_structured_output(Joke, method="json_mode").invoke("q").setup == "a"
    assert world.sent["response_format"] == {"type": "json_object"}
    read = world.model().with_structured_output(method="json_mode").invoke("q")
    assert read == {"setup": "a", "rating": 1}


def test_an_answer_that_does_not_fit_is_paid_for_and_kept(world: World) -> None:
    odd = json.dumps({"setup": "a", "rating": -1})
    world.sim.scripts.add(RunScript(output={"content": odd}, times=2))
    with pytest.raises(errors.OutputMismatch, match="rating") as caught:
        world.model().with_structured_output(Joke).invoke("q")
    assert caught.value.content == odd
    assert caught.value.interaction_id
    told = world.model().with_structured_output(Joke, include_raw=True).invoke("q")
    assert told["raw"].content == odd
    assert told["parsed"] is None
    assert isinstance(told["parsing_error"], errors.OutputMismatch)
    told = world.model().with_structured_output(Joke, include_raw=True).invoke("q")
    assert isinstance(told["parsed"], Joke)
    assert told["parsing_error"] is None


def test_what_is_no_schema_or_method_is_refused_before_anything_is_sent(world: World) -> None:
    for options, said in (
        ({"schema": 5}, "Give a pydantic class"),
        ({"schema": "a poem"}, "say in the question"),
        ({"schema": None}, "method='json_mode'"),
        ({"schema": Joke, "method": "tool"}, "json_schema, function_calling, json_mode"),
        ({"schema": 5, "method": "json_mode"}, "Give a pydantic class"),
        ({"schema": Joke, "strict": "yes"}, "strict is a str"),
    ):
        with pytest.raises(errors.InvalidRequest, match=said):
            world.model().with_structured_output(**options)
    assert world.sim.requests == []


# --- money ----------------------------------------------------------------------------------------


def test_a_lost_answer_is_not_asked_for_again(world: World) -> None:
    world.sim.faults.add(Fault("drop_after", times=None))
    model = world.model()
    for ask in (model.invoke, lambda q: list(model.stream(q)), lambda q: model.batch([q])):
        before = len(world.sim.requests)
        with pytest.raises(errors.ChatAnswerLost) as caught:
            ask("q")
        assert caught.value.cost_usd == 0.005
        assert len(world.sim.requests) == before + 1


def test_with_retry_repeats_only_what_cost_nothing(world: World) -> None:
    patient = world.model().with_retry(wait_exponential_jitter=False)
    world.sim.faults.add(Fault("drop_after", times=1))
    with pytest.raises(errors.ChatAnswerLost):
        patient.invoke("q")
    assert len(world.sim.requests) == 1
    world.sim.faults.add(Fault("rate_limit", times=7))  # more than the client's own attempts
    assert patient.invoke("q").content


@pytest.mark.parametrize("kind", ["drop_after", "wrong_shape"])
def test_langgraphs_usual_retry_policy_asks_for_no_paid_answer_again(
    world: World, kind: Any
) -> None:
    world.sim.faults.add(Fault(kind, times=1, body={"choices": [{"message": {"content": "no"}}]}))
    model = world.model().with_structured_output(Joke)

    def look(state: Told) -> dict[str, Any]:
        return {"setup": model.invoke("q")}

    flow = StateGraph(Told)
    flow.add_node("look", look, retry_policy=RetryPolicy(initial_interval=0.0))
    flow.add_edge(START, "look")
    with pytest.raises((errors.ChatAnswerLost, errors.OutputMismatch)):
        flow.compile().invoke({"setup": ""})
    assert len(world.sim.requests) == 1


def test_of_a_batch_with_an_error_in_it_the_other_answers_can_be_kept(world: World) -> None:
    world.sim.faults.add(Fault("drop_after", times=1))
    came = world.model().batch(["a", "b"], config={"max_concurrency": 1}, return_exceptions=True)
    assert [type(one) for one in came] == [errors.ChatAnswerLost, AIMessage]


def test_max_retries_counts_only_what_was_not_accepted(simulator_server: RunningServer) -> None:
    model = ChatParallel(api_key=KEY, base_url=simulator_server.url, max_retries=0)
    simulator_server.simulator.faults.add(Fault("rate_limit"))
    with pytest.raises(errors.RateLimited):
        model.invoke("q")
    assert len(simulator_server.simulator.requests) == 1
    assert model.invoke("q").content


# --- secrets, copies, traces ----------------------------------------------------------------------


def test_it_is_written_without_its_secrets_and_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world.model(model="core", extra_body={"token": KEY}, previous_interaction_id="intr_1")
    written = dumpd(model)
    assert KEY not in json.dumps(written) + repr(model) + str(model) + json.dumps(model.asdict())
    monkeypatch.setenv("PARALLEL_API_KEY", KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's, that it is a beta
        read = load(
            written,
            allowed_objects=[ChatParallel],
            valid_namespaces=["langchain_parallel"],
            secrets_from_env=True,
        )
    assert (read.model, read.previous_interaction_id) == ("core", "intr_1")
    assert KEY not in repr(read)


def test_what_is_bound_shows_no_secret(world: World) -> None:
    secret: dict[str, Any] = {"extra_body": {"token": "sk-Zq8Rt2LmXw91"}}
    model = world.model()
    for bound in (model.bind(**secret), model.with_structured_output(Joke, **secret)):
        assert "sk-Zq8" not in repr(bound)
        bound.invoke("q")
        assert world.sent["token"] == "sk-Zq8Rt2LmXw91"


def test_either_client_serves_both_kinds_of_calls(simulator_server: RunningServer) -> None:
    async def main() -> str:
        async with AsyncParallelClient(KEY, simulator_server.url) as client:
            model = ChatParallel(client=client)
            asked = await asyncio.to_thread(model.invoke, "q")
            return str(asked.content) + str((await model.ainvoke("q")).content)

    assert asyncio.run(main()).count("[simulated] Finding") == 2


def test_a_cache_tells_what_is_asked_differently_apart(world: World) -> None:
    cache = InMemoryCache()
    models = [
        world.model(cache=cache),
        world.model(cache=cache, model="base"),
        world.model(cache=cache, extra_body={"a": KEY}),
        world.model(
            cache=cache,
            previous_interaction_id=world.model().invoke("x").response_metadata["interaction_id"],
        ),
    ]
    before = len(world.sim.requests)
    for _ in range(2):
        for model in models:
            model.invoke("q")
        models[0].invoke("q", extra_body={"a": "other"})
    assert len(world.sim.requests) == before + 5
    assert KEY not in str(cache._cache.keys())


def test_what_streams_is_seen_by_callbacks(world: World) -> None:
    async def main() -> list[Any]:
        events = world.model().astream_events("q", version="v2")
        return [e["data"]["chunk"] async for e in events if e["event"] == "on_chat_model_stream"]

    chunks = asyncio.run(main())
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert len(chunks) > 2
    assert chunks[-1].chunk_position == "last"
