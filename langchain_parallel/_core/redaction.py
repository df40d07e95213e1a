"""What no error may repeat.

Rule: a secret goes into a request's body and nowhere else. A server that repeats it in an error has it
redact_model out here before anyone reads it.
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
"""Words of an authorization header that are no secret."""

_SHORT = 6
"""A shorter secret is redact_model only as a word of its own, or half of every message would go."""


def secrets_of(inputs: Iterable[TaskRunInput]) -> tuple[str, ...]:
    """Every text in these inputs that no error may repeat, longest first."""
    found: set[str] = set()
    for run in inputs:
        for server in run.mcp_servers:
            found.update(v.get_secret_value() for v in (server.headers or {}).values())
            found.update(_of_url(server.url))
        if run.webhook:
            found.update(_of_url(run.webhook.url))
    return in_order(found)


def in_order(values: Iterable[str]) -> tuple[str, ...]:
    """These values with the parts a server may repeat alone, longest first."""
    found = set(values)
    # "Bearer abc", "session=abc; lang=de": the server may repeat the token alone.
    parts = {part for value in found if "://" not in value for part in re.split(r"[\s;,=]+", value)}
    parts |= {part for value in found for part in value.split()}
    logins = {text for part in found | parts if (text := _login(part))}
    found |= parts | logins | {login.partition(":")[2] for login in logins}
    kept = {value for value in found if value.strip() and value.lower() not in _SCHEMES}
    return tuple(sorted(kept, key=lambda value: (-len(value), value)))


def _login(text: str) -> str:
    """The login behind the base64 of a Basic authorization, if it is one."""
    try:
        login = b64decode(text, validate=True).decode()
    except ValueError:
        return ""
    return login if ":" in login and login.isprintable() else ""


def _of_url(url: str) -> set[str]:
    """The whole of it, its query, the query's values, who logs in, and the longer parts of its path."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    user, _, password = login.partition(":")
    values = [value for _, value in parse_qsl(parts.query)]
    raw = [part.partition("=")[2] for part in parts.query.split("&")]
    way = [part for part in parts.path.split("/") if len(part) >= _SHORT]
    logins = {user, password, unquote(user), unquote(password)}
    return {url, url.partition("://")[2], parts.query, login, *logins, *values, *raw, *way}


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets."""
    for secret in secrets:
        if len(secret) >= _SHORT:
            text = text.replace(secret, "…")
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return text


V = TypeVar("V")

_CERTAIN = 12
"""Characters from which on a secret may be redact_model in an answer: shorter ones may be words of it."""


def redact_model(value: V, secrets: Iterable[str]) -> V:
    """The same (models, and lists of them), without the secrets that no answer can mean."""
    certain = [secret for secret in secrets if len(secret) >= _CERTAIN]
    return cast(V, _walk(value, certain))


def _walk(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, BaseModel):
        # In nearly all there is none, and that is told quickly.
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
