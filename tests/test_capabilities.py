"""The table of capabilities by door: each cell a case, blocking and awaited (`docs/reference/doors.md`)."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import Limits, ParallelTaskTool, create_research_graph, show_progress
from langchain_parallel.options import Recall, RequestOptions
from langchain_parallel.simulator import RunScript

from .cut import either_way
from .middleware.harness import Account, How, Model, calls

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "doors.md"
HERE: Any = {"configurable": {"thread_id": "a.thread"}}
APPROVE: Any = {"decisions": [{"type": "approve"}]}
SHAPE = {
    "type": "object",
    "properties": {"leader": {"type": "string"}},
    "required": ["leader"],
    "additionalProperties": False,
}


class Heard(BaseCallbackHandler):
    """What LangChain's callbacks hear."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.costs: list[float] = []

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        self.events.append((name, data["run_id"]))

    def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
        if more.get("name") == "parallel_run":
            self.costs.append(more["metadata"]["usage_metadata"]["total_cost"])


class Door:
    """A door of an account, in a thread of its own."""

    def __init__(self, how: How) -> None:
        self.how: How = how
        self.account = Account(how)
        self.heard = Heard()
        self.graph: Any = None
        self.kept: dict[str, Any] = {"checkpointer": InMemorySaver()}
        self.thread: str = "a.thread"

    def open(self, **options: Any) -> None:
        """Make it."""
        raise NotImplementedError

    def input(self, question: str, **more: Any) -> Any:
        """What one invocation is given."""
        raise NotImplementedError

    def told(self, state: Any) -> str:
        """What whoever asked reads of the last answer."""
        raise NotImplementedError

    async def invoke(self, given: Any) -> Any:
        config: Any = {"configurable": {"thread_id": self.thread}, "callbacks": [self.heard]}
        if self.how == "async":
            return await self.graph.ainvoke(given, config)
        return self.graph.invoke(given, config)

    async def stream(self, given: Any) -> list[Any]:
        if self.how == "async":
            return [m async for m in self.graph.astream(given, HERE, stream_mode="custom")]
        return list(self.graph.stream(given, HERE, stream_mode="custom"))

    async def ask(self, question: str = "Who leads?", **more: Any) -> Any:
        return await self.invoke(self.input(question, **more))

    def script(self, **options: Any) -> None:
        self.account.simulator.scripts.add(RunScript(**options))

    @property
    def run_ids(self) -> list[str]:
        return [run["run_id"] for run in self.account.simulator.runs()]


class AgentDoor(Door):
    """A tool of an agent, whose model asks what it is told to."""

    asked = ""
    argument = ""

    def __init__(self, how: How) -> None:
        super().__init__(how)
        self.model = Model()

    def input(self, question: str, **more: Any) -> Any:
        self.model.says(calls((self.asked, {self.argument: question, **more})), "It is so [1].")
        return {"messages": [("user", "Find out")]}

    def told(self, state: Any) -> str:
        return next(m.text for m in reversed(state["messages"]) if isinstance(m, ToolMessage))


class ToolDoor(AgentDoor):
    asked, argument = "parallel_task", "input"

    def open(self, **options: Any) -> None:
        tool = ParallelTaskTool(client=self.account.client(), **options)
        self.graph = create_agent(self.model, tools=[tool], **self.kept)


class MiddlewareDoor(AgentDoor):
    asked, argument = "start_research", "question"

    def open(self, **options: Any) -> None:
        self.graph = self.account.agent(self.model, compiled=self.kept, **options)


class GraphDoor(Door):
    def open(self, **options: Any) -> None:
        options.pop("model_may_describe_output", None)  # its questions always may
        graph = create_research_graph(client=self.account.client(), **options)
        self.graph = graph.compile(**self.kept)

    def input(self, question: str, **more: Any) -> Any:
        return {"question": question, **more}

    def told(self, state: Any) -> str:
        return cast("AIMessage", state["messages"][-1]).text


DOORS: dict[str, type[Door]] = {"tool": ToolDoor, "graph": GraphDoor, "middleware": MiddlewareDoor}


# --- the capabilities ----------------------------------------------------------------------------


async def events(door: Door) -> None:
    door.open(processor="pro")
    await door.ask()
    assert set(door.heard.events) == {("parallel_progress", door.run_ids[0])}
    assert len(door.heard.events) > 2


async def shown_to_a_person(door: Door) -> None:
    door.open()
    shown = io.StringIO()
    with show_progress(force=True, file=shown):
        await door.ask()
    assert "Who leads?" in shown.getvalue()
    assert "completed" in shown.getvalue()


async def custom_stream(door: Door) -> None:
    door.open(processor="pro")
    heard = await door.stream(door.input("Who leads?"))
    kinds = {message["type"].partition(".")[0] for message in heard}
    assert kinds == {"task_run", "spending"}
    assert {message["run_id"] for message in heard} == set(door.run_ids)
    assert [message["cost_usd"] for message in heard if message["type"] == "spending"] == [0.1]


async def cost_in_trace(door: Door) -> None:
    door.open(processor="core")
    await door.ask()
    assert door.heard.costs == [0.025]


async def limits(door: Door) -> None:
    door.open(processor="core", limits=Limits(max_runs=1, on_exceed="stop"))
    assert "[simulated]" in plain(door.told(await door.ask("One?")))
    assert "the limit is 1" in plain(door.told(await door.ask("Two?")))
    assert len(door.run_ids) == door.account.billed == 1


