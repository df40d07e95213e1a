"""Search and Extract: what is asked, and what comes back at once.

Rule: a request with a misspelt field does not build; an answer reads whatever it lacks or has too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import StrictInt, model_validator

from .requests import Extensible, SourcePolicy
from .results import ApiModel, TaskRunWarning

# --- what is asked ---------------------------------------------------------------------------------


class FetchPolicy(Extensible):
    """Whether a page comes from Parallel's index, or is fetched now, which takes longer.

    Args:
        max_age_seconds: How old a page of the index may be, from 600 up; an older one is fetched.
        timeout_seconds: How long fetching may take.
        disable_cache_fallback: Where fetching fails, give an error in place of an older page.
    """

    max_age_seconds: StrictInt | None = None
    timeout_seconds: float | None = None
    disable_cache_fallback: bool | None = None


class ExcerptSettings(Extensible):
    """The most characters of excerpts from one page."""

    max_chars_per_result: StrictInt | None = None


class FullContentSettings(Extensible):
    """The most characters of a page's whole text."""

    max_chars_per_result: StrictInt | None = None


class SearchAdvancedSettings(Extensible):
    """Settings of a search.

    Args:
        source_policy: Which sites may be used, and from which day on.
        fetch_policy: Pages of the index alone, unless given.
        excerpt_settings: How long the excerpts may be.
        location: A country code, such as `de`.
        max_results: 10 unless given; the API gives at most 20. Each beyond 10 costs 0.001 USD.
    """

    source_policy: SourcePolicy | None = None
    fetch_policy: FetchPolicy | None = None
    excerpt_settings: ExcerptSettings | None = None
    location: str | None = None
    max_results: StrictInt | None = None


class ExtractAdvancedSettings(Extensible):
    """Settings of an extraction. `full_content` asks for the whole text of each page beside its excerpts."""

    fetch_policy: FetchPolicy | None = None
    excerpt_settings: ExcerptSettings | None = None
    full_content: bool | FullContentSettings | None = None


class SearchRequest(Extensible):
    """A search of the web.

    Args:
        search_queries: From 1 to 5 queries of a few words each, of at most 200 characters.
        objective: What the results are wanted for, in whole sentences; up to 5,000 characters.
        mode: `turbo`, `fast`, `basic`, or `advanced`, the API's default.
        max_chars_total: The most characters of all excerpts together.
        session_id: Says which searches and extractions belong to one job. It is no interaction.
        client_model: The model that reads the results.
        advanced_settings: Sources, country, number of results, lengths.
        extra_body: What the API knows and this package does not.
    """

    search_queries: Sequence[str]
    objective: str | None = None
    mode: str | None = None
    max_chars_total: StrictInt | None = None
    session_id: str | None = None
    client_model: str | None = None
    advanced_settings: SearchAdvancedSettings | None = None


class ExtractRequest(Extensible):
    """Pages to read.

    Args:
        urls: From 1 to 20 addresses.
        objective: What the texts are wanted for.
        search_queries: What to look for in them.
        max_chars_total: The most characters of all excerpts together; whole texts do not count.
        session_id: Says which searches and extractions belong to one job.
        client_model: The model that reads the texts.
        advanced_settings: Fresh pages, lengths, whole texts.
        extra_body: What the API knows and this package does not.
    """

    urls: Sequence[str]
    objective: str | None = None
    search_queries: Sequence[str] | None = None
    max_chars_total: StrictInt | None = None
    session_id: str | None = None
    client_model: str | None = None
    advanced_settings: ExtractAdvancedSettings | None = None


# --- what comes back -------------------------------------------------------------------------------


class UsageItem(ApiModel):
    """What is billed of a call: how many of what."""

    name: str = ""
    count: int = 0


class WebSearchResult(ApiModel):
    """A page that a search has found. Its texts are untrusted."""

    _text_is: ClassVar[str] = "url"

    url: str = ""
    title: str | None = None
    publish_date: str | None = None
    excerpts: tuple[str, ...] = ()


class ExtractResult(WebSearchResult):
    """A page that was read. `full_content` is there if it was asked for."""

    full_content: str | None = None


class ExtractError(ApiModel):
    """A page that could not be read, and why."""

    _text_is: ClassVar[str] = "url"

    url: str = ""
    error_type: str = ""
    http_status_code: int | None = None
    content: str | None = None


class WebResponse(ApiModel):
    """What answers of Search and of Extract have."""

    session_id: str | None = None
    """Give it to further calls of the same job."""
    warnings: tuple[TaskRunWarning, ...] | None = None
    """The server's remarks, and this package's on what it had to change to keep the answer."""
    usage: tuple[UsageItem, ...] | None = None
    sent_again: bool = False
    """An earlier answer was lost and the request sent again (`resend_lost`), so it may be billed twice."""

    @model_validator(mode="before")
    @classmethod
    def _is_one(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.keys().isdisjoint(cls.model_fields):
            raise ValueError("Input should be an object with results")
        return value


class SearchResponse(WebResponse):
    """What a search has found, the most relevant page first."""

    search_id: str = ""
    results: tuple[WebSearchResult, ...] = ()


class ExtractResponse(WebResponse):
    """The pages that were read, and those that could not be."""

    extract_id: str = ""
    results: tuple[ExtractResult, ...] = ()
    errors: tuple[ExtractError, ...] = ()
