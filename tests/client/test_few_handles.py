"""Many questions at once in a process with few file handles: all are answered, and each is paid for once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from langchain_parallel.simulator import RunningServer, RunScript

pytest.importorskip("resource")

PROGRAM = dedent(
    """
    import resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)

    import asyncio, json, re
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path
    from langchain_parallel import AsyncParallelClient, ParallelClient, ParallelTaskTool
    from langchain_parallel.models import TaskRunInput

    url, runs, way = sys.argv[1], int(sys.argv[3]), sys.argv[4]
    questions = [f"Question {number}" for number in range(runs)]

    async def tool():
        async with AsyncParallelClient("key", url, runs_per_minute=100_000) as client:
            asked = ParallelTaskTool(processor="lite", client=client)
            contents = await asked.abatch([{"input": question} for question in questions])
            open_now = sum(1 for _ in Path("/dev/fd").iterdir())
        return re.findall(r"^run_id: (\\w+)$", "\\n".join(contents), re.MULTILINE), open_now

    def threads():
        with ParallelClient("key", url) as client, ThreadPoolExecutor(runs) as pool:
            def ask(question):
                ledger = client.create_group().taskgroup_id
                sent = client.submit(ledger, TaskRunInput(input=question, processor="lite"))
                return client.wait(sent.run.run_id).run.run_id
            return list(pool.map(ask, questions)), sum(1 for _ in Path("/dev/fd").iterdir())

    ids, open_now = asyncio.run(tool()) if way == "tool" else threads()
    print(json.dumps({"answered": len(set(ids)), "open": open_now}))
    """
)


def ask_all(server: RunningServer, handles: int, runs: int, way: str) -> dict[str, int]:
    """What became of this many questions in a process with this many file handles."""
    server.simulator.scripts.add(RunScript(seconds=1.0, times=None))
    command = [sys.executable, "-c", PROGRAM, server.url, str(handles), str(runs), way]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=root, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int] = json.loads(done.stdout)
    return found | {"started": len(server.simulator.runs())}


@pytest.mark.grid
@pytest.mark.parametrize("way", ["tool", "threads"])
def test_three_hundred_questions_need_no_more_than_256_handles(
    simulator_server: RunningServer, way: str
) -> None:
    found = ask_all(simulator_server, 256, 300, way)
    assert (found["answered"], found["started"]) == (300, 300)
    assert found["open"] < 60  # few connections are kept


@pytest.mark.exhaustive
def test_a_thousand_questions_need_no_more_than_384_handles(
    simulator_server: RunningServer,
) -> None:
    found = ask_all(simulator_server, 384, 1000, "tool")
    assert (found["answered"], found["started"]) == (1000, 1000)


def test_forty_questions_are_answered_with_forty_handles(simulator_server: RunningServer) -> None:
    found = ask_all(simulator_server, 40, 40, "tool")
    assert (found["answered"], found["started"]) == (40, 40)
