"""What others delegate through on a LangGraph server: chat over REST, A2A, MCP, `RemoteGraph`, and the
asynchronous sub-agents of Deep Agents. The server is `langgraph dev`; no network.
"""

from __future__ import annotations

import ast
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from langchain_parallel.research import ResearchContext
from langchain_parallel.simulator import RunningServer, RunScript
from langchain_parallel.tools.tool_messages import GIVEN_AGAIN

pytest.importorskip("langgraph_api", reason="langgraph-cli[inmem] is not installed")
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client

from ..fences import inside
from .running import end, until


def rpc(url: str, path: str, method: str, params: Any) -> Any:
    """What a JSON-RPC endpoint of the server answers."""
    asked = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
    answer = httpx.post(
        f"{url}{path}", json=asked, headers={"accept": "application/json"}, timeout=60
    ).json()
    assert "error" not in answer, answer
    return answer["result"]


def test_a_chat_over_rest_gets_cited_messages_and_follows_up(
    client: Any, url: str, patient: str
) -> None:
    """As agent-chat-ui sends it: content blocks, a message id of its own, and values streamed."""
    thread = client.threads.create()["thread_id"]
    for text in ("Who makes cargo bikes?", "And in Europe?"):
        message = {
            "id": str(uuid.uuid4()),
            "type": "human",
            "content": [{"type": "text", "text": text}],
        }
        body = {
            "assistant_id": patient,
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
    url: str, api: RunningServer, patient: str
) -> None:
    before = len(api.simulator.runs())

    def send(text: str, **more: Any) -> Any:
        parts = [{"kind": "text", "text": text}]
        message = {"role": "user", "messageId": str(uuid.uuid4()), "parts": parts, **more}
        return rpc(url, f"/a2a/{patient}", "message/send", {"message": message})

    task = send("Who makes cargo bikes?")
    (artifact,) = task["artifacts"]
    assert "Sources:" in artifact["parts"][0]["text"]
    task = send("And in Europe?", contextId=task["contextId"])
    assert "And in Europe?" in task["artifacts"][0]["parts"][0]["text"]
    first, second = api.simulator.runs()[before:]
    assert second["taskgroup_id"] == first["taskgroup_id"]


