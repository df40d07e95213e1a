"""Requests are checked before anything is sent.

Rule: what no API could take is refused here, all of it together, each with what is allowed. What breaks a
rule of the API's documentation (`rules.py`) is reported, and sent; with `strict` it is refused, too. No other
module checks a limit of the API.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequest
from ..models import JsonSchema, SourcePolicy, TaskRunInput
from ..models.requests import has_masked_extra, lacks_secrets
from ..processors import PROCESSORS, is_chat
from . import schema_rules
from .documented_rules import Finding, broken
from .json_text import MAX_DEPTH as MAX_NESTING
from .kinds import kind_of
from .payloads import CHARACTERS, LEVELS, storable
from .urls import is_http, is_plain_to_others
from .wire import json_body, payload

MAX_CHARACTERS = 25_000
"""Of task spec and input together."""
MAX_SPEC = 15_000
"""Characters of the task spec."""
DEEP_CHARACTERS = 15_000
"""Of the input; Parallel advises against more for deep research."""
MAX_DOMAINS = 200
MAX_MCP_SERVERS = 10
MAX_KEY, MAX_VALUE = 16, 512
MAX_SECONDS = 2**63
"""More is for ever."""
MAX_RUNS = 1_000
"""Runs in one request to a group."""
LOCATIONS = frozenset(
    {"ar", "at", "au", "be", "br", "ca", "ch", "cl", "cn", "de", "dk", "es", "fi", "fr", "gb", "gr"}
    | {
        "hk",
        "id",
        "in",
        "it",
        "jp",
        "kr",
        "mx",
        "my",
        "nl",
        "no",
        "nz",
        "ph",
        "pl",
        "pt",
        "ru",
        "sa",
    }
    | {"se", "tr", "tw", "us", "za"}
)
FREE_CONNECTORS = frozenset(
    {"pubmed", "clinical_trials", "chembl", "biorxiv", "npi_registry", "cms_coverage"}
)
PAID_CONNECTORS = frozenset({"carbonarc"})
_EVENTS = frozenset({"task_run.status"})
_MEMORY_KEY = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def check(
    run: TaskRunInput,
    *,
    allow_unknown_processor: bool = False,
    how_to_allow: str | None = "allow_unknown_processor=True",
    strict: bool = False,
) -> list[Finding]:
    """Check a request, and return the rules that it breaks and a caller should be warned of.

    Args:
        run: The request.
        allow_unknown_processor: Accept names that this package does not know.
        how_to_allow: What a caller writes to have that; None where nothing does.
        strict: Refuse a request that breaks such a rule.

    Raises:
        InvalidRequest: It may not be sent; the error lists all problems.
    """
    problems = list(_unsendable(run)) or [
        *_impossible(run),
        *([] if allow_unknown_processor else _processor(run.processor, how_to_allow)),
        *_quick(run.processor),
    ]
    if problems and not strict:
        raise InvalidRequest(problems)
    found = [finding for finding in findings(run) if finding.rule.shown == "warning"]
    return refuse_broken(problems, found) if strict else found


def findings(run: TaskRunInput) -> Iterator[Finding]:
    """Every rule of the documentation that a request breaks."""
    try:
        spec = payload(run).get("task_spec", {})
        spec_size = len(json.dumps(spec, ensure_ascii=False)) if spec else 0
        size = _input_characters(run)
    except ValueError:
        return  # it cannot be written at all
    yield from _sizes(run, size, spec_size)
    if run.task_spec is not None and isinstance(run.task_spec.output_schema, JsonSchema):
        yield from schema_rules.findings(run.task_spec.output_schema.json_schema)
    yield from _metadata(run.metadata)
    if run.source_policy:
        yield from policy_findings(run.source_policy)
        if run.source_policy.after_date is not None:
            yield broken("after-date", "What after_date does to a task is documented nowhere.")
    yield from _servers(run)
    yield from _settings(run)
    if run.webhook:
        yield from _events(run.webhook.event_types)
    yield from memory_key_findings(run.memory_scope_key)
    if run.processor.endswith("-fast") and run.processor in PROCESSORS:
        plain = run.processor.removesuffix("-fast")
        yield broken(
            "processor-fast",
            f"Processor {run.processor} is on no newer page; {plain} costs the same.",
        )


def check_batch(
    runs: object, *, strict: bool = False
) -> tuple[Sequence[TaskRunInput], list[Finding]]:
    """Check the runs of one request to a group; return them, and the rules that their number breaks.

    Raises:
        InvalidRequest: There are none; or with `strict`, too many.
    """
    if not isinstance(runs, list | tuple):
        raise InvalidRequest([f"requests is {kind_of(runs)}; give a list of TaskRunInput."])
    text = f"{len(runs):,} runs are given; from 1 to {MAX_RUNS:,} are allowed in one request."
    if not runs:
        raise InvalidRequest([text])
    found = [broken("group-size", text)] if len(runs) > MAX_RUNS else []
    return runs, refuse_broken([], found) if strict else found


def check_group_metadata(
    metadata: Mapping[str, object], *, strict: bool = False
) -> tuple[Mapping[str, object], list[Finding]]:
    """Check the metadata of a group; return it, and the rules that it breaks.

    Raises:
        InvalidRequest: It cannot be sent.
    """
    problems = list(_not_metadata(metadata))
    if problems:
        raise InvalidRequest(problems)
    check_text(metadata)
    found = list(_metadata(metadata))
    return metadata, refuse_broken([], found) if strict else found


def check_text(value: object) -> None:
    """Refuse what cannot be sent as UTF-8, or stored in every database.

    Raises:
        InvalidRequest: There is half a character or NUL in it, or it is too deep.
    """
    changes = storable(value)[1]
    problems = {
        CHARACTERS: "Half a character (a lone surrogate) or NUL cannot be sent or stored",
        LEVELS: f"More than {MAX_NESTING} levels cannot be stored",
    }
    found = [f"{said}: {changes[kind][0]}." for kind, said in problems.items() if changes[kind]]
    if found:
        raise InvalidRequest(found)


def check_domains(domains: Sequence[str]) -> None:
    """Refuse what is no plain domain and no ending such as `.gov`: an address may be compared with these.

    Raises:
        InvalidRequest: One is none.
    """
    wrong = [d for d in domains if not d.strip() or "/" in d or _is_no_domain(d)]
    if wrong:
        text = (
            f"{wrong[0]!r} is not a domain; write `example.com`, or an ending such as `.gov`, without a "
            "scheme, path or spaces."
        )
        raise InvalidRequest([text])


def seconds(timeout: object) -> float:
    """Check a number of seconds, and return it.

    Raises:
        InvalidRequest: It is not a number from 0 up.
    """
    # `not >=` also catches a NaN. Callers without a type checker pass None.
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise InvalidRequest([f"timeout is {timeout!r:.100}; give seconds, from 0 up."])
    return float(timeout) if timeout < MAX_SECONDS else math.inf


def refuse_broken(problems: Sequence[str], found: Sequence[Finding]) -> list[Finding]:
    """Refuse a request of a strict client that breaks a rule; return no findings where it breaks none.

    Raises:
        InvalidRequest: There are problems, or findings.
    """
    if problems or found:
        hint = "Nothing was sent." + (
            " Without strict=True it would be, with a warning." * bool(found)
        )
        hint = "Nothing was sent." if problems else hint
        raise InvalidRequest([*problems, *map(str, found)], hint=hint)
    return []


# --- what no API could take ----------------------------------------------------------------------


def _unsendable(run: TaskRunInput) -> Iterator[str]:
    try:
        body = payload(run)
        check_text(
            {**body, "input": run.input, "metadata": run.metadata}
        )  # keys are dumped changed
        json_body(body)
    except InvalidRequest as error:
        yield from error.problems
    except ValueError:
        yield "The request holds a NaN or an infinity, which JSON cannot express."


def _impossible(run: TaskRunInput) -> Iterator[str]:
    if not run.input or (isinstance(run.input, str) and not run.input.strip()):
        yield "The input is empty; give a question as text, or an object with at least one field."
    if run.previous_interaction_id is not None and not run.previous_interaction_id.strip():
        yield "previous_interaction_id is empty; leave it out to start afresh, or give an interaction id."
    yield from _not_metadata(run.metadata)
    policy = run.source_policy or SourcePolicy()
    yield from empty_domains(policy)
    if run.task_spec is not None and isinstance(run.task_spec.output_schema, JsonSchema):
        yield from schema_rules.impossible(run.task_spec.output_schema.json_schema)
    yield from _addresses(run)
    if has_masked_extra(run):
        yield "An extra_body was dumped, and a dump holds none of its texts: give it anew."


def empty_domains(policy: SourcePolicy) -> Iterator[str]:
    """The problem of a source policy with a domain that is none."""
    if not all(domain.strip() for domain in (*policy.include_domains, *policy.exclude_domains)):
        yield "A domain of the source policy is empty; write `example.com`, or leave it out."


_DUMPED = "was dumped, and a dump holds no secrets: give its address and headers anew."


def _addresses(run: TaskRunInput) -> Iterator[str]:
    """Problems of MCP servers and the webhook. Their URLs are secret, so no text repeats one."""
    for server in run.mcp_servers:
        if not is_http(server.url):
            yield f"The URL of MCP server {server.name!r} is no http(s) address."
        if lacks_secrets(server):
            yield f"MCP server {server.name!r} {_DUMPED}"
    if run.webhook and not is_http(run.webhook.url):
        yield "The webhook's URL is no http(s) address."
    if run.webhook and lacks_secrets(run.webhook):
        yield f"The webhook {_DUMPED}"


def _processor(name: str, how_to_allow: str | None) -> Iterator[str]:
    """What has no known price is sent only if the caller says so (R6)."""
    if name in PROCESSORS or is_chat(name):
        return
    near = difflib.get_close_matches(name, PROCESSORS, n=3, cutoff=0.4)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(PROCESSORS)}."
    new = f" If it is new, pass `{how_to_allow}` (its price is then not known here)."
    yield f"Processor {name!r} is unknown; {meant}{new if how_to_allow else ''}"


def _quick(name: str) -> Iterator[str]:
    if is_chat(name):
        yield (
            f"Processor {name!r:.60} is for quick turns, which the research graph and "
            f"ParallelResearchMiddleware ask; a task run takes {', '.join(PROCESSORS)}."
        )


def _not_metadata(metadata: Mapping[Any, object]) -> Iterator[str]:
    for key, value in metadata.items():
        if not isinstance(key, str):
            yield f"The metadata key {key!r:.40} is {kind_of(key)}; give text."
        elif not isinstance(value, str | int | float):
            yield f"The metadata value of {key!r} is {kind_of(value)}; give text, a number or a bool."


# --- what the documentation does not allow -------------------------------------------------------


def _sizes(run: TaskRunInput, size: int, spec_size: int) -> Iterator[Finding]:
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


def _metadata(metadata: Mapping[str, object]) -> Iterator[Finding]:
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


def policy_findings(policy: SourcePolicy) -> Iterator[Finding]:
    """The rules that a source policy breaks."""
    domains = (*policy.include_domains, *policy.exclude_domains)
    if len(domains) > MAX_DOMAINS:
        yield broken(
            "domain-count",
            f"The source policy names {len(domains)} domains (included and excluded together); "
            f"{MAX_DOMAINS} are allowed.",
        )
    wrong = [domain for domain in domains if domain.strip() and _is_no_domain(domain)]
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


def _is_no_domain(domain: str) -> bool:
    return any(mark in domain for mark in ":?#*") or any(map(str.isspace, domain))


def _servers(run: TaskRunInput) -> Iterator[Finding]:
    servers = run.mcp_servers
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
    if servers and run.processor in ("lite", "core"):
        yield broken(
            "mcp-calls", f"{run.processor} calls at most one tool of the MCP servers given."
        )


def _connectors(run: TaskRunInput) -> tuple[str, ...]:
    given = run.advanced_settings and run.advanced_settings.data_sources
    return (*given.free, *given.pay_per_use) if given else ()


def memory_key_findings(key: str | None) -> Iterator[Finding]:
    """The rule that the name of an application memory breaks."""
    if key is not None and not _MEMORY_KEY.fullmatch(key):
        yield broken(
            "memory-key",
            f"memory_scope_key has {len(key)} characters, or other ones than letters, digits, `_` and `-`; "
            "1 to 128 of those are allowed.",
        )


def location_findings(location: str | None) -> Iterator[Finding]:
    """The rule that a country breaks."""
    if location is not None and location.lower() not in LOCATIONS:
        meant = " Write 'gb'." if location.lower() == "uk" else ""
        yield broken(
            "location",
            f"location is {location!r:.40}, which is ignored; give a two-letter country code, one of "
            f"{' '.join(sorted(LOCATIONS))}.{meant}",
        )


def _settings(run: TaskRunInput) -> Iterator[Finding]:
    given = run.advanced_settings
    yield from location_findings(given.location if given else None)
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


def _events(given: Sequence[str]) -> Iterator[Finding]:
    unknown = [name for name in given if name not in _EVENTS]
    if unknown or not given:
        said = f"event_types holds {unknown[0]!r:.80}" if unknown else "event_types is empty"
        yield broken("webhook-events", f"The webhook's {said}; 'task_run.status' is known.")
