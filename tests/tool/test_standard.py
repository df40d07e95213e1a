"""The standard tests of `langchain-tests`, for a question and for the caller's own arguments."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from pydantic import BaseModel, Field

from langchain_parallel import ParallelTaskResultTool, ParallelTaskTool

from .helpers import Account


class Company(BaseModel):
    """A company to look up."""

    name: str
    countries: list[str] = Field(default_factory=list)


PLAIN = {"input": "Who makes the fastest train?"}
OWN = {"name": "Siemens", "countries": ["DE"]}


class _Question:
    options: ClassVar[dict[str, Any]] = {}
    arguments: ClassVar[dict[str, Any]] = PLAIN

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.arguments


class _Own(_Question):
    options: ClassVar = {"input_schema": Company}
    arguments: ClassVar = OWN


class _Unit(ToolsUnitTests):
    options: ClassVar[dict[str, Any]]

    @property
    def tool_constructor(self) -> type[ParallelTaskTool]:
        return ParallelTaskTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"api_key": "simulated", **self.options}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        env = {"PARALLEL_API_KEY": "from-the-environment"}
        return env, self.options, {"api_key": "from-the-environment"}


class TestUnit(_Question, _Unit):
    pass


class TestUnitOwnArguments(_Own, _Unit):
    pass


class _Integration(ToolsIntegrationTests):
    options: ClassVar[dict[str, Any]]

    @pytest.fixture(autouse=True)
    def _simulated(self) -> None:
        self.made = Account().tool(**self.options)

    @property
    def tool_constructor(self) -> ParallelTaskTool:
        return self.made


class TestIntegration(_Question, _Integration):
    pass


class TestIntegrationOwnArguments(_Own, _Integration):
    pass


# --- the tool that fetches an answer later --------------------------------------------------------


class TestResultUnit(ToolsUnitTests):
    @property
    def tool_constructor(self) -> type[ParallelTaskResultTool]:
        return ParallelTaskResultTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"task_tool": Account().tool()}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"run_id": "trun_0123456789abcdef"}


class TestResultIntegration(ToolsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _simulated(self) -> None:
        account = Account()
        account.script(seconds=30.0)
        task_tool = account.tool(timeout=1.0)
        task_tool.invoke(PLAIN)
        (run,) = account.runs
        self.run_id = run["run_id"]
        self.made = ParallelTaskResultTool(task_tool=task_tool)
        task_tool.timeout = None

    @property
    def tool_constructor(self) -> ParallelTaskResultTool:
        return self.made

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"run_id": self.run_id}


del _Unit, _Integration
