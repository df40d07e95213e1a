"""What no error may repeat.

Rule: a secret goes into a request's body and nowhere else. A server that repeats it in an error has it
blotted out here before anyone reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from ..models import TaskRunInput

_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})
"""Words of an authorization header that are no secret."""

_SHORT = 6
"""A shorter secret is blotted only as a word of its own, or half of every message would go."""


def secrets_of(inputs: Iterable[TaskRunInput]) -> tuple[str, ...]:
    """Every text in these inputs that no error may repeat, longest first."""
    found: set[str] = set()
    for run in inputs:
        for server in run.mcp_servers:
            found.update(v.get_secret_value() for v in (server.headers or {}).values())
            found.update(_of_url(server.url))
        if run.webhook:
            found.update(_of_url(run.webhook.url))
    # "Bearer abc": the server may repeat the token without its scheme.
    found |= {part for value in found for part in value.split()}
    kept = {value for value in found if value.strip() and value.lower() not in _SCHEMES}
    return tuple(sorted(kept, key=lambda value: (-len(value), value)))


def _of_url(url: str) -> set[str]:
    """The whole of it, its query, the query's values, who logs in, and the longer parts of its path."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    values = [value for _, value in parse_qsl(parts.query)]
    way = [part for part in parts.path.split("/") if len(part) >= _SHORT]
    return {url, parts.query, login, login.partition(":")[2], *values, *way}


def blot(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets."""
    for secret in secrets:
        if len(secret) >= _SHORT:
            text = text.replace(secret, "…")
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return text
