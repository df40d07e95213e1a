"""The calls of tasks of the official `langchain-parallel`, in an environment of its own. Prints JSON lines.

python official_package.py <base URL>
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pydantic import BaseModel

official: Any = import_module(
    "langchain_parallel"
)  # in that environment another package than this one
COMMON = {"base_url": sys.argv[1], "api_key": "simulated"}


class Country(BaseModel):
    """A small answer."""

    capital: str
    population: int


def check(name: str, work: Callable[[], object]) -> None:
    """Do it, and say whether it was as it should be."""
    failed = None
    try:
        if not work():
            failed = "not as it should be"
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is to be told
        failed = f"{type(error).__name__}: {error}"
    print(json.dumps({"name": name, "failed": failed}))


def refused(work: Callable[[], object]) -> bool:
    """Whether a call ends in the package's own error, made of a 422."""
    try:
        work()
    except ValueError as error:
        return "422" in str(error)
    return False


tool = official.ParallelTaskRunTool(**COMMON)
typed = official.ParallelTaskRunTool(**COMMON, task_output_schema=Country)
first = tool.invoke({"input": "the first question"})
follow_up = {"input": "and then?", "previous_interaction_id": first["interaction_id"]}
server = official.McpServer(name="files", url="https://mcp.example")
enrichment = official.ParallelEnrichment(**COMMON, output_schema=Country, input_schema=Country)
LOST = {"previous_interaction_id": "intr_x"}
odd = official.ParallelTaskRunTool(**COMMON, task_spec={"output_schema": {"type": "json"}})
rows = [{"country": "Nowhere"}, {"country": "Elsewhere"}]

check("task", lambda: first["run"]["status"] == "completed")
check("task with a class", lambda: typed.invoke({"input": "q"})["output"]["parsed"]["capital"])
check("task, async", lambda: asyncio.run(tool.ainvoke({"input": "q"}))["interaction_id"])
check("follow-up", lambda: "the first question" in json.dumps(tool.invoke(follow_up)["output"]))
check(
    "task with a server",
    lambda: official.ParallelTaskRunTool(**COMMON, mcp_servers=[server]).invoke({"input": "q"})[
        "output"
    ]["mcp_tool_calls"],
)
check("deep research", lambda: official.ParallelDeepResearch(**COMMON).invoke("q")["output"])
check("group", lambda: len(official.ParallelTaskGroup(**COMMON).run(["a", "b"])) == 2)
check("enrichment", lambda: len(enrichment.invoke(rows)) == 2)
check("basis", lambda: official.parse_basis(first)["citations_by_field"])
check("unknown interaction", lambda: refused(lambda: tool.invoke({**follow_up, **LOST})))
check("malformed spec", lambda: refused(lambda: odd.invoke({"input": "q"})))
check("malformed rows", lambda: refused(lambda: official.ParallelTaskGroup(**COMMON).run([""])))
