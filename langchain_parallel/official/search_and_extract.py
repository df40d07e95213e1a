"""`ParallelSearchTool`, `ParallelExtractTool` and `ParallelSearchRetriever` as in the official package.

Rule: by hand (`tool.invoke({…})`) a call gives the answer itself, a dictionary or a list, takes every
documented argument, and raises. A call that a model makes reads as that of this package's own tool: fenced
text under citation numbers, with an artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    AsyncCallbackManagerForToolRun,
    CallbackManagerForRetrieverRun,
    CallbackManagerForToolRun,
)
from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg
from pydantic import Field, SecretStr

from .._core.calls import Calls
from .._graph.web_clients import WebClients
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..models import (
    ExtractAdvancedSettings,
    ExtractResponse,
    SearchAdvancedSettings,
    SearchResponse,
    WebSearchResult,
)
from ..retrievers import ParallelSearchRetriever as Retriever
from ..tools import ParallelExtractTool as ExtractTool
from ..tools import ParallelSearchTool as SearchTool
from ..tools.call_site import CallSite
from ..tools.tool_messages import explain
from ..tools.web_arguments import ExtractArguments, SearchArguments
from ..tools.web_tools import trace_call, warnings_of
from ..web_prices import billed_search_usd, extract_usd
from .failures import CallFailed
from .leniency import Keyed
from .settings import ExcerptSettings, FetchPolicy, FullContentSettings, SourcePolicy, as_sent

_BY_HAND: ContextVar[bool] = ContextVar("by_hand", default=False)
_MORE: ContextVar[dict[str, Any]] = ContextVar("more", default={})  # noqa: B039 -- it is never changed
"""What a program has given beside queries or addresses and an objective."""
_OfPrograms: TypeAlias = InjectedToolArg
"""An argument that programs may give, and models are not shown."""


def _explain_to_model(error: Any) -> str:
    if _BY_HAND.get():
        raise error
    return explain(error)


_EXPLAINED: Any = Field(default=_explain_to_model, exclude=True, repr=False)


class _ByHand(Keyed):
    """A tool that tells a call by hand from one that a model makes, which has an id."""

    def run(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """As every tool's."""
        tool: Any = super()
        token = _BY_HAND.set(tool_call_id is None)
        try:
            return tool.run(*args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _BY_HAND.reset(token)

    async def arun(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:
        """As `run`; awaited."""
        tool: Any = super()
        token = _BY_HAND.set(tool_call_id is None)
        try:
            return await tool.arun(*args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _BY_HAND.reset(token)

    def _run(
        self,
        *texts: str,
        config: RunnableConfig,
        run_manager: CallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Any:
        tool: Any = super()
        token = _MORE.set(_of_programs(asked))
        try:
            return tool._run(*texts, config=config, run_manager=run_manager, **_of_models(asked))
        finally:
            _MORE.reset(token)

    async def _arun(
        self,
        *texts: str,
        config: RunnableConfig,
        run_manager: AsyncCallbackManagerForToolRun | None = None,
        **asked: Any,
    ) -> Any:
        tool: Any = super()
        token = _MORE.set(_of_programs(asked))
        try:
            told = tool._arun(*texts, config=config, run_manager=run_manager, **_of_models(asked))
            return await told
        finally:
            _MORE.reset(token)


def _of_models(asked: dict[str, Any]) -> dict[str, Any]:
    names = {*SearchArguments.model_fields, *ExtractArguments.model_fields}
    own = {name: value for name, value in asked.items() if name in names}
    if "urls" in own:  # the queries are to an extraction what a program may give
        own.pop("search_queries", None)
    return own


def _of_programs(asked: dict[str, Any]) -> dict[str, Any]:
    own = _of_models(asked)
    return {name: value for name, value in asked.items() if name not in own}


def _within(clients: WebClients, timeout: float | None) -> WebClients:
    return clients if timeout is None else replace(clients, timeout=timeout)


# --- search ----------------------------------------------------------------------------------------


class ParallelWebSearchInput(SearchArguments):
    """What a call of `ParallelSearchTool` takes; models see the first two."""

    max_results: Annotated[int, Field(ge=1, le=40), _OfPrograms] = 10
    excerpts: Annotated[ExcerptSettings | None, _OfPrograms] = None
    max_chars_total: Annotated[int | None, _OfPrograms] = None
    mode: Annotated[Literal["turbo", "fast", "basic", "advanced"] | None, _OfPrograms] = None
    source_policy: Annotated[SourcePolicy | None, _OfPrograms] = None
    fetch_policy: Annotated[FetchPolicy | None, _OfPrograms] = None
    location: Annotated[str | None, _OfPrograms] = None
    client_model: Annotated[str | None, _OfPrograms] = None
    session_id: Annotated[str | None, _OfPrograms] = None
    include_metadata: Annotated[bool, _OfPrograms] = True
    timeout: Annotated[float | None, _OfPrograms] = None


class ParallelSearchTool(_ByHand, SearchTool):
    """Web search: by hand a dictionary with `results`, for an agent what `tools.ParallelSearchTool` says.

    Raises:
        CallFailed: A call by hand got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    name: str = "parallel_web_search"
    args_schema: Any = Field(default=ParallelWebSearchInput, exclude=True, repr=False)
    handle_validation_error: bool | str | Callable[[Any], str] | None = _EXPLAINED

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            mode: str | None = ...,
            advanced_settings: SearchAdvancedSettings | Mapping[str, Any] | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **more: Any,
        ) -> None:
            """`more`: the other options of `tools.ParallelSearchTool`."""

    def _answer(
        self, texts: Sequence[str], objective: str, site: CallSite, config: RunnableConfig
    ) -> Calls[Any]:
        if not _BY_HAND.get():
            return (yield from super()._answer(texts, objective, site, config))
        given = ParallelWebSearchInput(search_queries=[*texts], objective=objective, **_MORE.get())
        began = datetime.now()  # noqa: DTZ005 -- as the official package tells it
        try:
            found = yield from self._search(given)
        except ParallelError as error:
            raise CallFailed("Search", error) from error
        usd = billed_search_usd(given.mode or self.mode, found)
        spent = {"search_id": found.search_id, "cost_usd": usd}
        yield from trace_call(self.name, spent, config)
        return _search_result(found, began if given.include_metadata else None), None

    def _search(self, given: ParallelWebSearchInput) -> Calls[SearchResponse]:
        request = self._request(given.search_queries, given.objective, given.session_id)
        own = (
            request.advanced_settings.model_dump(exclude_none=True)
            if request.advanced_settings
            else {}
        )
        asked = {
            "source_policy": as_sent(given.source_policy),
            "fetch_policy": as_sent(given.fetch_policy),
            "excerpt_settings": as_sent(given.excerpts),
            "location": given.location,
        }
        most = (
            {}
            if "max_results" in own and "max_results" not in given.model_fields_set
            else {"max_results": given.max_results}
        )
        update = {
            "mode": given.mode or request.mode,
            "max_chars_total": given.max_chars_total,
            "client_model": given.client_model or request.client_model,
            "advanced_settings": {**own, **_set(asked), **most},
        }
        request = type(request)(**{**dict(request), **update})
        return (yield from _within(self._clients, given.timeout).search(request))


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _search_result(found: SearchResponse, began: datetime | None) -> dict[str, Any]:
    shown = found.model_dump(mode="json", exclude={"sent_again"})
    result = {
        name: shown[name] for name in ("results", "search_id", "session_id", "usage", "warnings")
    }
    if began is not None:
        seconds = (datetime.now() - began).total_seconds()  # noqa: DTZ005 -- as above
        result["search_metadata"] = {
            "search_duration_seconds": round(seconds, 3),
            "search_timestamp": began.isoformat(),
            "actual_results_returned": len(found.results),
        }
    return result


# --- extract ---------------------------------------------------------------------------------------


class ParallelExtractInput(ExtractArguments):
    """What a call of `ParallelExtractTool` takes; models see the addresses and `objective`."""

    search_objective: Annotated[str | None, Field(max_length=5_000), _OfPrograms] = None
    """The same as `objective`."""
    search_queries: Annotated[list[str] | None, _OfPrograms] = None
    excerpts: Annotated[ExcerptSettings | None, _OfPrograms] = None
    full_content: Annotated[bool | FullContentSettings, _OfPrograms] = False
    max_chars_total: Annotated[int | None, _OfPrograms] = None
    fetch_policy: Annotated[FetchPolicy | None, _OfPrograms] = None
    client_model: Annotated[str | None, _OfPrograms] = None
    session_id: Annotated[str | None, _OfPrograms] = None
    timeout: Annotated[float | None, _OfPrograms] = None


class ParallelExtractTool(_ByHand, ExtractTool):
    """Reads pages: by hand a list of dictionaries, for an agent what `tools.ParallelExtractTool` says.

    Raises:
        CallFailed: A call by hand got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    args_schema: Any = Field(default=ParallelExtractInput, exclude=True, repr=False)
    handle_validation_error: bool | str | Callable[[Any], str] | None = _EXPLAINED
    max_chars_per_extract: int | None = None
    """Longest whole text of a page, in characters, where a call asks with `full_content=True`."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_chars_per_extract: int | None = ...,
            advanced_settings: ExtractAdvancedSettings | Mapping[str, Any] | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **more: Any,
        ) -> None:
            """`more`: the other options of `tools.ParallelExtractTool`."""

    def _answer(
        self, texts: Sequence[str], objective: str, site: CallSite, config: RunnableConfig
    ) -> Calls[Any]:
        if not _BY_HAND.get():
            return (yield from super()._answer(texts, objective, site, config))
        given = ParallelExtractInput(urls=[*texts], objective=objective, **_MORE.get())
        try:
            read = yield from self._read(given)
        except ParallelError as error:
            raise CallFailed("Extract", error) from error
        spent = {
            "extract_id": read.extract_id,
            "cost_usd": extract_usd(len(read.results)),
            "warnings": warnings_of(read),
        }
        yield from trace_call(self.name, spent, config)
        return _pages(read), None

    def _read(self, given: ParallelExtractInput) -> Calls[ExtractResponse]:
        objective = given.search_objective or given.objective
        request = self._request(given.urls, objective, given.session_id)
        own = (
            request.advanced_settings.model_dump(exclude_none=True)
            if request.advanced_settings
            else {}
        )
        whole: Any = given.full_content
        if isinstance(whole, FullContentSettings):
            whole = as_sent(whole)
        elif whole and self.max_chars_per_extract is not None:
            whole = {"max_chars_per_result": self.max_chars_per_extract}
        asked = {
            "fetch_policy": as_sent(given.fetch_policy),
            "excerpt_settings": as_sent(given.excerpts),
            "full_content": None if whole is False else whole,
        }
        update = {
            "search_queries": given.search_queries,
            "max_chars_total": given.max_chars_total,
            "client_model": given.client_model or request.client_model,
            "advanced_settings": {**own, **_set(asked)} or None,
        }
        request = type(request)(**{**dict(request), **update})
        return (yield from _within(self._clients, given.timeout).extract(request))


def _pages(read: ExtractResponse) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    for page in read.results:
        shown: dict[str, Any] = {"url": page.url, "title": page.title}
        shown |= {"excerpts": list(page.excerpts), "content": "\n\n".join(page.excerpts)}
        if page.full_content is not None:
            shown |= {"full_content": page.full_content, "content": page.full_content}
        pages.append({**shown, "publish_date": page.publish_date})
    for error in read.errors:
        failed = {"url": error.url, "title": None, "content": f"Error: {error.error_type}"}
        status = error.http_status_code
        pages.append({**failed, "error_type": error.error_type, "http_status_code": status})
    return pages


# --- retriever -------------------------------------------------------------------------------------


class ParallelSearchRetriever(Keyed, Retriever):
    """Web search as a retriever; its documents have `excerpts` in their metadata, too.

    Raises:
        CallFailed: A call got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    max_results: int | None = 5
    excerpts: ExcerptSettings | None = None
    max_chars_total: int | None = None
    source_policy: SourcePolicy | None = None
    fetch_policy: FetchPolicy | None = None
    location: str | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_results: int | None = ...,
            mode: str | None = ...,
            objective: str | None = ...,
            excerpts: ExcerptSettings | Mapping[str, Any] | None = ...,
            source_policy: SourcePolicy | Mapping[str, Any] | None = ...,
            fetch_policy: FetchPolicy | Mapping[str, Any] | None = ...,
            location: str | None = ...,
            advanced_settings: SearchAdvancedSettings | Mapping[str, Any] | None = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **more: Any,
        ) -> None:
            """`more`: the other options of `retrievers.ParallelSearchRetriever`."""

    def _request(self, query: str, max_results: int | None) -> Any:
        request = super()._request(query, max_results)
        own = (
            request.advanced_settings.model_dump(exclude_none=True)
            if request.advanced_settings
            else {}
        )
        asked = {
            "source_policy": as_sent(self.source_policy),
            "fetch_policy": as_sent(self.fetch_policy),
            "excerpt_settings": as_sent(self.excerpts),
            "location": self.location,
        }
        update = {
            "max_chars_total": self.max_chars_total,
            "advanced_settings": {**own, **_set(asked)} or None,
        }
        return type(request)(**{**dict(request), **update})

    def _document(self, page: WebSearchResult, about: dict[str, Any]) -> Document:
        made = super()._document(page, about)
        known = _set(made.metadata)
        return made.model_copy(update={"metadata": {**known, "excerpts": list(page.excerpts)}})

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **more: Any
    ) -> list[Document]:
        try:
            return super()._get_relevant_documents(query, run_manager=run_manager, **more)
        except ParallelError as error:
            raise CallFailed("Search", error) from error

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **more: Any
    ) -> list[Document]:
        try:
            return await super()._aget_relevant_documents(query, run_manager=run_manager, **more)
        except ParallelError as error:
            raise CallFailed("Search", error) from error


ParallelWebSearchTool = ParallelSearchTool
"""The earlier name."""
