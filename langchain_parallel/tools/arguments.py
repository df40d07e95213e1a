"""The arguments a model fills in: a question, or the caller's own fields."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from langchain_core.tools import InjectedToolArg
from langchain_core.utils.json_schema import dereference_refs
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import CoreSchema, is_instance_schema

from ..models import JsonSchema, TaskSpec, TextSchema
from .call_site import AnyRuntime
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
_RESERVED = {PREVIOUS, PROCESSOR, "runtime", "config", "run_manager"}

_QUESTION = (
    "The question, whole and self-contained: what to find out, for which scope and period, and what "
    "the answer should contain."
)
_FOLLOW_UP = (
    "To follow up: the interaction id given at the end of an earlier answer. The new research then "
    "builds on everything found there."
)


def arguments(
    name: str, own: type[BaseModel] | None, spec: TaskSpec | None, choices: Sequence[str]
) -> type[BaseModel]:
    """The arguments' model: the question or the caller's own fields, then ours.

    Args:
        name: The tool's.
        own: The caller's own arguments, if any.
        spec: What shape the input has.
        choices: Processors to choose from, the default first; empty: no choice.
    """
    fields: dict[str, Any] = _fields_of(own) if own else {"input": _question(spec)}
    fields[PREVIOUS] = (str | None, Field(default=None, description=_FOLLOW_UP))
    fields["runtime"] = (Injected, None)
    if choices:
        words = f"More expensive ones search deeper. {each_price(choices)}"
        default = Field(default=choices[0], description=words)
        fields[PROCESSOR] = (Literal[tuple(choices)], default)
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", populate_by_name=True)
    return create_model(f"{name}_arguments", __config__=config, **fields)


def _question(spec: TaskSpec | None) -> tuple[Any, FieldInfo]:
    shape = spec.input_schema if spec else None
    if isinstance(shape, JsonSchema):
        # A schema inside a schema: its references would point nowhere.
        schema = {k: v for k, v in dereference_refs(shape.json_schema).items() if k != "$defs"}
        return Annotated[dict[str, Any], WithJsonSchema(schema)], Field()
    words = shape.description if isinstance(shape, TextSchema) else None
    # Programs may pass an object; a model is asked for text.
    text = Annotated[str | dict[str, Any], WithJsonSchema({"type": "string"})]
    return text, Field(description=words or _QUESTION)


def _fields_of(own: type[BaseModel]) -> dict[str, Any]:
    if taken := sorted(set(own.model_fields) & _RESERVED):
        raise ValueError(
            f"input_schema may not have fields named {', '.join(taken)}: the tool has arguments of "
            "that name. Rename them; an alias keeps the name that the API sees."
        )
    if not own.model_fields:
        raise ValueError("input_schema has no fields; name at least one argument.")
    return {name: (field.annotation, field) for name, field in own.model_fields.items()}


def accept_field_names(own: type[BaseModel]) -> type[BaseModel]:
    """The same model, filled in by its fields' names: LangChain shows models those, not aliases."""
    config = ConfigDict(populate_by_name=True)
    return types.new_class(own.__name__, (own,), {}, lambda body: body.update(model_config=config))
