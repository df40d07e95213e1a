"""A turn of a chat is paid at most once, and nothing that arrived of it is lost."""

from __future__ import annotations

import asyncio
import json
import pickle
import warnings
from inspect import signature
from typing import Any

import pytest
from pydantic import BaseModel

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel._core import chat_turn as chat_flow
from langchain_parallel._core.chat_request import IGNORED, build
from langchain_parallel._core.effects import (
    Emit,
    NoResponse,
    Now,
    OpenStream,
    ReadChunk,
    StreamEnded,
)
from langchain_parallel._core.effects import Response as Answer
from langchain_parallel._core.retry import RetryPolicy
from langchain_parallel.errors import RequestWarning, is_transient
from langchain_parallel.models import ChatAnswer, ChatPiece
from langchain_parallel.processors import CHAT_MODELS
from langchain_parallel.simulator import Fault, RunningServer, RunScript
from langchain_parallel.simulator.pricing import CHAT_MODELS as SIMULATED_MODELS

from .both import Both, World, ask

WAYS = ("whole", "stream")


def turn(api: Any, way: str, question: Any = "who", **options: Any) -> ChatAnswer:
    """One turn, read to its end."""
    if way == "whole":
        answer: ChatAnswer = api.chat(question, **options)
        return answer
    *pieces, last = list(api.chat_stream(question, **options))
    assert last.answer is not None
    assert not last.text
    assert "".join(piece.text for piece in pieces) == last.answer.content
    whole: ChatAnswer = last.answer
    return whole


@pytest.mark.parametrize("way", WAYS)
def test_a_turn_has_its_text_evidence_interaction_and_price(world: World, way: str) -> None:
    answer = turn(world.api, way)
    assert "[simulated]" in answer.content
    assert [entry.field for entry in answer.basis] == ["output"]
    assert answer.basis[0].citations
    assert (answer.model, answer.cost_usd, answer.warnings) == ("lite", 0.005, ())
    assert "assumption" in answer.cost_note
    assert world.sim.billing.total_usd == answer.cost_usd
    assert turn(world.api, way, model="speed").basis == ()


@pytest.mark.parametrize("way", WAYS)
def test_chat_turns_and_task_runs_build_on_each_other(world: World, way: str) -> None:
    first = world.api.wait(world.api.create(ask("who makes apples")).run_id)
    before = first.run.interaction_id
    second = turn(world.api, way, "and pears", previous_interaction_id=before)
    assert "who makes apples" in second.content
    third = ask("compare them", previous_interaction_id=second.interaction_id)
    world.api.wait(world.api.create(third).run_id)
    context = [each.input for each in world.sim.context_of(second.interaction_id or "")]
    assert context == ["who makes apples", "and pears"]
    assert len(world.sim.billing.billed_runs()) == 3


class Person(BaseModel):
    """Somebody."""

    name: str


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", [Person, list[Person]])
def test_a_schema_is_sent_and_read_back(world: World, way: str, form: Any) -> None:
    answer = turn(world.api, way, output_schema=form)
    read = answer.parse(form)
    people = read if isinstance(read, list) else [read]
    assert all(isinstance(person, Person) for person in people)
    assert answer.parse() == json.loads(answer.content)
    sent = world.sim.requests[-1].body["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] in ("Person", "answer")


def test_a_schema_that_allows_anything_is_sent_too(world: World) -> None:
    world.api.chat("q", output_schema={})
    assert world.sim.requests[-1].body["response_format"]["json_schema"]["schema"] == {}


def test_an_answer_that_does_not_fit_is_still_there(world: World) -> None:
    answer = turn(world.api, "whole")
    for form in (None, Person):
        with pytest.raises(errors.OutputMismatch, match=r"error\.content") as caught:
            answer.parse(form)
        assert caught.value.interaction_id == answer.interaction_id
        assert caught.value.billed


@pytest.mark.parametrize("form", [None, Person, list[Person]])
def test_an_answer_of_any_depth_that_does_not_fit_is_still_there(form: Any) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(errors.OutputMismatch) as caught:
        ChatAnswer(content=deep, model="lite").parse(form)
    assert caught.value.content == deep


# --- what it may cost -----------------------------------------------------------------------------

LOST: list[dict[str, Any]] = [
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "drop_after", "reset": True},
    {"kind": "status_after", "status": 503},
    {"kind": "status_before", "status": 500},
    {"kind": "status_before", "status": 408},
    {"kind": "status_before", "status": 409},
    {"kind": "hang", "seconds": 9000},
    {"kind": "wrong_shape"},
    {"kind": "wrong_shape", "body": []},
    {"kind": "malformed_json"},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: "-".join(map(str, fault.values())))
