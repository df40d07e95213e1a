"""Every form in which people have a schema can be asked for, and the answer is read back in it."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from datetime import date
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, HttpUrl, RootModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from langchain_parallel._core import limits, request_rules
from langchain_parallel.errors import OutputMismatch
from langchain_parallel.models import JsonSchema, TaskRunResult, TaskSpec, TextSchema
from langchain_parallel.models.schema_forms import KEYWORDS

from .asking import answering, warned


class City(BaseModel):
    name: str = Field(description="The name.", max_length=40, pattern="^[A-Z]")
    people: int = Field(ge=0)
    founded: date
    site: HttpUrl | None


class Town(TypedDict):
    name: str


class OldTown(typing.TypedDict, total=False):
    name: str
    twin: Optional[Town]  # noqa: UP045  # as people write it


@dataclasses.dataclass
class Village:
    name: str


class Cities(RootModel[list[City]]):
    pass


CITY = {"name": "Bonn", "people": 1, "founded": "1000-01-01", "site": "https://bonn.example"}
TOWN: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}

FORMS: dict[str, tuple[Any, Any, Any]] = {
    # form, content of the answer, value
    "class": (City, CITY, City.model_validate(CITY)),
    "TypedDict": (Town, {"name": "Ulm"}, {"name": "Ulm"}),
    "older TypedDict": (OldTown, {"name": "Ulm", "twin": None}, {"name": "Ulm", "twin": None}),
    "dataclass": (Village, {"name": "Ulm"}, Village("Ulm")),
    "list": (list[City], {"result": [CITY]}, [City.model_validate(CITY)]),
    "list of TypedDicts": (list[OldTown], {"result": [{"name": "Ulm"}]}, [{"name": "Ulm"}]),
    "root": (Cities, {"result": [CITY]}, Cities([City.model_validate(CITY)])),
    "optional": (Optional[City], {"result": None}, None),  # noqa: UP045
    "or none": (City | None, {"result": CITY}, City.model_validate(CITY)),
    "annotated": (Annotated[list[Town], "x"], {"result": [{"name": "Ulm"}]}, [{"name": "Ulm"}]),
    "words": (Literal["yes", "no"], {"result": "no"}, "no"),
}


def sent(form: Any) -> dict[str, Any]:
    schema = TaskSpec(output_schema=form).output_schema
    assert isinstance(schema, JsonSchema)
    return schema.json_schema


def result(content: Any) -> TaskRunResult:
    run = {"run_id": "trun_1", "interaction_id": "intr_1", "status": "completed"}
    return TaskRunResult.model_validate(
        {"run": run, "output": {"type": "json", "content": content}}
    )


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_an_object_that_the_api_takes_and_its_answer_is_read_back(name: str) -> None:
    form, content, value = FORMS[name]
    assert limits.check(answering(form)) == []
    assert result(content).parse(form) == value
    assert result(json.dumps(content)).parse(form) == value


@pytest.mark.parametrize("name", set(FORMS) - {"older TypedDict", "list of TypedDicts"})
def test_an_answer_that_does_not_fit_its_form_is_named_and_kept(name: str) -> None:
    with pytest.raises(OutputMismatch, match="The answer of run trun_1 does not fit ") as caught:
        result({"result": 5}).parse(FORMS[name][0])
    assert (caught.value.billed, caught.value.run_id) == (True, "trun_1")


def test_a_field_called_result_is_no_wrapping() -> None:
    class Match(BaseModel):
        result: str

    assert result({"result": "2:1"}).parse(Match) == Match(result="2:1")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic 1 ends with Python 3.13")
def test_a_class_of_pydantic_1_is_a_schema_too() -> None:
    from pydantic import v1

    class Hamlet(v1.BaseModel):
        people: int = v1.Field(ge=0, description="How many.")

    assert sent(Hamlet)["properties"]["people"]["description"] == "How many. Must be at least 0."
    assert result({"people": 3}).parse(Hamlet).people == 3
    assert limits.check(answering(list[Town])) == []
    with pytest.raises(OutputMismatch, match="does not fit Hamlet: people: ensure this value"):
        result({"people": -1}).parse(Hamlet)


@pytest.mark.parametrize(
    "envelope",
    [
        TOWN,
        {"json_schema": TOWN},
        {"type": "json", "json_schema": TOWN},
        {"type": "json_schema", "json_schema": {"name": "town", "strict": True, "schema": TOWN}},
        JsonSchema(json_schema=TOWN),
    ],
    ids=["bare", "without type", "with type", "OpenAI", "ours"],
)
def test_a_json_schema_comes_bare_or_in_an_envelope(envelope: Any) -> None:
    assert sent(envelope) == TOWN


def test_a_class_may_stand_in_an_envelope() -> None:
    assert sent({"type": "json", "json_schema": Town}) == sent(Town)


def test_a_text_and_auto_stay_what_they_are() -> None:
    assert TaskSpec(output_schema="a list").output_schema == TextSchema(description="a list")
    assert TaskSpec(output_schema="auto").output_schema.type == "auto"


NOT_SCHEMAS: list[tuple[Any, str]] = [
    (5, "A value of the type int is no schema"),
    ([City], "A value of the type list is no schema"),
    (print, "A value of the type builtin_function_or_method is no schema"),
    (City.model_validate(CITY), "An instance of City is given; give the class"),
    (Village("Ulm"), "An instance of Village is given; give the class"),
    (object, "object"),
    (pytest.Item, "Item has no JSON schema"),
    (list["Nowhere"], "has no JSON schema"),  # type: ignore[name-defined]  # noqa: F821
    ({"type": "object", "properties": {"a": {"minLength": -1}}}, "minLength is -1; there is no negative"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"), NOT_SCHEMAS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_is_no_schema_is_refused_in_words_that_name_the_forms(given: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TaskSpec(output_schema=given)
    text = str(caught.value)
    assert words in text
    assert "negative" in words or "Give a pydantic class (of version 1 or 2), a TypedDict" in text
    assert len(text) < 800


def test_what_the_api_refuses_is_said_in_the_description() -> None:
    fields = sent(City)["properties"]
    assert fields["name"]["description"] == (
        "The name. Must be of length 40 or less, a match of the regular expression ^[A-Z]."
    )
    assert fields["people"]["description"] == "Must be at least 0."
    assert fields["founded"]["description"] == "Must be a date (YYYY-MM-DD)."
    assert "Must be a URL" in str(fields["site"])
    assert not KEYWORDS.intersection(*fields.values())
    with pytest.raises(OutputMismatch, match="does not fit City: people: Input should be greater"):
        result({**CITY, "people": -1}).parse(City)


class Region(BaseModel):
    capital: City
    towns: list[Town]


class Open(BaseModel):
    by_year: dict[str, Village]

    class Sub(BaseModel, extra="allow"):
        name: str

    sub: Sub


def objects(schema: Any) -> list[dict[str, Any]]:
    inside = schema.values() if isinstance(schema, dict) else schema
    found = [part for value in inside if isinstance(value, dict | list) for part in objects(value)]
    return [schema, *found] if isinstance(schema, dict) and "properties" in schema else found


@pytest.mark.parametrize("form", [Region, City, Town, Village, list[Region], Optional[Region]])  # noqa: UP045
def test_an_object_of_a_callers_class_has_no_other_fields(form: Any) -> None:
    """The API warns of each run whose schema leaves that open."""
    found = objects(sent(form))
    assert found
    assert all(part["additionalProperties"] is False for part in found)
    assert "other properties" not in str([*request_rules.broken_rules(answering(sent(form)))])


def test_what_a_class_allows_itself_stays_allowed() -> None:
    assert sent(Open)["$defs"]["Sub"]["additionalProperties"] is True
    assert sent(Open)["properties"]["by_year"]["additionalProperties"] == {
        "$ref": "#/$defs/Village"
    }


def test_parts_that_add_fields_to_each_other_are_not_closed() -> None:
    """No object would fit all of them."""

    class Sum(BaseModel):
        model_config = {"json_schema_extra": {"properties": {}, "allOf": [TOWN, TOWN]}}
        name: str

    assert "additionalProperties" not in json.dumps(sent(Sum))


def test_a_json_schema_is_sent_as_it_was_written() -> None:
    assert sent(TOWN) == TOWN
    assert "additionalProperties" not in str(TaskSpec(input_schema=Town).input_schema)


ZOD: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "email": {"type": "string", "format": "email", "minLength": 3},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}, "minItems": 1},
        "pair": {"type": "array", "items": [{"type": "number", "minimum": 0}, {"type": "string"}]},
        "format": {"type": "string", "enum": ["pattern", "minimum"]},
    },
    "required": ["email", "tags", "pair", "format"],
    "additionalProperties": False,
    "definitions": {"tag": {"type": "string", "pattern": "^[a-z]+$"}},
}


def test_a_schema_of_draft_7_is_sent_with_its_constraints_in_words() -> None:
    made = sent(ZOD)
    assert limits.check(answering(ZOD)) == []
    assert made["properties"]["email"] == {
        "type": "string",
        "description": "Must be an email address, of length 3 or more.",
    }
    assert made["definitions"]["tag"]["description"].startswith("Must be a match of the regular")
    assert made["properties"]["pair"]["items"][0]["description"] == "Must be at least 0."
    assert made["properties"]["format"] == ZOD["properties"]["format"]  # a name is no keyword
    assert "minLength" in ZOD["properties"]["email"]  # the caller's own is left alone


def test_a_schema_in_our_envelope_is_sent_as_it_is_with_a_warning() -> None:
    exact = JsonSchema(json_schema=ZOD)
    assert sent(exact) == ZOD
    texts = warned(answering(exact))
    assert [text.split("`")[1] for text in texts] == [
        "format",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
    ]
    assert "(email)" not in texts[1]
    assert "(tags)" in texts[1]


@pytest.mark.parametrize("word", sorted(KEYWORDS))
def test_each_keyword_that_the_api_refuses_can_be_given(word: str) -> None:
    value: Any = {"contains": {}, "propertyNames": {}, "patternProperties": {}}.get(word, 1)
    schema = {**TOWN, "properties": {"name": {"type": "string", word: value}}}
    [text] = warned(answering(JsonSchema(json_schema=schema)))
    assert text.startswith(f"The output schema uses `{word}` (name), which the API refuses")
    field = sent(schema)["properties"]["name"]
    assert set(field) == {"type", "description"}
    assert field["description"].startswith("Must be ")


def test_a_schema_without_such_keywords_is_sent_as_it_is_but_closed() -> None:
    """What else changed would give a run that is paid for another ledger key."""

    class Plain(BaseModel):
        name: str = "x"
        tags: list[Literal["a", "b"]]
        more: dict[str, int] | None

    assert sent(Plain) == {**Plain.model_json_schema(), "additionalProperties": False}


def test_the_schema_of_a_question_is_sent_as_it_is() -> None:
    spec = TaskSpec(input_schema=City)
    assert isinstance(spec.input_schema, JsonSchema)
    assert spec.input_schema.json_schema == TypeAdapter(City).json_schema()
