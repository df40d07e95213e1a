"""Several middlewares in one agent, sub-agents, own graphs; and traces and streams."""

from __future__ import annotations

import asyncio
import json
import operator
import subprocess
import sys
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send
from typing_extensions import TypedDict

from langchain_parallel import InteractionTree
from langchain_parallel._core.timestamps import elapsed_seconds
from langchain_parallel.middleware import ResearchAgentState, find_citations, sources, turns_of
from langchain_parallel.middleware.agent_state import merge_research
from langchain_parallel.models import McpServer
from langchain_parallel.options import Limits, RequestOptions

from .harness import (
    SAID,
    Account,
    Model,
    answers,
    branch,
    calls,
    check,
    follow_up,
    listing,
    more,
    record,
    start,
    texts,
    thread,
)


def test_two_middlewares_in_one_agent_keep_apart(account: Account) -> None:
    ask_both = calls(start("Who leads?"), ("start_patents", {"question": "Which patents?"}))
    model = Model(
        ask_both, calls(("follow_up_patents", {"handle": "patents-1", "question": "More?"}))
    )
    both = [account.middleware(), account.middleware(name="patents", processor="base")]
    saver = InMemorySaver()
    agent: Any = create_agent(model, middleware=both, checkpointer=saver)
    state = account.invoke(agent, SAID, thread())
    assert list(state["parallel_research"]) == ["r1"]
    assert list(state["parallel_patents"]) == ["patents-1", "patents-1.2"]
    assert len({run["taskgroup_id"] for run in account.runs}) == 2
    assert "[patents-1]" in texts(state)[1]
    found, unknown = find_citations("See [patents-1] and [1].", state, "patents")
    assert list(found) == [1]
    assert unknown == []
    assert found[1]["url"] == sources(state, "patents")[1]["url"]


def sub_agents(account: Account, store: InMemoryStore | None, says: Any) -> Any:
    """A supervisor that researches, and asks two sub-agents that do so, too, by the same middleware."""
    shared = account.middleware()

    def helper(name: str) -> Any:
        @tool(name)
        def ask(task: str) -> str:
            """Ask a helper."""
            model = Model(calls(start(task)), "found it [1]")
            inner: Any = create_agent(model, middleware=[shared])
            state = inner.invoke({"messages": [("user", task)]})
            return f"{list(state['parallel_research'])} {state['messages'][-1].text}"

        return ask

    return create_agent(
        Model(*says),
        tools=[helper("ann"), helper("bob")],
        middleware=[shared],
        checkpointer=InMemorySaver(),
        store=store,
    )


@pytest.mark.parametrize("store", [True, False])
def test_sub_agents_do_not_mix_up_sessions(store: bool) -> None:
    account = Account("sync")
    asked = {"task": "Who leads?"}
    says = [
        calls(start("Who leads?"), ("ann", asked), ("bob", asked)),
        calls(("ann", asked)),
        "done",
    ]
    agent = sub_agents(account, InMemoryStore() if store else None, says)
    state = account.invoke(agent, SAID, thread())
    assert list(state["parallel_research"]) == ["r1"]
    assert [text.startswith("['r1']") for text in texts(state)] == [False, True, True, True]
    assert len({run["taskgroup_id"] for run in account.runs}) == 4
    assert account.billed == 4  # each asked for itself, and later again


def supervised(account: Account, model: Model, **compiled: Any) -> Any:
    """A supervisor that hands over to a researcher, once for each message of the user."""
    graph: Any = StateGraph(MessagesState)
    graph.add_node("researcher", account.agent(model, compiled={"name": "researcher", **compiled}))
    graph.add_edge(START, "researcher")
    return graph.compile(checkpointer=InMemorySaver())


def test_a_researcher_under_a_supervisor_keeps_its_handles(account: Account) -> None:
    """`checkpointer=True`: its state lives from one hand-off to the next."""
    model = Model(calls(start("Who leads?")), "done", calls(follow_up("r1", "Why?")), "done")
    graph = supervised(account, model, checkpointer=True)
    account.invoke(graph, SAID, thread())
    state = account.invoke(graph, more(), thread())
    assert texts(state)[1].startswith("r1.2 completed")
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
    assert account.billed == 2