def test_a_turn_of_unknown_outcome_is_sent_once_and_says_what_it_may_cost(
    world: World, way: str, fault: dict[str, Any]
) -> None:
    world.sim.faults.add(Fault(**fault, times=None))
    error = world.raises(errors.ChatAnswerLost, turn, world.api, way)
    assert len(world.sim.requests) == 1
    assert (error.billed, error.cost_usd, error.run_id) == (None, 0.005, None)
    assert "$0.005" in error.message
    assert "nothing was sent again" in error.hint
    assert isinstance(error.__cause__, errors.ParallelError)
    assert error.__cause__.billed is None
    assert not is_transient(error)  # or LangGraph would pay twice
    assert pickle.loads(pickle.dumps(error)).cost_usd == 0.005


REFUSED: list[tuple[dict[str, Any], type[errors.ParallelError]]] = [
    ({"kind": "status_before", "status": 401}, errors.AuthenticationFailed),
    ({"kind": "payment_required"}, errors.CreditExhausted),
    ({"kind": "status_before", "status": 404}, errors.NotFound),
    ({"kind": "status_before", "status": 422}, errors.Unprocessable),
    ({"kind": "status_before", "status": 300}, errors.UnexpectedStatus),
    ({"kind": "rate_limit"}, errors.RateLimited),
    ({"kind": "refuse"}, errors.ResponseLost),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("fault", "kind"), REFUSED, ids=str)
def test_a_refusal_is_reported_and_free(
    world: World, way: str, fault: dict[str, Any], kind: type[errors.ParallelError]
) -> None:
    world.sim.faults.add(Fault(**fault, times=None))
    assert world.raises(kind, turn, world.api, way).billed is False
    assert world.sim.billing.reserved_usd == world.sim.billing.total_usd == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["refuse", "rate_limit"])
def test_a_turn_that_was_not_accepted_is_sent_again(world: World, way: str, kind: Any) -> None:
    world.sim.faults.add(Fault(kind, times=3))
    assert turn(world.api, way).content
    assert len(world.sim.requests) == 4
    assert len(world.sim.billing.billed_runs()) == 1


CUTS = [
    Fault("sse_cut", after_events=4),
    Fault("sse_cut", after_events=4, reset=True),
    Fault("sse_error", after_events=4),
]


@pytest.mark.parametrize("fault", CUTS, ids=lambda fault: f"{fault.kind}-{fault.reset}")
def test_of_a_stream_that_breaks_off_the_error_has_what_arrived(world: World, fault: Fault) -> None:
    world.sim.faults.add(fault)
    seen: list[str] = []

    def read() -> None:
        seen.extend(piece.text for piece in world.api.chat_stream("who"))

    error = world.raises(errors.ChatAnswerLost, read)
    assert error.partial_text == "".join(seen) != ""
    assert f"after {len(error.partial_text)} characters" in error.message
    assert error.billed is None
    assert world.sim.billing.total_usd == error.cost_usd == 0.005
    assert len(world.sim.requests) == 1


def test_a_stream_that_breaks_off_at_once_says_why(world: World) -> None:
    world.sim.faults.add(Fault("sse_cut"))
    error = world.raises(errors.ChatAnswerLost, lambda: list(world.api.chat_stream("who")))
    assert "after 0 characters (RemoteProtocolError" in error.message


