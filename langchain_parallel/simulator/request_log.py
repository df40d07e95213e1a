"""The request log, and the only module that knows which parts of a request are secret.

Rule: a secret (API key, MCP header, URL of a webhook) is replaced before anything is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .http_messages import JsonObject, Request
from .json_bodies import parse_json
from .same_request import HIDDEN

_SECRET_HEADERS = ("x-api-key", "authorization", "cookie", "proxy-authorization")


@dataclass
class LogEntry:
    """One request that reached the simulator.

    `at` is in seconds on the clock's monotonic axis. `status` is None until the response has begun, and
    stays None if it never does. `fault` is the kind of the fault that was applied.
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
    """Build the entry for a request, with its secrets replaced."""
    headers = {k: HIDDEN if k.lower() in _SECRET_HEADERS else v for k, v in request.headers.items()}
    sent = request.method, request.path, dict(request.query), headers, _redact_body(request.body)
    return LogEntry(*sent, at, fault=fault)


def _redact_body(body: bytes) -> Any:
    try:
        return _redact(parse_json(body)) if body else None
    except ValueError:  # without its structure, a secret in it cannot be found
        return f"({len(body)} bytes that are not JSON)"


def _redact(value: Any, hide: bool = False) -> Any:
    if isinstance(value, dict):
        is_mcp_server = "url" in value and "name" in value  # wherever in the body it stands
        hidden = {"headers", "url"} if is_mcp_server else set()
        hidden |= {"url"} if "event_types" in value else set()  # a webhook
        hidden |= {k for k, v in value.items() if not _has_form(k, v)}
        return {k: _redact(v, hide or k in hidden) for k, v in value.items()}
    if isinstance(value, list):
        return [_redact(v, hide) for v in value]
    return HIDDEN if hide else value


def _has_form(key: str, value: Any) -> bool:
    """Whether the secrets below this key are found by their names; of anything else nothing is shown."""
    if key == "webhook":
        return isinstance(value, dict) and "event_types" in value
    if key != "mcp_servers":
        return True
    servers = value if isinstance(value, list) else [value]
    return all(isinstance(each, dict) and {"url", "name"} <= each.keys() for each in servers)


def without_secrets(body: JsonObject) -> JsonObject:
    """Copy a run's input as it may be stored and shown: MCP servers without their headers."""
    servers = body.get("mcp_servers")
    if not servers:
        return dict(body)
    bare = [{k: v for k, v in server.items() if k != "headers"} for server in servers]
    return {**body, "mcp_servers": bare}
