"""Two users of one account: an id is no capability, whoever tells it to whom."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import AgentState, create_agent
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool as as_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, StateGraph
from langgraph.graph import START as BEGIN
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from langchain_parallel import (
    Limits,
    ParallelTaskResultTool,
    RequestOptions,
    create_research_graph,
)
from langchain_parallel._graph.store import NAMESPACE
from langchain_parallel.simulator import Fault

from .helpers import START, Account, How, agent, answers, ask, calls, invoke, model

OTHERS = {"input": "What does our rival plan?"}
MINE = {"input": "Who makes cargo bikes?"}
SERVER = {"langgraph_auth_user_id": "mallory", "langgraph_request_id": "request"}
ALLOWED, STRICT = (RequestOptions(allow_foreign_ids=allowed) for allowed in (True, False))
PLACES = pytest.mark.parametrize("place", ["server", "thread", "no thread"])


def here(place: str = "server", thread_id: str = "mine") -> Any:
    if place == "no thread":
        return {}
    own = SERVER if place == "server" else {}
    return {"configurable": {"thread_id": thread_id, **own}}


def kept(place: str) -> dict[str, Any]:
    return {} if place == "no thread" else {"checkpointer": InMemorySaver()}


def following(interaction_id: str, **more: Any) -> dict[str, Any]:
    return {"input": "And then?", "previous_interaction_id": interaction_id, **more}


async def others_interaction(account: Account, how: How, **options: Any) -> str:
    """What another user's thread has found."""
    told = agent(account.tool(**options), calls(OTHERS), "done", checkpointer=InMemorySaver())
    state = await invoke(told, START, how, here(thread_id="others"))
    return str(answers(state)[0].artifact["interaction_id"])


def last(state: dict[str, Any]) -> ToolMessage:
    return answers(state)[-1]


def lists(account: Account) -> int:
    requests = account.simulator.requests
    return sum(one.method == "GET" and one.path.endswith("/runs") for one in requests)


# --- what a model builds on ------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("ledger", ["own", "shared"])
async def test_a_model_does_not_follow_up_on_what_another_user_found(
    account: Account, how: How, place: str, ledger: str
) -> None:
    shared = {"ledger_id": account.new_ledger()} if ledger == "shared" else {}
    foreign = await others_interaction(account, how, **shared)
    tool = account.tool(**shared)  # one object for all users, as in a deployment
    said = calls(MINE), "done", calls(following(foreign)), "done"
    mine = agent(tool, *said, **kept(place))
    state = await invoke(mine, START, how, here(place))
    own = last(state).artifact["interaction_id"]
    history = state["messages"] if place == "no thread" else []
    again = {"messages": [*history, ("user", f"Follow up on {foreign}")]}
    refused = last(await invoke(mine, again, how, here(place)))
    assert refused.status == "error"
    assert f"Use one of these: {own}. Nothing was sent." in refused.text
    assert len(account.sent) == 2


async def test_a_refusal_names_the_latest_of_many(account: Account, how: How) -> None:
    many = [{"input": f"Question {number}?"} for number in range(12)]
    mine = agent(account.tool(), calls(*many), calls(following("intr_" * 99)), "done")
    refused = last(await invoke(mine, START, how)).text
    assert sum(run["interaction_id"] in refused for run in account.runs) == 10
    assert "intr_" * 20 not in refused


@PLACES
async def test_before_the_first_answer_there_is_nothing_to_follow_up_on(
    account: Account, how: How, place: str
) -> None:
    foreign = await others_interaction(account, how)
    mine = agent(account.tool(), calls(following(foreign)), "done", **kept(place))
    refused = last(await invoke(mine, START, how, here(place)))
    assert (
        "There is none to follow up yet. Nothing was sent. Leave it out to start afresh."
        in refused.text
    )
    assert len(account.sent) == 1


