"""Finds what is wrong with a request, for the 422 that names each wrong field.

Rule: nothing here changes anything. A request is first held against the published document
(`request_models`), then a field whose shape is right against what the API's pages add. Everything that is
wrong is returned, not only the first problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .http_messages import JsonObject
from .output_schema_rules import schema_problems, schema_warnings
from .pricing import PROCESSORS, has_events_by_default
from .problems import Loc, Problem, invalid_request
from .request_models import TaskRunInput

MAX_CHARACTERS = 25_000
MAX_SPEC_CHARACTERS = 15_000
MAX_GROUP_RUNS = 1000
_MAX_DOMAINS = 200
_MAX_SERVERS = 10
_DEEP_RESEARCH_CHARACTERS = 15_000
CONNECTORS: Mapping[str, frozenset[str]] = {
    "free": frozenset(
        ("pubmed", "clinical_trials", "chembl", "biorxiv", "npi_registry", "cms_coverage")
    ),
    "pay_per_use": frozenset(("carbonarc",)),
}
_COUNTRIES = frozenset(
    (
        *("ar", "au", "at", "be", "br", "ca", "cl", "cn", "dk", "fi", "fr", "de", "gr", "hk"),
        *("in", "id", "it", "jp", "my", "mx", "nl", "nz", "no", "ph", "pl", "pt", "ru", "sa"),
        *("za", "kr", "es", "se", "ch", "tw", "tr", "gb", "us"),
    )
)
_DOMAIN = re.compile(r"(\.?[^\s/:?#*@.]+(\.[^\s/:?#*@.]+)*\.?)(/[^\s?#]*)?")

ModelT = TypeVar("ModelT", bound=BaseModel)


def shape_problems(model: type[BaseModel], value: object) -> list[Problem]:
    """What the published document says against a body."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return _problems_of(error)
    return []


def read_query(model: type[ModelT], query: Mapping[str, str]) -> ModelT:
    """The values of a query. Raises ApiError (422)."""
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise invalid_request(_problems_of(error), "query") from None


def _problems_of(error: ValidationError) -> list[Problem]:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [Problem(e["loc"], e["msg"].removeprefix("Value error, "), e["type"]) for e in found]


def problems(body: Any, knows: Callable[[str], bool]) -> list[Problem]:
    """Everything that is wrong with a run's input. `knows` says whether an interaction exists."""
    shape = shape_problems(TaskRunInput, body)
    if not isinstance(body, dict):
        return shape
    broken = {problem.loc[0] for problem in shape}
    sound = {name: v for name, v in body.items() if name not in broken and v is not None}
    found = [*_input(sound), *_processor(sound), *metadata_problems(sound)]
    found += [*policy_problems(sound), *_servers(sound), *_connectors(sound), *_spec(sound)]
    previous = sound.get("previous_interaction_id")
    if previous is not None and not knows(previous):
        found.append(Problem(("previous_interaction_id",), "unknown interaction"))
    return shape + found


def _input(body: JsonObject) -> Iterator[Problem]:
    value = body.get("input", "?")
    if not (value.strip() if isinstance(value, str) else value):
        yield Problem(("input",), "must not be empty")
    elif (size := _characters(body)) > MAX_CHARACTERS:
        yield Problem(
            ("input",), f"task spec and input have {size} characters, {MAX_CHARACTERS} are allowed"
        )


def _characters(body: JsonObject) -> int:
    """Characters of spec plus input, each as JSON text. The API does not document how it counts."""
    value = body.get("input", "")
    return (len(value) if isinstance(value, str) else _length(value)) + _spec_characters(body)


def _spec_characters(body: JsonObject) -> int:
    spec = body.get("task_spec")
    return _length(spec) if spec else 0


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _processor(body: JsonObject) -> Iterator[Problem]:
    if body.get("processor", "lite") not in PROCESSORS:
        yield Problem(("processor",), f"unknown processor {body['processor'][:60]!r}")


