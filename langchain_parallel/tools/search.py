"""`ParallelSearchTool`: pages found on the web, within seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from pydantic import Field, SecretStr, model_validator
from typing_extensions import Self, TypedDict

from .._core.calls import Calls
from ..client import AsyncParallelClient, ParallelClient
from ..client.web_driver import SEARCH_TIMEOUT
from ..errors import ParallelError
from ..models import SearchAdvancedSettings, SearchRequest
from ..text.format import usd
from ..text.web_pages import render_pages
from ..web_prices import billed_search_usd, search_usd
from .call_site import CallSite
from .web_arguments import SearchArguments
from .web_tools import (
    NumberedPage,
    Told,
    WebTool,
    number_pages,
    refusal,
    trace_call,
    warnings_of,
)


class SearchArtifact(TypedDict):
    """What a search leaves for programs; the texts of its pages are in the content alone."""

    search_id: str
    session_id: str | None
    citations: list[NumberedPage]
    warnings: list[str]
    cost_usd: float | None
    """None for an unknown mode."""
    cost_is_lower_bound: bool
    """The request was sent again after its answer was lost, which may have been billed, too."""
    seal: str
    """Proves that `session_id` is this conversation's."""


class ParallelSearchTool(WebTool):
    """Web search, as a tool for agents: pages with excerpts, within seconds.

    The content a model reads is the pages, each under a citation number. Numbers go on from those that the
    conversation has. The artifact (`SearchArtifact`) has the sources and what it cost. Errors come back to
    the model as text; set `handle_tool_error=False` to have them raised as `ToolException`, with the
    package's own error as `__cause__`.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_parallel.tools import ParallelExtractTool, ParallelSearchTool

        agent = create_agent("openai:gpt-5", tools=[ParallelSearchTool(), ParallelExtractTool()])
        ```

    Raises:
        pydantic.ValidationError: On construction, for whatever may not be sent.
        MissingKey: On construction, without an API key.
    """

    name: str = "parallel_search"
    description: str = ""
    """For the model. Left empty: when to use it, and what it costs."""
    args_schema: Any = Field(default=SearchArguments, exclude=True, repr=False)
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
            mode: str | None = ...,
            advanced_settings: SearchAdvancedSettings | Mapping[str, Any] | None = ...,
            client_model: str | None = ...,
            max_chars: int | None = ...,
            timeout: float = ...,
            resend_lost: bool = ...,
            strict: bool = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: ParallelClient | AsyncParallelClient | None = ...,
            **langchain: Any,
        ) -> None:
            """`langchain`: options of every LangChain tool, such as `name` and `description`."""

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        self._connect(self._request(["?"]), self.timeout)
        settings = self.advanced_settings or SearchAdvancedSettings()
        price = search_usd(self.mode, settings.max_results)
        self.description = self.description or (
            "Search the web. Returns pages under citation numbers, each with excerpts. Use it to find pages "
            f"and quick facts. {_price_of_call(price)} Do not repeat a search."
        )
        return self

    def _request(
        self, queries: Sequence[str], objective: str = "", session_id: str | None = None
    ) -> SearchRequest:
        return SearchRequest(
            search_queries=queries,
            objective=objective.strip() or None,
            mode=self.mode,
            session_id=session_id,
            client_model=self.client_model,
            advanced_settings=self.advanced_settings,
        )

    def _answer(
        self, texts: Sequence[str], objective: str, site: CallSite, config: RunnableConfig
    ) -> Calls[Told]:
        session_id = self._session_id(site)
        try:
            asked = self._request(texts, objective, session_id)
            found = yield from self._clients.search(asked)
        except ParallelError as error:
            raise refusal(error) from error
        pages, citations = number_pages(found.results, site)
        artifact = SearchArtifact(
            search_id=found.search_id,
            session_id=found.session_id,
            citations=citations,
            warnings=warnings_of(found),
            cost_usd=billed_search_usd(self.mode, found),
            cost_is_lower_bound=found.sent_again,
            seal=self._seal(found.session_id, site),
        )
        yield from trace_call(self.name, artifact, config)
        notes = [f"Warning: {warning}" for warning in artifact["warnings"]]
        content = render_pages("Search results.", pages, notes, max_chars=self.max_chars)
        return content, dict(artifact)


def _price_of_call(price: float | None) -> str:
    return "A call costs money." if price is None else f"A call costs {usd(price)}."
