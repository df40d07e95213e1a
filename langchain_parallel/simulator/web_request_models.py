"""What the published OpenAPI document says of the bodies of Search and Extract; see `request_models`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .request_models import SourcePolicy


class _OpenBody(BaseModel):
    """An object into which an unknown field is let through."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="allow", hide_input_in_errors=True
    )


class _ClosedBody(BaseModel):
    """An object in which an unknown field is refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="forbid", hide_input_in_errors=True
    )


class FetchPolicy(_OpenBody):
    """Pages from the index, or fetched now."""

    max_age_seconds: int | None = None
    timeout_seconds: float | None = None
    disable_cache_fallback: bool = False


class V1ExcerptSettings(_ClosedBody):
    """How long the excerpts of a page may be."""

    max_chars_per_result: int | None = None


class FullContentSettings(_OpenBody):
    """How long the whole text of a page may be."""

    max_chars_per_result: int | None = None


class AdvancedSearchSettings(_ClosedBody):
    """Settings of a search."""

    source_policy: SourcePolicy | None = None
    fetch_policy: FetchPolicy | None = None
    excerpt_settings: V1ExcerptSettings | None = None
    location: str | None = None
    max_results: int | None = None


class AdvancedExtractSettings(_ClosedBody):
    """Settings of an extraction."""

    fetch_policy: FetchPolicy | None = None
    excerpt_settings: V1ExcerptSettings | None = None
    full_content: FullContentSettings | bool = False


_SessionId = Annotated[str, Field(max_length=1000)]


class V1SearchRequest(_ClosedBody):
    """A search of the web."""

    objective: str | None = None
    search_queries: list[str]
    mode: Literal["turbo", "fast", "basic", "advanced"] | None = None
    max_chars_total: int | None = None
    session_id: _SessionId | None = None
    client_model: str | None = None
    advanced_settings: AdvancedSearchSettings | None = None


class V1ExtractRequest(_ClosedBody):
    """Pages to read."""

    urls: list[str]
    objective: str | None = None
    search_queries: list[str] | None = None
    max_chars_total: int | None = None
    session_id: _SessionId | None = None
    client_model: str | None = None
    advanced_settings: AdvancedExtractSettings | None = None