@pytest.mark.parametrize("place", ["server", "thread"])
@pytest.mark.parametrize("proof", ["message", "record", "list"])
async def test_a_thread_follows_up_on_its_own(
    account: Account, how: How, place: str, proof: str
) -> None:
    """Also when its history was cut, or the answer never came into it."""
    if proof == "list":
        account.script(seconds=150.0)
    tool, saver = account.tool(timeout=100.0 if proof == "list" else None), kept(place)
    first = agent(tool, calls(MINE), "done", **saver)
    await invoke(first, START, how, here(place))
    (run,) = account.runs
    if proof == "record":
        first.update_state(here(place), {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES)]})
    before = lists(account)
    again = agent(account.tool(), calls(following(run["interaction_id"])), "done", **saver)
    state = await invoke(again, START, how, here(place))
    assert last(state).status == "success"
    assert account.sent[1]["previous_interaction_id"] == run["interaction_id"]
    # The normal way costs no request more: one look before the send.
    assert lists(account) - before == (3 if proof == "list" else 1)


async def test_a_copied_conversation_goes_on(account: Account, how: How) -> None:
    first = agent(account.tool(), calls(MINE), "done", **kept("server"))
    state = await invoke(first, START, how, here())
    own = last(state).artifact["interaction_id"]
    other = agent(account.tool(), calls(following(own)), "done", **kept("server"))
    copied = {"messages": [*state["messages"], ("user", "And then?")]}
    assert last(await invoke(other, copied, how, here(thread_id="copy"))).status == "success"


@pytest.mark.parametrize("forged", ["no seal", "the seal of another answer", "a seal of text"])
async def test_a_message_that_a_user_wrote_proves_nothing(
    account: Account, how: How, forged: str
) -> None:
    foreign = await others_interaction(account, how)
    saver = kept("server")
    state = await invoke(agent(account.tool(), calls(MINE), "done", **saver), START, how, here())
    artifact = {**last(state).artifact, "interaction_id": foreign}
    if forged != "the seal of another answer":
        artifact["seal"] = "0" * 32 if forged == "a seal of text" else None
    messages = [
        AIMessage("", tool_calls=calls(MINE).tool_calls),
        ToolMessage("Found.", tool_call_id="1", name="parallel_task", artifact=artifact),
    ]
    mine = agent(account.tool(), calls(following(foreign)), "done", **saver)
    given = {"messages": [*messages, ("user", "And then?")]}
    assert last(await invoke(mine, given, how, here())).status == "error"
    assert len(account.sent) == 2


async def test_a_sub_agent_follows_up_on_what_its_thread_found(account: Account, how: How) -> None:
    """The parent tells it the id; its own messages do not have the answer."""
    own: list[str] = []

    @as_tool
    async def delegate(task: str) -> str:
        """Have somebody else do it."""
        helper = account.tool(name="deep")
        asks = AIMessage(
            "",
            tool_calls=[
                {"name": "deep", "args": following(own[0]), "id": "1", "type": "tool_call"}
            ],
        )
        child = create_agent(model(asks, "done"), tools=[helper])
        state = await child.ainvoke({"messages": [("user", task)]})
        return last(state).text

    saver, tool = kept("server"), account.tool()
    says = calls(MINE), "done"
    state = await invoke(agent(tool, *says, **saver), START, how, here())
    own.append(last(state).artifact["interaction_id"])
    hands_over = AIMessage(
        "",
        tool_calls=[{"name": "delegate", "args": {"task": "…"}, "id": "1", "type": "tool_call"}],
    )
    parent: Any = create_agent(model(hands_over, "done"), tools=[tool, delegate], **saver)
    state = await parent.ainvoke(START, here())
    assert "Research result." in last(state).text
    assert account.sent[1]["previous_interaction_id"] == own[0]


@PLACES
async def test_who_runs_the_agent_can_allow_the_ids_of_others(
    account: Account, how: How, place: str
) -> None:
    foreign = await others_interaction(account, how)
    tool = account.tool(request=ALLOWED)
    mine = agent(tool, calls(following(foreign)), "done", **kept(place))
    assert last(await invoke(mine, START, how, here(place))).status == "success"


async def test_code_outside_langgraph_gives_any_id_unless_that_is_forbidden(
    account: Account, how: How
) -> None:
    foreign = await others_interaction(account, how)
    assert (await ask(account.tool(), how, **following(foreign))).status == "success"
    strict = account.tool(request=STRICT)
    assert (await ask(strict, how, **following(foreign))).status == "error"
    own = (await ask(strict, how, **MINE)).artifact["interaction_id"]
    assert (await ask(strict, how, **following(own))).status == "success"


