"""What the API's pages say of the bodies of Search and Extract, beside the published document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from .http_messages import JsonObject
from .problems import Loc, Problem, invalid_request
from .validation import is_known_location, policy_problems, shape_problems
from .web_request_models import V1ExtractRequest, V1SearchRequest

MAX_QUERIES, MAX_QUERY_CHARACTERS, MAX_OBJECTIVE_CHARACTERS = 5, 200, 5_000
MAX_RESULTS, MAX_URLS = 20, 20
_LEAST_AGE_SECONDS = 600


def check_search(body: Any) -> None:
    """Raise a 422 that names everything that is wrong with a search."""
    _check(V1SearchRequest, body, _search)


def check_extract(body: Any) -> None:
    """Raise a 422 that names everything that is wrong with an extraction."""
    _check(V1ExtractRequest, body, _extract)


def _check(model: type[BaseModel], body: Any, more: Any) -> None:
    found = shape_problems(model, body)
    if isinstance(body, dict):
        broken = {problem.loc[0] for problem in found}
        sound = {name: v for name, v in body.items() if name not in broken and v is not None}
        found += [*more(sound), *_common(sound)]
    if found:
        raise invalid_request(found)


def _search(body: JsonObject) -> Iterator[Problem]:
    if (queries := body.get("search_queries")) is not None and not queries:
        yield Problem(("search_queries",), "at least one is needed", "too_short")


def _extract(body: JsonObject) -> Iterator[Problem]:
    urls = body.get("urls")
    if urls is not None and not 1 <= len(urls) <= MAX_URLS:
        yield Problem(("urls",), f"{len(urls)} URLs, from 1 to {MAX_URLS} are allowed")


def _common(body: JsonObject) -> Iterator[Problem]:
    queries = body.get("search_queries") or []
    if len(queries) > MAX_QUERIES:
        yield Problem(("search_queries",), f"{len(queries)} queries, {MAX_QUERIES} are allowed")
    for nth, query in enumerate(queries):
        if not query.strip():
            yield Problem(("search_queries", nth), "must not be empty")
        elif len(query) > MAX_QUERY_CHARACTERS:
            message = f"{len(query)} characters, {MAX_QUERY_CHARACTERS} are allowed"
            yield Problem(("search_queries", nth), message)
    if len(objective := body.get("objective") or "") > MAX_OBJECTIVE_CHARACTERS:
        message = f"{len(objective)} characters, {MAX_OBJECTIVE_CHARACTERS} are allowed"
        yield Problem(("objective",), message)
    yield from _settings(body)


def _settings(body: JsonObject) -> Iterator[Problem]:
    settings = body.get("advanced_settings") or {}
    for loc, value in _counts(body, settings):
        if value is not None and value < 1:
            yield Problem(loc, "must be 1 or more")
    age = (settings.get("fetch_policy") or {}).get("max_age_seconds")
    if age is not None and age < _LEAST_AGE_SECONDS:
        message = f"must be {_LEAST_AGE_SECONDS} or more"
        yield Problem(("advanced_settings", "fetch_policy", "max_age_seconds"), message)
    for problem in policy_problems(settings):
        yield problem.below("advanced_settings")


def _counts(body: JsonObject, settings: JsonObject) -> Iterator[tuple[Loc, int | None]]:
    yield ("max_chars_total",), body.get("max_chars_total")
    yield ("advanced_settings", "max_results"), settings.get("max_results")
    for part in ("excerpt_settings", "full_content"):
        if isinstance(inner := settings.get(part), dict):
            most = inner.get("max_chars_per_result")
            yield ("advanced_settings", part, "max_chars_per_result"), most


def search_warnings(body: JsonObject) -> list[JsonObject]:
    """Warnings about a search that the server accepts."""
    settings = body.get("advanced_settings") or {}
    found = []
    if (settings.get("max_results") or 0) > MAX_RESULTS:
        found.append(f"max_results is {settings['max_results']}; at most {MAX_RESULTS} are given.")
    location = settings.get("location")
    if location and not is_known_location(location):
        found.append(f"Location {location[:20]!r} is not supported and is ignored.")
    policy = settings.get("source_policy") or {}
    domains = [*(policy.get("include_domains") or ()), *(policy.get("exclude_domains") or ())]
    if body.get("mode") == "turbo" and any("/" in domain for domain in domains):
        found.append("Mode turbo takes no parts of sites.")
    return [
        {"type": "input_validation_warning", "message": f"[simulated] {message}", "detail": None}
        for message in found
    ]
