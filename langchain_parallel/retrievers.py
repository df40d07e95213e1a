"""`ParallelSearchRetriever`: web search as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    BaseCallbackManager,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SecretStr, model_validator
from typing_extensions import Self

from ._core import web_limits
from ._core.calls import Calls, adrive, drive
from ._core.plain_text import clean
from ._graph.callbacks import trace_cost
from ._graph.web_door import WebDoor
from .client import AsyncParallelClient, ParallelClient
from .client.web_driver import SEARCH_TIMEOUT
from .models import SearchAdvancedSettings, SearchRequest, WebSearchResult
from .web_prices import billed_search_usd


class ParallelSearchRetriever(WebDoor, BaseRetriever):
    """Web search as a retriever: a document for each page, with its excerpts as content. Paid.

    The metadata of a document are `url`, `title`, `publish_date`, `query` and `search_id`. Content and
    metadata are untrusted web text: tell a model so. Errors are the client's own.

    Raises:
        pydantic.ValidationError: On construction, for whatever may not be sent.
        MissingKey: On construction, without an API key.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )

    max_results: int | None = None
    """How many documents, in place of `advanced_settings.max_results`; it may be given per call, too."""
    objective: str | None = None
    """What the documents are wanted for, in whole sentences."""
    mode: str | None = None
    """`turbo`, `fast`, `basic` or `advanced`, the API's default; see `langchain_parallel.web_prices`."""
    advanced_settings: SearchAdvancedSettings | None = None
    """Sources, country, number of results, lengths."""
    timeout: float = SEARCH_TIMEOUT
    """Seconds to wait for an answer, each time the request is sent."""
    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            max_results: int | None = ...,
            objective: str | None = ...,
            mode: str | None = ...,
            advanced_settings: SearchAdvancedSettings | Mapping[str, Any] | None = ...,
            client_model: str | None = ...,
            timeout: float = ...,
            resend_lost: bool = ...,
            strict: bool = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **langchain: Any,
        ) -> None:
            """`langchain`: options of every LangChain retriever, such as `tags`."""

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        self._connect(self._request("?", None), self.timeout)
        return self

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        max_results: int | None = None,
    ) -> list[Document]:
        return drive(self._documents(query, max_results, run_manager.get_child()))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        max_results: int | None = None,
    ) -> list[Document]:
        return await adrive(self._documents(query, max_results, run_manager.get_child()))

    def _documents(
        self, query: str, max_results: int | None, callbacks: BaseCallbackManager
    ) -> Calls[list[Document]]:
        found = yield from self._clients.search(self._request(query, max_results))
        usd = billed_search_usd(self.mode, found)
        spent = {"search_id": found.search_id, "cost_usd": usd}
        yield from trace_cost("parallel_search_cost", spent, {"callbacks": callbacks})
        about = {"query": query, "search_id": found.search_id}
        return [self._document(page, about) for page in found.results]

    def _document(self, page: WebSearchResult, about: dict[str, Any]) -> Document:
        known = {"url": page.url, "title": page.title, "publish_date": page.publish_date}
        content = "\n\n".join(map(clean, page.excerpts))
        return Document(page_content=content, metadata={**known, **about})

    def _request(self, query: str, max_results: int | None) -> SearchRequest:
        most = max_results if max_results is not None else self.max_results
        settings = self.advanced_settings
        if most is not None:
            kept = dict(settings or ())
            settings = web_limits.build(SearchAdvancedSettings, {**kept, "max_results": most})
        fields = {
            "search_queries": [query],
            "objective": self.objective,
            "mode": self.mode,
            "client_model": self.client_model,
            "advanced_settings": settings,
        }
        return web_limits.build(SearchRequest, fields)
