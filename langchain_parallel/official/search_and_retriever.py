"""`ParallelSearchTool` and `ParallelSearchRetriever` as in the official package.

Rule: by hand (`tool.invoke({…})`) a call gives the answer itself, a dictionary or a list, takes every
documented argument, and raises. A call that a model makes reads as that of this package's own tool: fenced
text under citation numbers, with an artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from pydantic import Field, SecretStr

from .._core.calls import Calls
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..models import (
    SearchAdvancedSettings,
    SearchResponse,
    WebSearchResult,
)
from ..retrievers import ParallelSearchRetriever as Retriever
from ..tools import ParallelSearchTool as SearchTool
from ..tools.call_site import CallSite
from ..tools.web_arguments import SearchArguments
from ..tools.web_tools import trace_call
from ..web_prices import billed_search_usd
from .by_hand import (
    BY_HAND,
    EXPLAINED,
    MORE,
    ByHand,
    OfPrograms,
    with_settings,
    within,
    without_none,
)
from .failures import CallFailed
from .leniency import Keyed
from .settings import ExcerptSettings, FetchPolicy, SourcePolicy, as_sent


class ParallelWebSearchInput(SearchArguments):
    """What a call of `ParallelSearchTool` takes; models see the first two."""

    max_results: Annotated[int, Field(ge=1, le=40), OfPrograms] = 10
    excerpts: Annotated[ExcerptSettings | None, OfPrograms] = None
    max_chars_total: Annotated[int | None, OfPrograms] = None
    mode: Annotated[Literal["turbo", "fast", "basic", "advanced"] | None, OfPrograms] = None
    source_policy: Annotated[SourcePolicy | None, OfPrograms] = None
    fetch_policy: Annotated[FetchPolicy | None, OfPrograms] = None
    location: Annotated[str | None, OfPrograms] = None
    client_model: Annotated[str | None, OfPrograms] = None
    session_id: Annotated[str | None, OfPrograms] = None
    include_metadata: Annotated[bool, OfPrograms] = True
    timeout: Annotated[float | None, OfPrograms] = None


class ParallelSearchTool(ByHand, SearchTool):
    """Web search: by hand a dictionary with `results`, for an agent what `tools.ParallelSearchTool` says.

    Raises:
        CallFailed: A call by hand got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    name: str = "parallel_web_search"
    args_schema: Any = Field(default=ParallelWebSearchInput, exclude=True, repr=False)
    handle_validation_error: bool | str | Callable[[Any], str] | None = EXPLAINED

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
        if not BY_HAND.get():
            return (yield from super()._answer(texts, objective, site, config))
        given = ParallelWebSearchInput(search_queries=[*texts], objective=objective, **MORE.get())
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
        asked: dict[str, Any] = {
            "source_policy": as_sent(given.source_policy),
            "fetch_policy": as_sent(given.fetch_policy),
            "excerpt_settings": as_sent(given.excerpts),
            "location": given.location,
        }
        own = request.advanced_settings
        if own is None or own.max_results is None or "max_results" in given.model_fields_set:
            asked["max_results"] = given.max_results
        request = with_settings(
            request,
            asked,
            mode=given.mode or request.mode,
            max_chars_total=given.max_chars_total,
            client_model=given.client_model or request.client_model,
        )
        return (yield from within(self._clients, given.timeout).search(request))


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


ParallelWebSearchTool = ParallelSearchTool
"""The earlier name."""


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
        asked = {
            "source_policy": as_sent(self.source_policy),
            "fetch_policy": as_sent(self.fetch_policy),
            "excerpt_settings": as_sent(self.excerpts),
            "location": self.location,
        }
        return with_settings(request, asked, max_chars_total=self.max_chars_total)

    def _document(self, page: WebSearchResult, about: dict[str, Any]) -> Document:
        made = super()._document(page, about)
        known = without_none(made.metadata)
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
