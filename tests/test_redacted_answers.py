"""A paid answer is handed over as it came; where a secret had to go, every door says so."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from langchain_parallel import (
    ParallelTaskResultTool,
    ParallelTaskTool,
    SessionReport,
    create_research_graph,
    errors,
)
from langchain_parallel._core.redaction import REDACTED
from langchain_parallel.models import McpServer, TaskRunInput
from langchain_parallel.options import RequestOptions
from langchain_parallel.simulator import RunScript

from .secrets_kit import HEADER, QUERY, Account
from .test_secrets_everywhere import CALL, Asking

SERVER = McpServer(
    url=f"https://crm.example/customer-relations/events?token={QUERY}",
    name="crm",
    headers={"Accept": "application/json", "X-Api-Key": HEADER, "X-Acme-Token": "tok4711"},
)
PLAIN = "It sends application/json, and customer-relations has events."
WITH = f"{PLAIN} The key is {HEADER}, or tok4711."
WITHOUT = f"{PLAIN} The key is …, or …."


@pytest.fixture(params=[PLAIN, WITH], ids=["plain", "with secrets"])
def said(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


@pytest.fixture
def account(said: str) -> Account:
    made = Account()
    output = {"type": "text", "content": said}
    made.simulator.scripts.add(RunScript(output=output, times=None))
    return made


def expected(said: str) -> tuple[str, list[str]]:
    return (PLAIN, []) if said == PLAIN else (WITHOUT, [REDACTED])


async def test_a_client_says_so(account: Account, said: str) -> None:
    request = TaskRunInput(input="Who?", processor="lite", mcp_servers=[SERVER])
    clients = account.clients()
    run = clients["sync"].create(request)
    for result in (clients["sync"].wait(run.run_id), await clients["async"].wait(run.run_id)):
        warned = [str(warning) for warning in result.run.warnings or ()]
        assert (result.output.content, warned) == expected(said)
        assert result.run.run_id == run.run_id


def test_a_tool_says_so(account: Account, said: str) -> None:
    options: Any = {"processor": "lite", "request": RequestOptions(mcp_servers=[SERVER])}
    made = ParallelTaskTool(**options, client=account.client())
    told: ToolMessage = made.invoke(CALL)
    agent: Any = create_agent(Asking(), tools=[made])
    for one in (told, agent.invoke({"messages": [("user", "Who?")]})["messages"][-2]):
        assert expected(said)[0] in one.content
        assert (f"Warning: {REDACTED}" in one.content) == (said == WITH)


def test_a_graph_says_so(account: Account, said: str) -> None:
    made = create_research_graph(
        processor="lite",
        request=RequestOptions(mcp_servers=[SERVER]),
        client=account.client(),
    ).compile()
    state = made.invoke({"question": "Who?"})
    turn = state["turns"][-1]
    assert (turn["content"], turn["warnings"]) == expected(said)
    assert turn["run_id"].startswith("trun_")
    page = SessionReport.of(state).to_markdown()
    assert ("was replaced by" in page) == (said == WITH)


WORD = McpServer(url="https://crm.example", name="login", headers={"Authorization": "summer"})


def test_a_failure_keeps_its_words() -> None:
    """A login may be a word: the reason of a failure is no less readable for it."""
    account = Account()
    said = f"No summer was found. {HEADER}"
    account.simulator.scripts.add(RunScript("failed", message=said, times=None))
    ledger = account.client().create_group().taskgroup_id
    options: Any = {"processor": "lite", "handle_tool_error": False, "ledger_id": ledger}

    def copied() -> ParallelTaskTool:
        """A copy has options that its client has not heard of."""
        made = ParallelTaskTool(**options, client=account.client())
        copy: ParallelTaskTool = made.model_copy(
            update={"request": RequestOptions(mcp_servers=[SERVER, WORD])}
        )
        return copy

    with pytest.raises(ToolException) as raised:
        copied().invoke(CALL)
    failed = raised.value.__cause__
    assert isinstance(failed, errors.RunFailed)
    assert "No summer was found. …" in str(raised.value)
    # A process that has sent nothing fetches it.
    fetch = ParallelTaskResultTool(task_tool=copied(), handle_tool_error=False)
    with pytest.raises(ToolException) as raised:
        fetch.invoke({"run_id": failed.run_id})
    assert "No summer was found. …" in str(raised.value)


async def test_a_run_that_is_found_shows_no_secret() -> None:
    """Also in a process that has sent nothing."""
    account = Account()
    request = TaskRunInput(input="Who?", processor="lite", mcp_servers=[SERVER])
    account.simulator.scripts.add(RunScript("completed", warnings=(f"Key {HEADER}",), times=None))
    first = account.client()
    ledger = first.create_group().taskgroup_id
    sent = first.submit(ledger, request)
    account.simulator.clock.sleep(3600)
    for client in account.clients().values():
        found: Any = client.find(ledger, request)
        found = await found if inspect.isawaitable(found) else found
        assert found.run.run_id == sent.run.run_id
        assert "Key …" in str(found.run.warnings)
        assert HEADER not in str(found.run.warnings)