async def approval(door: Door) -> None:
    door.open(processor="core", limits=Limits(approve_above="lite"))
    state = await door.ask()
    assert state["__interrupt__"][0].value["cost_usd"] == 0.025
    assert not door.run_ids
    assert "[simulated]" in plain(door.told(await door.invoke(Command(resume=APPROVE))))
    assert len(door.run_ids) == door.account.billed == 1


async def warnings(door: Door) -> None:
    door.script(warnings=("Too many fields.",))
    door.open()
    assert "Too many fields" in plain(door.told(await door.ask()))


async def failed_mcp_calls(door: Door) -> None:
    call = {"tool_call_id": "1", "server_name": "crm", "tool_name": "find", "arguments": "{}"}
    door.script(output={"mcp_tool_calls": [{**call, "content": "", "error": "is down"}]})
    door.open()
    assert "crm/find: is down" in plain(door.told(await door.ask()))


async def parked(door: Door) -> None:
    door.open(wait="park", processor="core")
    state = await door.ask()
    assert [one.value["kind"] for one in state["__interrupt__"]] == ["parked"]
    door.account.simulator.clock.sleep(3_600)
    state = await door.invoke(Command(resume="look again"))
    assert "[simulated]" in plain(door.told(state))
    assert len(door.run_ids) == door.account.billed == 1


async def shape_per_question(door: Door) -> None:
    door.open(model_may_describe_output=True)
    state = await door.ask(output_schema=SHAPE)
    assert "leader" in plain(door.told(state))
    assert door.account.billed == 1


def found_at(*urls: str) -> dict[str, Any]:
    cited = [{"url": url, "title": "T"} for url in urls]
    entry = {"field": "output", "reasoning": "", "confidence": "high", "citations": cited}
    return {"type": "text", "content": "See [2].", "basis": [entry]}


async def numbers_through_the_thread(door: Door) -> None:
    first, second = "https://one.example/a", "https://two.example/b"
    door.script(contains="One?", output=found_at(first))
    door.script(contains="Two?", output=found_at(second, first))
    door.open()
    assert numbered(door.told(await door.ask("One?"))) == {"one.example": "1"}
    later = numbered(door.told(await door.ask("Two?")))
    assert later["one.example"] == "1"
    assert later["two.example"] != "1"


def numbered(text: str) -> dict[str, str]:
    """The numbers of the sources in a list, by host."""
    lines = re.findall(r"^\W*\[(\d+)\] (.*)", text, re.MULTILINE)
    return {
        host: number
        for number, line in lines
        for host in ("one.example", "two.example")
        if host in line
    }


async def own_marks_told_apart(door: Door) -> None:
    door.script(output=found_at("https://one.example/a"))
    door.open()
    told = door.told(await door.ask())
    assert "See (2)" in told
    assert "See [2]" not in told


async def sources_of_the_final_answer(door: Door) -> None:
    door.script(output=found_at("https://one.example/a"))
    door.open()
    state = await door.ask()
    assert numbered(state["messages"][-1].text) == {"one.example": "1"}


async def known_already(door: Door) -> None:
    door.kept["store"] = InMemoryStore()
    door.open(request=RequestOptions(recall=Recall(per="all", ask=True)))
    await door.ask()
    door.thread = "another.thread"
    state = await door.ask()
    assert state["__interrupt__"][0].value["known"][0][0]["is_same_question"]
    assert door.account.billed == 1


def plain(text: str) -> str:
    """Without the escapes of Markdown."""
    return text.replace("\\", "")


CAPABILITIES: dict[str, Callable[[Door], Awaitable[None]]] = {
    "progress as LangChain events": events,
    "progress and cost on the custom stream": custom_stream,
    "[`show_progress()`](../guides/progress.md)": shown_to_a_person,
    "cost of a run in the trace": cost_in_trace,
    "limits": limits,
    "a person's approval": approval,
    "the API's warnings": warnings,
    "failed calls of MCP servers": failed_mcp_calls,
    "parked waiting": parked,
    "shape of the answer by question": shape_per_question,
    "citations numbered through the thread": numbers_through_the_thread,
    "a text's own marks told apart": own_marks_told_apart,
    "sources of the final answer": sources_of_the_final_answer,
    "what earlier sessions have found": known_already,
}
MISSING = {
    ("sources of the final answer", "tool"),
    ("what earlier sessions have found", "tool"),
}


def table() -> dict[str, list[str]]:
    """The table of the page: each row's cells."""
    rows = re.findall(r"^\| ([^|]+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_page_has_these_capabilities_and_doors() -> None:
    rows = table()
    assert rows.pop("capability") == list(DOORS)
    rows = {name: cells for name, cells in rows.items() if name in CAPABILITIES}
    assert list(rows) == list(CAPABILITIES)
    lacking = {
        (name, door)
        for name, cells in rows.items()
        for door, cell in zip(DOORS, cells, strict=True)
        if cell.startswith("no")
    }
    assert lacking == MISSING


@pytest.mark.grid(shows=either_way)
@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_a_door_has_a_capability(capability: str, door: str, how: How) -> None:
    if (capability, door) in MISSING:
        pytest.skip("The page says that it has not.")
    await CAPABILITIES[capability](DOORS[door](how))