def test_on_a_socket_a_turn_is_never_sent_twice(
    socket_api: Both, simulator_server: RunningServer
) -> None:
    simulator = simulator_server.simulator
    for fault in (Fault("drop_after"), Fault("refuse"), Fault("truncated_body")):
        simulator.faults.add(fault)
        before = len(simulator.requests)
        with pytest.raises(errors.ChatAnswerLost):
            socket_api.chat("who")
        assert len(simulator.requests) == before + 1
    simulator.faults.add(Fault("sse_cut", after_events=3))
    with pytest.raises(errors.ChatAnswerLost) as caught:
        list(socket_api.chat_stream("who"))
    assert caught.value.partial_text
    with simulator_server.unreachable(), pytest.raises(errors.ResponseLost) as free:
        socket_api.chat("who")
    assert free.value.billed is False
    for way in WAYS:
        assert turn(socket_api, way).interaction_id


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_takes_longer_than_the_timeout_is_lost(world: World, way: str) -> None:
    world.sim.scripts.add(RunScript(seconds=100, times=None))
    assert turn(world.api, way, timeout=110).content
    error = world.raises(errors.ChatAnswerLost, turn, world.api, way, timeout=50)
    assert error.billed is None


def test_a_stream_that_is_left_early_is_closed(simulator_server: RunningServer) -> None:
    with ParallelClient("key", simulator_server.url) as client:
        for _ in client.chat_stream("who"):
            break
        assert client.chat("and now").content


# --- what an answer may hold ----------------------------------------------------------------------


def read(
    *chunks: bytes | NoResponse, kind: str = "text/event-stream", seconds: float = 0.0
) -> list[ChatPiece]:
    """What is made of these bytes of a stream, each of which takes `seconds` to come."""
    call, _ = build(
        "q",
        model="lite",
        previous_interaction_id=None,
        response_format=None,
        output_schema=None,
        timeout=60,
        extra_body=None,
        stream=True,
        strict=False,
    )
    flow = chat_flow.stream(call, RetryPolicy())
    left = [*chunks]
    seen: list[ChatPiece] = []
    outcome: object = None
    time = 0.0
    while True:
        try:
            effect = flow.send(outcome)
        except StopIteration:
            return seen
        match effect:
            case OpenStream():
                outcome = Answer(200, {"content-type": kind})
            case ReadChunk():
                outcome = left.pop(0) if left else StreamEnded()
                time += seconds
            case Now():
                outcome = time
            case Emit(event):
                seen.append(event)
                outcome = None


