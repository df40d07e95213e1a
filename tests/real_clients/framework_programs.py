"""The tool, called by another framework's adapter of LangChain tools.

python framework_programs.py <framework> <base URL> <the simulator's control token>

Runs where that framework is installed beside this package. Prints a JSON line for each program: its name, and
what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import httpx

from langchain_parallel import ParallelTaskTool

QUESTION = "Who makes cargo bikes?"


class Account:
    """A simulated account."""

    def __init__(self, base_url: str, control_token: str) -> None:
        self.url, self.token = base_url, control_token

    def tool(self) -> Any:
        """A tool of it."""
        return ParallelTaskTool(processor="lite", base_url=self.url, api_key="simulated")

    def billed(self) -> int:
        """How many runs it has paid for."""
        asked = {"x-simulator-token": self.token}
        found = httpx.get(f"{self.url}/_simulator/billing", headers=asked)
        return len(found.json()["billed"])


def pydantic_ai(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """`tool_from_langchain`, called by an agent whose model is pydantic-ai's test model."""
    framework = import_module("pydantic_ai")
    made = import_module("pydantic_ai.ext.langchain").tool_from_langchain
    messages = import_module("pydantic_ai.messages")
    function = import_module("pydantic_ai.models.function")

    def agent(tool: Any, **args: Any) -> str:
        def model(history: Any, info: Any) -> Any:
            if len(history) == 1:
                (known,) = info.function_tools
                properties = known.parameters_json_schema["properties"]
                assert all("type" in one for one in properties.values()), properties
                call = messages.ToolCallPart(known.name, args)
                return messages.ModelResponse(parts=[call])
            return messages.ModelResponse(parts=[messages.TextPart(history[-1].parts[0].content)])

        asked = framework.Agent(function.FunctionModel(model), tools=[made(tool)])
        return str(asked.run_sync("Find out").output)

    yield "a call", lambda: agent(account.tool(), input=QUESTION)
    none = {"previous_interaction_id": "None"}
    yield "a call that leaves out", lambda: agent(account.tool(), input=QUESTION, **none)


def autogen(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """`LangChainToolAdapter`."""
    adapter = import_module("autogen_ext.tools.langchain").LangChainToolAdapter
    token = import_module("autogen_core").CancellationToken

    def call(**args: Any) -> Any:
        made = adapter(account.tool())
        properties = made.schema["parameters"]["properties"]
        assert all("type" in one for one in properties.values()), properties
        done = asyncio.run(made.run_json({"input": QUESTION, **args}, token()))
        return made.return_value_as_string(done)

    yield "a call", call
    yield "a call that leaves out", lambda: call(previous_interaction_id="null")


def smolagents(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """`Tool.from_langchain`."""
    tool = import_module("smolagents").Tool

    yield "a call", lambda: tool.from_langchain(account.tool())(input=QUESTION)
    yield (
        "a call that leaves out",
        lambda: tool.from_langchain(account.tool())(input=QUESTION, previous_interaction_id=""),
    )


def adk(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Google's `LangchainTool`."""
    adapter = import_module("google.adk.tools.langchain_tool").LangchainTool

    def call(**args: Any) -> Any:
        made = adapter(account.tool())
        declared = made._get_declaration()
        assert declared.name == "parallel_task"
        return asyncio.run(made.run_async(args={"input": QUESTION, **args}, tool_context=None))

    yield "a call", call
    yield "a call that leaves out", lambda: call(previous_interaction_id="")


def crewai(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """`Tool.from_langchain`."""
    tool = import_module("crewai.tools.base_tool").Tool

    yield "a call", lambda: tool.from_langchain(account.tool()).run(input=QUESTION)


def llama_index(account: Account) -> Iterator[tuple[str, Callable[[], Any]]]:
    """`FunctionTool` around the tool's own functions: LlamaIndex has no adapter of LangChain tools."""
    function = import_module("llama_index.core.tools").FunctionTool

    def made() -> Any:
        tool = account.tool()
        return function.from_defaults(
            fn=tool.func,
            async_fn=tool.coroutine,
            name=tool.name,
            description=tool.description,
            fn_schema=tool.tool_call_schema,
        )

    yield "a call", lambda: made().call(input=QUESTION).content
    yield "an awaited call", lambda: asyncio.run(made().acall(input=QUESTION)).content


FRAMEWORKS: dict[str, Callable[[Account], Iterator[tuple[str, Callable[[], Any]]]]] = {
    "pydantic-ai": pydantic_ai,
    "autogen": autogen,
    "smolagents": smolagents,
    "adk": adk,
    "crewai": crewai,
    "llama-index": llama_index,
}


def main(framework: str, base_url: str, control_token: str) -> None:
    """Run the programs of one framework."""
    account = Account(base_url, control_token)
    for name, program in FRAMEWORKS[framework](account):
        failed = ""
        before = account.billed()
        try:
            text = str(program())
            assert "run_id: trun_" in text, f"no answer for a model: {text[:300]}"
            assert "basis" not in text, "the whole result, not the text for a model"
            paid = account.billed() - before
            assert paid == 1, f"{paid} runs were billed"
        except Exception as error:  # noqa: BLE001 -- told
            failed = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps({"name": name, "failed": failed}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
