"""Search and Extract of the blocking client; the asynchronous one has the same methods, awaited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .._core import web_calls, web_limits
from .._core.kinds import check_kinds
from .._core.redaction import extra_secrets
from ..models import (
    ExtractAdvancedSettings,
    ExtractRequest,
    ExtractResponse,
    SearchAdvancedSettings,
    SearchRequest,
    SearchResponse,
)
from .client_settings import Settings
from .request_warnings import warn
from .run_reports import report_extract, report_search
from .sync_driver import Driver

RequestT = TypeVar("RequestT", SearchRequest, ExtractRequest)

SEARCH_TIMEOUT = 60.0
EXTRACT_TIMEOUT = 180.0
"""Seconds. Pages that are fetched now take up to a minute, says the documentation."""


class WebDriver(Driver):
    """A driver with the calls whose answer comes at once."""

    def search(
        self,
        search_queries: str | Sequence[str],
        *,
        objective: str | None = None,
        mode: str | None = None,
        max_chars_total: int | None = None,
        session_id: str | None = None,
        client_model: str | None = None,
        advanced_settings: SearchAdvancedSettings | Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: float = SEARCH_TIMEOUT,
        resend_lost: bool = False,
    ) -> SearchResponse:
        """Search the web. Paid: 0.001 or 0.005 USD by `mode`, and 0.001 for each result beyond 10.

        What was refused (429, 5xx) or not sent at all costs nothing, and is repeated.

        Args:
            search_queries: One query or up to 5, of a few words each.
            objective: What the results are wanted for, in whole sentences.
            mode: `turbo`, `fast`, `basic` or `advanced`, the API's default.
            max_chars_total: The most characters of all excerpts together.
            session_id: That of an earlier answer, for a further call of the same job.
            client_model: The model that reads the results.
            advanced_settings: Sources, country, number of results, lengths.
            extra_body: Fields of the API that this package does not know.
            timeout: Seconds to wait for the answer, each time the request is sent.
            resend_lost: If the answer is lost, send the request again, although it may be billed once more.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse, ResponseTooLarge: It may have been billed, and calling again
                may cost as much once more.
            ApiError: The server refused; nothing was billed.
        """
        check_kinds({"resend_lost": (resend_lost, bool)})
        fields = {
            "search_queries": _as_list(search_queries),
            "objective": objective,
            "mode": mode,
            "max_chars_total": max_chars_total,
            "session_id": session_id,
            "client_model": client_model,
            "advanced_settings": advanced_settings,
            "extra_body": extra_body,
        }
        asked = _check_request(self._settings, web_limits.build(SearchRequest, fields))
        flow = web_calls.search(
            asked,
            self._settings.policy,
            timeout=web_limits.check_timeout(timeout),
            resend_lost=resend_lost,
        )
        return self._drive(report_search(flow, asked))

    def extract(
        self,
        urls: str | Sequence[str],
        *,
        objective: str | None = None,
        search_queries: str | Sequence[str] | None = None,
        max_chars_total: int | None = None,
        session_id: str | None = None,
        client_model: str | None = None,
        advanced_settings: ExtractAdvancedSettings | Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: float = EXTRACT_TIMEOUT,
        resend_lost: bool = False,
    ) -> ExtractResponse:
        """Read pages. Paid: 0.001 USD for each. A page that cannot be read is one of the answer's `errors`.

        Args:
            urls: One address or up to 20.
            objective: What the texts are wanted for, in whole sentences.
            search_queries: What to look for in them.
            max_chars_total: The most characters of all excerpts together; whole texts do not count.
            session_id: That of an earlier answer, for a further call of the same job.
            client_model: The model that reads the texts.
            advanced_settings: Fresh pages, lengths, whole texts (`full_content`).
            extra_body: Fields of the API that this package does not know.
            timeout: Seconds to wait for the answer, each time the request is sent.
            resend_lost: As of `search`.

        Raises:
            InvalidRequest: Nothing was sent.
            ResponseLost, MalformedResponse, ResponseTooLarge: It may have been billed, and calling again
                may cost as much once more.
            ApiError: The server refused; nothing was billed.
        """
        check_kinds({"resend_lost": (resend_lost, bool)})
        fields = {
            "urls": _as_list(urls),
            "objective": objective,
            "search_queries": _as_list(search_queries),
            "max_chars_total": max_chars_total,
            "session_id": session_id,
            "client_model": client_model,
            "advanced_settings": advanced_settings,
            "extra_body": extra_body,
        }
        asked = _check_request(self._settings, web_limits.build(ExtractRequest, fields))
        flow = web_calls.extract(
            asked,
            self._settings.policy,
            timeout=web_limits.check_timeout(timeout),
            resend_lost=resend_lost,
        )
        return self._drive(report_extract(flow, asked))


def _check_request(settings: Settings, asked: RequestT) -> RequestT:
    """A request that may be sent; its secrets are known from now on."""
    warn(web_limits.check(asked, strict=settings.strict))
    settings.secrets.register(extra_secrets(asked))
    return asked


def _as_list(texts: str | Sequence[str] | None) -> Sequence[str] | None:
    return [texts] if isinstance(texts, str) else texts