def event(**value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(content: Any, **more: Any) -> bytes:
    return event(choices=[{"delta": {"content": content}}], **more)


DONE = b"data: [DONE]\n\n"


def final(*chunks: bytes, **head: Any) -> ChatAnswer:
    answer = read(*chunks, **head)[-1].answer
    assert answer is not None
    return answer


def test_the_last_evidence_that_is_not_empty_counts_wherever_it_comes() -> None:
    early = {"interaction_id": "intr_1", "basis": [{"field": "output"}]}
    late: dict[str, Any] = {"interaction_id": "", "basis": []}
    answer = final(delta("a", **early), delta("b", **late), delta(None, **late), DONE)
    assert (answer.content, answer.interaction_id) == ("ab", "intr_1")
    assert [entry.field for entry in answer.basis] == ["output"]
    assert answer.warnings == ()
    assert final(delta("a", interaction_id={"id": 5}), DONE).interaction_id is None


@pytest.mark.parametrize(
    ("chunks", "content", "warning"),
    [
        ([delta("a"), delta("b")], "ab", "without [DONE]"),
        ([delta("a"), b"data: {odd\n\n", DONE], "a", "could not be read"),
        ([b": heartbeat\n\n", b"data: ping\n\n", delta("a"), DONE], "a", ""),
        ([delta([{"type": "text", "text": "a"}]), DONE], "a", ""),
        ([delta({"a": "ä"}), DONE], '{"a": "ä"}', ""),
        ([event(choices=[{"message": {"content": "a"}}]), DONE], "a", ""),
        (
            [event(choices=[]), event(choices=None), event(choices={"a": 1}), delta("a"), DONE],
            "a",
            "",
        ),
        ([event(interaction_id="intr_1"), DONE], "", "no text"),
        ([delta("a", basis={"odd": 1}), DONE], "a", "Left out"),
        ([delta("a", basis=[{"field": "x", "citations": "https://a.example"}]), DONE], "a", ""),
        ([delta("a", interaction_id=" ", model=None, created="x", usage=[]), DONE], "a", ""),
        ([delta("\ud800"), DONE], "\N{REPLACEMENT CHARACTER}", "Half a character"),
        ([delta("a\r"), delta("b"), DONE], "a\rb", ""),
        ([DONE], "", "no text"),
        ([delta("a"), DONE.strip()], "a", ""),
        ([delta("a"), DONE[:-1]], "a", ""),
        ([delta("a"), delta("b").strip()], "ab", "without [DONE]"),
        ([delta([{"text": None}, {"text": "a"}]), DONE], "a", ""),
        ([event(choices=[{"delta": {"content": None, "refusal": "no"}}]), DONE], "no", ""),
    ],
)
def test_what_is_odd_in_a_stream_costs_nothing_of_the_answer(
    chunks: list[bytes], content: str, warning: str
) -> None:
    answer = final(*chunks)
    assert answer.content == content
    assert warning in " ".join(map(str, answer.warnings))
    assert bool(warning) is bool(answer.warnings) or "https" in str(chunks)
    split = b"".join(chunks)
    assert final(*(split[i : i + 1] for i in range(len(split)))).content == content


@pytest.mark.parametrize(
    ("chunks", "partial", "kind"),
    [
        ([], "", errors.MalformedResponse),
        ([b"hello\n\n"], "", errors.MalformedResponse),
        ([delta("a"), b"data: {"], "a", errors.ResponseLost),
        ([delta("a"), b"event: error\ndata: quota\n\n", delta("b")], "a", errors.ResponseLost),
        ([delta("a"), b'event: error\ndata: "quota"\n\n', DONE], "a", errors.ResponseLost),
    ],
)
def test_a_stream_without_an_answer_is_an_answer_lost(
    chunks: list[bytes], partial: str, kind: type[errors.ParallelError]
) -> None:
    with pytest.raises(errors.ChatAnswerLost) as caught:
        read(*chunks)
    assert caught.value.partial_text == partial
    assert isinstance(caught.value.__cause__, kind)
    assert caught.value.__cause__.billed is None


def test_of_a_stream_that_breaks_off_the_error_has_the_interaction() -> None:
    with pytest.raises(errors.ChatAnswerLost) as caught:
        read(delta("a", interaction_id="intr_1"), event(error={"message": "it broke"}))
    assert caught.value.interaction_id == "intr_1"
    assert "intr_1" in str(caught.value)
    assert isinstance(caught.value.__cause__, errors.ResponseLost)
    assert caught.value.__cause__.billed is None
    assert "it broke" in caught.value.message


def test_a_server_that_answers_whole_where_a_stream_was_asked_for_is_read() -> None:
    body = json.dumps({"choices": [{"message": {"content": "a"}}]}).encode()
    first, last = read(body[:10], body[10:], kind="application/json; charset=utf-8")
    assert first.text == "a"
    assert last.answer
    assert last.answer.content == "a"


def test_such_an_answer_that_breaks_off_is_lost_and_says_why() -> None:
    cut = NoResponse(sent=True, reason="it was cut")
    with pytest.raises(errors.ChatAnswerLost, match="it was cut") as caught:
        read(b'{"choices"', cut, kind="application/json")
    assert caught.value.partial_text == '{"choices"'


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"answer": "It is 42."}, "it holds no message"),
        (["It is 42."], "it holds no message"),
        ({"error": {"message": "It is 42."}}, "the server reports: “It is 42.”"),
    ],
)
def test_of_an_answer_that_cannot_be_read_the_error_has_what_arrived(
    world: World, way: str, body: Any, said: str
) -> None:
    world.sim.faults.add(Fault("wrong_shape", body=body))
    error = world.raises(errors.ChatAnswerLost, turn, world.api, way)
    assert json.loads(error.partial_text) == body
    assert said in error.message


