"""The API's limits, checked before anything is sent.

Rule: all faults of a request are found here and reported together, each with what is allowed, before money is
spent. No other module checks a limit of the API. Facts: https://docs.parallel.ai/task-api/guides/specify-a-task
and the descriptions in the OpenAPI document.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence

from ..errors import InvalidRequest
from ..models import JsonSchema, SourcePolicy, TaskRunInput
from ..models.requests import lacks_secrets
from ..processors import PROCESSORS
from .json_schema import SchemaSize
from .json_text import MAX_DEPTH as MAX_NESTING
from .kinds import kind_of
from .payloads import CHARACTERS, LEVELS, storable
from .urls import is_http, is_plain_to_others
from .wire import json_body, payload

MAX_CHARACTERS = 25_000
"""Of task spec and input together."""
DEEP_CHARACTERS = 15_000
"""Of the input; Parallel advises against more for deep research."""
MAX_DEPTH = 5
MAX_PROPERTIES = 100
MAX_DOMAINS = 200
MAX_MCP_SERVERS = 10
MAX_KEY, MAX_VALUE = 16, 512
MAX_SECONDS = 2**63
"""More is for ever."""
MAX_RUNS = 1_000
"""Runs in one request to a group."""

BASIS_NAMES = frozenset({"sources", "citations", "reasoning", "confidence"})
"""Names of answer fields that would repeat what the basis holds."""


def check(
    run: TaskRunInput,
    *,
    allow_unknown_processor: bool = False,
    how_to_allow: str | None = "allow_unknown_processor=True",
) -> list[str]:
    """Check a request, and return remarks on one that may be sent.

    Args:
        run: The request.
        allow_unknown_processor: Accept names that this package does not know.
        how_to_allow: What a caller writes to have that; None where nothing does.

    Raises:
        InvalidRequest: It may not be sent; the error lists all problems.
    """
    unsendable = list(_unsendable(run))
    problems = unsendable or [
        *_input(run),
        *([] if allow_unknown_processor else _processor(run.processor, how_to_allow)),
        *_output_schema(run),
        *_metadata(run.metadata),
        *(_domains(run.source_policy) if run.source_policy else []),
        *_addresses(run),
    ]
    if problems:
        raise InvalidRequest(problems)
    return list(_remarks(run))


def check_batch(runs: object) -> Sequence[TaskRunInput]:
    """Check the runs of one request to a group, and return them.

    Raises:
        InvalidRequest: There are none, or more than 1,000.
    """
    if not isinstance(runs, list | tuple):
        raise InvalidRequest([f"requests is {kind_of(runs)}; give a list of TaskRunInput."])
    if not 1 <= len(runs) <= MAX_RUNS:
        raise InvalidRequest(
            [f"{len(runs)} runs are given; from 1 to {MAX_RUNS:,} are allowed in one request."]
        )
    return runs


def check_group_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """Check the metadata of a group, and return it.

    Raises:
        InvalidRequest: A key or a value is too long.
    """
    problems = list(_metadata(metadata))
    if problems:
        raise InvalidRequest(problems)
    check_text(metadata)
    return metadata


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


def seconds(timeout: object) -> float:
    """Check a number of seconds, and return it.

    Raises:
        InvalidRequest: It is not a number from 0 up.
    """
    # `not >=` also catches a NaN. Callers without a type checker pass None.
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise InvalidRequest([f"timeout is {timeout!r:.100}; give seconds, from 0 up."])
    return float(timeout) if timeout < MAX_SECONDS else math.inf


def _unsendable(run: TaskRunInput) -> Iterator[str]:
    try:
        check_text(
            {**payload(run), "input": run.input, "metadata": run.metadata}
        )  # keys are dumped changed
        json_body(payload(run))
    except InvalidRequest as error:
        yield from error.problems
    except ValueError:
        yield "The request holds a NaN or an infinity, which JSON cannot express."


def _input(run: TaskRunInput) -> Iterator[str]:
    if not run.input or (isinstance(run.input, str) and not run.input.strip()):
        yield "The input is empty; give a question as text, or an object with at least one field."
    size = _characters(run)
    if size > MAX_CHARACTERS:
        yield (
            f"Task spec and input hold {size:,} characters together, {size - MAX_CHARACTERS:,} over the "
            f"{MAX_CHARACTERS:,} allowed; shorten the input or the schema's descriptions."
        )
    if run.previous_interaction_id is not None and not run.previous_interaction_id.strip():
        yield "previous_interaction_id is empty; leave it out to start afresh, or give an interaction id."


def _characters(run: TaskRunInput) -> int:
    spec = (
        json.dumps(payload(run).get("task_spec", ""), ensure_ascii=False) if run.task_spec else ""
    )
    return len(spec) + _input_characters(run)


def _input_characters(run: TaskRunInput) -> int:
    text = run.input if isinstance(run.input, str) else json.dumps(run.input, ensure_ascii=False)
    return len(text)


def _processor(name: str, how_to_allow: str | None) -> Iterator[str]:
    if name in PROCESSORS:
        return
    near = difflib.get_close_matches(name, PROCESSORS, n=3, cutoff=0.4)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(PROCESSORS)}."
    new = f" If it is new, pass `{how_to_allow}` (its price is then not known here)."
    yield f"Processor {name!r} is unknown; {meant}{new if how_to_allow else ''}"


def _output_schema(run: TaskRunInput) -> Iterator[str]:
    if run.task_spec is None or not isinstance(run.task_spec.output_schema, JsonSchema):
        return
    schema = run.task_spec.output_schema.json_schema
    measure = SchemaSize(schema)
    if "anyOf" in schema or measure.root.get("type") != "object":
        yield (
            "The output schema's root must be an object (`type: object`) and may not be an `anyOf`; wrap "
            "it in an object with one property."
        )
        return
    if not measure.root.get("properties"):
        yield "The output schema has no properties; name at least one field of the answer."
    if measure.missing:
        yield f"The output schema refers to {measure.missing[0]!r}, which is not in it."
    if measure.recursive:
        yield (
            f"The output schema refers to itself; the API takes at most {MAX_DEPTH} levels, so write "
            "them out."
        )
    elif measure.depth > MAX_DEPTH:
        yield (
            f"The output schema nests {measure.depth} levels deep; {MAX_DEPTH} are allowed. Flatten it."
        )
    if measure.properties > MAX_PROPERTIES:
        yield (
            f"The output schema has {measure.properties:,} properties; {MAX_PROPERTIES} are allowed. Split "
            "the question over several runs."
        )


def _metadata(metadata: Mapping[str, object]) -> Iterator[str]:
    for key, value in metadata.items():
        if len(key) > MAX_KEY:
            yield f"Metadata key {key!r} has {len(key)} characters; {MAX_KEY} are allowed."
        if not isinstance(value, str | int | float):
            yield f"The metadata value of {key!r} is {kind_of(value)}; give text, a number or a bool."
        elif len(str(value)) > MAX_VALUE:
            yield f"The metadata value of {key!r} has {len(str(value))} characters; {MAX_VALUE} are allowed."


def _domains(policy: SourcePolicy) -> Iterator[str]:
    domains = (*policy.include_domains, *policy.exclude_domains)
    if len(domains) > MAX_DOMAINS:
        yield (
            f"The source policy names {len(domains)} domains (included and excluded together); "
            f"{MAX_DOMAINS} are allowed."
        )
    wrong = [d for d in domains if "/" in d or not d.strip() or any(c.isspace() for c in d)]
    if wrong:
        yield (
            f"{wrong[0]!r} is not a domain; write `example.com`, or an ending such as `.gov`, without a "
            "scheme, path or spaces."
        )


def _addresses(run: TaskRunInput) -> Iterator[str]:
    """Problems of MCP servers and the webhook. Their URLs are secret, so no text repeats one."""
    if len(run.mcp_servers) > MAX_MCP_SERVERS:
        yield f"{len(run.mcp_servers)} MCP servers are given; {MAX_MCP_SERVERS} are allowed."
    for server in run.mcp_servers:
        if not is_http(server.url):
            yield f"The URL of MCP server {server.name!r} is no http(s) address."
        if lacks_secrets(server):
            yield f"MCP server {server.name!r} {_DUMPED}"
    if run.webhook and not is_http(run.webhook.url):
        yield "The webhook's URL is no http(s) address."
    if run.webhook and lacks_secrets(run.webhook):
        yield f"The webhook {_DUMPED}"


_DUMPED = "was dumped, and a dump holds no secrets: give its address and headers anew."


def _remarks(run: TaskRunInput) -> Iterator[str]:
    for server in run.mcp_servers:
        if server.headers and is_plain_to_others(server.url):
            yield (
                f"The headers of MCP server {server.name!r} go to it over http://, which anybody on the "
                "way can read; use https://."
            )
    known = PROCESSORS.get(run.processor)
    size = _input_characters(run)
    if known and known.deep and size > DEEP_CHARACTERS:
        yield (
            f"The input holds {size:,} characters; for deep research ({run.processor}) Parallel advises "
            f"at most {DEEP_CHARACTERS:,}."
        )
    if run.task_spec and isinstance(run.task_spec.output_schema, JsonSchema):
        fields = run.task_spec.output_schema.json_schema.get("properties")
        doubled = sorted(BASIS_NAMES & set(fields)) if isinstance(fields, Mapping) else []
        if doubled:
            yield (
                f"The output schema asks for {', '.join(doubled)}; the basis of every answer carries that "
                "already."
            )
