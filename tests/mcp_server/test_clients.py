"""Real MCP clients, over standard input and output and over HTTP, with servers that are real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel.simulator import RunningServer, RunScript, Simulator, serve

pytest.importorskip("mcp", reason="the package of the extra `mcp`")

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from langchain_parallel.mcp_server.tools_for_clients import create_mcp_server

from .test_desk import Desks

TOOLS = ["research", "follow_up", "branch", "check", "read"]


@pytest.fixture
def api() -> Iterator[RunningServer]:
    with serve(Simulator(latency_scale=0.001)) as server:
        yield server


def command(folder: Path, *options: str) -> list[str]:
    return ["-m", "langchain_parallel", "mcp", "--db", str(folder / "mcp.sqlite"), *options]


def environment(api: RunningServer) -> dict[str, str]:
    return {**os.environ, "PARALLEL_API_KEY": "simulated", "PARALLEL_BASE_URL": api.url}


@asynccontextmanager
async def over_stdio(api: RunningServer, folder: Path, *options: str) -> AsyncIterator[Client]:
    arguments, env = command(folder, *options), environment(api)
    started = StdioServerParameters(command=sys.executable, args=arguments, env=env)
    async with Client(stdio_client(started)) as client:
        yield client


@contextmanager
def over_http(api: RunningServer, folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """A server of its own process: its address, and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = command(folder, "--http", "--port", str(port), *options)
    process = subprocess.Popen([sys.executable, *arguments], env=environment(api))
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/mcp", process.pid
    finally:
        process.kill()
        process.wait()


async def call(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    [content] = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    return str(content.text)


async def test_a_server_that_is_killed_in_a_call_loses_nothing_that_was_paid(
    api: RunningServer, tmp_path: Path
) -> None:
    api.simulator.scripts.add(RunScript(seconds=2.0))
    with over_http(api, tmp_path) as (url, pid):

        async def kill(progress: float, total: float | None, message: str | None) -> None:
            os.kill(pid, signal.SIGKILL)

        with suppress(Exception):  # whatever the client makes of it
            async with Client(url) as client:
                await client.call_tool("research", {"question": "q"}, progress_callback=kill)
                pytest.fail("it was not killed")
    assert len(api.simulator.runs()) == 1
    async with over_stdio(api, tmp_path) as client:
        text = await call(client, "research", question="q")
        session_id = re.findall(r"session_id: (\w+)", text)[0]
        first = re.findall(r"interaction_id: (\w+)", text)[0]
        assert len(api.simulator.runs()) == 1
        assert "<research_output" in await call(client, "check", session_id=session_id)
        await call(client, "follow_up", session_id=session_id, question="More?")
        arguments = {"session_id": session_id, "interaction_id": first}
        await call(client, "branch", **arguments, question="Else?")
        assert "[page 1 of 1]" in await call(client, "read", **arguments)
    assert len(api.simulator.runs()) == 3


async def test_so_does_one_that_is_killed_over_stdio_and_its_session_can_be_checked_and_read(
    api: RunningServer, tmp_path: Path
) -> None:
    api.simulator.scripts.add(RunScript(seconds=2.0))
    pid = tmp_path / "pid"
    shell = ["-c", f'echo $$ > {pid}; exec "$@"', "sh", sys.executable, *command(tmp_path)]
    started = StdioServerParameters(command="sh", args=shell, env=environment(api))

    async def kill(progress: float, total: float | None, message: str | None) -> None:
        os.kill(int(pid.read_text()), signal.SIGKILL)

    with suppress(Exception):
        async with Client(stdio_client(started)) as client:
            await client.call_tool("research", {"question": "q"}, progress_callback=kill)
            pytest.fail("it was not killed")
    assert len(api.simulator.runs()) == 1
    async with over_stdio(api, tmp_path) as client:
        session_id = re.findall(r"session_id: (\w+)", await call(client, "research", question="q"))[
            0
        ]
        text = await call(client, "check", session_id=session_id)
        assert "<research_output" in text
        [interaction_id] = re.findall(r"interaction_id: (\w+)", text)
        pages = await call(client, "read", session_id=session_id, interaction_id=interaction_id)
        assert "[page 1 of 1]" in pages
    assert len(api.simulator.runs()) == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_every_client_sees_the_tools_and_the_progress(tmp_path: Path, mode: str) -> None:
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    desks = Desks(tmp_path)
    async with desks.open() as desk, Client(create_mcp_server(desk, ["pro"]), mode=mode) as client:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == TOOLS
        are_free = [tool.annotations and tool.annotations.read_only_hint for tool in listed]
        assert are_free == [False, False, False, True, True]
        for tool in listed:
            assert all("type" in field for field in tool.input_schema["properties"].values())
        assert "pro: $0.10" in str(listed[0].description)
        await client.call_tool("research", {"question": "q"}, progress_callback=tell)
        wrong: Any = await client.call_tool("check", {"session_id": "ses_x"})
        assert wrong.is_error
        assert "There is no such session" in wrong.content[0].text
        assert await call(client, "read", session_id=await begun(client), interaction_id="null")
    assert [progress for progress, _ in told] == sorted({progress for progress, _ in told})
    assert len(told) > 1
    assert all(message for _, message in told)


async def begun(client: Client) -> str:
    return str(
        re.findall(r"session_id: (\w+)", await call(client, "research", question="another"))[0]
    )
