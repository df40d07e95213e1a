"""The tool called in every way: by hand, by other frameworks' adapters, by code inside a graph."""

from __future__ import annotations

import operator
import sys
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as own_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START as BEGIN
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from langchain_parallel import ParallelTaskResultTool, ParallelTaskTool
from langchain_parallel._core.calls import drive
from langchain_parallel._graph.step_position import step_position

from .helpers import START, Account, How, agent, ask, invoke, thread
from .test_ledger import Notes

QUESTION = "Who leads?"
HERE: Any = thread("a.thread")

# --- by hand, and by adapters --------------------------------------------------------------------

Way = Callable[[ParallelTaskTool, How], Any]


async def _run(tool: BaseTool, how: How, *args: Any, **kwargs: Any) -> Any:
    return await tool.arun(*args, **kwargs) if how == "async" else tool.run(*args, **kwargs)


async def _inner(tool: BaseTool, how: How, *args: Any, **kwargs: Any) -> Any:
    call: Any = tool._arun if how == "async" else tool._run
    return await call(*args, **kwargs) if how == "async" else call(*args, **kwargs)


async def _batch(tool: BaseTool, how: How) -> Any:
    asked = [{"input": QUESTION}]
    (got,) = await tool.abatch(asked) if how == "async" else tool.batch(asked)  # type: ignore[arg-type]
    return got


WAYS: dict[str, Way] = {
    "run(text)": lambda tool, how: _run(tool, how, QUESTION),
    "run(arguments)": lambda tool, how: _run(tool, how, {"input": QUESTION}),
    "run(config=None)": lambda tool, how: _run(tool, how, {"input": QUESTION}, config=None),
    "_run(text)": lambda tool, how: _inner(tool, how, QUESTION),
    "_run(**arguments)": lambda tool, how: _inner(tool, how, input=QUESTION),
    "_run(config=None)": lambda tool, how: _inner(tool, how, input=QUESTION, config=None),
    "batch": _batch,
    "invoke": lambda tool, how: invoke(tool, {"input": QUESTION}, how),
}


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_to_call_it_gives_the_text_for_one_run(
    account: Account, tool: ParallelTaskTool, how: How, way: str
) -> None:
    got = await WAYS[way](tool, how)
    assert isinstance(got, str)
    assert got.endswith(f"run_id: {account.runs[0]['run_id']}")
    assert len(account.runs) == account.billed == 1


async def test_an_adapter_reads_an_error_as_a_model_does(account: Account, how: How) -> None:
    got = await _inner(account.tool(), how, input=" ")
    assert isinstance(got, str)
    assert "Nothing was sent" in got
    assert not account.runs


async def test_an_adapter_collects_an_answer_as_text(
    account: Account, tool: ParallelTaskTool, how: How
) -> None:
    run_id = (await ask(tool, how, input=QUESTION)).artifact["run_id"]
    got = await _inner(ParallelTaskResultTool(task_tool=tool), how, run_id=run_id)
    assert isinstance(got, str)
    assert got.endswith(f"run_id: {run_id}")
    assert account.billed == 1


async def test_a_batch_by_hand_pays_for_each_question_once(account: Account, how: How) -> None:
    tool, asked = account.tool(), [{"input": f"Who leads in {place}?"} for place in "ABC"]
    got = await tool.abatch(asked) if how == "async" else tool.batch(asked)
    assert len(set(got)) == account.billed == 3


# --- inside a graph ------------------------------------------------------------------------------