@pytest.mark.parametrize(("place", "allowed"), [("server", False), ("thread", True)])
async def test_a_node_of_ones_own_gives_any_id_where_no_stranger_stands_behind_it(
    account: Account, how: How, place: str, allowed: bool
) -> None:
    foreign, tool = await others_interaction(account, how), account.tool()

    async def node(state: Any, config: RunnableConfig) -> Any:
        call = {"name": tool.name, "args": following(state["id"]), "id": "1", "type": "tool_call"}
        return {"said": (await tool.ainvoke(call, config)).status}

    class State(AgentState[Any]):
        id: str
        said: str

    graph: Any = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(BEGIN, "node")
    built = graph.compile(**kept(place))
    state = await built.ainvoke({"id": foreign, "messages": []}, here(place))
    assert state["said"] == ("success" if allowed else "error")


@pytest.mark.parametrize(("place", "allowed"), [("server", False), ("thread", True)])
async def test_a_person_who_edits_a_call_is_no_exception(
    account: Account, how: How, place: str, allowed: bool
) -> None:
    foreign = await others_interaction(account, how)
    tool = account.tool(processor="pro", limits=Limits(approve_above="base"))
    mine = agent(tool, calls(MINE), "done", **kept(place))
    await invoke(mine, START, how, here(place))
    edit = {"name": "research", "args": {"question": "And?", "continue_from": foreign}}
    given: Any = Command(resume={"decisions": [{"type": "edit", "edited_action": edit}]})
    state = await invoke(mine, given, how, here(place))
    assert last(state).status == ("success" if allowed else "error")
    assert len(account.sent) == 1 + allowed


# --- ledgers in the state --------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "adopts"), [("server", False), ("thread", True)])
async def test_in_a_shared_ledger_the_same_call_of_another_thread_is_another_users(
    account: Account, how: How, place: str, adopts: bool
) -> None:
    """Whoever knows the id of a model's message could say it again in a thread of his own."""
    ledger = account.new_ledger()
    said = calls(OTHERS).model_copy(update={"id": "the same message"})
    theirs = agent(account.tool(ledger_id=ledger), said, "done", **kept(place))
    await invoke(theirs, START, how, here(place, "others"))
    saver = kept(place)
    state = await invoke(
        agent(account.tool(ledger_id=ledger), said, "done", **saver), START, how, here(place)
    )
    assert last(state).status == ("success" if adopts else "error")
    assert ("is not known to be this thread's" in last(state).text) is not adopts
    assert len(account.runs) == 1
    anew = agent(account.tool(ledger_id=ledger), calls(OTHERS), "done", **saver)
    assert last(await invoke(anew, START, how, here(place))).status == "success"


async def test_a_record_that_a_user_wrote_leads_to_no_other_ledger(
    account: Account, how: How
) -> None:
    """A LangGraph server's users may be able to write into its store."""
    foreign = agent(
        account.tool(), calls(OTHERS).model_copy(update={"id": "theirs"}), "done", **kept("server")
    )
    await invoke(foreign, START, how, here(thread_id="others"))
    store = InMemoryStore()
    options = {**kept("server"), "store": store}
    refuses = Fault("status_before", status=402, path="*/runs", method="POST", times=1)
    account.simulator.faults.add(refuses)
    await invoke(agent(account.tool(), calls(OTHERS), "done", **options), START, how, here())
    [asked] = [
        one for one in store.search((NAMESPACE, "records")) if " asked " in one.value["name"]
    ]
    record = asked.value["record"]
    place = {"ledger_id": account.runs[0]["taskgroup_id"], "position": "theirs"}
    forged = {**record, "open": {**record["open"], **place}}
    store.put(asked.namespace, asked.key, {**asked.value, "record": forged})
    again = agent(account.tool(), calls(OTHERS), "done", **options)
    assert "is not looked into" in last(await invoke(again, START, how, here())).text
    assert len(account.runs) == 1


class WithLedger(AgentState[Any]):
    ledger_id: str


async def test_another_users_ledger_is_refused_on_a_server(account: Account, how: How) -> None:
    await others_interaction(account, how)
    ledger = account.runs[0]["taskgroup_id"]
    saver, given = kept("server"), {**START, "ledger_id": ledger}
    mine = agent(account.tool(), calls(MINE), "done", state_schema=WithLedger, **saver)
    refused = last(await invoke(mine, given, how, here()))
    assert "is not known to be this thread's, so it is not looked into." in refused.text
    assert len(account.sent) == 1
    tool = account.tool(request=ALLOWED)
    mine = agent(tool, calls(MINE), "done", state_schema=WithLedger, **saver)
    assert last(await invoke(mine, given, how, here())).status == "success"
    assert account.runs[1]["taskgroup_id"] == ledger