def metadata_problems(body: Mapping[str, Any]) -> Iterator[Problem]:
    """What the pages say against `metadata`: keys have at most 16 characters, values at most 512."""
    for key, value in (body.get("metadata") or {}).items():
        if len(key) > 16:
            yield Problem(("metadata", key), "key is longer than 16 characters")
        if len(str(value)) > 512:
            yield Problem(("metadata", key), "value is longer than 512 characters")


def policy_problems(body: JsonObject) -> Iterator[Problem]:
    """What the pages say against `source_policy`."""
    policy = body.get("source_policy") or {}
    lists = {name: policy.get(name) or [] for name in ("include_domains", "exclude_domains")}
    count = sum(map(len, lists.values()))
    if count > _MAX_DOMAINS:
        yield Problem(("source_policy",), f"{count} domains, {_MAX_DOMAINS} are allowed")
    for name, domains in lists.items():
        for i, domain in enumerate(domains):
            if not _DOMAIN.fullmatch(domain):
                message = "must be a domain, a domain with a path, or an ending such as .gov"
                yield Problem(("source_policy", name, i), message)


def is_known_location(location: str) -> bool:
    """Whether a search can be from this country."""
    return location.lower() in _COUNTRIES


def _servers(body: JsonObject) -> Iterator[Problem]:
    servers = body.get("mcp_servers") or []
    if len(servers) > _MAX_SERVERS:
        yield Problem(("mcp_servers",), f"{len(servers)} servers, {_MAX_SERVERS} are allowed")
    for i, server in enumerate(servers):
        missing = [name for name in ("url", "name") if not server[name]]
        yield from (Problem(("mcp_servers", i, name), "must not be empty") for name in missing)


def _connectors(body: JsonObject) -> Iterator[Problem]:
    sources = (body.get("advanced_settings") or {}).get("data_sources") or {}
    taken = {server["name"] for server in body.get("mcp_servers") or ()}
    where: Loc = ("advanced_settings", "data_sources")
    for kind, known in CONNECTORS.items():
        for i, name in enumerate(sources.get(kind) or ()):
            if name not in known:
                yield Problem((*where, kind, i), f"not available; {', '.join(sorted(known))} are")
            elif name in taken:
                yield Problem((*where, kind, i), "is the name of an MCP server, too")
    if any(map(sources.get, CONNECTORS)) and str(body.get("processor", "")).endswith("-fast"):
        yield Problem(where, "not with this processor")


def _spec(body: JsonObject) -> Iterator[Problem]:
    if (size := _spec_characters(body)) > MAX_SPEC_CHARACTERS:
        message = f"task spec has {size} characters, {MAX_SPEC_CHARACTERS} are allowed"
        yield Problem(("task_spec",), message)
        return
    if (schema := _json_schema(body)) is not None:
        yield from schema_problems(schema)


def _json_schema(body: JsonObject) -> JsonObject | None:
    """The JSON schema that the answer shall obey, if there is one."""
    asked = (body.get("task_spec") or {}).get("output_schema")
    if not isinstance(asked, dict) or asked.get("type", "json") != "json":
        return None
    schema: JsonObject | None = asked.get("json_schema")
    return schema


def warnings_for(body: JsonObject) -> list[JsonObject]:
    """Warnings about a request that the server accepts."""
    spec = [] if (schema := _json_schema(body)) is None else schema_warnings(schema)
    size = _characters(body)
    about_input = []
    if has_events_by_default(body["processor"]) and size > _DEEP_RESEARCH_CHARACTERS:
        about_input.append(f"Input has {size} characters; deep research expects at most 15000.")
    location = (body.get("advanced_settings") or {}).get("location")
    if location and not is_known_location(location):
        about_input.append(f"Location {location[:20]!r} is not supported and is ignored.")
    return [
        {"type": kind, "message": f"[simulated] {message}"}
        for kind, messages in (
            ("spec_validation_warning", spec),
            ("input_validation_warning", about_input),
        )
        for message in messages
    ]
