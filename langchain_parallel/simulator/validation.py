"""Finds what is wrong with a request, for the 422 that names each wrong field.

Rule: `problems` changes nothing. It returns everything that is wrong, not only the first problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .http_messages import ApiError, JsonObject
from .pricing import PROCESSORS, has_events_by_default
from .schema_check import resolve_ref

MAX_CHARACTERS = 25_000
MAX_GROUP_RUNS = 1000
_MAX_DOMAINS = 200
_MAX_SERVERS = 10
_MAX_LEVELS, _MAX_PROPERTIES = 5, 100
_DEEP_RESEARCH_CHARACTERS = 15_000
_MCP_BETA = "mcp-server-2025-07-17"
_REDUNDANT = ("sources", "citations", "reasoning", "confidence")

Problem = tuple[str, str]
"""The path of a field, and what is wrong with it."""


def invalid_request(found: list[Problem]) -> ApiError:
    """Build the 422 for these problems; each has an entry in `detail.errors`, with `loc` and `msg`."""
    errors = [
        {
            "loc": ["body", *where.split(".")] if where else ["body"],
            "msg": msg,
            "type": "value_error",
        }
        for where, msg in found
    ]
    text = "; ".join(f"{where or 'body'}: {msg}" for where, msg in found)
    return ApiError(422, f"Request validation error: {text}", {"errors": errors})


def problems(body: Any, betas: frozenset[str], knows: Callable[[str], bool]) -> list[Problem]:
    """Everything that is wrong with a run's input. `knows` says whether an interaction exists."""
    if not isinstance(body, dict):
        return [("", "must be an object")]
    found = [*_input(body), *_processor(body), *metadata_problems(body), *_policy(body)]
    found += [*_servers(body, betas), *_spec(body), *_webhook(body)]
    previous = body.get("previous_interaction_id")
    if previous is not None and not (isinstance(previous, str) and knows(previous)):
        found.append(("previous_interaction_id", "unknown interaction"))
    if body.get("enable_events") not in (None, True, False):
        found.append(("enable_events", "must be a boolean"))
    return found


def _input(body: JsonObject) -> Iterator[Problem]:
    value = body.get("input")
    if value is None:
        yield "input", "field required"
    elif not isinstance(value, (str, dict)):
        yield "input", "must be a string or an object"
    elif not (value.strip() if isinstance(value, str) else value):
        yield "input", "must not be empty"
    elif (size := _characters(body)) > MAX_CHARACTERS:
        yield "input", f"task spec and input have {size} characters, {MAX_CHARACTERS} are allowed"


def _characters(body: JsonObject) -> int:
    """Characters of spec plus input, each as JSON text. The API does not document how it counts."""
    value, spec = body["input"], body.get("task_spec")
    size = len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
    return size + (len(json.dumps(spec, ensure_ascii=False)) if spec else 0)


def _processor(body: JsonObject) -> Iterator[Problem]:
    if "processor" not in body:
        yield "processor", "field required"
    elif body["processor"] not in PROCESSORS:
        yield "processor", f"unknown processor {body['processor']!r}"


