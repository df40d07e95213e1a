"""Searches and extractions are checked before anything is sent, as runs are (`limits.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import InvalidRequest
from ..models import ExtractRequest, SearchRequest, SourcePolicy
from ..models.requests import Extensible, has_masked_extra
from ..web_prices import SEARCH_MODES
from .documented_rules import BrokenRule, broken
from .limits import (
    check_text,
    empty_domains,
    refuse_broken,
    seconds,
)
from .request_rules import broken_location_rules, broken_policy_rules
from .wire import answer_payload, json_body

PartT = TypeVar("PartT", bound=Extensible)

MAX_QUERIES, MAX_QUERY, MAX_OBJECTIVE, MAX_SESSION_ID = 5, 200, 5_000, 1_000
MAX_RESULTS, MAX_URLS = 20, 20
LEAST_AGE = 600
"""Seconds."""
_LONGEST = 3600.0
"""Seconds."""


def check_timeout(timeout: object) -> float:
    """Check for how many seconds an answer is waited for, and return them: an hour at the most.

    Raises:
        InvalidRequest: It is not a number above 0.
    """
    given = seconds(timeout)
    if given == 0:
        raise InvalidRequest(["timeout is 0; give seconds, above 0."])
    return min(given, _LONGEST)


def build(model: type[PartT], fields: Mapping[str, Any]) -> PartT:
    """The request, or the part of one, of these fields; those that are None are left out.

    Raises:
        InvalidRequest: One is unknown or of another type. Its value is not repeated.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return model(**given)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, fault['loc'])) or model.__name__}: {fault['msg']}."
            for fault in error.errors()
        ]
    raise InvalidRequest(problems)


def check(asked: SearchRequest | ExtractRequest, *, strict: bool) -> list[BrokenRule]:
    """Check a request, and return the rules that it breaks.

    Raises:
        InvalidRequest: No API could take it; or it breaks a rule, and `strict` is set.
    """
    problems = list(_unsendable(asked)) or list(_impossible(asked))
    if problems:
        raise InvalidRequest(problems)
    found = list(broken_rules(asked))
    return refuse_broken([], found) if strict else found


def broken_rules(asked: SearchRequest | ExtractRequest) -> Iterator[BrokenRule]:
    """Every rule of the documentation that a request breaks."""
    yield from _queries(asked)
    if asked.session_id is not None and len(asked.session_id) > MAX_SESSION_ID:
        length = f"{len(asked.session_id):,} characters; {MAX_SESSION_ID:,}"
        yield broken("session-id", f"session_id has {length} are allowed.")
    if isinstance(asked, SearchRequest):
        yield from _search(asked)
    elif len(asked.urls) > MAX_URLS:
        yield broken("extract-urls", f"{len(asked.urls)} URLs are given; {MAX_URLS} are allowed.")
    fetch = asked.advanced_settings.fetch_policy if asked.advanced_settings else None
    if fetch and fetch.max_age_seconds is not None and fetch.max_age_seconds < LEAST_AGE:
        text = f"max_age_seconds is {fetch.max_age_seconds}; give {LEAST_AGE} or more."
        yield broken("fetch-age", text)


def _queries(asked: SearchRequest | ExtractRequest) -> Iterator[BrokenRule]:
    queries = asked.search_queries or ()
    if len(queries) > MAX_QUERIES:
        text = f"{len(queries)} search queries are given; {MAX_QUERIES} are allowed."
        yield broken("search-queries", text)
    for query in queries:
        if len(query) > MAX_QUERY:
            text = f"The search query {query!r:.60}… has {len(query):,} characters; {MAX_QUERY} are allowed."
            yield broken("search-query", text)
    if len(objective := asked.objective or "") > MAX_OBJECTIVE:
        text = f"The objective has {len(objective):,} characters; {MAX_OBJECTIVE:,} are allowed."
        yield broken("search-objective", text)


def _search(asked: SearchRequest) -> Iterator[BrokenRule]:
    if asked.mode is not None and asked.mode not in SEARCH_MODES:
        text = f"mode is {asked.mode!r:.40}; {', '.join(SEARCH_MODES)} are known."
        yield broken("search-mode", text)
    settings = asked.advanced_settings
    if settings is None:
        return
    if settings.max_results is not None and settings.max_results > MAX_RESULTS:
        text = f"max_results is {settings.max_results}; the API gives at most {MAX_RESULTS}."
        yield broken("search-results", text)
    yield from broken_location_rules(settings.location)
    if policy := settings.source_policy:
        yield from broken_policy_rules(policy)
        domains = (*policy.include_domains, *policy.exclude_domains)
        if asked.mode == "turbo" and any("/" in domain for domain in domains):
            yield broken("search-turbo", "A domain has a path, which mode turbo does not take.")


# --- what no API could take ----------------------------------------------------------------------


def _unsendable(asked: SearchRequest | ExtractRequest) -> Iterator[str]:
    try:
        body = answer_payload(asked)
        check_text(body)
        json_body(body)
    except InvalidRequest as error:
        yield from error.problems
    except ValueError:
        yield "The request holds a NaN or an infinity, which JSON cannot express."


def _impossible(asked: SearchRequest | ExtractRequest) -> Iterator[str]:
    if isinstance(asked, SearchRequest) and not asked.search_queries:
        yield "search_queries is empty; give from 1 to 5 queries of a few words each."
    if not all(query.strip() for query in asked.search_queries or ()):
        yield "A search query is empty; write what to search for, or leave it out."
    if isinstance(asked, ExtractRequest):
        if not asked.urls:
            yield f"urls is empty; give from 1 to {MAX_URLS} addresses."
        if not all(url.strip() for url in asked.urls):
            yield "A URL is empty; write the address of a page, or leave it out."
    yield from _counts(asked)
    yield from empty_domains(
        getattr(asked.advanced_settings, "source_policy", None) or SourcePolicy()
    )
    if has_masked_extra(asked):
        yield "An extra_body was dumped, and a dump holds none of its texts: give it anew."


def _counts(asked: SearchRequest | ExtractRequest) -> Iterator[str]:
    """Lengths and numbers that nothing can have."""
    settings = asked.advanced_settings
    parts = [asked, settings, *(value for _, value in settings or ())]
    for part in parts:
        for name in ("max_chars_total", "max_chars_per_result", "max_results", "max_age_seconds"):
            value = getattr(part, name, None)
            if value is not None and value < 1:
                yield f"{name} is {value}; give a whole number, from 1 up."
    fetch = settings.fetch_policy if settings else None
    if fetch and fetch.timeout_seconds is not None and not fetch.timeout_seconds > 0:
        yield f"timeout_seconds is {fetch.timeout_seconds:g}; give seconds, above 0."
