"""Answers of a chat as values of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import is_typeddict

from .._core.chat_request import response_format_of
from .._core.kinds import check_kinds
from ..errors import InvalidRequest
from ..models.chat import parse_text

METHODS = ("json_schema", "function_calling", "json_mode")


def response_format(schema: Any, method: str, strict: bool | None) -> dict[str, Any]:
    """How the API is asked for JSON of a schema.

    Raises:
        InvalidRequest: The schema is none, or there is no such method.
    """
    if method not in METHODS:
        raise InvalidRequest([f"method is {method!r:.40}; {', '.join(METHODS)} are allowed."])
    check_kinds({"strict": (strict, bool)})
    if schema is None and method != "json_mode":
        raise InvalidRequest(["There is no schema; give one, or method='json_mode'."])
    made = response_format_of({} if schema is None else schema)
    if method == "json_mode":
        return {"type": "json_object"}
    if strict is not None and "json_schema" in made:
        made["json_schema"]["strict"] = strict
    return made


def for_traces(schema: Any, form: Mapping[str, Any]) -> Any:
    """The schema as LangChain can show it in a trace."""
    if isinstance(schema, Mapping) or is_typeddict(schema) or is_basemodel_subclass(schema):
        return schema
    return form.get("json_schema", {}).get("schema", {})


def read_as(
    model: Runnable[LanguageModelInput, AIMessage], schema: Any, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """The model's answers, read as values of a schema. JSON schemas give what the JSON says."""
    form = None if isinstance(schema, Mapping | str) else schema

    def read(message: AIMessage) -> Any:
        named = message.response_metadata.get("interaction_id")
        return parse_text(str(message.text), form, named)

    parser: Runnable[AIMessage, Any] = RunnableLambda(read)
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    unread = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([unread], exception_key="parsing_error")
