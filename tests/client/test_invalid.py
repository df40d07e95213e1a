"""What is refused here is not sent: the request log stays empty."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from typing import Any

import pytest
from pydantic import ValidationError

from langchain_parallel import RequestOptions, errors
from langchain_parallel._core.redaction import secrets_of
from langchain_parallel._core.wire import payload
from langchain_parallel.models import McpServer, SourcePolicy, TaskAdvancedSettings, TaskSpec
from langchain_parallel.rules import RULES

from .both import World, ask

DEEP: dict[str, Any] = {"type": "string"}
for _ in range(6):
    DEEP = {"type": "object", "properties": {"inner": DEEP}}
WIDE = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(101)}}

INVALID: list[tuple[dict[str, Any], str]] = [
    ({"input": ""}, "The input is empty"),
    ({"input": {}}, "The input is empty"),
    ({"processor": "pro-fats"}, "Processor 'pro-fats' is unknown; did you mean pro-fast"),
    ({"input": {"q": float("nan")}}, "NaN or an infinity"),
    ({"extra_body": {"q": float("nan")}}, "NaN or an infinity"),
    ({"metadata": {"q": float("nan")}}, "NaN or an infinity"),
    (
        {"task_spec": TaskSpec(output_schema={"type": "object", "default": float("nan")})},
        "NaN or an infinity",
    ),
    ({"previous_interaction_id": " "}, "previous_interaction_id is empty"),
    (
        {"source_policy": SourcePolicy(include_domains=[""])},
        "A domain of the source policy is empty",
    ),
]
"""What no API could take."""

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"input": "x" * 25_001}, "hold 25,001 characters together, 1 over the 25,000 allowed"),
    ({"task_spec": TaskSpec(output_schema={"type": "array"})}, "root must be an object"),
    ({"task_spec": TaskSpec(output_schema=DEEP)}, "nests 6 levels deep; 5 are allowed"),
    ({"task_spec": TaskSpec(output_schema=WIDE)}, "has 101 properties; 100 are allowed"),
    ({"metadata": {"k" * 17: "v"}}, "has 17 characters; 16 are allowed"),
    ({"metadata": {"k": "v" * 513}}, "has 513 characters; 512 are allowed"),
    ({"source_policy": SourcePolicy(include_domains=["a.com"] * 201)}, "names 201 domains"),
    (
        {"mcp_servers": [McpServer(url="https://m", name=f"m{i}") for i in range(11)]},
        "11 MCP servers are given",
    ),
]
"""What the documentation does not allow."""


@pytest.mark.parametrize("call", ["create", "submit", "add_runs"])
@pytest.mark.parametrize(("fields", "text"), INVALID, ids=lambda v: v if isinstance(v, str) else "")
def test_an_invalid_request_is_not_sent(
    world: World, call: str, fields: dict[str, Any], text: str
) -> None:
    request = ask(**fields)
    args: dict[str, tuple[Any, ...]] = {
        "create": (request,),
        "submit": ("tgrp_1", request),
        "add_runs": ("tgrp_1", [ask(), request]),
    }
    error = world.raises(errors.InvalidRequest, getattr(world.api, call), *args[call])
    assert text in str(error)
    assert str(error).endswith("Nothing was sent.")
    assert error.billed is False
    assert world.sim.requests == []


@pytest.mark.parametrize(("fields", "text"), BROKEN, ids=lambda v: v if isinstance(v, str) else "")
def test_what_the_documentation_does_not_allow_is_sent_with_a_warning(
    world: World, fields: dict[str, Any], text: str
) -> None:
    """The rule may have changed; where it has not, the API refuses, and nothing is billed."""
    with pytest.warns(errors.RequestWarning) as caught:
        refused = world.raises(errors.Unprocessable, world.api.create, ask(**fields))
    [said] = [w.message for w in caught if isinstance(w.message, errors.RequestWarning)]
    assert text in str(said)
    rule = RULES[said.rule]
    assert str(said).endswith(f"Rule {rule.name} ({rule.date}, {rule.source}).")
    assert refused.billed is False
    assert (len(world.sim.requests), world.sim.runs()) == (1, [])


@pytest.mark.parametrize("call", ["create", "submit", "add_runs"])
@pytest.mark.parametrize(("fields", "text"), BROKEN[:2], ids=["input", "schema"])
def test_a_strict_client_sends_nothing_that_the_documentation_does_not_allow(
    world: World, call: str, fields: dict[str, Any], text: str
) -> None:
    api, request = world.client(strict=True), ask(**fields)
    args: dict[str, tuple[Any, ...]] = {
        "create": (request,),
        "submit": ("tgrp_1", request),
        "add_runs": ("tgrp_1", [ask(), request]),
    }
    error = world.raises(errors.InvalidRequest, getattr(api, call), *args[call])
    assert text in str(error)
    assert "Nothing was sent. Without strict=True it would be" in str(error)
    assert (error.billed, world.sim.requests) == (False, [])
    api.done()


def test_what_this_package_does_not_know_is_sent(world: World) -> None:
    policy = SourcePolicy(include_domains=["docs.python.org/3"], extra_body={"languages": ["en"]})
    run = world.api.create(ask(source_policy=policy, extra_body={"depth": "deep"}))
    [sent] = [r.body for r in world.sim.requests]
    assert run.run_id
    assert sent["depth"] == "deep"
    assert sent["source_policy"] == {
        "include_domains": ["docs.python.org/3"],
        "languages": ["en"],
    }


@pytest.mark.parametrize(
    ("kind", "given", "name"),
    [
        (SourcePolicy, {"include_domains": ["a.com"]}, "include_domains"),
        (TaskSpec, {"output_schema": "x"}, "output_schema"),
        (TaskAdvancedSettings, {"location": "de"}, "location"),
        (ask, {"processor": "ultra8x", "source_policy": {"new": 1}}, "processor, source_policy"),
        (RequestOptions, {"task_spec": {}, "metadata": {}}, "metadata, task_spec"),
    ],
    ids=["policy", "spec", "settings", "request", "options"],
)
def test_what_is_known_is_no_extra(kind: Any, given: dict[str, Any], name: str) -> None:
    with pytest.raises(
        ValidationError, match=f"{name}: this package knows that name; give it as its own"
    ):
        kind(extra_body=given)


def test_a_secret_among_the_extras_is_shown_nowhere(world: World) -> None:
    policy = SourcePolicy(extra_body={"auth": {"token": "s3cret-Tok3n-9f2"}})
    request = ask(source_policy=policy, extra_body={"api_key": "s3cret-K3y-77a1"})
    shown = f"{request!r}{request}{request.model_dump()}{payload(request)!r}"
    assert "s3cret" not in shown
    assert {"s3cret-Tok3n-9f2", "s3cret-K3y-77a1"} <= {*secrets_of([request])}


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_of_a_wrong_size_is_not_sent(world: World, size: int) -> None:
    api = world.client(strict=True)
    error = world.raises(errors.InvalidRequest, api.add_runs, "tgrp_1", [ask()] * size)
    assert f"{size:,} runs are given; from 1 to 1,000 are allowed" in str(error)
    assert world.sim.requests == []
    api.done()


@pytest.mark.parametrize("timeout", [-1, float("nan"), None])
def test_a_timeout_that_is_none_is_not_sent(world: World, timeout: Any) -> None:
    for call in (world.api.wait, world.api.result):
        error = world.raises(errors.InvalidRequest, call, "trun_1", timeout=timeout)
        assert f"timeout is {timeout!r}; give seconds" in str(error)
    assert world.sim.requests == []


def test_group_metadata_is_checked(world: World) -> None:
    wrong: Any = {"team": ["a"]}
    error = world.raises(errors.InvalidRequest, world.api.create_group, wrong)
    assert "The metadata value of 'team' is a list" in str(error)
    assert world.sim.requests == []
    with pytest.warns(errors.RequestWarning, match="has 21 characters; 16 are allowed"):
        world.raises(errors.Unprocessable, world.api.create_group, {"a_key_too_long_for_it": 1})


def test_a_new_processor_can_be_forced(world: World) -> None:
    api = world.client(allow_unknown_processor=True)
    error = world.raises(errors.Unprocessable, api.create, ask(processor="zeta"))
    assert error.fields[0].startswith("body.processor")
    api.done()


@pytest.mark.parametrize("call", ["create", "submit", "add_runs"])
def test_a_warning_is_at_the_callers_own_line(world: World, call: str) -> None:
    request = ask("x" * 15_001, "pro")
    args = {"create": (request,), "submit": ("tgrp_1", request), "add_runs": ("tgrp_1", [request])}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(errors.NotFound):
            asked = getattr(world.api.client, call)(*args[call])
            if world.kind == "asynchronous":
                asyncio.run(_awaited(asked))
    [remark] = [w for w in caught if "deep research" in str(w.message)]
    assert "The input holds 15,001 characters; for deep research (pro)" in str(remark.message)
    assert remark.filename == __file__


async def _awaited(asked: Any) -> None:
    await asked
