"""Requests are checked before anything is sent.

Rule: what no API could take is refused here, all of it together, each with what is allowed. What breaks a
rule of the API's documentation (`request_rules.py`) is reported, and sent; with `strict` it is refused, too.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequest
from ..models import JsonSchema, SourcePolicy, TaskRunInput
from ..models.requests import has_masked_extra, lacks_secrets
from ..processors import PROCESSORS, is_chat
from . import schema_rules
from .documented_rules import BrokenRule, broken
from .json_text import MAX_DEPTH as MAX_NESTING
from .kinds import kind_of
from .payloads import CHARACTERS, LEVELS, storable
from .request_rules import broken_metadata_rules, broken_rules, is_no_domain
from .urls import is_http
from .wire import json_body, payload

MAX_SECONDS = 2**63
"""More is for ever."""
MAX_RUNS = 1_000
"""Runs in one request to a group."""


def check(
    run: TaskRunInput,
    *,
    allow_unknown_processor: bool = False,
    how_to_allow: str | None = "allow_unknown_processor=True",
    strict: bool = False,
) -> list[BrokenRule]:
    """Check a request, and return the rules that it breaks and a caller should be warned of.

    Args:
        run: The request.
        allow_unknown_processor: Accept names that this package does not know.
        how_to_allow: What a caller writes to have that; None where nothing does.
        strict: Refuse a request that breaks such a rule.

    Raises:
        InvalidRequest: It may not be sent; the error lists all problems.
    """
    body, unsendable = _body(run)
    problems = unsendable or [
        *_impossible(run),
        *([] if allow_unknown_processor else _processor(run.processor, how_to_allow)),
        *_quick(run.processor),
    ]
    if problems and not strict:
        raise InvalidRequest(problems)
    found = [one for one in broken_rules(run, body) if one.rule.shown == "warning"]
    return refuse_broken(problems, found) if strict else found


def check_batch(
    runs: object, *, strict: bool = False
) -> tuple[Sequence[TaskRunInput], list[BrokenRule]]:
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
) -> tuple[Mapping[str, object], list[BrokenRule]]:
    """Check the metadata of a group; return it, and the rules that it breaks.

    Raises:
        InvalidRequest: It cannot be sent.
    """
    problems = list(_not_metadata(metadata))
    if problems:
        raise InvalidRequest(problems)
    check_text(metadata)
    found = list(broken_metadata_rules(metadata))
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
    wrong = [d for d in domains if not d.strip() or "/" in d or is_no_domain(d)]
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


def refuse_broken(problems: Sequence[str], found: Sequence[BrokenRule]) -> list[BrokenRule]:
    """Refuse a request of a strict client that breaks a rule; return none where it breaks none.

    Raises:
        InvalidRequest: There are problems, or broken rules.
    """
    if problems or found:
        hint = "Nothing was sent." + (
            " Without strict=True it would be, with a warning." * bool(found)
        )
        hint = "Nothing was sent." if problems else hint
        raise InvalidRequest([*problems, *map(str, found)], hint=hint)
    return []


# --- what no API could take ----------------------------------------------------------------------


def _body(run: TaskRunInput) -> tuple[Mapping[str, Any] | None, list[str]]:
    """What would be sent; or None, and why it cannot be."""
    try:
        body = payload(run)
        check_text(
            {**body, "input": run.input, "metadata": run.metadata}
        )  # keys are dumped changed
        json_body(body)
    except InvalidRequest as error:
        return None, list(error.problems)
    except ValueError:
        return None, ["The request holds a NaN or an infinity, which JSON cannot express."]
    return body, []


def _impossible(run: TaskRunInput) -> Iterator[str]:
    if not run.input or (isinstance(run.input, str) and not run.input.strip()):
        yield "The input is empty; give a question as text, or an object with at least one field."
    if run.previous_interaction_id is not None and not run.previous_interaction_id.strip():
        yield "previous_interaction_id is empty; leave it out to start afresh, or give an interaction id."
    yield from _not_metadata(run.metadata)
    if run.source_policy is not None:
        yield from empty_domains(run.source_policy)
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
