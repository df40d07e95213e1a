"""`ParallelExtractTool`: pages read by their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from pydantic import Field, SecretStr, model_validator
from typing_extensions import Self, TypedDict

from .._core.calls import Calls
from .._core.plain_text import one_line
from ..client import AsyncParallelClient, ParallelClient
from ..client.web_driver import EXTRACT_TIMEOUT
from ..errors import ParallelError
from ..models import ExtractAdvancedSettings, ExtractError, ExtractRequest
from ..text.format import usd
from ..text.web_pages import render_pages
from ..web_prices import EXTRACT_USD, extract_usd
from .call_site import CallSite
from .web_arguments import ExtractArguments
from .web_tools import (
    TITLE_CHARS,
    NumberedPage,
    Told,
    WebTool,
    number_pages,
    refusal,
    trace_call,
    warnings_of,
)


class FailedPage(TypedDict):
    """A page that could not be read, and why."""

    url: str
    error_type: str
    http_status_code: int | None


class ExtractArtifact(TypedDict):
    """What an extraction leaves for programs. See `SearchArtifact`."""

    extract_id: str
    session_id: str | None
    citations: list[NumberedPage]
    errors: list[FailedPage]
    warnings: list[str]
    cost_usd: float
    cost_is_lower_bound: bool
    seal: str


class ParallelExtractTool(WebTool):
    """Reads pages, as a tool for agents: excerpts that fit the objective, or the whole text.

    Content and artifact (`ExtractArtifact`) are as those of `ParallelSearchTool`. A page that cannot be read
    is named below those that could be.

    Raises:
        pydantic.ValidationError: On construction, for whatever may not be sent.
        MissingKey: On construction, without an API key.
    """

    name: str = "parallel_extract"
    description: str = ""
    """For the model. Left empty: when to use it, and what it costs."""
    args_schema: Any = Field(default=ExtractArguments, exclude=True, repr=False)
    advanced_settings: ExtractAdvancedSettings | None = None
    """Whole texts (`full_content`), fresh pages, lengths."""
    timeout: float = EXTRACT_TIMEOUT
    """Seconds to wait for an answer, each time the request is sent."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            advanced_settings: ExtractAdvancedSettings | Mapping[str, Any] | None = ...,
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
        self._connect(self._request(["https://example.com"]), self.timeout)
        self.description = self.description or (
            "Read pages of the web by their addresses, up to 20 at once. Returns what is relevant of each "
            "under its citation number. Use it for pages that a search has found or a user has named. "
            f"A page costs {usd(EXTRACT_USD)}."
        )
        return self

    def _request(
        self, urls: Sequence[str], objective: str = "", session_id: str | None = None
    ) -> ExtractRequest:
        return ExtractRequest(
            urls=urls,
            objective=objective.strip() or None,
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
            read = yield from self._clients.extract(asked)
        except ParallelError as error:
            raise refusal(error) from error
        pages, citations = number_pages(read.results, site)
        artifact = ExtractArtifact(
            extract_id=read.extract_id,
            session_id=read.session_id,
            citations=citations,
            errors=[_failed_page(error) for error in read.errors],
            warnings=warnings_of(read),
            cost_usd=extract_usd(len(read.results)),
            cost_is_lower_bound=read.sent_again,
            seal=self._seal(read.session_id, site),
        )
        yield from trace_call(self.name, artifact, config)
        notes = [*map(_not_read, artifact["errors"])]
        notes += [f"Warning: {warning}" for warning in artifact["warnings"]]
        content = render_pages("Pages that were read.", pages, notes, max_chars=self.max_chars)
        return content, dict(artifact)


def _failed_page(error: ExtractError) -> FailedPage:
    kind = one_line(error.error_type, TITLE_CHARS)
    return FailedPage(
        url=one_line(error.url), error_type=kind, http_status_code=error.http_status_code
    )


def _not_read(page: FailedPage) -> str:
    status = f", HTTP {page['http_status_code']}" if page["http_status_code"] else ""
    return f"Not read: {page['url']} ({page['error_type'] or 'no reason given'}{status})"
