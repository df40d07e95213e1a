"""Arguments that are left out, and those that say what shape an answer has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from langchain_parallel import ParallelTaskTool

from ..middleware.harness import Account as MiddlewareAccount
from .helpers import Account, How, agent, answers, ask, calls, invoke


class Company(BaseModel):
    name: str
    country: str | None = None
    since: int | None = None


class Place(BaseModel):
    city: str | None = None
    near: Place | None = None
    note: int | str | None = None


class Trip(BaseModel):
    start: Place
    stops: list[Place] = []
    end: Place | None = None
    by_name: dict[str, Place] = {}
    known: str | None
    marks: list[str | None] = []


LEFT_OUT = ("", " ", "null", "None", "none", "NULL", None)
TOOLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with choices": {"model_may_choose": ("lite", "core"), "model_may_describe_output": True},
    "own fields": {"input_schema": Company},
}


def arguments(tool: Any) -> Iterator[tuple[str, Any]]:
    yield from convert_to_openai_tool(tool)["function"]["parameters"]["properties"].items()
    yield from tool.args.items()


@pytest.mark.parametrize("kind", TOOLS)
def test_each_argument_of_the_tool_has_a_type(account: Account, kind: str) -> None:
    for name, schema in arguments(account.tool(**TOOLS[kind])):
        assert isinstance(schema["type"], str), name
        assert "anyOf" not in schema


NULL = {"type": "null"}


def test_no_field_at_any_depth_that_may_be_left_out_is_shown_with_null(account: Account) -> None:
    tool = account.tool(input_schema=Trip)
    for schema in (tool.tool_call_schema.model_json_schema(), tool.get_input_jsonschema()):  # type: ignore[union-attr]
        place = schema["$defs"]["Place"]["properties"]
        assert place["city"]["type"] == "string"
        assert place["near"]["$ref"] == "#/$defs/Place"
        assert place["note"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert (
            json.dumps(schema).count(json.dumps(NULL)) == 2
        )  # where null is a value: known, marks
        assert '"default": null' not in json.dumps(schema)
        assert NULL in schema["properties"]["known"]["anyOf"]
        assert NULL in schema["properties"]["marks"]["items"]["anyOf"]


async def test_a_field_that_is_shown_without_null_takes_it_all_the_same(
    account: Account, how: How
) -> None:
    given = {"start": {"city": None, "near": {"note": None}}, "end": None, "known": None}
    got = await ask(account.tool(input_schema=Trip), how, **given)
    assert got.status == "success"
    assert account.sent[0]["input"]["start"]["near"]["note"] is None


@pytest.mark.parametrize("said", ["", "null", "None"])
async def test_of_a_callers_field_that_may_be_left_out_null_in_words_is_none(
    account: Account, how: How, said: str
) -> None:
    given: dict[str, Any] = {"start": {}, "end": said, "known": None}
    got = await ask(account.tool(input_schema=Trip), how, **given)
    assert got.status == "success"
    assert account.sent[0]["input"]["end"] is None
    assert (await ask(account.tool(input_schema=Company), how, name="A", country=said)).artifact
    assert account.sent[1]["input"]["country"] == said  # a text may be just that


async def test_an_object_that_a_model_writes_as_text_is_that_object(
    account: Account, how: How
) -> None:
    tool = account.tool(input_schema=SHAPE)
    assert (await ask(tool, how, input='{"leader": "who?"}')).status == "success"
    assert account.sent[0]["input"] == {"leader": "who?"}
    for wrong in ("who?", "[1]", "{", '{"a":' * 9_999):
        assert (await ask(tool, how, input=wrong)).status == "error"
    assert account.billed == 1


def test_each_argument_of_the_middleware_has_a_type() -> None:
    for tool in MiddlewareAccount().middleware(model_may_choose=("lite", "core")).tools:
        for name, schema in arguments(tool):
            assert isinstance(schema["type"], str), (tool.name, name)


@pytest.mark.parametrize("said", LEFT_OUT, ids=repr)
async def test_what_models_say_for_nothing_is_nothing(
    account: Account, how: How, said: str | None
) -> None:
    tool = account.tool(model_may_choose=("lite", "core"), model_may_describe_output=True)
    empty: dict[str, Any] = dict.fromkeys(
        ("previous_interaction_id", "processor", "output_schema"), said
    )
    got = await ask(tool, how, input="Who leads?", **empty)
    assert got.status == "success"
    (sent,) = account.sent
    assert sent["processor"] == "lite"
    assert not sent.get("previous_interaction_id")
    assert not sent.get("task_spec")


# --- the shape of an answer ----------------------------------------------------------------------

SHAPE = {
    "type": "object",
    "properties": {"leader": {"type": "string"}},
    "required": ["leader"],
    "additionalProperties": False,
}


def describing(account: Account, **options: Any) -> ParallelTaskTool:
    return account.tool(model_may_describe_output=True, **options)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("Three names.", {"type": "text", "description": "Three names."}),
        (json.dumps(SHAPE), {"type": "json", "json_schema": SHAPE}),
        (SHAPE, {"type": "json", "json_schema": SHAPE}),
        (
            json.dumps({"type": "json", "json_schema": SHAPE}),
            {"type": "json", "json_schema": SHAPE},
        ),
    ],
)
async def test_a_model_may_say_what_shape_an_answer_has(
    account: Account, how: How, said: Any, sent: Any
) -> None:
    got = await ask(describing(account), how, input="Who leads?", output_schema=said)
    assert got.status == "success", got.content
    assert account.sent[0]["task_spec"]["output_schema"] == sent
    assert account.billed == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"type": "object"', "is no JSON"),
        ('{"type": "array", "items": {"type": "string"}}', "root must be an object"),
        (json.dumps({**SHAPE, "properties": {}, "required": []}), "propert"),
        (json.dumps({"type": "object", "properties": {"a": {"$ref": "#/$defs/B"}}}), "refers to"),
        ('{"a":' * 9_999, "is no JSON"),
        ("x" * 20_000, "characters"),
    ],
)
async def test_a_shape_that_the_api_would_refuse_is_told_to_the_model_and_not_sent(
    account: Account, how: How, said: str, words: str
) -> None:
    got = await ask(describing(account), how, input="Who leads?", output_schema=said)
    assert got.status == "error"
    assert words in got.text
    assert "Nothing was sent" in got.text
    assert not account.sent


@pytest.mark.parametrize("said", [["leader", "revenue"], 3, True], ids=repr)
async def test_what_is_no_shape_is_told_to_the_model_in_one_sentence(
    account: Account, how: How, said: Any
) -> None:
    got = await ask(describing(account), how, input="Who leads?", output_schema=said)
    assert got.status == "error"
    assert "fit: output_schema: Input should be words, or a JSON schema of an object." in got.text
    assert not account.sent


async def test_a_described_shape_keeps_the_shape_of_the_question(
    account: Account, how: How
) -> None:
    tool = describing(account, input_schema=Company, output_schema="A profile.")
    await ask(tool, how, name="Acme", output_schema="One sentence.")
    spec = account.sent[0]["task_spec"]
    assert spec["output_schema"]["description"] == "One sentence."
    assert spec["input_schema"]["json_schema"] == Company.model_json_schema()


async def test_the_same_question_in_another_shape_is_another_run(
    account: Account, how: How
) -> None:
    asked = {"input": "Who leads?"}
    said = calls(asked, {**asked, "output_schema": "One name."}, asked)
    state = await invoke(agent(describing(account), said, "done"), {"messages": ["?"]}, how)
    assert len({m.artifact["run_id"] for m in answers(state)}) == account.billed == 2


def test_the_shape_is_offered_only_where_that_is_allowed(account: Account) -> None:
    assert "output_schema" not in account.tool().args
    with pytest.raises(ValueError, match="output_schema"):
        account.tool(
            input_schema=type("Own", (BaseModel,), {"__annotations__": {"output_schema": str}})
        )
