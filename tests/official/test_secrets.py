"""Nothing that is made of the official classes, or raised by them, shows a secret."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.load import dumps

from langchain_parallel import official
from langchain_parallel.simulator import Fault, RunScript

from ..secrets_kit import ECHO, SERVERS, Account, Watch, leaks, shown

HAPPENINGS: dict[str, Callable[[Account], None]] = {
    "completed": lambda account: None,
    "failed": lambda account: account.simulator.scripts.add(RunScript("failed", times=None)),
    "refused": lambda account: account.simulator.faults.add(
        Fault("status_before", times=None, status=422, method="POST", path="*/runs")
    ),
}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    caplog.set_level(logging.DEBUG)
    made = Watch(caplog, capsys)
    with warnings.catch_warnings(record=True) as made.warned:
        warnings.simplefilter("always")
        yield made


@pytest.mark.parametrize("happening", HAPPENINGS)
async def test_no_call_shows_a_secret(account: Account, watch: Watch, happening: str) -> None:
    HAPPENINGS[happening](account)
    account.wire.says["[simulated fault] status"] = ECHO
    servers: Any = [
        official.McpServer(
            url=str(server.url),
            name=server.name,
            headers={k: v.get_secret_value() for k, v in (server.headers or {}).items()},
        )
        for server in SERVERS
    ]
    client = account.client()  # what it has sent, it knows
    tool = official.ParallelTaskRunTool(client=client, mcp_servers=servers)
    group = official.ParallelTaskGroup(client=client)
    await watch.run(lambda: tool.invoke({"input": "q"}, watch.config("t")))
    await watch.run(lambda: group.run(["q"]))
    assert {type(error) for error in watch.raised} <= {official.CallFailed}
    assert watch.found() == []
    assert account.wire.asked
    for made in (tool, group):
        assert leaks(shown(made)) == []
    assert leaks(map(repr, servers)) == []
    assert leaks([dumps(tool), tool.model_dump_json(), group.model_dump_json()]) == []