def test_without_a_checkpointer_each_hand_off_is_a_session_of_its_own(account: Account) -> None:
    model = Model(calls(start("What is new?")), "done", calls(start("What is new?")), "done")
    graph = supervised(account, model)
    account.invoke(graph, SAID, thread())
    account.invoke(graph, more(), thread())
    assert account.billed == 2


@pytest.mark.parametrize("kept", [True, None])
def test_a_researcher_under_a_supervisor_can_be_parked(account: Account, kept: Any) -> None:
    graph: Any = StateGraph(MessagesState)
    agent = account.agent(
        Model(calls(start("Who leads?")), "done"), wait="park", compiled={"checkpointer": kept}
    )
    graph.add_node("researcher", agent)
    graph.add_edge(START, "researcher")
    whole = graph.compile(checkpointer=InMemorySaver())
    state = account.invoke(whole, SAID, thread())
    assert state["__interrupt__"][0].value["kind"] == "parked"
    account.pass_time()
    state = account.invoke(whole, Command(resume=1), thread())
    assert texts(state)[0].startswith("r1 completed")
    assert len(account.runs) == 1


def test_a_sub_agents_findings_can_be_handed_to_the_one_above(account: Account) -> None:
    """As frameworks do that pass a sub-agent's state on."""
    inner = account.invoke(account.agent(Model(calls(start("Who follows?")), "done")), SAID)
    saver = InMemorySaver()
    model = Model(calls(start("Who leads?")), "done")
    agent = account.agent(model, compiled={"checkpointer": saver})
    account.invoke(agent, SAID, thread())
    agent.update_state(thread(), {"parallel_research": inner["parallel_research"]})
    values = agent.get_state(thread()).values
    own, foreign = values["parallel_research"]
    assert own == "r1"
    assert foreign.startswith("r1@")
    model.says(calls(follow_up(foreign, "Why?")), "done")
    state = account.invoke(agent, more(), thread())
    assert record(state, "r2")["parent_handle"] == foreign


# --- a graph of one's own ---------------------------------------------------------------------------


