"""The endpoints of Search and Extract: an answer at once, billed as it is given.

Rule: no page is read. Every title and every text says that it is simulated, and the same request gets the
same answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .account import Account
from .basis import citation_urls, quote
from .deterministic_ids import fraction, hex_id, number
from .http_messages import JsonObject, Request, Response, Step, Wait, json_response
from .json_bodies import read_json
from .pricing import EXTRACT_USD, INCLUDED_RESULTS, search_usd
from .web_validation import MAX_RESULTS, check_extract, check_search, search_warnings

_SEARCH_SECONDS = {"turbo": 0.2, "fast": 0.7, "basic": 1.0, "advanced": 3.0}
_EXCERPT_CHARACTERS = {"turbo": 400, "fast": 600, "basic": 1_200, "advanced": 1_200}
_PAGE_CHARACTERS = 3_000
_FILLER = "This passage is filler made by the simulator and reports no fact. "


def search(account: Account, request: Request) -> Response:
    """`POST /v1/search`."""
    body = read_json(request)
    check_search(body)
    scripted = account.scripted_answer(request.path, body)
    mode = body.get("mode") or "advanced"
    settings = body.get("advanced_settings") or {}
    most = min(settings.get("max_results") or INCLUDED_RESULTS, MAX_RESULTS)
    usage = [_usage("sku_search", 1)]
    if most > INCLUDED_RESULTS:
        usage.append(_usage("sku_search_additional_results", most - INCLUDED_RESULTS))
    search_id = account.sell("search", search_usd(mode, most))
    policy = settings.get("source_policy") or {}
    urls = citation_urls(policy, most, account.seed, *body["search_queries"])
    about = body["search_queries"][0]
    texts = _Texts(body, account.seed, _EXCERPT_CHARACTERS[mode])
    results = [
        _page(url, about, texts, nth, after=policy.get("after_date"))
        for nth, url in enumerate(urls, 1)
    ]
    answer = {
        "search_id": search_id,
        "session_id": _session(account, body, search_id),
        "results": results,
        "warnings": search_warnings(body) or None,
        "usage": usage,
    }
    return _answer_after(account, _SEARCH_SECONDS[mode], {**answer, **(scripted or {})})


def extract(account: Account, request: Request) -> Response:
    """`POST /v1/extract`."""
    body = read_json(request)
    check_extract(body)
    scripted = account.scripted_answer(request.path, body)
    texts = _Texts(body, account.seed, _PAGE_CHARACTERS // 3)
    full = (body.get("advanced_settings") or {}).get("full_content", False)
    results, errors = [], []
    for nth, url in enumerate(dict.fromkeys(body["urls"]), 1):
        if error := _extract_error(url):
            errors.append({"url": url, **error})
            continue
        page = _page(url, body.get("objective") or url, texts, nth)
        most = (full.get("max_chars_per_result") if isinstance(full, dict) else None) or 10**9
        whole = texts.page(url, nth)[:most] if full is not False else None
        results.append({**page, "full_content": whole})
    extract_id = account.sell("extract", round(EXTRACT_USD * len(results), 6))
    answer = {
        "extract_id": extract_id,
        "session_id": _session(account, body, extract_id),
        "results": results,
        "errors": errors,
        "warnings": None,
        "usage": [_usage("sku_extract_excerpts", len(results))],
    }
    return _answer_after(
        account, 1.0 + 2.0 * fraction("extract", *body["urls"]), {**answer, **(scripted or {})}
    )


def _extract_error(url: str) -> JsonObject | None:
    """Why a page cannot be read: its host ends in `.invalid`, or its path in `/status/<code>`."""
    try:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path.rstrip("/").split("/")
    except ValueError:
        host, path = "", []
    if not host or not url.lower().startswith(("http://", "https://")):
        return _error("invalid_url", None, "[simulated] This is no address of a page.")
    if host.endswith(".invalid"):
        return _error("fetch_error", None, f"[simulated] Host {host[:100]} was not found.")
    if path[-2:-1] == ["status"] and re.fullmatch("[45][0-9]{2}", path[-1]):
        return _error("http_error", int(path[-1]), f"[simulated] The page answered {path[-1]}.")
    return None


def _error(kind: str, status: int | None, content: str) -> JsonObject:
    return {"error_type": kind, "http_status_code": status, "content": content}


def _usage(name: str, count: int) -> JsonObject:
    return {"name": name, "count": count}


def _session(account: Account, body: JsonObject, answer_id: str) -> str:
    given: str | None = body.get("session_id")
    return given or f"session_{hex_id('session', account.seed, answer_id)}"


def _answer_after(account: Account, seconds: float, answer: JsonObject) -> Response:
    until = account.monotonic + seconds * account.latency_scale

    def steps() -> Iterator[Step]:
        yield Wait(until)
        yield from json_response(200, answer).steps

    return Response(steps())


def _page(url: str, about: str, texts: _Texts, nth: int, *, after: str | None = None) -> JsonObject:
    day = f"2026-{number('month', url) % 9 + 1:02d}-{number('day', url) % 28 + 1:02d}"
    return {
        "url": url,
        "title": f"[simulated] Page {nth} on {quote(about, 70)}",
        "publish_date": max(day, after or ""),
        "excerpts": texts.excerpts(url, nth),
    }


class _Texts:
    """The texts of one answer, within the lengths that its request allows."""

    def __init__(self, body: JsonObject, seed: int, usual: int) -> None:
        settings = body.get("advanced_settings") or {}
        excerpts = settings.get("excerpt_settings") or {}
        most: int = excerpts.get("max_chars_per_result") or usual
        self._most = min(most, _PAGE_CHARACTERS)
        self._left: int = body.get("max_chars_total") or 10**9
        self._key: tuple[Any, ...] = (
            seed,
            *(body.get("search_queries") or ()),
            body.get("objective"),
        )

    def excerpts(self, url: str, nth: int) -> list[str]:
        room = max(0, min(self._most, self._left))
        first = self._text("excerpt", url, nth)[: (room + 1) // 2]
        second = self._text("excerpt, too,", url, nth)[: room // 2]
        self._left -= len(first) + len(second)
        return [text for text in (first, second) if text]

    def page(self, url: str, nth: int) -> str:
        return (self._text("page", url, nth) + _FILLER * 60)[:_PAGE_CHARACTERS]

    def _text(self, kind: str, url: str, nth: int) -> str:
        tag = hex_id(kind, url, nth, *self._key, length=8)
        return f"[simulated {kind} {tag}] {_FILLER * (self._most // len(_FILLER) + 1)}"