def test_time_that_the_reader_of_a_stream_takes_does_not_count() -> None:
    world = World("blocking")
    pieces = []
    for piece in world.api.client.chat_stream("who", timeout=700):
        world.clock.sleep(500)
        pieces.append(piece)
    assert pieces[-1].answer.basis


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_body_that_goes_on_and_on_is_waited_for_no_longer_than_the_timeout(kind: str) -> None:
    with pytest.raises(errors.ChatAnswerLost, match="not over after 60 s"):
        read(*[b" "] * 200, kind=kind, seconds=1.0)


@pytest.mark.parametrize(("said", "model"), [("lite-2026", "lite-2026"), ("", "lite"), (5, "lite")])
def test_the_model_is_the_one_that_the_server_names(said: Any, model: str) -> None:
    assert final(delta("a", model=said), DONE).model == model


ODD_WHOLES: list[tuple[dict[str, Any], str]] = [
    ({"choices": [{"message": {"content": None}}]}, "no text"),
    ({"choices": [{"message": {"content": ""}}], "usage": None}, "no text"),
    ({"choices": [{"text": "a"}]}, ""),
    ({"choices": [{"message": {"content": None, "refusal": "a"}}]}, ""),
    ({"choices": [{"delta": {"content": "a"}}], "basis": None, "id": 5}, ""),
    ({"choices": [{"message": {"content": "a"}}], "basis": "odd"}, ""),
]


@pytest.mark.parametrize(("body", "warning"), ODD_WHOLES)
def test_what_is_odd_in_a_whole_answer_costs_nothing_of_it(
    world: World, body: dict[str, Any], warning: str
) -> None:
    world.sim.faults.add(Fault("wrong_shape", body=body))
    answer = turn(world.api, "whole")
    assert answer.content == ("" if warning else "a")
    assert warning in " ".join(map(str, answer.warnings))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["unknown_fields", "sse_comment_heartbeats", "slow_body"])
def test_what_the_documentation_does_not_name_is_passed_over(
    world: World, way: str, kind: Any
) -> None:
    world.sim.faults.add(Fault(kind))
    assert turn(world.api, way).basis


def test_a_secret_that_the_server_repeats_is_removed_and_told(world: World) -> None:
    key = "sk-Zq8Rt2LmXw91"
    body = {"choices": [{"message": {"content": f"your key is {key}"}}], "interaction_id": key}
    world.sim.faults.add(Fault("wrong_shape", body=body))
    answer = turn(world.api, "whole", extra_body={"api_token": key})
    assert key not in answer.content
    assert answer.interaction_id == key
    assert "secret" in str(answer.warnings[0])


# --- what is refused before it is sent ------------------------------------------------------------

USER = {"role": "user", "content": "q"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "at least one message of the role user"),
    ({"messages": "  "}, "at least one message"),
    ({"messages": [{"role": "system", "content": "x"}]}, "at least one message of the role user"),
    ({"messages": 5}, "messages is an int; give a text"),
    ({"messages": ["q"]}, "messages[0] is a str; give an object"),
    ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages[1] is the answer of a tool"),
    ({"messages": [{"role": "developer", "content": "x"}]}, "system, user, assistant are allowed"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "no picture"),
    ({"messages": [{"role": "user", "content": None}]}, "has to be text"),
    ({"messages": [{**USER, "name": 5}]}, "name is an int"),
    ({"messages": "\ud800"}, "Half a character"),
    ({"model": ""}, "model is empty; give one of speed, lite, base, core"),
    ({"model": None}, "model is empty"),
    ({"model": 5}, "model is an int"),
    ({"previous_interaction_id": " "}, "leave it out to start afresh"),
    ({"previous_interaction_id": 5}, "previous_interaction_id is an int"),
    ({"output_schema": "a line"}, "say in the question how it should be"),
    ({"output_schema": 5}, "Give a pydantic class"),
    ({"output_schema": Person, "response_format": {"type": "text"}}, "give one of them"),
    ({"response_format": {"type": "xml"}}, "text, json_object, json_schema"),
    ({"response_format": {"type": "json_schema"}}, "an object with name and schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        "an object with name and schema",
    ),
    ({"messages": [{**USER, "name": {}}]}, "name is a dict"),
    ({"strict": "yes"}, "strict is a str; give True or False"),
    ({"extra_body": "x"}, "extra_body is a str"),
    ({"timeout": 0}, "takes seconds"),
    ({"timeout": None}, "give seconds"),
    ({"extra_body": {"model": "core"}}, "give it as its own argument"),
    ({"extra_body": {"x": float("nan")}}, "JSON cannot express"),
    ({"extra_body": 5}, "extra_body is an int"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=lambda value: str(value)[:50])
