"""What needs a process of its own: forks, and the end of a program."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from langchain_parallel.simulator import RunningServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(simulator_server: RunningServer) -> str:
    return simulator_server.url


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_leaves_both_processes_a_working_client(url: str) -> None:
    """In a process of its own: a fork of the test process would take pytest along."""
    code = f"""
        import asyncio, os, sys, warnings
        from langchain_parallel import AsyncParallelClient, ParallelClient
        from langchain_parallel.models import TaskRunInput

        client = ParallelClient("key", {url!r})
        awaiting = AsyncParallelClient("key", {url!r})
        group = client.create_group().taskgroup_id
        asyncio.run(awaiting.create_group())

        def work(text):
            made = client.submit(group, TaskRunInput(input=text, processor="lite"))
            client.wait(made.run.run_id)
            asyncio.run(awaiting.retrieve(made.run.run_id))

        children = []
        for n in range(3):
            child = os.fork()
            if child == 0:
                work(f"child {{n}}")
                client.close()
                os._exit(0)  # as multiprocessing does
            children.append(child)
            work(f"parent {{n}}")
        assert all(os.waitpid(child, 0)[1] == 0 for child in children)
        work("parent at last")
        client.close()
    """
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("make", ["ParallelClient", "AsyncParallelClient"])
def test_a_forked_process_makes_both_kinds_of_calls_with_one_client(url: str, make: str) -> None:
    """It finds what its parent paid for, and its own clients have another name."""
    code = f"""
        import asyncio, os
        from langchain_parallel import {make}
        from langchain_parallel._graph.clients import ClientPair
        from langchain_parallel.models import TaskRunInput

        asked = TaskRunInput(input="Who?", processor="lite")
        pair = ClientPair.of({make}("key", {url!r}), asks=asked)
        group = pair.sync.create_group().taskgroup_id
        made = asyncio.run(pair.async_.submit(group, asked))
        parent = pair.process_id

        child = os.fork()
        found = [pair.sync.submit(group, asked), asyncio.run(pair.async_.submit(group, asked))]
        assert {{one.run.run_id for one in found}} == {{made.run.run_id}}
        assert all(one.adopted for one in found) and not made.adopted
        if child == 0:
            assert pair.process_id != parent
            os._exit(0)
        assert pair.process_id == parent
        assert os.waitpid(child, 0)[1] == 0
        pair.sync.close()
    """
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_closes_nothing_ends_without_a_warning(url: str) -> None:
    code = f"""
        import asyncio
        from langchain_parallel import AsyncParallelClient, ParallelClient
        client = ParallelClient("key", {url!r})
        client.create_group()
        awaiting = AsyncParallelClient("key", {url!r})
        for _ in range(10):
            asyncio.run(awaiting.create_group())
    """
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            textwrap.dedent(code),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