def metadata_problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `metadata`: keys have at most 16 characters, values at most 512."""
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        yield "metadata", "must be an object"
        return
    for key, value in (metadata or {}).items():
        if len(key) > 16:
            yield f"metadata.{key}", "key is longer than 16 characters"
        if not isinstance(value, (str, int, float, bool)):
            yield f"metadata.{key}", "must be a string, a number or a boolean"
        elif len(str(value)) > 512:
            yield f"metadata.{key}", "value is longer than 512 characters"


def _policy(body: JsonObject) -> Iterator[Problem]:
    policy = body.get("source_policy")
    if policy is not None and not isinstance(policy, dict):
        yield "source_policy", "must be an object"
        return
    count = sum(len((policy or {}).get(k) or ()) for k in ("include_domains", "exclude_domains"))
    if count > _MAX_DOMAINS:
        yield "source_policy", f"{count} domains, {_MAX_DOMAINS} are allowed"
    after = (policy or {}).get("after_date")
    if after is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(after)):
        yield "source_policy.after_date", "must be a date, YYYY-MM-DD"


def _servers(body: JsonObject, betas: frozenset[str]) -> Iterator[Problem]:
    servers = body.get("mcp_servers") or []
    if not isinstance(servers, list):
        yield "mcp_servers", "must be a list"
        return
    if len(servers) > _MAX_SERVERS:
        yield "mcp_servers", f"{len(servers)} servers, {_MAX_SERVERS} are allowed"
    if servers and _MCP_BETA not in betas:
        yield "mcp_servers", f"needs the header parallel-beta: {_MCP_BETA}"
    for i, server in enumerate(servers):
        missing = [k for k in ("url", "name") if not isinstance(server, dict) or not server.get(k)]
        yield from ((f"mcp_servers.{i}.{name}", "field required") for name in missing)


def _webhook(body: JsonObject) -> Iterator[Problem]:
    hook = body.get("webhook")
    if hook is not None and not (isinstance(hook, dict) and isinstance(hook.get("url"), str)):
        yield "webhook.url", "field required"


def _spec(body: JsonObject) -> Iterator[Problem]:
    spec = body.get("task_spec")
    if spec is None:
        return
    if not isinstance(spec, dict) or spec.get("output_schema") is None:
        yield "task_spec.output_schema", "field required"
        return
    schema = spec["output_schema"]
    if isinstance(schema, str):
        return
    if not isinstance(schema, dict) or schema.get("type", "json") not in ("json", "text", "auto"):
        yield "task_spec.output_schema", "must be a string or a json, text or auto schema"
    elif "json_schema" in schema or schema.get("type") == "json":
        yield from _json_schema(schema.get("json_schema"))


def _json_schema(schema: Any) -> Iterator[Problem]:
    where = "task_spec.output_schema.json_schema"
    if not isinstance(schema, dict):
        yield where, "field required"
        return
    if "anyOf" in schema:
        yield where, "anyOf is not allowed at the root"
    root = resolve_ref(schema, schema)
    if root.get("type") != "object" or not root.get("properties"):
        yield where, "the root must be an object with properties"
    levels, count = _measure(schema, schema, ())
    if levels > _MAX_LEVELS:
        yield where, f"{levels} levels of objects, {_MAX_LEVELS} are allowed"
    if count > _MAX_PROPERTIES:
        yield where, f"{count} properties, {_MAX_PROPERTIES} are allowed"


def _measure(schema: Any, root: Any, seen: tuple[str, ...]) -> tuple[int, int]:
    """Levels of nested objects, and the number of properties. A `$ref` to itself counts once."""
    ref = schema.get("$ref") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or ref in seen:
        return 0, 0
    seen = (*seen, ref) if ref else seen
    schema = resolve_ref(schema, root)
    if not isinstance(schema, dict):
        return 0, 0
    properties = schema.get("properties") or {}
    parts = [*properties.values(), schema.get("items"), schema.get("additionalProperties")]
    parts += [s for key in ("anyOf", "oneOf", "allOf") for s in schema.get(key) or ()]
    inner = [_measure(part, root, seen) for part in parts]
    levels = max((n for n, _ in inner), default=0) + bool(properties)
    return levels, len(properties) + sum(n for _, n in inner)


def warnings_for(body: JsonObject) -> list[JsonObject]:
    """Warnings about a request that the server accepts."""
    found = []
    schema = (body.get("task_spec") or {}).get("output_schema")
    asked = schema.get("json_schema", {}) if isinstance(schema, dict) else {}
    for name in [n for n in asked.get("properties", {}) if n in _REDUNDANT]:
        message = f"Output field '{name}' is redundant: the basis carries it."
        found.append({"type": "spec_validation_warning", "message": message})
    size = _characters(body)
    if has_events_by_default(body["processor"]) and size > _DEEP_RESEARCH_CHARACTERS:
        message = f"Input has {size} characters; deep research expects at most 15000."
        found.append({"type": "input_validation_warning", "message": message})
    return found
