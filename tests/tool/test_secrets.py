"""The API key and the MCP servers' headers go to the API, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from pydantic import ValidationError

from langchain_parallel import ParallelTaskTool
from langchain_parallel.models import McpServer
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import Fault

from .helpers import KEY, START, Account, How, agent, ask, calls, invoke, thread

HEADER, QUERY = "h3ader-secret", "qu3ry-secret"
SECRETS = (KEY, HEADER, QUERY)
SERVER = McpServer(
    url=f"https://mcp.example/sse?token={QUERY}",
    name="crm",
    headers={"Authorization": f"Bearer {HEADER}"},
)


@pytest.fixture
def tool(account: Account) -> ParallelTaskTool:
    return account.tool(api_key=KEY, request=RequestOptions(mcp_servers=[SERVER]))


def hidden(*texts: object) -> None:
    for secret in SECRETS:
        assert all(secret not in str(text) for text in texts)


class Recorder(BaseCallbackHandler):
    """Keeps all that a tracer is given: what is serialized, inputs, outputs, errors, metadata."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def _keep(self, *args: Any, **kwargs: Any) -> None:
        self.kept.append(repr((args, kwargs)))

    on_tool_start = on_tool_end = on_tool_error = _keep
    on_chain_start = on_chain_end = on_chain_error = on_custom_event = _keep
    on_chat_model_start = on_llm_end = _keep


async def test_they_do_reach_the_api(account: Account, tool: ParallelTaskTool, how: How) -> None:
    await ask(tool, how, input="Who leads?")
    (request,) = account.wire.paid
    assert request.headers["x-api-key"] == KEY
    assert HEADER in request.content.decode()
    assert QUERY in request.content.decode()


def test_nothing_made_of_the_tool_shows_them(tool: ParallelTaskTool) -> None:
    hidden(repr(tool), str(tool), tool.model_dump(), tool.model_dump(mode="json"))
    hidden(tool.model_dump_json(), dumps(tool), tool.args, tool.description, vars(tool))
    hidden(tool.get_input_jsonschema(), tool.get_config_jsonschema())


@pytest.mark.parametrize("outcome", ["completed", "failed"])
async def test_no_trace_message_checkpoint_or_log_shows_them(
    account: Account,
    tool: ParallelTaskTool,
    outcome: str,
    how: How,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    account.script(outcome=outcome)
    recorder, saver, store = Recorder(), InMemorySaver(), InMemoryStore()
    config = {**thread("t"), "callbacks": [recorder], "metadata": {"who": "a test"}}
    graph = agent(tool, calls({"input": "Who leads?"}), "done", checkpointer=saver, store=store)
    state = await invoke(graph, START, how, config)
    heard = " ".join(recorder.kept)
    assert all(word in heard for word in ("parallel_task", "Who leads?", "a test", "run_id"))
    hidden(heard, state, caplog.text)
    hidden(*saver.list(None), saver.blobs, saver.writes, store.search(()))
    hidden(*account.runs, *account.simulator.billing.billed_runs())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status_before", path="*/runs", status=422),
        Fault("wrong_shape", path="*/groups", body={"taskgroup_id": {HEADER: KEY}}),
        Fault("drop_before", times=None, skip=1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.path}",
)
async def test_no_exception_shows_them(
    account: Account, tool: ParallelTaskTool, fault: Fault, how: How
) -> None:
    account.simulator.faults.add(fault)
    tool.handle_tool_error = False
    with pytest.raises(ToolException) as raised:
        await ask(tool, how, input="Who leads?")
    hidden(*traceback.format_exception(raised.value), vars(raised.value.__cause__))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp_servers": [{"url": "https://a.io", "name": "b", "headers": {"Key": [HEADER]}}]},
        {"mcp_servers": [{"url": f"https://a.io?{QUERY}", "name": 5, "headers": HEADER}]},
        {"mcp_servers": HEADER},
        {"mcp_servers": [SERVER] * 11},
        {"mcp_servers": [SERVER], "processor": "coer"},
        {"api_key": [KEY]},
        {"api_key": KEY, "processor": "coer"},
    ],
    ids=["header", "name", "servers", "many servers", "else", "key", "else with a key"],
)
def test_no_error_of_construction_shows_them(account: Account, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        account.tool(**wrong)
    hidden(*traceback.format_exception(raised.value), raised.value.errors(include_input=False))
