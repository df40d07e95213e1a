"""What others delegate through on a LangGraph server: chat over REST, A2A, MCP, `RemoteGraph`, and the
asynchronous sub-agents of Deep Agents. The server is `langgraph dev`; no network.
"""

from __future__ import annotations

import ast
import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from langchain_parallel.simulator import RunningServer, RunScript, Simulator, serve

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client

from ..fences import inside
from .running import running, until


@pytest.fixture(scope="module")
def api() -> Iterator[RunningServer]:
    with serve(Simulator(latency_scale=0.001)) as server:
        yield server


@pytest.fixture(scope="module")
def url(api: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    waits = {"PARALLEL_RESEARCH_WAIT": "block"}
    with running(api, tmp_path_factory.mktemp("server"), environment=waits) as here:
        yield here


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    made = get_sync_client(url=url)
    yield made
    made.http.client.close()


def rpc(url: str, path: str, method: str, params: Any) -> Any:
    """What a JSON-RPC endpoint of the server answers."""
    asked = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
    answer = httpx.post(
        f"{url}{path}", json=asked, headers={"accept": "application/json"}, timeout=60
    ).json()
    assert "error" not in answer, answer
    return answer["result"]


def test_a_chat_over_rest_gets_cited_messages_and_follows_up(client: Any, url: str) -> None:
    """As agent-chat-ui sends it: content blocks, a message id of its own, and values streamed."""
    thread = client.threads.create()["thread_id"]
    for text in ("Who makes cargo bikes?", "And in Europe?"):
        message = {
            "id": str(uuid.uuid4()),
            "type": "human",
            "content": [{"type": "text", "text": text}],
        }
        body = {
            "assistant_id": "research",
            "input": {"messages": [message]},
            "stream_mode": ["values"],
            "stream_subgraphs": True,
            "stream_resumable": True,
            "on_disconnect": "continue",
        }
        stream = httpx.post(f"{url}/threads/{thread}/runs/stream", json=body, timeout=60).text
        assert "event: values" in stream
        assert "event: error" not in stream
    values = client.threads.get_state(thread)["values"]
    assert [m["type"] for m in values["messages"]] == ["human", "ai"] * 2
    assert "Sources:" in values["messages"][-1]["content"]
    first, second = values["turns"]
    assert second["parent_interaction_id"] == first["interaction_id"]


def test_a2a_sends_a_message_and_gets_the_cited_answer(
    client: Any, url: str, api: RunningServer
) -> None:
    before = len(api.simulator.runs())
    assistant = client.assistants.search(graph_id="research")[0]["assistant_id"]
    card = httpx.get(f"{url}/.well-known/agent-card.json?assistant_id={assistant}").json()
    assert card["description"].startswith("Researches a question on the web")

    def send(text: str, **more: Any) -> Any:
        parts = [{"kind": "text", "text": text}]
        message = {"role": "user", "messageId": str(uuid.uuid4()), "parts": parts, **more}
        return rpc(url, f"/a2a/{assistant}", "message/send", {"message": message})

    task = send("Who makes cargo bikes?")
    (artifact,) = task["artifacts"]
    assert "Sources:" in artifact["parts"][0]["text"]
    task = send("And in Europe?", contextId=task["contextId"])
    assert "And in Europe?" in task["artifacts"][0]["parts"][0]["text"]
    first, second = api.simulator.runs()[before:]
    assert second["taskgroup_id"] == first["taskgroup_id"]


def test_mcp_shows_a_tool_with_two_arguments(url: str) -> None:
    tools = {tool["name"]: tool for tool in rpc(url, "/mcp", "tools/list", {})["tools"]}
    tool = tools["web_research"]
    assert tool["description"].startswith("Researches a question on the web")
    assert set(tool["inputSchema"]["properties"]) == {"question", "continue_from"}
    assert tool["inputSchema"]["required"] == ["question"]
    assert set(tools["research"]["inputSchema"]["properties"]) == {
        "question",
        "continue_from",
        "messages",
    }


def answer(url: str, **arguments: Any) -> str:
    """The text of an MCP tool call: the server gives the `repr` of the graph's output."""
    params = {"name": "web_research", "arguments": arguments}
    result = rpc(url, "/mcp", "tools/call", params)
    said: str = result["content"][0]["text"]
    return said if result.get("isError") else ast.literal_eval(said)["answer"]


def test_mcp_gets_a_bounded_fenced_answer_and_a_handle_to_follow_up(
    url: str, api: RunningServer
) -> None:
    api.simulator.scripts.add(RunScript(output={"content": "long " * 50_000, "basis": []}))
    text = answer(url, question="Who makes cargo bikes?")
    assert len(text) <= 24_000
    assert len(inside(text)) == 1
    assert "long" not in text.rpartition("</research_output")[2]
    handle = text.rpartition("continue_from=")[2]
    more = answer(url, question="And in Europe?", continue_from=handle)
    assert "[simulated]" in inside(more)[0]
    *_, first, _ = api.simulator.runs()
    assert handle.startswith(first["interaction_id"])
    assert "Who makes cargo bikes?" in more  # the simulator quotes what it builds on


def test_mcp_builds_on_no_interaction_that_was_not_handed_out(url: str, api: RunningServer) -> None:
    text = answer(url, question="Who makes cargo bikes?")
    interaction_id = text.rpartition("continue_from=")[2].partition("~")[0]
    runs = len(api.simulator.runs())
    for forged in (interaction_id, f"{interaction_id}~{'0' * 32}"):
        refused = answer(url, question="Why?", continue_from=forged)
        assert "no handle that you were given" in refused
    assert len(api.simulator.runs()) == runs


def test_mcp_is_told_in_words_that_a_person_would_have_to_approve(url: str, client: Any) -> None:
    """`research` on a thread asks; here nobody could answer."""
    params = {"name": "research", "arguments": {"question": "Why?", "processor": "ultra"}}
    text = rpc(url, "/mcp", "tools/call", params)["content"][0]["text"]
    assert "Asking a person needs a checkpointer" in text


def test_a_remote_graph_is_invoked_like_the_graph(url: str, client: Any) -> None:
    remote = RemoteGraph("research", url=url)
    thread = client.threads.create()["thread_id"]
    config: Any = {"configurable": {"thread_id": thread}}
    first = remote.invoke({"question": "Who makes cargo bikes?"}, config)
    second = remote.invoke({"messages": [("user", "And in Europe?")]}, config)
    assert first["interaction_id"] == second["turns"][1]["parent_interaction_id"]
    assert "Sources:" in second["messages"][-1]["content"]


def test_an_asynchronous_sub_agent_is_seen_waiting_and_then_done(url: str, client: Any) -> None:
    pytest.importorskip("deepagents", exc_type=ImportError)
    from deepagents import create_deep_agent
    from langgraph.checkpoint.memory import InMemorySaver

    from ..middleware.harness import Model, calls

    assistant = client.assistants.create("research", name="dear")["assistant_id"]
    researcher: Any = {"name": "researcher", "description": "Researches.", "url": url}
    researcher["graph_id"] = assistant
    model = Model()
    agent: Any = create_deep_agent(model, subagents=[researcher], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "lead"}}

    def lead(name: str, **arguments: Any) -> Any:
        model.says(calls((name, arguments)), "done")
        return asyncio.run(agent.ainvoke({"messages": [("user", "Go on")]}, config))

    state = lead("start_async_task", description="Who leads?", subagent_type="researcher")
    (task,) = state["async_tasks"]

    def status() -> str:
        state = lead("check_async_task", task_id=task)
        return str(state["async_tasks"][task]["status"])

    until(lambda: status() == "success", "it is done")
    told = agent.get_state(config).values["messages"]
    assert any("Sources:" in message.text for message in told)
