"""What a model sees, word for word, and what becomes of what it fills in."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_parallel import ParallelTaskTool
from langchain_parallel.options import RequestOptions

from .helpers import Account, How, ask, invoke

DESCRIPTION = (
    "Research a question on the web. Returns an answer with numbered sources, says what is uncertain, "
    "and gives an interaction id. Use it for facts that need looking up, comparing or verifying; not "
    "for what you know or can compute. To ask a follow-up, pass that id as previous_interaction_id: "
    "the new research builds on all that was found before, so ask only for what is missing. {price} "
    "Do not repeat a question that was answered."
)
QUESTION = {
    "title": "Input",
    "type": "string",
    "description": "The question, whole and self-contained: what to find out, for which scope and "
    "period, and what the answer should contain.",
}
PREVIOUS = {
    "title": "Previous Interaction Id",
    "type": "string",
    "description": "To follow up: the interaction id given at the end of an earlier answer. The new "
    "research then builds on everything found there.",
}
PROCESSOR = {
    "title": "Processor",
    "type": "string",
    "enum": ["core-fast", "lite", "ultra8x"],
    "default": "core-fast",
    "description": "More expensive ones search deeper. core-fast: $0.025, 15 to 100 s; lite: "
    "$0.005, 10 s to 2 min; ultra8x: $2.40, 5 min to 2 h.",
}


def schema(tool: ParallelTaskTool) -> dict[str, Any]:
    shown: Any = tool.tool_call_schema
    found: dict[str, Any] = shown.model_json_schema()
    return found


def test_a_model_sees_the_question_and_how_to_follow_up_and_nothing_else(
    tool: ParallelTaskTool,
) -> None:
    assert schema(tool) == {
        "title": "parallel_task",
        "description": DESCRIPTION.format(
            price="A call costs $0.01 to $0.025 and takes 15 s to 5 min, depending on the processor."
        ),
        "type": "object",
        "properties": {"input": QUESTION, "previous_interaction_id": PREVIOUS},
        "required": ["input"],
    }


def test_with_a_choice_it_also_sees_the_processors_and_their_prices(account: Account) -> None:
    assert schema(account.tool(model_may_choose=("core-fast", "lite", "ultra8x"))) == {
        "title": "parallel_task",
        "description": DESCRIPTION.format(
            price="A call costs $0.005 to $2.40 and takes 10 s to 2 h, depending on the processor."
        ),
        "type": "object",
        "properties": {
            "input": QUESTION,
            "previous_interaction_id": PREVIOUS,
            "processor": PROCESSOR,
        },
        "required": ["input"],
    }


def test_it_is_what_an_openai_model_is_sent(tool: ParallelTaskTool) -> None:
    function = convert_to_openai_tool(tool)["function"]
    assert function["name"] == "parallel_task"
    assert set(function["parameters"]["properties"]) == {"input", "previous_interaction_id"}


@pytest.mark.parametrize(
    ("processor", "price"),
    [
        ("lite", "A call costs $0.005 and takes 10 s to 2 min."),
        ("base", "A call costs $0.01 and takes 15 s to 3 min."),
        ("core", "A call costs $0.025 and takes 60 s to 5 min."),
        ("ultra-fast", "A call costs $0.30 and takes 60 s to 10 min."),
        ("ultra8x", "A call costs $2.40 and takes 5 min to 2 h."),
    ],
)
def test_the_description_names_price_and_time(account: Account, processor: str, price: str) -> None:
    assert account.tool(processor=processor).description == DESCRIPTION.format(price=price)


def test_of_an_unknown_processor_it_names_no_figures(account: Account) -> None:
    tool = account.tool(processor="quantum", request=RequestOptions(allow_unknown_processor=True))
    assert "A call costs money and takes minutes." in tool.description


def test_a_description_of_ones_own_stays(account: Account) -> None:
    assert account.tool(description="Ask the oracle.").description == "Ask the oracle."


async def test_the_processor_chosen_is_the_one_billed(account: Account, how: How) -> None:
    tool = account.tool(model_may_choose=("core-fast", "lite", "ultra8x"))
    for choice in ({}, {"processor": "lite"}, {"processor": "ultra8x"}):
        await ask(tool, how, input="Who leads?", **choice)
    billed = account.simulator.billing.billed_runs()
    assert [line.processor for line in billed] == ["core-fast", "lite", "ultra8x"]


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        ({"model_may_choose": ("pro", "ultra")}, ["pro", "ultra"]),
        ({"model_may_choose": ("pro", "ultra"), "processor": "ultra"}, ["ultra", "pro"]),
        ({"model_may_choose": ("pro", "ultra"), "processor": "lite"}, ["lite", "pro", "ultra"]),
        ({"model_may_choose": ["pro", "pro", "base"]}, ["pro", "base"]),
    ],
)
async def test_the_default_is_always_one_of_the_choices(
    account: Account, options: dict[str, Any], choices: list[str]
) -> None:
    tool = account.tool(**options)
    shown = schema(tool)["properties"]["processor"]
    assert shown["enum"] == choices
    assert shown["default"] == choices[0]
    await ask(tool, input="Who leads?")
    assert account.sent[0]["processor"] == choices[0]


def test_one_choice_is_no_choice_but_stays_an_argument(account: Account) -> None:
    shown = schema(account.tool(model_may_choose=("pro",)))
    assert shown["properties"]["processor"]["const"] == "pro"
    assert "A call costs $0.10 and takes 2 to 10 min. Do" in shown["description"]


async def test_a_bare_string_is_the_question(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    answer = await invoke(tool, "Who leads?", how)
    assert answer.startswith("Research result.")
    assert account.sent[0]["input"] == "Who leads?"


async def test_a_program_may_pass_an_object(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    await ask(tool, how, input={"company": "Acme", "years": [2024, 2025]})
    assert account.sent[0]["input"] == {"company": "Acme", "years": [2024, 2025]}


# --- a schema that says what shape the input has ----------------------------------------------

ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}}}
PLACE = {
    "type": "object",
    "properties": {"at": {"$ref": "#/$defs/Address"}},
    "required": ["at"],
    "$defs": {"Address": ADDRESS},
}


async def test_a_json_input_schema_is_what_the_model_fills_in(account: Account, how: How) -> None:
    envelopes: dict[str, Any] = {
        "output_schema": {"type": "text", "description": "A line."},
        "input_schema": {"type": "json", "json_schema": PLACE},
    }
    tool = account.tool(output_schema="A line.", input_schema=PLACE)
    shown = schema(tool)["properties"]["input"]
    assert shown["properties"]["at"]["properties"] == ADDRESS["properties"]
    assert "$ref" not in str(shown)
    assert "$defs" not in shown

    refused = await ask(tool, how, input="just text")
    assert refused.text.startswith("The arguments do not fit: input: Input should be a valid dict")
    await ask(tool, how, input={"at": {"city": "Ulm"}})
    (sent,) = account.sent
    assert sent["input"] == {"at": {"city": "Ulm"}}
    assert sent["task_spec"] == envelopes


def test_a_text_input_schema_tells_the_model_what_to_write(
    account: Account,
) -> None:
    tool = account.tool(input_schema="The name of a company")
    assert schema(tool)["properties"]["input"]["description"] == "The name of a company"
