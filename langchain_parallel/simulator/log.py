"""The request log, and the one place that knows what is secret.

Rule: a secret (API key, MCP header) is replaced before anything is written down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import JsonObject, Request

__all__ = ["HIDDEN", "LogEntry", "log_entry", "without_secrets"]

HIDDEN = "***"
_SECRET_HEADERS = ("x-api-key", "authorization", "cookie", "proxy-authorization")


@dataclass
class LogEntry:
    """One request that reached the simulator.

    `at` is in seconds on the clock's monotonic axis. `status` is None until an answer is on its
    way, and stays None when none ever is. `fault` is the kind of the fault applied.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    at: float
    status: int | None = None
    fault: str | None = None


def log_entry(request: Request, at: float, fault: str | None) -> LogEntry:
    """The entry for a request, secrets replaced."""
    headers = {k: HIDDEN if k.lower() in _SECRET_HEADERS else v for k, v in request.headers.items()}
    body = _redacted_body(request.body)
    return LogEntry(
        request.method, request.path, dict(request.query), headers, body, at, None, fault
    )


def _redacted_body(body: bytes) -> Any:
    """The JSON body; of one that is not JSON only the size, for who knows what it holds."""
    try:
        return _redacted(json.loads(body)) if body else None
    except ValueError:
        return f"({len(body)} bytes that are not JSON)"


def _redacted(value: Any, hide: bool = False) -> Any:
    if isinstance(value, dict):
        secret = "url" in value and "name" in value  # an MCP server, wherever it is put
        hidden = {"headers", "url"} if secret else {"url"} if "event_types" in value else set()
        return {k: _redacted(v, hide or k in hidden) for k, v in value.items()}
    if isinstance(value, list):
        return [_redacted(v, hide) for v in value]
    return HIDDEN if hide else value


def without_secrets(body: JsonObject) -> JsonObject:
    """A run's input as it may be kept and shown: MCP servers without their headers."""
    servers = body.get("mcp_servers")
    if not servers:
        return dict(body)
    bare = [{k: v for k, v in server.items() if k != "headers"} for server in servers]
    return {**body, "mcp_servers": bare}
