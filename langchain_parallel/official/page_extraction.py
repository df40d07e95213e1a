"""`ParallelExtractTool` as in the official package; calls are as those of the search (`by_hand.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from langchain_core.runnables import RunnableConfig
from pydantic import Field, SecretStr

from .._core.calls import Calls
from ..client import AsyncParallelClient, ParallelClient
from ..errors import ParallelError
from ..models import (
    ExtractAdvancedSettings,
    ExtractResponse,
)
from ..tools import ParallelExtractTool as ExtractTool
from ..tools.call_site import CallSite
from ..tools.web_arguments import ExtractArguments
from ..tools.web_tools import trace_call, warnings_of
from ..web_prices import extract_usd
from .by_hand import (
    BY_HAND,
    EXPLAINED,
    MORE,
    ByHand,
    OfPrograms,
    with_settings,
    within,
)
from .failures import CallFailed
from .settings import ExcerptSettings, FetchPolicy, FullContentSettings, as_sent


class ParallelExtractInput(ExtractArguments):
    """What a call of `ParallelExtractTool` takes; models see the addresses and `objective`."""

    search_objective: Annotated[str | None, Field(max_length=5_000), OfPrograms] = None
    """The same as `objective`."""
    search_queries: Annotated[list[str] | None, OfPrograms] = None
    excerpts: Annotated[ExcerptSettings | None, OfPrograms] = None
    full_content: Annotated[bool | FullContentSettings, OfPrograms] = False
    max_chars_total: Annotated[int | None, OfPrograms] = None
    fetch_policy: Annotated[FetchPolicy | None, OfPrograms] = None
    client_model: Annotated[str | None, OfPrograms] = None
    session_id: Annotated[str | None, OfPrograms] = None
    timeout: Annotated[float | None, OfPrograms] = None


class ParallelExtractTool(ByHand, ExtractTool):
    """Reads pages: by hand a list of dictionaries, for an agent what `tools.ParallelExtractTool` says.

    Raises:
        CallFailed: A call by hand got no answer. It is a `ValueError`.
        NoKey: On construction, without an API key. It is a `ValueError`.
    """

    args_schema: Any = Field(default=ParallelExtractInput, exclude=True, repr=False)
    handle_validation_error: bool | str | Callable[[Any], str] | None = EXPLAINED
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
        if not BY_HAND.get():
            return (yield from super()._answer(texts, objective, site, config))
        given = ParallelExtractInput(urls=[*texts], objective=objective, **MORE.get())
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
        request = with_settings(
            request,
            asked,
            search_queries=given.search_queries,
            max_chars_total=given.max_chars_total,
            client_model=given.client_model or request.client_model,
        )
        return (yield from within(self._clients, given.timeout).extract(request))


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
