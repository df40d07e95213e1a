"""A tool whose calls by hand differ from those that a model makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg
from pydantic import Field

from .._graph.web_clients import WebClients
from ..models import ExtractRequest, SearchRequest
from ..tools.tool_messages import explain
from ..tools.web_arguments import ExtractArguments, SearchArguments
from .leniency import Keyed

T = TypeVar("T")
RequestT = TypeVar("RequestT", SearchRequest, ExtractRequest)

BY_HAND: ContextVar[bool] = ContextVar("by_hand", default=False)
MORE: ContextVar[dict[str, Any]] = ContextVar("more", default={})  # noqa: B039 -- it is never changed
"""What a program has given beside queries or addresses and an objective."""
OfPrograms: TypeAlias = InjectedToolArg
"""An argument that programs may give, and models are not shown."""


def _explain_to_model(error: Any) -> str:
    if BY_HAND.get():
        raise error
    return explain(error)


EXPLAINED: Any = Field(default=_explain_to_model, exclude=True, repr=False)


class ByHand(Keyed):
    """A tool that tells a call by hand from one that a model makes, which has an id."""

    def run(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """As every tool's."""
        tool: Any = super()
        with _set(BY_HAND, tool_call_id is None):
            return tool.run(*args, tool_call_id=tool_call_id, **kwargs)

    async def arun(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """As `run`; awaited."""
        tool: Any = super()
        with _set(BY_HAND, tool_call_id is None):
            return await tool.arun(*args, tool_call_id=tool_call_id, **kwargs)

    def _run(
        self,
        *texts: str,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Any:
        tool: Any = super()
        with _set(MORE, _of_programs(asked)):
            return tool._run(*texts, config=config, run_manager=run_manager, **_of_models(asked))

    async def _arun(
        self,
        *texts: str,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Any:
        tool: Any = super()
        own = _of_models(asked)
        with _set(MORE, _of_programs(asked)):
            return await tool._arun(*texts, config=config, run_manager=run_manager, **own)


@contextmanager
def _set(variable: ContextVar[T], value: T) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def _of_models(asked: dict[str, Any]) -> dict[str, Any]:
    names = {*SearchArguments.model_fields, *ExtractArguments.model_fields}
    own = {name: value for name, value in asked.items() if name in names}
    if "urls" in own:  # the queries are to an extraction what a program may give
        own.pop("search_queries", None)
    return own


def _of_programs(asked: dict[str, Any]) -> dict[str, Any]:
    own = _of_models(asked)
    return {name: value for name, value in asked.items() if name not in own}


def within(clients: WebClients, timeout: float | None) -> WebClients:
    """The clients, with the timeout of a call."""
    return clients if timeout is None else replace(clients, timeout=timeout)


def with_settings(request: RequestT, asked: Mapping[str, Any], **update: Any) -> RequestT:
    """The request with settings of a call in place of the tool's, and with other fields."""
    own = request.advanced_settings
    settings = {**(own.model_dump(exclude_none=True) if own else {}), **without_none(asked)}
    fields = {**dict(request), **update, "advanced_settings": settings or None}
    return type(request)(**fields)


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are given."""
    return {name: value for name, value in values.items() if value is not None}
