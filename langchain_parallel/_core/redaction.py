"""Removing secrets from texts and models.

Rule: a secret goes into a request's headers and body and nowhere else. If a server repeats it in a response,
it is removed here before a caller can read it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from ..models import TaskRunInput

_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})
"""Words of an authorization header that are not secret."""

_SHORT = 6
"""A shorter secret is removed only where it is a whole word; else parts of other words would go."""


def secrets_of(inputs: Iterable[TaskRunInput]) -> tuple[str, ...]:
    """All secret texts in these inputs, longest first."""
    found: set[str] = set()
    for run in inputs:
        for server in run.mcp_servers:
            found.update(v.get_secret_value() for v in (server.headers or {}).values())
            found.update(_url_secrets(server.url))
        if run.webhook:
            found.update(_url_secrets(run.webhook.url))
    return with_parts(found)


def with_parts(values: Iterable[str]) -> tuple[str, ...]:
    """These secrets and the parts of them that a server may repeat alone, longest first.

    Longest first, because removing a part first would leave the rest of the whole behind.
    """
    found = set(values)
    # "Bearer abc", "session=abc; lang=de": the server may repeat only the token.
    parts = {part for value in found if "://" not in value for part in re.split(r"[\s;,=]+", value)}
    parts |= {part for value in found for part in value.split()}
    logins = {text for part in found | parts if (text := _login(part))}
    found |= parts | logins | {login.partition(":")[2] for login in logins}
    kept = {value for value in found if value.strip() and value.lower() not in _SCHEMES}
    return tuple(sorted(kept, key=lambda value: (-len(value), value)))


def _login(text: str) -> str:
    """The `user:password` behind the base64 of a Basic authorization; empty if the text is none."""
    try:
        login = b64decode(text, validate=True).decode()
    except ValueError:
        return ""
    return login if ":" in login and login.isprintable() else ""


def _url_secrets(url: str) -> set[str]:
    """Every part of a URL that may be secret: itself, query and its values, login, longer path segments."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    user, _, password = login.partition(":")
    values = [value for _, value in parse_qsl(parts.query)]
    raw = [part.partition("=")[2] for part in parts.query.split("&")]
    segments = [part for part in parts.path.split("/") if len(part) >= _SHORT]
    logins = {user, password, unquote(user), unquote(password)}
    return {url, url.partition("://")[2], parts.query, login, *logins, *values, *raw, *segments}


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with each secret replaced by `…`."""
    for secret in secrets:
        if len(secret) >= _SHORT:
            text = text.replace(secret, "…")
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return text


V = TypeVar("V")

_CERTAIN = 12
"""Characters. A shorter secret is left in answers: it may be a word that the answer really means."""


def redact_model(value: V, secrets: Iterable[str]) -> V:
    """The same model, or list of models, without secrets that are too long to be words of an answer."""
    certain = [secret for secret in secrets if len(secret) >= _CERTAIN]
    return cast(V, _walk(value, certain))


def _walk(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, BaseModel):
        # Nearly all models hold none, and looking into their JSON is quicker than rebuilding them.
        text = value.model_dump_json()
        if not any(secret in text or json.dumps(secret)[1:-1] in text for secret in secrets):
            return value
        return type(value).model_validate(_walk(value.model_dump(), secrets))
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {_walk(k, secrets): _walk(v, secrets) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_walk(v, secrets) for v in value)
    return value