class Counting(InMemorySaver):
    """Counts how often each checkpoint is asked for; one that is never written, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[Any, ...]] = Counter()

    def get_tuple(self, config: RunnableConfig) -> Any:
        where = config["configurable"]
        self.asked[where.get("checkpoint_ns"), where.get("checkpoint_id")] += 1
        return super().get_tuple(config)


class Faults:
    """How often a step fails after it has its answer."""

    def __init__(self, left: int = 0) -> None:
        self.left = left

    def __call__(self, answer: str) -> str:
        if self.left:
            self.left -= 1
            raise RuntimeError("the network is away")
        return answer.splitlines()[-1]


Place = Callable[[ParallelTaskTool, How, Faults, Any], tuple[Any, Any, str]]
"""Makes a graph with the tool in it: the graph, its input, and the step to go back to before."""


def in_own_tool(tool: ParallelTaskTool, how: How, noted: Faults, saver: Any) -> Any:
    def blocking(question: str, config: RunnableConfig) -> str:
        """Look it up."""
        return noted(tool.invoke({"input": question}, config))

    async def awaited(question: str, config: RunnableConfig) -> str:
        """Look it up."""
        return noted(await tool.ainvoke({"input": question}, config))

    called = AIMessage(
        "", tool_calls=[tool_call(name="look_up", args={"question": QUESTION}, id="1")]
    )
    own = own_tool("look_up")(awaited if how == "async" else blocking)
    return agent(own, called, *["done"] * 9, checkpointer=saver), START, "tools"


def asking(tool: ParallelTaskTool, noted: Faults) -> Any:
    """A step's function, to be called with a question and the step's config."""

    def blocking(question: str, config: RunnableConfig) -> str:
        return noted(tool.run({"input": question}, config=config))

    async def awaited(question: str, config: RunnableConfig) -> str:
        return noted(await tool.ainvoke({"input": question}, config))

    return blocking, awaited


def in_entrypoint(tool: ParallelTaskTool, how: How, noted: Faults, saver: Any) -> Any:
    step = asking(tool, noted)[how == "async"]
    return entrypoint(checkpointer=saver)(step), QUESTION, step.__name__


def in_task(tool: ParallelTaskTool, how: How, noted: Faults, saver: Any) -> Any:
    if how == "async" and sys.version_info < (3, 11):
        pytest.skip("there LangGraph has no awaited tasks")
    step = task(asking(tool, noted)[how == "async"])

    @entrypoint(checkpointer=saver)
    def workflow(question: str) -> Any:
        return step(question).result()  # LangGraph gives the config

    @entrypoint(checkpointer=saver)
    async def aworkflow(question: str, config: RunnableConfig) -> Any:
        return await step(question)

    whole = aworkflow if how == "async" else workflow
    return whole, QUESTION, "aworkflow" if how == "async" else "workflow"


def node_graph(tool: ParallelTaskTool, noted: Faults) -> Any:
    blocking, awaited = asking(tool, noted)

    def node(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return {"found": [*state.found, blocking(QUESTION, config)]}

    async def anode(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return {"found": [*state.found, await awaited(QUESTION, config)]}

    graph: Any = StateGraph(Notes)
    graph.add_node("research", RunnableLambda(node, anode))
    graph.add_edge(BEGIN, "research")
    return graph


def in_node(tool: ParallelTaskTool, how: How, noted: Faults, saver: Any) -> Any:
    return node_graph(tool, noted).compile(checkpointer=saver), {"found": []}, "research"


def in_subgraph(tool: ParallelTaskTool, how: How, noted: Faults, saver: Any) -> Any:
    outer: Any = StateGraph(Notes)
    outer.add_node("inner", node_graph(tool, noted).compile())
    outer.add_edge(BEGIN, "inner")
    return outer.compile(checkpointer=saver), {"found": []}, "inner"


PLACES: dict[str, Place] = {
    "one's own @tool": in_own_tool,
    "@entrypoint": in_entrypoint,
    "@task": in_task,
    "a node": in_node,
    "a subgraph": in_subgraph,
}


def before(graph: Any, step: str) -> Any:
    return next(s for s in graph.get_state_history(HERE) if s.next == (step,)).config


@pytest.mark.grid
@pytest.mark.parametrize("place", PLACES)
async def test_a_checkpoint_from_before_the_call_is_replayed_for_nothing(
    account: Account, how: How, place: str
) -> None:
    graph, asked, step = PLACES[place](account.tool(), how, Faults(), InMemorySaver())
    await invoke(graph, asked, how, HERE)
    for at in [one for one in graph.get_state_history(HERE) if one.next]:
        await invoke(graph, None, how, at.config)
    await invoke(graph, None, how, before(graph, step))  # the fork is a replay's
    assert len(account.runs) == account.billed == 1


@pytest.mark.grid
@pytest.mark.parametrize("place", PLACES)
async def test_a_step_that_fails_after_its_answer_is_resumed_for_nothing(
    account: Account, how: How, place: str
) -> None:
    graph, asked, _ = PLACES[place](account.tool(), how, Faults(1), InMemorySaver())
    with pytest.raises(RuntimeError):
        await invoke(graph, asked, how, HERE)
    await invoke(graph, None, how, HERE)
    assert len(account.runs) == account.billed == 1


@pytest.mark.grid
@pytest.mark.parametrize("place", PLACES)
async def test_the_same_question_in_the_next_invocation_is_a_new_run(
    account: Account, how: How, place: str
) -> None:
    tool, saver = account.tool(), InMemorySaver()
    for _ in range(2):
        graph, asked, _ = PLACES[place](tool, how, Faults(), saver)
        await invoke(graph, asked, how, HERE)
    assert len(account.runs) == account.billed == 2


@pytest.mark.grid
@pytest.mark.parametrize("place", PLACES)
async def test_no_call_waits_for_a_checkpoint_that_is_never_written(
    account: Account, how: How, place: str
) -> None:
    saver = Counting()
    graph, asked, _ = PLACES[place](account.tool(), how, Faults(), saver)
    await invoke(graph, asked, how, HERE)
    assert account.billed == 1
    ids = {checkpoint.config["configurable"]["checkpoint_id"] for checkpoint in saver.list(None)}
    never_written = {where: n for where, n in saver.asked.items() if where[1] not in {None, *ids}}
    assert not [n for n in never_written.values() if n > 3]


def test_a_task_called_twice_with_one_question_is_two_runs_each_replayed_for_nothing(
    account: Account,
) -> None:
    tool = account.tool()

    @task
    def look_up(question: str) -> Any:
        return tool.invoke({"input": question})

    @entrypoint(checkpointer=InMemorySaver())
    def workflow(question: str) -> Any:
        return [look_up(question).result(), look_up(question).result()]

    first = workflow.invoke(QUESTION, HERE)
    again = workflow.invoke(None, before(workflow, "workflow"))
    assert again == first
    assert len(set(first)) == len(account.runs) == account.billed == 2


def test_a_node_that_runs_in_two_steps_of_a_subgraph_asks_twice(account: Account) -> None:
    steps = node_graph(account.tool(), Faults())
    steps.add_conditional_edges(
        "research", lambda state: "research" if len(state.found) < 2 else "__end__"
    )
    outer: Any = StateGraph(Notes)
    outer.add_node("inner", steps.compile())
    outer.add_edge(BEGIN, "inner")
    graph = outer.compile(checkpointer=InMemorySaver())
    graph.invoke({"found": []}, HERE)
    graph.invoke(None, before(graph, "inner"))
    assert len(account.runs) == account.billed == 2


class Told(TypedDict):
    told: Annotated[list[str], operator.add]


def test_steps_of_one_name_in_two_subgraphs_have_two_places_also_when_they_are_replayed() -> None:
    def place(state: Told, config: RunnableConfig) -> Any:
        return {"told": [drive(step_position(config))]}

    inner: Any = StateGraph(Told)
    inner.add_node("place", place)
    inner.add_edge(BEGIN, "place")
    outer: Any = StateGraph(Told)
    for name in ("one", "two"):
        outer.add_node(name, inner.compile())
        outer.add_edge(BEGIN, name)
    graph = outer.compile(checkpointer=InMemorySaver())
    first = graph.invoke({"told": []}, HERE)["told"]
    (before,) = (s for s in graph.get_state_history(HERE) if set(s.next) == {"one", "two"})
    assert graph.invoke(None, before.config)["told"] == first
    assert None not in first
    assert len(set(first)) == 2


def test_each_step_of_a_loop_asks_anew_and_is_replayed_for_nothing(account: Account) -> None:
    loop = node_graph(account.tool(), Faults())
    loop.add_conditional_edges(
        "research", lambda state: "research" if len(state.found) < 8 else "__end__"
    )
    saver = Counting()
    graph = loop.compile(checkpointer=saver)
    graph.invoke({"found": []}, HERE, durability="sync")
    assert len(account.runs) == account.billed == 8
    often = [n for where, n in saver.asked.items() if where[0] == "" and where[1] and n > 6]
    assert not often, "each step reads the whole thread"
    for at in list(graph.get_state_history(HERE))[-2:]:  # the input, and what follows it
        graph.invoke(None, at.config)
    assert len(account.runs) == account.billed == 8


def test_behind_invocations_of_which_only_the_end_was_written_steps_are_found(
    account: Account,
) -> None:
    faults = Faults()
    graph = node_graph(account.tool(), faults).compile(checkpointer=InMemorySaver())
    for _ in range(2):
        graph.invoke({"found": []}, HERE, durability="exit")
    faults.left = 1
    with pytest.raises(RuntimeError):
        graph.invoke({"found": []}, HERE, durability="sync")
    graph.invoke(None, HERE, durability="sync")
    for at in [one for one in graph.get_state_history(HERE) if one.next]:
        graph.invoke(None, at.config, durability="sync")
    assert len(account.runs) == account.billed == 3


def test_an_edited_state_that_asks_something_else_is_a_new_run(account: Account) -> None:
    tool = account.tool()

    def node(state: Notes, config: RunnableConfig) -> dict[str, Any]:
        return {"found": [*state.found, tool.invoke({"input": state.found[0]}, config)]}

    graph: Any = StateGraph(Notes)
    graph.add_node("research", node)
    graph.add_edge(BEGIN, "research")
    graph = graph.compile(checkpointer=InMemorySaver())
    graph.invoke({"found": ["one"]}, HERE)
    for words, runs in (("one", 1), ("two", 2), ("one", 2)):
        at = graph.update_state(before(graph, "research"), {"found": [words]}, as_node=BEGIN)
        graph.invoke(None, at)
        assert len(account.runs) == account.billed == runs, words


def test_a_call_before_an_interrupt_is_not_made_again_after_it(account: Account) -> None:
    tool = account.tool()

    @entrypoint(checkpointer=InMemorySaver())
    def workflow(question: str) -> Any:
        found = tool.invoke({"input": question})
        return [interrupt("Is that enough?"), found]

    workflow.invoke(QUESTION, HERE)
    workflow.invoke(Command(resume="yes"), HERE)
    assert len(account.runs) == account.billed == 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_without_a_known_place_the_call_is_paid_once_all_the_same(
    account: Account, durability: Any
) -> None:
    """What is not written down until the end has no place that a replay could find."""
    tool = account.tool()

    @task
    def look_up(question: str) -> Any:
        inner = node_graph(tool, Faults()).compile()
        return inner.invoke({"found": []})["found"]

    @entrypoint(checkpointer=InMemorySaver())
    def workflow(question: str) -> Any:
        return look_up(question).result()

    workflow.invoke(QUESTION, HERE, durability=durability)
    assert len(account.runs) == account.billed == 1