def test_what_cannot_be_sent_is_refused_at_the_call(
    world: World, options: dict[str, Any], said: str
) -> None:
    for call in (world.api.chat, world.api.client.chat_stream):
        error = world.raises(errors.InvalidRequest, call, **{"messages": "q", **options})
        assert said in error.message
        assert error.billed is False
    assert world.sim.requests == []


def test_all_problems_are_told_at_once(world: World) -> None:
    wrong = {"messages": [], "model": "", "output_schema": 5, "previous_interaction_id": ""}
    error = world.raises(errors.InvalidRequest, world.api.chat, **wrong)
    assert len(error.problems) == 4


def test_a_timeout_without_end_is_a_day(world: World) -> None:
    world.sim.faults.add(Fault("hang", seconds=90_000))
    before = world.clock.monotonic()
    world.raises(errors.ChatAnswerLost, world.api.chat, "q", timeout=float("inf"))
    assert world.clock.monotonic() - before == pytest.approx(86_400, abs=1)


JUNK: list[Any] = [
    0,
    "",
    -1,
    True,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "\ud83d",
    "\x00",
    b"x",
]
JUNK += [[], {}, ("", ""), {"a": 1}, [{"a": 1}], object(), "x" * 100_000, {"type": []}, [[]], int]


@pytest.mark.filterwarnings("ignore:model is:langchain_parallel.errors.RequestWarning")
@pytest.mark.parametrize("name", list(signature(ParallelClient.chat).parameters)[1:])
def test_whatever_an_argument_is_given_ends_in_an_answer_or_an_error_of_ours(name: str) -> None:
    world = World("blocking")
    for junk in JUNK:
        try:
            assert world.api.chat(**{"messages": "q", name: junk}).content
        except errors.ParallelError as error:
            assert len(str(error)) < 6_000  # noqa: PT017
    world.api.done()


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_a_parameter_that_is_ignored_is_named(world: World, name: str) -> None:
    with pytest.warns(RequestWarning, match=rf"Chat ignores {name}\. Rule chat-ignored"):
        world.api.chat("q", extra_body={name: None})
    assert name in world.sim.requests[-1].body
    error = world.raises(
        errors.InvalidRequest, world.api.chat, "q", extra_body={name: None}, strict=True
    )
    assert name in error.message


def test_parts_of_messages_that_are_ignored_and_unknown_models_are_named(world: World) -> None:
    with pytest.warns(RequestWarning, match=r"messages\[\]\.tool_calls"):
        world.api.chat([{**USER, "tool_calls": []}])
    with (
        pytest.warns(RequestWarning, match="chat-model"),
        pytest.raises(errors.Unprocessable, match="unknown model"),
    ):
        world.api.chat("q", model="pro")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.api.chat("q", extra_body={"new_field": 1})
    assert world.sim.requests[-1].body["new_field"] == 1


def test_an_unknown_interaction_is_refused_by_the_server(world: World) -> None:
    error = world.raises(
        errors.Unprocessable, world.api.chat, "q", previous_interaction_id="intr_0"
    )
    assert error.fields == ("body.previous_interaction_id: unknown interaction",)


def test_the_models_cost_what_the_simulator_bills() -> None:
    assert {name: model.usd for name, model in CHAT_MODELS.items()} == {
        name: usd / 1000 for name, (usd, *_) in SIMULATED_MODELS.items()
    }


def test_several_turns_at_once_are_several_turns(simulator_server: RunningServer) -> None:
    async def main() -> list[ChatAnswer]:
        async with AsyncParallelClient("key", simulator_server.url) as client:
            return await asyncio.gather(*(client.chat(f"question {i}") for i in range(5)))

    answers = asyncio.run(main())
    assert len({answer.interaction_id for answer in answers}) == 5
    assert all(f"question {i}" in answer.content for i, answer in enumerate(answers))