def own_graph(
    account: Account, model: Model, *, compiled: dict[str, Any] | None = None, **options: Any
) -> Any:
    """A hand-made graph with a `ToolNode`, without the middleware's hooks; with a store unless told."""
    tools = account.middleware(**options).tools

    def speak(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def aspeak(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph: Any = StateGraph(ResearchAgentState)
    graph.add_node("model", aspeak if account.how == "async" else speak)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    kept = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    return graph.compile(**(compiled or kept))


def test_the_tools_work_in_a_graph_of_ones_own(account: Account) -> None:
    model = Model(
        calls(start("One?"), start("Two?")),
        calls(follow_up("r2", "More?"), branch("r1", "Why?", "Where?")),
        calls(listing()),
        "done",
    )
    state = account.invoke(own_graph(account, model), SAID, thread())
    assert {h: r["question"] for h, r in state["parallel_research"].items()} == {
        "r1": "One?",
        "r2": "Two?",
        "r2.2": "More?",
        "r1.2": "Why?",
        "r1.3": "Where?",
    }
    ranges = [record["numbers_at"] for record in state["parallel_research"].values()]
    assert sorted(ranges) == [0, 1, 2, 3, 4]
    assert len({run["taskgroup_id"] for run in account.runs}) == 1
    assert account.billed == 5


def test_a_tool_called_without_a_message_asks_for_itself(account: Account) -> None:
    """As a `ToolNode` does that is sent single calls."""
    graph: Any = StateGraph(ResearchAgentState)
    graph.add_node("tools", ToolNode(account.middleware().tools))
    graph.add_edge(START, "tools")
    (asked,) = calls(start("Who leads?")).tool_calls
    sender = StateGraph(ResearchAgentState)
    sender.add_node("tools", graph.nodes["tools"].runnable)
    sender.add_conditional_edges(START, lambda state: [Send("tools", [asked])], ["tools"])
    for _ in range(2):
        state = account.invoke(sender.compile(), {"messages": []})
        assert record(state, "r1")["status"] == "completed"
    assert account.billed == 2


def test_messages_without_ids_do_not_mix_sessions_up(account: Account) -> None:
    """In a graph that keeps its messages in a plain list."""

    class Plain(TypedDict):
        messages: Annotated[list[Any], operator.add]
        parallel_research: Annotated[dict[str, Any], merge_research]
        parallel_research_ledger_id: Annotated[str, lambda known, new: new or known]

    graph: Any = StateGraph(Plain)
    graph.add_node("tools", ToolNode(account.middleware().tools))
    graph.add_edge(START, "tools")
    compiled = graph.compile()
    for _ in range(2):
        asked = calls(start("What is new?"), start("And what else?"))
        state = account.invoke(compiled, {"messages": [asked]})
        assert {r["status"] for r in state["parallel_research"].values()} == {"completed"}
    assert account.billed == 4


def test_in_an_own_graph_limits_are_reviewed_over_the_message_too(account: Account) -> None:
    model = Model(calls(start("One?"), start("Two?"), start("Three?")), "done")
    graph = own_graph(account, model, limits=Limits(max_runs=2, on_exceed="stop"))
    state = account.invoke(graph, SAID, thread())
    assert sorted(account.asked) == ["One?", "Two?"]
    assert record(state, "r3")["status"] == "declined"


def test_in_an_own_graph_the_tool_asks_a_person(account: Account) -> None:
    model = Model(calls(start("One?")), "done")
    graph = own_graph(account, model, processor="pro", limits=Limits(approve_above="base"))
    state = account.invoke(graph, SAID, thread())
    assert state["__interrupt__"][0].value["kind"] == "spend"
    assert account.runs == []
    yes = {"decisions": [{"type": "approve"}]}
    state = account.invoke(graph, Command(resume=yes), thread())
    assert record(state, "r1")["status"] == "completed"
    assert account.billed == 1


def test_in_an_own_graph_raised_limits_stay_raised(account: Account) -> None:
    model = Model(calls(start("One?")), "done")
    graph = own_graph(account, model, limits=Limits(max_cost_usd=0.001))
    account.invoke(graph, SAID, thread())
    yes = {"decisions": [{"type": "approve"}], "limits": {"max_cost_usd": 1.0}}
    account.invoke(graph, Command(resume=yes), thread())
    raised = graph.get_state(thread()).values["parallel_research_limits"]
    assert raised == {"max_cost_usd": 1.0, "seal": raised["seal"]}
    model.says(calls(start("Two?")), "done")
    state = account.invoke(graph, more(), thread())
    assert record(state, "r2")["status"] == "completed"


def test_parked_calls_in_one_tool_node_pay_once_each(account: Account) -> None:
    """There one interrupt surfaces at a time, and calls that have ended run again."""
    model = Model(calls(start("One?"), start("Two?")), "done")
    graph = own_graph(account, model, wait="park")
    state = account.invoke(graph, SAID, thread())
    for _ in range(3):
        if "__interrupt__" not in state:
            break
        account.pass_time()
        state = account.invoke(graph, Command(resume=1), thread())
    assert {r["status"] for r in state["parallel_research"].values()} == {"completed"}
    assert sorted(account.asked) == ["One?", "Two?"]


# --- those who watch --------------------------------------------------------------------------------


class Traces(BaseCallbackHandler):
    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []
        self.parents: list[Any] = []
        self.tools: list[Any] = []

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: Any, **_: Any) -> None:
        self.tools.append(run_id)

    def on_chain_start(self, serialized: Any, inputs: Any, **more_: Any) -> None:
        if more_.get("name") == "parallel_run":
            self.metadata.append(more_["metadata"])
            self.parents.append(more_["parent_run_id"])


def test_the_trace_shows_under_the_tools_run_what_it_cost(account: Account) -> None:
    traces = Traces()
    account.invoke(
        account.agent(Model(calls(start("Who leads?")), "done")), SAID, {"callbacks": [traces]}
    )
    (metadata,), (run,) = traces.metadata, account.runs
    assert metadata["run_id"] == run["run_id"]
    assert metadata["interaction_id"] == run["interaction_id"]
    assert metadata["processor"] == "lite"
    assert metadata["seconds"]
    assert metadata["seconds"] == elapsed_seconds(run["created_at"], run["modified_at"])
    assert metadata["usage_metadata"] == {"total_cost": 0.005}
    assert traces.parents == traces.tools


def test_progress_streams(account: Account) -> None:
    agent = account.agent(Model(calls(start("Who leads?")), "done"))
    if account.how == "sync":
        seen = list(agent.stream(SAID, stream_mode="custom"))
    else:

        async def collect() -> list[Any]:
            return [chunk async for chunk in agent.astream(SAID, stream_mode="custom")]

        seen = asyncio.run(collect())
    assert {message["run_id"] for message in seen} == {account.runs[0]["run_id"]}
    assert {"task_run.state", "spending"} <= {message["type"] for message in seen}


def test_the_records_are_turns_for_the_views_of_a_session(account: Account) -> None:
    model = Model(calls(start("Who leads?")), calls(branch("r1", "Why?", "Where?")), "done")
    state = account.invoke(account.agent(model), SAID)
    tree = InteractionTree.of(turns_of(state["parallel_research"]))
    assert len(tree) == 3
    assert [len(root.children) for root in tree.roots] == [2]
    assert tree.total_cost_usd == 0.015


def test_no_key_is_anywhere_in_the_state(account: Account) -> None:
    saver = InMemorySaver()
    agent = account.agent(
        Model(calls(start("Who leads?")), "done"), compiled={"checkpointer": saver}
    )
    account.invoke(agent, SAID, thread())
    for snapshot in agent.get_state_history(thread()):
        assert "key-aaaabbbb" not in repr(snapshot)


def test_no_secret_of_an_mcp_server_reaches_the_model_or_the_state(account: Account) -> None:
    secret = "Bearer-secret-abc123"
    server = McpServer(url="https://mcp.example", name="crm", headers={"Authorization": secret})
    account.script(outcome="failed", message=f"The server did not take {secret}.")
    saver = InMemorySaver()
    model = Model(calls(start("Who leads?")), calls(check("r1")), "done")
    agent = account.agent(
        model, compiled={"checkpointer": saver}, request=RequestOptions(mcp_servers=[server])
    )
    state = account.invoke(agent, SAID, thread())
    assert record(state, "r1")["status"] == "failed"
    for snapshot in agent.get_state_history(thread()):
        assert secret not in repr(snapshot)


@pytest.mark.parametrize("wait", ["block", "background"])
def test_a_check_in_the_message_that_starts_a_run_is_too_early(account: Account, wait: str) -> None:
    model = Model(calls(start("Who leads?"), check("r1")), "done")
    agent = account.agent(model, wait=wait, compiled={"checkpointer": InMemorySaver()})
    state = account.invoke(agent, SAID, thread())
    assert texts(state)[1] == "r1 is being started. Look again at your next turn."
    account.pass_time()
    model.says("done")
    account.invoke(agent, more(), thread())
    assert ("Finished since: r1" in model.notes[-1]) == (wait == "background")


def test_a_tool_outside_an_agent_says_what_it_needs(account: Account) -> None:
    made = account.middleware().tools[0]
    assert "only inside an agent" in made.invoke({"question": "Who leads?"})
    assert account.runs == []


def test_only_the_middleware_needs_langchain() -> None:
    script = (
        "import sys, langchain_parallel, langchain_parallel.research;"
        "print('langchain' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "False"


def test_messages_stay_small_for_programs_too(account: Account) -> None:
    state = account.invoke(account.agent(Model(calls(start("Who leads?")), "done")), SAID)
    assert len(json.dumps(answers(state)[0].artifact)) < 400