def test_a2a_pays_once_for_a_message_that_is_cut_off_and_sent_again_with_its_ids(
    url: str, api: RunningServer, patient: str
) -> None:
    before = len(api.simulator.runs())
    api.simulator.scripts.add(RunScript(outcome="stay_queued"))
    parts = [{"kind": "text", "text": "Who was cut off?"}]
    message = {"role": "user", "messageId": str(uuid.uuid4()), "contextId": str(uuid.uuid4())}
    params = {"message": {**message, "parts": parts}}
    asked = {"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": params}
    headers = {"accept": "application/json"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/a2a/{patient}", json=asked, headers=headers, timeout=1.5)
    until(lambda: len(api.simulator.runs()) > before, "it is sent")
    end(api)
    for _ in range(2):
        again = httpx.post(f"{url}/a2a/{patient}", json=asked, headers=headers, timeout=60).json()
        text = again["result"]["artifacts"][0]["parts"][0]["text"]
        assert "Sources:" in text
    assert len(api.simulator.runs()) == before + 1


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


def test_mcp_pays_once_for_a_call_that_is_cut_off_and_made_again(
    url: str, api: RunningServer
) -> None:
    before = len(api.simulator.runs())
    api.simulator.scripts.add(RunScript(outcome="stay_queued"))
    params = {"name": "web_research", "arguments": {"question": "Who was cut off?"}}
    asked = {"jsonrpc": "2.0", "id": "1", "method": "tools/call", "params": params}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/mcp", json=asked, headers={"accept": "application/json"}, timeout=1.5)
    until(lambda: len(api.simulator.runs()) > before, "it is sent")
    end(api)
    texts = [answer(url, **params["arguments"]) for _ in range(2)]  # type: ignore[arg-type]
    assert all("[simulated]" in inside(text)[0] for text in texts)
    assert texts[1].endswith(GIVEN_AGAIN)
    assert len(api.simulator.runs()) == before + 1


def test_mcp_builds_on_no_interaction_that_was_not_handed_out(url: str, api: RunningServer) -> None:
    interaction_id = f"intr_{'0' * 32}"
    runs = len(api.simulator.runs())
    for forged in (interaction_id, f"{interaction_id}~{'0' * 32}"):
        refused = answer(url, question="Why?", continue_from=forged)
        assert "no handle that you were given" in refused
    assert len(api.simulator.runs()) == runs


def test_mcp_is_told_in_words_that_a_person_would_have_to_approve(url: str) -> None:
    """On a thread a person is asked; here nobody could answer."""
    params = {"name": "web_research", "arguments": {"question": "Why?"}}
    params["context"] = {"processor": "ultra"}
    text = rpc(url, "/mcp", "tools/call", params)["content"][0]["text"]
    assert "Nothing was researched: ultra costs more than pro" in text


def test_a_remote_graph_is_invoked_like_the_graph(client: Any, patient: str) -> None:
    remote = RemoteGraph(patient, sync_client=client)
    thread = client.threads.create()["thread_id"]
    config: Any = {"configurable": {"thread_id": thread}}
    out = remote.invoke({"messages": [("user", "Who makes cargo bikes?")]}, config)
    assert "Sources:" in out["messages"][-1]["content"]
    assert out["answer"] == remote.get_state(config).values["answer"]


@pytest.fixture
def closes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the clients that Deep Agents leaves open."""
    pytest.importorskip("deepagents", exc_type=ImportError)
    from deepagents.middleware import async_subagents

    made: list[Any] = []

    def get(**how: Any) -> Any:
        made.append(get_sync_client(**how))
        return made[-1]

    monkeypatch.setattr(async_subagents, "get_sync_client", get)
    yield
    for client in made:
        client.http.client.close()


def test_an_asynchronous_sub_agent_is_seen_waiting_and_then_done(
    url: str, api: RunningServer, closes: None
) -> None:
    from deepagents import create_deep_agent
    from langgraph.checkpoint.memory import InMemorySaver

    from ..middleware.harness import Model, calls

    researcher: Any = {"name": "researcher", "description": "Researches.", "url": url}
    researcher["graph_id"] = "research"
    model = Model()
    agent: Any = create_deep_agent(model, subagents=[researcher], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "lead"}}

    def lead(name: str, **arguments: Any) -> Any:
        model.says(calls((name, arguments)), "done")
        return agent.invoke({"messages": [("user", "Go on")]}, config)

    api.simulator.scripts.add(RunScript(seconds=600.0))
    state = lead("start_async_task", description="Who leads?", subagent_type="researcher")
    (task,) = state["async_tasks"]

    def has(status: str) -> bool:
        state = lead("check_async_task", task_id=task)
        return bool(state["async_tasks"][task]["status"] == status)

    until(lambda: has("waiting"), "it is parked")
    end(api)  # its webhook wakes it
    until(lambda: has("success"), "it is done")
    told = agent.get_state(config).values["messages"]
    assert any("Sources:" in message.text for message in told)


def test_an_assistants_context_holds_for_its_runs(client: Any) -> None:
    context = {"wait": "block", "processor": "base", "limits": {"max_runs": 1}}
    made = client.assistants.create("research", name="strict", context=context)["assistant_id"]
    thread = client.threads.create()["thread_id"]
    out = client.runs.wait(thread, made, input={"question": "Who?"})
    assert [turn["processor"] for turn in out["turns"]] == ["base"]
    out = client.runs.wait(thread, made, input={"question": "Why?"})
    assert "the limit is 1" in out["verdict"]["reason"]
    shown = client.assistants.get_schemas(made)["context_schema"]["properties"]
    assert set(shown) == set(ResearchContext.model_fields)


def test_a_users_key_is_used_and_kept_in_no_checkpoint(client: Any) -> None:
    thread = client.threads.create()["thread_id"]
    config = {"configurable": {"__parallel_api_key": "key-of-anna-1234"}}
    out = client.runs.wait(thread, "research", input={"question": "Who?"}, config=config)
    assert out["answer"]  # it was not parked, as it is without a key of its own
    kept = f"{client.threads.get_history(thread, limit=100)} {client.threads.get(thread)}"
    assert out["interaction_id"] in kept
    assert "key-of-anna" not in kept
