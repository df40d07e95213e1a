"""The settings of the official package: what a search, an extraction or a run may be given beside its input.

Wherever one of these is an argument, a dict of the same fields will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SecretStr, model_validator
from typing_extensions import Self

from .._core.plain_text import count
from ..models import McpServer as McpServerOfRequest
from .leniency import Lenient

MAX_DOMAINS = 200


class ExcerptSettings(Lenient):
    """How long the excerpts of a page may be, in characters."""

    max_chars_per_result: int | None = None


class FullContentSettings(Lenient):
    """How long the whole text of a page may be, in characters."""

    max_chars_per_result: int | None = None


class FetchPolicy(Lenient):
    """When a page is fetched anew instead of read from the cache."""

    max_age_seconds: Annotated[int | None, Field(ge=600)] = None
    """A copy in the cache that is older is fetched anew; at least 600 seconds."""
    timeout_seconds: float | None = None
    disable_cache_fallback: bool = False
    """Whether a fetch that fails is an error, instead of an older copy from the cache."""


class SourcePolicy(Lenient):
    """The web sources that may be used; both lists together name at most 200."""

    include_domains: Sequence[str] | None = None
    exclude_domains: Sequence[str] | None = None
    after_date: date | None = None
    """Only what was published on or after this day; text is read as `YYYY-MM-DD`."""

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        named = len(self.include_domains or ()) + len(self.exclude_domains or ())
        if named > MAX_DOMAINS:
            raise ValueError(
                f"it names {count(named, 'domain')}; at most {MAX_DOMAINS} may be named"
            )
        return self


class McpServer(Lenient, McpServerOfRequest):
    """An MCP server that a run may call. Its headers and its address are treated as secrets."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            url: str,
            name: str,
            headers: Mapping[str, str | SecretStr] | None = ...,
            allowed_tools: Sequence[str] | None = ...,
        ) -> None: ...

    def to_sdk(self) -> dict[str, Any]:
        """The server as the API is told of it, with its headers in plain text."""
        told: dict[str, Any] = {"type": "url", "name": self.name, "url": str(self.url)}
        if self.headers is not None:
            told["headers"] = {k: value.get_secret_value() for k, value in self.headers.items()}
        if self.allowed_tools is not None:
            told["allowed_tools"] = list(self.allowed_tools)
        return told


def as_sent(settings: Lenient | None) -> dict[str, Any] | None:
    """Settings as plain JSON, without what is not set."""
    return None if settings is None else settings.model_dump(mode="json", exclude_none=True)
