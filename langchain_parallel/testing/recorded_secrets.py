"""What a recording leaves out.

Rule: a secret is removed from its place, and by its value from everything that comes after it. Of headers
only those listed here are kept; of an MCP server's address what stands before its query; of a webhook its
events. In any text, logins and secret parameters of URLs go, so that no signed URL stays.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .._core.redaction import (
    header_secrets,
    is_ordinary,
    is_secret_name,
    longest_first,
    redact,
    secrets_in,
    url_secrets,
)
from .._core.urls import without_login_and_query

HIDDEN = "***"
"""What stands where a secret was; in a replay it matches any text."""

_KEPT_HEADERS = frozenset({"content-type", "last-event-id", "parallel-beta", "retry-after"})
_URL = re.compile(r"https?://[^\s<>\"'`\\]+", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/?#@]*@")
_PARAMETER = re.compile(r"(?<![^?#&;])([^?#&;=]+)=([^?#&;]*)")
_WEBHOOK_SECRET = re.compile(r"whsec_[\w+/=-]+")
_RESEARCH = frozenset(
    {"input", "task_spec", "metadata", "processor", "previous_interaction_id", "source_policy"}
    | {"memory_scope_key", "mcp_servers", "webhook", "inputs", "default_task_spec"}
    | {"messages", "response_format", "objective", "search_queries", "urls", "session_id", "model"}
)
"""Fields of requests that are known, and hold no secret by their name."""


class SecretRemoval:
    """Removes the secrets that it has learned, and those that show by their place."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._secrets: tuple[str, ...] = ()

    def learn(self, headers: Mapping[str, str], body: Any) -> None:
        """Note the secrets of a request: those that the API is given, and no word of the question."""
        found = set(header_secrets(headers.items()))
        for part in _objects(body):
            servers = part.get("mcp_servers")
            for server in servers if isinstance(servers, list) else ():
                if isinstance(server, dict):
                    found |= set(_of_server(server))
            if isinstance(webhook := part.get("webhook"), dict):
                url = str(webhook.get("url", ""))
                found |= {url, *url_secrets(url), *secrets_in(webhook)}
        for part in _requests(body):
            found |= set(secrets_in({k: v for k, v in part.items() if k not in _RESEARCH}))
        certain = {secret for secret in found if not is_ordinary(secret)}
        with self._guard:
            if not certain <= set(self._secrets):
                self._secrets = longest_first({*self._secrets, *certain})

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that a recording keeps."""
        kept = {name.lower(): value for name, value in headers.items()}
        return {n: self.text(v) for n, v in sorted(kept.items()) if n in _KEPT_HEADERS}

    def clean(self, value: Any) -> Any:
        """The same JSON without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.clean(each) for each in value]
        if isinstance(value, dict):
            return {self.text(k): self.clean(v) for k, v in _without_places(value).items()}
        return value

    def text(self, text: str) -> str:
        """The same text without secrets."""
        text = _WEBHOOK_SECRET.sub(HIDDEN, redact(text, self._secrets, HIDDEN))
        return _URL.sub(lambda found: _clean_url(found[0]), text)


def _of_server(server: Mapping[str, Any]) -> Iterator[str]:
    """The secrets that an MCP server is given."""
    headers = server.get("headers")
    if isinstance(headers, dict):
        yield from header_secrets((str(k), str(v)) for k, v in headers.items())
    yield from url_secrets(str(server.get("url", "")))


def _requests(body: Any) -> Iterator[dict[str, Any]]:
    """The body, and the runs that it starts."""
    if isinstance(body, dict):
        yield body
        inputs = body.get("inputs")
        yield from (
            (each for each in inputs if isinstance(each, dict)) if isinstance(inputs, list) else ()
        )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def _without_places(value: dict[str, Any]) -> dict[str, Any]:
    """An object without what stands where secrets belong."""
    kept = dict(value)
    if isinstance(servers := value.get("mcp_servers"), list):
        kept["mcp_servers"] = [_bare_server(each) for each in servers]
    if isinstance(webhook := value.get("webhook"), dict):
        kept["webhook"] = {"url": HIDDEN, "event_types": webhook.get("event_types")}
    for name, inner in value.items():
        if name in ("advanced_settings", "fetch_policy") and isinstance(inner, dict):
            kept[name] = {k: HIDDEN if _is_secret(k, v) else v for k, v in inner.items()}
    return kept


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and is_secret_name(name)


def _bare_server(server: Any) -> Any:
    if not isinstance(server, dict):
        return HIDDEN
    shown = {k: v for k, v in server.items() if k in ("name", "type", "allowed_tools")}
    return {**shown, "url": without_login_and_query(str(server.get("url", "")))}


def _clean_url(url: str) -> str:
    """A URL without its login and its secret parameters."""
    start = min((at for mark in "?#" if (at := url.find(mark)) >= 0), default=len(url))
    return _LOGIN.sub(f"{HIDDEN}@", url[:start], count=1) + _PARAMETER.sub(
        lambda p: f"{p[1]}={HIDDEN}" if is_secret_name(unquote(p[1])) else p[0], url[start:]
    )
