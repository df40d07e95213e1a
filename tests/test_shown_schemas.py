"""What every tool shows a model of its arguments: each has a type, and none may be null.

Several providers refuse `anyOf` with null, and a `$ref`; some frameworks refuse an argument without a type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from langchain_parallel import (
    ParallelClient,
    ParallelResearchMiddleware,
    ParallelTaskResultTool,
    ParallelTaskTool,
    official,
    tools,
)
from langchain_parallel.options import Recall, RequestOptions
from langchain_parallel.server.answer_graph import create_answer_graph

CHOICES: dict[str, Any] = {"model_may_describe_output": True, "model_may_choose": ("base", "pro")}


class Company(BaseModel):
    name: str
    country: str | None = None


def offered() -> Iterator[BaseTool]:
    """All tools that this package has for a model."""
    how: dict[str, Any] = {"client": ParallelClient("key-of-a-test")}
    task = ParallelTaskTool(**how)
    yield from (task, ParallelTaskTool(name="chooses", **how, **CHOICES))
    yield ParallelTaskTool(name="own", input_schema=Company, **how, **CHOICES)
    yield ParallelTaskResultTool(task_tool=task)
    yield from (tools.ParallelSearchTool(**how), tools.ParallelExtractTool(**how))
    yield official.ParallelTaskRunTool(**how)
    yield from (official.ParallelSearchTool(**how), official.ParallelExtractTool(**how))
    recalls = RequestOptions(recall=Recall(per="all"))
    quick = {**CHOICES, "model_may_choose": ("base", "chat:lite")}
    yield from ParallelResearchMiddleware(request=recalls, **how, **quick).tools


def shown() -> Iterator[tuple[str, Any]]:
    """Every schema, by the tool's name: as providers get it, and as frameworks read it."""
    for tool in offered():
        yield tool.name, convert_to_openai_tool(tool)["function"]["parameters"]
        yield tool.name, {"properties": tool.args}


def untyped(schema: Any, where: str) -> Iterator[str]:
    """Where an argument, or something in it, has no type of its own."""
    if isinstance(schema.get("type"), str) and schema["type"] != "null":
        for name, inside in (schema.get("properties") or {}).items():
            yield from untyped(inside, f"{where}.{name}")
        if "items" in schema:
            yield from untyped(schema["items"], f"{where}[]")
        if isinstance(schema.get("additionalProperties"), dict):
            yield from untyped(schema["additionalProperties"], f"{where}{{}}")
    else:
        yield where


def test_each_argument_of_each_tool_has_a_type() -> None:
    schemas = list(shown())
    assert {"parallel_task", "parallel_task_result", "parallel_task_run", "ask_quick"} < {
        name for name, _ in schemas
    }
    assert {"branch", "recall_research", "parallel_extract"} < {name for name, _ in schemas}
    found = [*dict.fromkeys(bad for name, one in schemas for bad in _of_arguments(name, one))]
    assert found == []


def _of_arguments(name: str, schema: Any) -> Iterator[str]:
    return untyped({"type": "object", **schema}, name)


def test_so_has_each_argument_of_the_mcp_servers() -> None:
    pytest.importorskip("mcp.server.mcpserver")
    from langchain_parallel.mcp_server.tools_for_clients import create_mcp_server

    server = create_mcp_server(None, ("core",))  # type: ignore[arg-type]  # nothing is called
    listed = asyncio.run(server.list_tools())
    assert [bad for tool in listed for bad in _of_arguments(tool.name, tool.input_schema)] == []


def test_so_has_each_argument_over_a_servers_mcp(simulated_api: str) -> None:
    graph = create_answer_graph().compile(name="web_research")
    assert [*_of_arguments("web_research", graph.get_input_jsonschema())] == []


@pytest.mark.parametrize("said", ["", "null", "None", None])
def test_metadata_may_be_left_out_in_every_way_that_models_do(said: Any) -> None:
    tool: Any = official.ParallelTaskRunTool(client=ParallelClient("key-of-a-test"))
    assert tool.args_schema(input="q", metadata=said).metadata is None
    assert tool.args_schema(input="q", metadata={"n": 2}).metadata == {"n": 2}
