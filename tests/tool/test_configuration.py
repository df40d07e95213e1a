"""What no API takes is refused on construction, in clear words; a strict tool refuses more."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import ToolException
from pydantic import ValidationError

from langchain_parallel import ParallelClient, ParallelTaskTool, errors
from langchain_parallel.models import McpServer, SourcePolicy
from langchain_parallel.options import RequestOptions

from .helpers import Account, ask

SERVER = {"url": "https://mcp.example", "name": "crm"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "processor": ({"processor": "coer"}, "'coer' is unknown; did you mean core"),
    "choice": ({"model_may_choose": ("lite", "prro")}, "'prro' is unknown; did you mean pro"),
    "choice as text": ({"model_may_choose": "lite"}, "model_may_choose\n"),
    "misspelt option": ({"procesor": "pro"}, "procesor\n  Extra inputs are not permitted"),
    "many servers": (
        {"request": {"mcp_servers": [SERVER] * 11}},
        "11 MCP servers are given; 10 are allowed",
    ),
    "many domains": (
        {
            "request": {
                "source_policy": {
                    "include_domains": ["a.io"] * 150,
                    "exclude_domains": ["b.io"] * 51,
                }
            }
        },
        "201 domains",
    ),
    "no domain": (
        {"request": {"source_policy": {"include_domains": ["https://a.io"]}}},
        "is no domain",
    ),
    "root is a list": (
        {"output_schema": {"type": "array", "items": {"type": "string"}}},
        "root must be an object",
    ),
    "root is a choice": ({"output_schema": {"anyOf": [{}, {}]}}, "may not be an `anyOf`"),
    "no properties": ({"output_schema": {"type": "object"}}, "has no properties"),
    "no schema": ({"output_schema": 5}, "output_schema: A value of the type int is no schema"),
    "metadata key": (
        {"request": {"metadata": {"k" * 17: "v"}}},
        "has 17 characters; 16 are allowed",
    ),
    "metadata value": (
        {"request": {"metadata": {"k": "v" * 513}}},
        "has 513 characters; 512 are allowed",
    ),
    "country": (
        {"request": {"advanced_settings": {"location": "Germany"}}},
        "two-letter country code",
    ),
    "timeout": ({"timeout": -1}, "timeout is -1.0; give seconds, from 0 up"),
    "cap": ({"max_chars": 0}, "max_chars\n"),
    "three processors": ({"processor": ("pro", "base", "lite")}, "processor"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_and_says_why(account: Account, wrong: str) -> None:
    options, words = WRONG[wrong]
    options = {**options, "request": {**options.get("request", {}), "strict": True}}
    tool = account.tool()
    clients = {"client": tool.client}
    with pytest.raises(ValidationError) as refused:
        ParallelTaskTool(**{**clients, **options})
    assert words in str(refused.value)
    assert account.simulator.requests == []


def test_without_a_key_it_says_where_one_comes_from() -> None:
    with pytest.raises(
        errors.MissingKey, match=r"PARALLEL_API_KEY.*api_key.*platform\.parallel\.ai"
    ):
        ParallelTaskTool()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="HTTP address"):
        ParallelTaskTool(api_key="k", base_url="ftp://parallel.example")


def test_a_key_given_goes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", "from-the-environment")
    tool = ParallelTaskTool(api_key="given")
    assert tool.api_key is not None
    assert tool.api_key.get_secret_value() == "given"


def test_everything_at_its_limit_is_accepted(account: Account) -> None:
    account.tool(
        timeout=0,
        max_chars=None,
        request=RequestOptions(
            mcp_servers=[McpServer(url="https://mcp.example", name=f"crm{i}") for i in range(10)],
            source_policy=SourcePolicy(include_domains=["a.io"] * 200),
            metadata={"k" * 16: "v" * 512},
        ),
    )


async def test_what_is_changed_later_counts(account: Account) -> None:
    """Assigned or copied, an option is the one used: nothing was made ready that could be stale."""
    tool = account.tool()
    tool.task_output_schema = "One line."
    await ask(tool.model_copy(update={"processor": "lite"}), input="Who leads?")
    (sent,) = account.sent
    assert sent["processor"] == "lite"
    assert sent["task_spec"]["output_schema"] == {"type": "text", "description": "One line."}


async def test_it_counts_between_two_calls_too_and_so_does_the_way_back(account: Account) -> None:
    tool = account.tool(processor="base")
    for processor, shape in (("base", None), ("lite", "One line."), ("base", None)):
        tool.processor, tool.task_output_schema = processor, shape
        await ask(tool, input="Who leads?")
    assert [sent["processor"] for sent in account.sent] == ["base", "lite", "base"]
    assert ["task_spec" in sent for sent in account.sent] == [False, True, False]


async def test_a_tool_over_a_strict_client_sends_nothing_that_the_documentation_does_not_allow(
    account: Account,
) -> None:
    clock = account.simulator.clock
    client = ParallelClient("key", transport=account.wire, clock=clock, strict=True)
    tool = ParallelTaskTool(client=client, handle_tool_error=False)
    with pytest.raises(ToolException, match="25,000 allowed"):
        await tool.ainvoke({"input": "x" * 25_001})
    assert account.sent == []
