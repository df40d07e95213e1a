"""The standard tests of `langchain-tests` for the tools and the retriever of Search and Extract."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.integration_tests import RetrieversIntegrationTests, ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from langchain_parallel import (
    ParallelClient,
)
from langchain_parallel.retrievers import ParallelSearchRetriever
from langchain_parallel.tools import ParallelExtractTool, ParallelSearchTool

from .helpers import KEY, Account

SEARCH = {"search_queries": ["fast trains", "train record"], "objective": "Which is the fastest?"}
EXTRACT = {"urls": ["https://a.example/x"], "objective": "What is it about?"}


def client() -> ParallelClient:
    account = Account()
    return ParallelClient(KEY, transport=account.wire, clock=account.simulator.clock)


class _Unit(ToolsUnitTests):
    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"api_key": "simulated"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        env = {"PARALLEL_API_KEY": "from-the-environment"}
        return env, {}, {"api_key": "from-the-environment"}


class TestSearchUnit(_Unit):
    @property
    def tool_constructor(self) -> type[ParallelSearchTool]:
        return ParallelSearchTool

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return SEARCH


class TestExtractUnit(_Unit):
    @property
    def tool_constructor(self) -> type[ParallelExtractTool]:
        return ParallelExtractTool

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return EXTRACT


class TestSearchIntegration(ToolsIntegrationTests):
    @property
    def tool_constructor(self) -> ParallelSearchTool:
        return ParallelSearchTool(client=client())

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return SEARCH


class TestExtractIntegration(ToolsIntegrationTests):
    @property
    def tool_constructor(self) -> ParallelExtractTool:
        return ParallelExtractTool(client=client())

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return EXTRACT


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[ParallelSearchRetriever]:
        return ParallelSearchRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"client": client()}

    @property
    def retriever_query_example(self) -> str:
        return "fast trains"

    @property
    def num_results_arg_name(self) -> str:
        return "max_results"


del _Unit


@pytest.mark.parametrize("tool", [ParallelSearchTool, ParallelExtractTool])
def test_a_models_schema_is_plain(tool: Any) -> None:
    """No union with null and no reference: small models fill those in wrong."""
    schema = tool(client=client()).tool_call_schema.model_json_schema()
    text = str(schema)
    assert [word for word in ("anyOf", "$ref", "null", "runtime") if word in text] == []
    kinds = {name: field["type"] for name, field in schema["properties"].items()}
    first = "search_queries" if tool is ParallelSearchTool else "urls"
    assert kinds == {first: "array", "objective": "string"}
    assert schema["required"] == [first]
