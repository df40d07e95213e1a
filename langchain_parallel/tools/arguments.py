"""The arguments a model fills in: a question, or the caller's own fields."""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias, cast

from langchain_core.tools import InjectedToolArg
from langchain_core.utils.json_schema import dereference_refs
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema, is_instance_schema

from .._core.request_rules import broken_rules
from ..errors import InvalidRequest
from ..models import JsonSchema, TaskRunInput, TaskSpec, TextSchema
from .call_site import AnyRuntime
from .left_out import LeftOut, MayBeLeftOut, OptionalText, Typed, none, without_default
from .tool_messages import each_price


class _AsGiven:
    """Accepts what LangGraph injects without a check. For one, pydantic would build a schema of LangGraph's
    types for every tool, which takes longer than everything else in making a tool.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return is_instance_schema(ToolRuntime)


Injected: TypeAlias = Annotated[SkipJsonSchema[Annotated[AnyRuntime, _AsGiven]], InjectedToolArg]
PREVIOUS = "previous_interaction_id"
PROCESSOR = "processor"
OUTPUT = "output_schema"
_RESERVED = {PREVIOUS, PROCESSOR, OUTPUT, "runtime", "config", "run_manager"}

_QUESTION = (
    "The question, whole and self-contained: what to find out, for which scope and period, and what "
    "the answer should contain."
)
_FOLLOW_UP = (
    "To follow up: the interaction id given at the end of an earlier answer. The new research then "
    "builds on everything found there."
)

_OUTPUT = (
    "What the answer should contain, in words; or a JSON schema of an object, whose properties are "
    "all required. Leave it out unless the shape matters."
)
_NOT_SENT = "Nothing was sent. Describe the answer in words, or correct the schema."


def _words_or_object(given: object) -> object:
    if given is None or isinstance(given, str | dict):
        return given
    raise PydanticCustomError("shape", "Input should be words, or a JSON schema of an object")


_Shape: TypeAlias = Annotated[
    str | dict[str, Any] | None,
    BeforeValidator(_words_or_object),
    LeftOut(),
    WithJsonSchema({"type": "string"}),
]


def arguments(
    name: str,
    own: type[BaseModel] | None,
    spec: TaskSpec | None,
    choices: Sequence[str],
    *,
    may_describe: bool = False,
) -> type[BaseModel]:
    """The arguments' model: the question or the caller's own fields, then ours.

    Args:
        name: The tool's.
        own: The caller's own arguments, if any.
        spec: What shape the input has.
        choices: Processors to choose from, the default first; empty: no choice.
        may_describe: Offer the shape of the answer.
    """
    fields: dict[str, Any] = _fields_of(own) if own else {"input": _question(spec)}
    fields[PREVIOUS] = (OptionalText, none(_FOLLOW_UP))
    fields["runtime"] = (Injected, None)
    if choices:
        words = f"More expensive ones search deeper. {each_price(choices)}"
        fields[PROCESSOR] = processor_field(choices, choices[0], words)
    if may_describe:
        fields[OUTPUT] = output_field()
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", populate_by_name=True)
    return create_model(f"{name}_arguments", __config__=config, **fields)


def processor_field(
    choices: Sequence[str], default: str, words: str | None = None
) -> tuple[Any, Any]:
    """The argument in which a model chooses a processor."""
    kind: Any = Literal[tuple(choices)]
    return Annotated[kind, LeftOut(default)], Field(default=default, description=words)


def output_field() -> tuple[Any, Any]:
    """The argument in which a model says what shape an answer has."""
    return _Shape, none(_OUTPUT)


def described_shape(given: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """The shape of the answer that a model has described; None if it has not.

    Raises:
        InvalidRequest: It begins like a JSON schema and is none.
    """
    if not isinstance(given, str) or not given.lstrip().startswith("{"):
        return given
    try:
        schema: Any = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            [f"{OUTPUT} begins like a JSON schema and is no JSON ({error})."], hint=_NOT_SENT
        ) from None
    return cast("dict[str, Any]", schema)


def check_described(request: TaskRunInput, template: TaskRunInput) -> None:
    """Refuse a described shape that breaks a rule of the documentation which the tool's own requests keep.

    Raises:
        InvalidRequest: It breaks one; the error says which, for a model to correct.
    """
    known = {one.rule.name for one in broken_rules(template)}
    broken = [one for one in broken_rules(request) if one.rule.shown == "warning"]
    found = [str(one) for one in broken if one.rule.name not in known]
    if found:
        raise InvalidRequest([f"{OUTPUT}: {one}" for one in found], hint=_NOT_SENT)


def _question(spec: TaskSpec | None) -> tuple[Any, FieldInfo]:
    shape = spec.input_schema if spec else None
    if isinstance(shape, JsonSchema):
        # A schema inside a schema: its references would point nowhere.
        schema = {k: v for k, v in dereference_refs(shape.json_schema).items() if k != "$defs"}
        return Annotated[dict[str, Any], BeforeValidator(_object), WithJsonSchema(schema)], Field()
    words = shape.description if isinstance(shape, TextSchema) else None
    # Programs may pass an object; a model is asked for text.
    text = Annotated[str | dict[str, Any], WithJsonSchema({"type": "string"})]
    return text, Field(description=words or _QUESTION)


def _object(given: Any) -> Any:
    """What was given, or the object that it is as text: some models write arguments so."""
    if isinstance(given, str):
        with suppress(ValueError, RecursionError):
            return json.loads(given)
    return given


def _fields_of(own: type[BaseModel]) -> dict[str, Any]:
    if taken := sorted(set(own.model_fields) & _RESERVED):
        raise ValueError(
            f"input_schema may not have fields named {', '.join(taken)}: the tool has arguments of "
            "that name. Rename them; an alias keeps the name that the API sees."
        )
    if not own.model_fields:
        raise ValueError("input_schema has no fields; name at least one argument.")
    return {name: _for_model(field) for name, field in own.model_fields.items()}


def _for_model(field: FieldInfo) -> tuple[Any, FieldInfo]:
    if field.is_required() or field.default is not None:
        return Annotated[field.annotation, Typed()], field
    return Annotated[field.annotation, MayBeLeftOut()], without_default(field)


def accept_field_names(own: type[BaseModel]) -> type[BaseModel]:
    """The same model, filled in by its fields' names: LangChain shows models those, not aliases."""
    config = ConfigDict(populate_by_name=True)
    return types.new_class(own.__name__, (own,), {}, lambda body: body.update(model_config=config))
