"""The caller's own pydantic model as the tool's arguments, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from langchain_parallel import ParallelTaskTool

from .helpers import START, Account, How, agent, answers, ask, calls, invoke


class Address(BaseModel):
    city: str
    country: str = Field(default="DE", description="ISO code")


class Company(BaseModel):
    """A company to look up."""

    name: str = Field(description="The legal name")
    seat: Address
    since: int | None = Field(default=None, alias="from", ge=1800)
    products: list[str] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="before")
    @classmethod
    def _only_its_own(cls, data: Any) -> Any:
        """A careless validator must not meet the tool's own arguments."""
        assert set(data) <= {"name", "seat", "since", "from", "products"}
        return data

    @model_validator(mode="after")
    def _no_ghosts(self) -> Self:
        if self.name == "ghost":
            raise ValueError("ghosts are no companies")
        return self


FILLED_IN = {"name": " Acme ", "seat": {"city": "Ulm"}, "since": 1912}
SENT = {
    "name": "Acme",
    "seat": {"city": "Ulm", "country": "DE"},
    "from": 1912,
    "products": [],
}


@pytest.fixture
def tool(account: Account) -> ParallelTaskTool:
    return account.tool(input_schema=Company, model_may_choose=("lite", "pro"))


def test_the_model_sees_its_fields_by_name(tool: ParallelTaskTool) -> None:
    shown: Any = tool.tool_call_schema
    schema = shown.model_json_schema()
    properties = schema["properties"]
    assert list(properties) == [*Company.model_fields, "previous_interaction_id", "processor"]
    assert schema["required"] == ["name", "seat"]
    assert properties["name"] == {
        "title": "Name",
        "type": "string",
        "description": "The legal name",
    }
    assert properties["seat"] == {"$ref": "#/$defs/Address"}
    assert schema["$defs"]["Address"] == Address.model_json_schema()
    assert (properties["since"]["type"], properties["since"]["minimum"]) == ("integer", 1800)
    assert properties["products"] == {
        "title": "Products",
        "type": "array",
        "items": {"type": "string"},
    }


async def test_the_api_gets_them_as_the_schema_beside_them_says(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    """By alias, validated, defaults filled in; our own arguments are not among them."""
    await ask(tool, how, **FILLED_IN, processor="pro")
    (sent,) = account.sent
    assert sent["input"] == SENT
    assert sent["processor"] == "pro"
    assert sent["task_spec"] == {
        "output_schema": {"type": "auto"},
        "input_schema": {"type": "json", "json_schema": Company.model_json_schema()},
    }


async def test_a_program_may_use_the_alias(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    asked: dict[str, Any] = {**FILLED_IN, "from": 1913}
    del asked["since"]
    await ask(tool, how, **asked)
    assert account.sent[0]["input"]["from"] == 1913


async def test_a_field_may_be_called_input(account: Account, how: How) -> None:
    class Asked(BaseModel):
        topic: str
        input: str

    await ask(account.tool(input_schema=Asked), how, topic="bikes", input="a text")
    assert account.sent[0]["input"] == {"topic": "bikes", "input": "a text"}


async def test_an_agent_fills_them_in_and_follows_up(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    before = await invoke(agent(tool, calls(FILLED_IN), "done"), START, how)
    first = answers(before)[0].artifact
    again = {**FILLED_IN, "previous_interaction_id": first["interaction_id"]}
    state = await invoke(agent(tool, calls(again), "done"), before, how)
    assert answers(state)[1].status == "success"
    assert account.sent[1]["previous_interaction_id"] == first["interaction_id"]
    assert account.sent[1]["input"] == SENT


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"seat": {"cty": "S3CRET"}}, "seat.city: Field required"),
        ({"name": ["S3CRET"]}, "name: Input should be a valid string"),
        ({"since": 1700}, "since: Input should be greater than or equal to 1800"),
        ({"owner": "S3CRET"}, "owner: Extra inputs are not permitted"),
        ({"name": "ghost"}, "arguments: Value error, ghosts are no companies"),
    ],
)
async def test_what_does_not_fit_is_reported_by_field_and_costs_nothing(
    account: Account, tool: ParallelTaskTool, wrong: dict[str, Any], words: str, how: How
) -> None:
    answer = await ask(tool, how, **{**FILLED_IN, **wrong})
    assert answer.status == "error"
    assert words.partition(":")[2] in answer.text
    assert answer.text.startswith("The arguments do not fit: ")
    assert "S3CRET" not in answer.text
    assert account.wire.paid == []


async def test_with_one_field_a_bare_string_fills_it_in(account: Account, how: How) -> None:
    class Named(BaseModel):
        company: str
        depth: int = 2

    await invoke(account.tool(input_schema=Named), "Acme", how)
    assert account.sent[0]["input"] == {"company": "Acme", "depth": 2}


async def test_a_frozen_model_that_forbids_extras_works(account: Account, how: How) -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        company: str

    await ask(account.tool(input_schema=Strict), how, company="Acme")
    assert account.sent[0]["input"] == {"company": "Acme"}


def test_names_of_the_tools_own_arguments_are_refused(account: Account) -> None:
    class Clashing(BaseModel):
        processor: str
        runtime: str
        company: str

    with pytest.raises(ValidationError, match=r"fields named processor, runtime.*an alias keeps"):
        account.tool(input_schema=Clashing)


async def test_an_alias_lets_such_a_name_reach_the_api(account: Account, how: How) -> None:
    class Chip(BaseModel):
        chip: str = Field(alias="processor")

    await ask(account.tool(input_schema=Chip), how, chip="M4")
    assert account.sent[0]["input"] == {"processor": "M4"}
    assert account.sent[0]["processor"] == "core"


def test_a_model_without_fields_is_refused(account: Account) -> None:
    class Empty(BaseModel):
        pass

    with pytest.raises(ValidationError, match="has no fields"):
        account.tool(input_schema=Empty)