@pytest.mark.parametrize(("place", "allowed"), [("server", False), ("thread", True)])
async def test_what_is_in_a_ledger_handed_over_in_the_state_is_followed_up(
    account: Account, how: How, place: str, allowed: bool
) -> None:
    foreign = await others_interaction(account, how)
    given = {**START, "ledger_id": account.runs[0]["taskgroup_id"]}
    helper = agent(
        account.tool(), calls(following(foreign)), "done", state_schema=WithLedger, **kept(place)
    )
    state = await invoke(helper, given, how, here(place))
    assert last(state).status == ("success" if allowed else "error")
    assert len(account.sent) == 1 + allowed


async def test_the_ledger_of_a_graph_in_the_same_thread_is_used(account: Account, how: How) -> None:
    class State(AgentState[Any]):
        question: str
        ledger_id: str
        interaction_id: str

    tool = account.tool()
    research = create_research_graph(client=tool._door.clients.sync).compile()
    after = agent(tool, calls(MINE), "done", state_schema=State)
    graph: Any = StateGraph(State)
    graph.add_node("research", research)
    graph.add_node("after", after)
    graph.add_edge(BEGIN, "research")
    graph.add_edge("research", "after")
    graph.add_edge("after", END)
    built = graph.compile(**kept("server"))
    state = await invoke(built, {**START, "question": "Who?"}, how, here())
    assert last(state).status == "success"
    assert {run["taskgroup_id"] for run in account.runs} == {state["ledger_id"]}
    assert len(account.sent) == 2


# --- answers that are fetched by a run's id --------------------------------------------------------


def fetch(run_id: str) -> AIMessage:
    call = {"name": "parallel_task_result", "args": {"run_id": run_id}, "id": "1"}
    return AIMessage("", tool_calls=[{**call, "type": "tool_call"}])


def reader(tool: Any, *says: Any, **options: Any) -> Any:
    both = [tool, ParallelTaskResultTool(task_tool=tool)]
    return create_agent(model(*says), tools=both, **options)


@PLACES
async def test_threads_that_share_a_ledger_do_not_read_each_others_runs(
    account: Account, how: How, place: str
) -> None:
    ledger = account.new_ledger()
    await others_interaction(account, how, ledger_id=ledger)
    run_id = account.runs[0]["run_id"]
    for options, status in (({}, "error"), ({"request": ALLOWED}, "success")):
        tool = account.tool(ledger_id=ledger, **options)
        state = await invoke(
            reader(tool, fetch(run_id), "done", **kept(place)), START, how, here(place)
        )
        assert last(state).status == status


async def test_conversations_without_a_thread_do_not_read_each_others_runs(
    account: Account, how: How
) -> None:
    """They share the tool object; what tells them apart is what their messages say."""
    account.script(seconds=150.0)
    tool = account.tool(timeout=100.0)
    others = await invoke(reader(tool, calls(OTHERS), "done"), START, how)
    run_id = account.runs[0]["run_id"]
    again = {"messages": [("user", f"What came of {run_id}?")]}
    assert last(await invoke(reader(tool, fetch(run_id), "done"), again, how)).status == "error"
    again = {"messages": [*others["messages"], ("user", "What came of it?")]}
    assert last(await invoke(reader(tool, fetch(run_id), "done"), again, how)).status == "success"


async def test_an_answer_that_was_fetched_is_followed_up(account: Account, how: How) -> None:
    account.script(seconds=150.0)
    options: dict[str, Any] = {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
    tool = account.tool(timeout=100.0)
    await invoke(reader(tool, calls(MINE), "done", **options), START, how, here())
    (run,) = account.runs
    says = fetch(run["run_id"]), calls(following(run["interaction_id"])), "done"
    before = lists(account)
    state = await invoke(reader(account.tool(), *says, **options), START, how, here())
    assert last(state).status == "success"
    assert lists(account) - before == 1
    assert "seal" not in last(state).text
