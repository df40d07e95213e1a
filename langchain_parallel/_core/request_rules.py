"""The rules of the API's documentation that a request breaks.

Rule: nothing here refuses a request; `limits.py` warns, or refuses it with `strict`. Each rule has its row in
`documented_rules.py`, with source and date; those of an output schema are in `schema_rules.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from ..models import JsonSchema, SourcePolicy, TaskRunInput
from ..processors import PROCESSORS
from . import schema_rules
from .documented_rules import BrokenRule, broken
from .urls import is_plain_to_others
from .wire import payload

MAX_CHARACTERS = 25_000
"""Of task spec and input together."""
MAX_SPEC = 15_000
"""Characters of the task spec."""
DEEP_CHARACTERS = 15_000
"""Of the input; Parallel advises against more for deep research."""
MAX_DOMAINS = 200
MAX_MCP_SERVERS = 10
MAX_KEY, MAX_VALUE = 16, 512
_LOCATIONS = """
    ar at au be br ca ch cl cn de dk es fi fr gb gr hk id in it jp kr mx my nl no
    nz ph pl pt ru sa se tr tw us za
"""
LOCATIONS = frozenset(_LOCATIONS.split())
FREE_CONNECTORS = frozenset(
    {"pubmed", "clinical_trials", "chembl", "biorxiv", "npi_registry", "cms_coverage"}
)
PAID_CONNECTORS = frozenset({"carbonarc"})
_EVENTS = frozenset({"task_run.status"})
_MEMORY_KEY = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def broken_rules(
    run: TaskRunInput, body: Mapping[str, object] | None = None
) -> Iterator[BrokenRule]:
    """Every rule of the documentation that a request breaks. `body`: as it is sent, where that is at hand."""
    try:
        spec = (body or payload(run)).get("task_spec", {})
        spec_size = len(json.dumps(spec, ensure_ascii=False)) if spec else 0
        size = _input_characters(run)
    except ValueError:
        return  # it cannot be written at all
    yield from _sizes(run, size, spec_size)
    if run.task_spec is not None and isinstance(run.task_spec.output_schema, JsonSchema):
        yield from schema_rules.broken_rules(run.task_spec.output_schema.json_schema)
    yield from broken_metadata_rules(run.metadata)
    if run.source_policy:
        yield from broken_policy_rules(run.source_policy)
        if run.source_policy.after_date is not None:
            yield broken("after-date", "What after_date does to a task is documented nowhere.")
    yield from _servers(run)
    yield from _settings(run)
    if run.webhook:
        yield from _events(run.webhook.event_types)
    yield from broken_memory_key_rules(run.memory_scope_key)
    if run.processor.endswith("-fast") and run.processor in PROCESSORS:
        plain = run.processor.removesuffix("-fast")
        yield broken(
            "processor-fast",
            f"Processor {run.processor} is on no newer page; {plain} costs the same.",
        )


def _sizes(run: TaskRunInput, size: int, spec_size: int) -> Iterator[BrokenRule]:
    total = spec_size + size
    if total > MAX_CHARACTERS:
        yield broken(
            "input-size",
            f"Task spec and input hold {total:,} characters together, {total - MAX_CHARACTERS:,} over "
            f"the {MAX_CHARACTERS:,} allowed; shorten the input or the schema's descriptions.",
        )
    if spec_size > MAX_SPEC:
        yield broken(
            "spec-size",
            f"The task spec holds {spec_size:,} characters; {MAX_SPEC:,} are allowed. Shorten the "
            "schema's descriptions.",
        )
    known = PROCESSORS.get(run.processor)
    if known and known.deep and size > DEEP_CHARACTERS and total <= MAX_CHARACTERS:
        yield broken(
            "deep-input",
            f"The input holds {size:,} characters; for deep research ({run.processor}) Parallel advises "
            f"at most {DEEP_CHARACTERS:,}.",
        )


def _input_characters(run: TaskRunInput) -> int:
    text = run.input if isinstance(run.input, str) else json.dumps(run.input, ensure_ascii=False)
    return len(text)


def broken_metadata_rules(metadata: Mapping[str, object]) -> Iterator[BrokenRule]:
    """The rules that the metadata of a run or a group breaks."""
    for key, value in metadata.items():
        if len(key) > MAX_KEY:
            yield broken(
                "metadata-key",
                f"Metadata key {key!r:.80} has {len(key)} characters; {MAX_KEY} are allowed.",
            )
        if len(str(value)) > MAX_VALUE:
            yield broken(
                "metadata-value",
                f"The metadata value of {key!r:.80} has {len(str(value))} characters; {MAX_VALUE} are "
                "allowed.",
            )


def broken_policy_rules(policy: SourcePolicy) -> Iterator[BrokenRule]:
    """The rules that a source policy breaks."""
    domains = (*policy.include_domains, *policy.exclude_domains)
    if len(domains) > MAX_DOMAINS:
        yield broken(
            "domain-count",
            f"The source policy names {len(domains)} domains (included and excluded together); "
            f"{MAX_DOMAINS} are allowed.",
        )
    wrong = [domain for domain in domains if domain.strip() and is_no_domain(domain)]
    if wrong:
        yield broken(
            "domain",
            f"{wrong[0]!r:.100} is no domain; write `example.com`, `example.com/news`, or an ending such "
            "as `.gov`, without a scheme, port, query, `*` or spaces.",
        )
    if policy.include_domains and policy.exclude_domains:
        yield broken(
            "domain-excludes",
            "The source policy names included and excluded domains; the excluded ones are ignored then.",
        )


def is_no_domain(domain: str) -> bool:
    """Whether this can be no domain, whatever domains there are."""
    return any(mark in domain for mark in ":?#*") or any(map(str.isspace, domain))


def _servers(run: TaskRunInput) -> Iterator[BrokenRule]:
    servers = run.mcp_servers
    if not servers:
        return
    if len(servers) > MAX_MCP_SERVERS:
        yield broken(
            "mcp-count", f"{len(servers)} MCP servers are given; {MAX_MCP_SERVERS} are allowed."
        )
    names = [server.name for server in servers]
    connectors = {*FREE_CONNECTORS, *PAID_CONNECTORS, *_connectors(run)}
    for name in sorted({n for n in names if names.count(n) > 1 or n in connectors}):
        whose = "a data connector" if name in connectors else "another one"
        yield broken("mcp-names", f"An MCP server has the name of {whose}: {name!r:.80}.")
    for server in servers:
        if server.headers and is_plain_to_others(server.url):
            yield broken(
                "mcp-plain-http",
                f"The headers of MCP server {server.name!r} go to it over http://, which anybody on the "
                "way can read; use https://.",
            )
    if run.processor in ("lite", "core"):
        yield broken(
            "mcp-calls", f"{run.processor} calls at most one tool of the MCP servers given."
        )


def _connectors(run: TaskRunInput) -> tuple[str, ...]:
    given = run.advanced_settings and run.advanced_settings.data_sources
    return (*given.free, *given.pay_per_use) if given else ()


def broken_memory_key_rules(key: str | None) -> Iterator[BrokenRule]:
    """The rule that the name of an application memory breaks."""
    if key is not None and not _MEMORY_KEY.fullmatch(key):
        yield broken(
            "memory-key",
            f"memory_scope_key has {len(key)} characters, or other ones than letters, digits, `_` and `-`; "
            "1 to 128 of those are allowed.",
        )


def broken_location_rules(location: str | None) -> Iterator[BrokenRule]:
    """The rule that a country breaks."""
    if location is not None and location.lower() not in LOCATIONS:
        meant = " Write 'gb'." if location.lower() == "uk" else ""
        yield broken(
            "location",
            f"location is {location!r:.40}, which is ignored; give a two-letter country code, one of "
            f"{' '.join(sorted(LOCATIONS))}.{meant}",
        )


def _settings(run: TaskRunInput) -> Iterator[BrokenRule]:
    given = run.advanced_settings
    yield from broken_location_rules(given.location if given else None)
    sources = given.data_sources if given else None
    if sources is None:
        return
    for list_name, names, known in (
        ("free", sources.free, FREE_CONNECTORS),
        ("pay_per_use", sources.pay_per_use, PAID_CONNECTORS),
    ):
        for name in names:
            if name not in known:
                yield broken(
                    "connector",
                    f"{name!r:.80} is no data connector of `{list_name}`; known are "
                    f"{', '.join(sorted(known))}.",
                )
    if _connectors(run) and run.processor.endswith("-fast"):
        plain = run.processor.removesuffix("-fast")
        yield broken(
            "connector-processor", f"{run.processor} takes no data connectors; {plain} does."
        )


def _events(given: Sequence[str]) -> Iterator[BrokenRule]:
    unknown = [name for name in given if name not in _EVENTS]
    if unknown or not given:
        said = f"event_types holds {unknown[0]!r:.80}" if unknown else "event_types is empty"
        yield broken("webhook-events", f"The webhook's {said}; 'task_run.status' is known.")
