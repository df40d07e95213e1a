"""What is refused here is not sent: the request log stays empty."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import pytest

from langchain_parallel import errors
from langchain_parallel.models import McpServer, SourcePolicy, TaskSpec

from .both import World, ask

DEEP: dict[str, Any] = {"type": "string"}
for _ in range(6):
    DEEP = {"type": "object", "properties": {"inner": DEEP}}
WIDE = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(101)}}

INVALID: list[tuple[dict[str, Any], str]] = [
    ({"input": ""}, "The input is empty"),
    ({"input": {}}, "The input is empty"),
    ({"input": "x" * 25_001}, "hold 25,001 characters together, 1 over the 25,000 allowed"),
    ({"processor": "pro-fats"}, "Processor 'pro-fats' is unknown; did you mean pro-fast"),
    ({"task_spec": TaskSpec(output_schema={"type": "array"})}, "root must be an object"),
    ({"task_spec": TaskSpec(output_schema=DEEP)}, "nests 6 levels deep; 5 are allowed"),
    ({"task_spec": TaskSpec(output_schema=WIDE)}, "has 101 properties; 100 are allowed"),
    ({"metadata": {"k" * 17: "v"}}, "has 17 characters; 16 are allowed"),
    ({"metadata": {"k": "v" * 513}}, "has 513 characters; 512 are allowed"),
    ({"source_policy": SourcePolicy(include_domains=["a.com"] * 201)}, "names 201 domains"),
    ({"mcp_servers": [McpServer(url="https://m", name="m")] * 11}, "11 MCP servers are given"),
    ({"input": {"q": float("nan")}}, "NaN or an infinity"),
]


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


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_of_a_wrong_size_is_not_sent(world: World, size: int) -> None:
    error = world.raises(errors.InvalidRequest, world.api.add_runs, "tgrp_1", [ask()] * size)
    assert f"{size} runs are given; from 1 to 1,000 are allowed" in str(error)
    assert world.sim.requests == []


@pytest.mark.parametrize("timeout", [-1, float("nan"), None])
def test_a_timeout_that_is_none_is_not_sent(world: World, timeout: Any) -> None:
    for call in (world.api.wait, world.api.result):
        error = world.raises(errors.InvalidRequest, call, "trun_1", timeout=timeout)
        assert f"timeout is {timeout!r}; give seconds" in str(error)
    assert world.sim.requests == []


def test_group_metadata_is_checked(world: World) -> None:
    error = world.raises(
        errors.InvalidRequest, world.api.create_group, {"a_key_too_long_for_it": 1}
    )
    assert "has 21 characters; 16 are allowed" in str(error)
    assert world.sim.requests == []


def test_a_new_processor_can_be_forced(world: World) -> None:
    api = world.client(allow_unknown_processor=True)
    error = world.raises(errors.Unprocessable, api.create, ask(processor="zeta"))
    assert error.fields[0].startswith("body.processor")
    api.done()


@pytest.mark.parametrize("call", ["create", "submit", "add_runs"])
def test_a_remark_is_a_warning_at_the_callers_own_line(world: World, call: str) -> None:
    request = ask("x" * 15_001, "pro")
    args = {"create": (request,), "submit": ("tgrp_1", request), "add_runs": ("tgrp_1", [request])}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if world.kind == "blocking":
            method: Any = getattr(world.api.client, call)
            with contextlib.suppress(errors.NotFound):
                method(*args[call])
        else:
            world.raises(errors.LedgerNotFound, world.api.submit, "tgrp_1", request)
    [remark] = [w for w in caught if "deep research" in str(w.message)]
    assert "The input holds 15,001 characters; for deep research (pro)" in str(remark.message)
    assert world.kind == "asynchronous" or remark.filename == __file__
