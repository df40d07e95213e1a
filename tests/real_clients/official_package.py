"""Programs written for the official `langchain-parallel` 0.5, which run with either package.

python official_package.py <base URL>

In an environment of its own it is the official package that they import, here it is this one. Prints a JSON
line for each program: its name, what failed, and the shape of its result.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, Field

official: Any = import_module("langchain_parallel")
tasks: Any = import_module("langchain_parallel.tasks")
SECRET = "whsec_simulated-and-public"


class Company(BaseModel):
    """A row."""

    company: str = Field(description="Its name")
    country: str | None = None


class Country(BaseModel):
    """A small answer."""

    capital: str
    population: int


class Programs:
    """Each method is a program, and returns what is looked at of its results."""

    def __init__(self, base_url: str) -> None:
        self.common = {"base_url": base_url, "api_key": "simulated"}

    def task_run(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common)
        result = tool.invoke({"input": "Who founded SpaceX?", "metadata": {"team": "a", "n": 1.5}})
        assert result["run"]["metadata"] == {"team": "a", "n": 1.5}
        assert result["run"]["processor"] == "lite-fast"
        return result

    def task_run_by_text(self) -> Any:
        return official.ParallelTaskRunTool(**self.common).invoke("Who founded SpaceX?")

    def task_run_with_a_class(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common, task_output_schema=Country)
        result = tool.invoke({"input": {"country": "Nowhere"}})
        assert set(result["output"]["parsed"]) == {"capital", "population"}
        return result

    def task_run_with_words(self) -> Any:
        tool = tasks.ParallelTaskRunTool(**self.common, task_output_schema="Its capital")
        result = tool.invoke({"input": "Nowhere"})
        assert result["output"]["type"] == "text"
        return result

    def task_run_with_a_spec(self) -> Any:
        spec = tasks.build_task_spec(output_schema=Country, input_schema=Company)
        tool = official.ParallelTaskRunTool(**self.common, task_spec=spec, processor="base")
        result = tool.invoke({"input": {"company": "a"}})
        assert "parsed" not in result["output"]
        return result

    def task_run_with_a_server(self) -> Any:
        server = official.McpServer(name="files", url="https://mcp.example", headers={"a": "b"})
        assert server.to_sdk()["headers"] == {"a": "b"}
        tool = official.ParallelTaskRunTool(**self.common, mcp_servers=[server])
        result = tool.invoke({"input": "q"})
        assert result["output"]["mcp_tool_calls"]
        return result

    def task_run_awaited(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common)
        return asyncio.run(tool.ainvoke({"input": "q"}))

    def tool_call(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common)
        call = {"name": tool.name, "args": {"input": "q"}, "id": "1", "type": "tool_call"}
        message = tool.invoke(call)
        assert (message.type, message.tool_call_id) == ("tool", "1")
        return json.loads(message.content)

    def follow_up(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common)
        first = tool.invoke({"input": "the first question"})
        before = {"previous_interaction_id": first["interaction_id"]}
        second = tool.invoke({"input": "and then?", **before})
        assert "the first question" in json.dumps(second["output"])
        return second

    def deep_research(self) -> Any:
        research = official.ParallelDeepResearch(**self.common)
        first = research.invoke("Latest developments in energy")
        second = research.invoke("And storage?", previous_interaction_id=first["interaction_id"])
        assert research.processor == "pro-fast"
        return [first, second, *research.batch(["a"]), *research.stream("b")]

    def deep_research_with_a_shape(self) -> Any:
        research = official.ParallelDeepResearch(
            **self.common, output_schema=Country, processor="core"
        )
        return asyncio.run(research.ainvoke("Nowhere"))

    def chain(self) -> Any:
        research = official.ParallelDeepResearch(**self.common, processor="lite")
        return (RunnableLambda(str.upper) | research | official.parse_basis).invoke("q")

    def group(self) -> Any:
        group = official.ParallelTaskGroup(**self.common, metadata={"batch": "b"})
        results = group.run(["a", {"q": "b"}])
        assert [row["run"]["status"] for row in results] == ["completed"] * 2
        assert len({row["run"]["task_group_id"] for row in results}) == 1
        return results

    def group_awaited(self) -> Any:
        spec = official.build_task_spec(output_schema="A sentence")
        group = official.ParallelTaskGroup(**self.common, processor="lite", task_spec=spec)
        return asyncio.run(group.arun(["a"], timeout=30))

    def enrichment(self) -> Any:
        enricher = official.ParallelEnrichment(
            **self.common, output_schema=Country, input_schema=Company, metadata={"batch": "b"}
        )
        rows = [{"company": "Nowhere"}, Company(company="Elsewhere")]
        return [*enricher.invoke(rows, timeout=30), *asyncio.run(enricher.ainvoke(rows[:1]))]

    def basis(self) -> Any:
        result = official.ParallelTaskRunTool(**self.common).invoke("q")
        parsed = official.parse_basis(result)
        assert parsed["interaction_id"] == result["interaction_id"]
        assert parsed["citations_by_field"]
        return [parsed["low_confidence_fields"], sorted(parsed)]

    def chat(self) -> Any:
        model = official.ChatParallel(**self.common, model="lite")
        asked = [("system", "Be brief."), ("human", "who"), ("ai", "they"), ("human", "why")]
        answers = [model.invoke(asked), asyncio.run(model.ainvoke("q")), *model.batch(["a"])]
        return [told(answer) for answer in answers]

    def chat_in_pieces(self) -> Any:
        model = official.ChatParallel(**self.common, model="base")
        first, *others = model.stream("q")
        whole = first
        for piece in others:
            whole += piece
        assert len(others) > 2
        assert whole.content == model.invoke("q").content
        return [type(whole.content).__name__, first.content]

    def chat_with_a_shape(self) -> Any:
        model = official.ChatParallel(**self.common, model="core")
        found = model.with_structured_output(Country).invoke("Nowhere")
        assert isinstance(found, Country)
        raw = model.with_structured_output(Country, include_raw=True).invoke("Nowhere")
        assert isinstance(raw["parsed"], Country)
        as_json = Country.model_json_schema()
        return [found.model_dump(), model.with_structured_output(as_json).invoke("Nowhere")]

    def chat_after_a_task(self) -> Any:
        run = official.ParallelTaskRunTool(**self.common).invoke({"input": "the first question"})
        before = {"previous_interaction_id": run["interaction_id"]}
        answer = official.ChatParallel(**self.common, model="lite").invoke("why", extra_body=before)
        assert "the first question" in answer.content
        after = {"previous_interaction_id": answer.response_metadata["interaction_id"]}
        tool = official.ParallelTaskRunTool(**self.common)
        assert "why" in json.dumps(tool.invoke({"input": "and then?", **after})["output"])
        return told(answer)

    def chat_with_tools(self) -> Any:
        try:
            official.ChatParallel(**self.common).bind_tools([])
        except NotImplementedError:
            return True
        raise AssertionError("it was not refused")

    def webhooks(self) -> Any:
        body, sent_at = b'{"type":"task_run.status"}', str(int(time.time()))
        signed = hmac.new(SECRET.encode(), f"w.{sent_at}.".encode() + body, hashlib.sha256)
        signature = base64.b64encode(signed.digest()).decode()
        given = {"webhook_id": "w", "webhook_timestamp": sent_at, "secret": SECRET}
        right = official.verify_webhook(body, webhook_signature=f"v1,{signature}", **given)
        wrong = official.verify_webhook(b"{}", webhook_signature=f"v1,x v1,{signature}", **given)
        late = {**given, "webhook_timestamp": "1"}
        old = official.verify_webhook(body, webhook_signature=f"v1,{signature}", **late)
        assert (right, wrong, old) == (True, False, False)
        return right

    def unknown_interaction(self) -> Any:
        tool = official.ParallelTaskRunTool(**self.common)
        return refused(lambda: tool.invoke({"input": "q", "previous_interaction_id": "intr_x"}))

    def empty_row(self) -> Any:
        return refused(lambda: official.ParallelTaskGroup(**self.common).run([""]))

    def unknown_processor(self) -> Any:
        return refused(lambda: official.ParallelTaskRunTool(**self.common, processor="best"))

    def no_key(self) -> Any:
        return refused(lambda: official.ParallelTaskRunTool(base_url=self.common["base_url"]))


def refused(work: Callable[[], object]) -> bool:
    """Whether a call ends in a `ValueError`."""
    try:
        work()
    except ValueError:
        return True
    raise AssertionError("it was not refused")


def told(answer: Any) -> Any:
    """What both packages tell of a chat's answer."""
    assert answer.usage_metadata is None
    known = answer.response_metadata
    names = ("interaction_id", "basis", "model_name")
    return {"content": answer.content, **{name: known[name] for name in names}}


def shape(value: Any) -> Any:
    """The names and types in a result; of a list, those of its first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def names() -> Iterator[str]:
    """The programs."""
    yield from (name for name in vars(Programs) if not name.startswith("_"))


def main(base_url: str) -> None:
    """Run all, and print what came of each."""
    programs = Programs(base_url)
    for name in names():
        told: dict[str, Any] = {"name": name, "failed": None}
        try:
            told["shape"] = shape(getattr(programs, name)())
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is to be told
            told["failed"] = f"{type(error).__name__}: {error}"
        print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
