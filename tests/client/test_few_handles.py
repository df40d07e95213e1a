"""Many questions at once in a process with few file handles: all are answered, and each is paid for once."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from langchain_parallel.client.exchange import Exchange
from langchain_parallel.client.handles import ALLOWANCE
from langchain_parallel.simulator import RunningServer, RunScript

from .both import KINDS

resource = pytest.importorskip("resource")

ROOT = Path(__file__).parents[2]

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
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=600
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


@pytest.mark.parametrize("kind", KINDS)
def test_while_no_handle_is_free_a_call_says_so_and_what_is_paid_for_is_answered_later(
    simulator_server: RunningServer, kind: str
) -> None:
    command = [sys.executable, "-m", "tests.client.missing_handles", simulator_server.url, kind]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    for call in ("group", "submit", "wait", "retrieve"):
        assert found[call]["error"] == "ResponseLost", found[call]
        assert "Too many open files" in found[call]["text"]
        assert "`ulimit -n`" in found[call]["text"]
    assert found["group"]["billed"] is False
    assert found["wait"]["ids"] == found["ids"]
    assert found["retrieve"]["ids"][0] == found["run_id"]
    assert found["waited"] == {"run_id": found["run_id"]}
    assert "run_id" in found["submitted"]
    assert len(simulator_server.simulator.runs()) == 2


def test_free_handles_are_counted_again_where_one_was_missing() -> None:
    before, (soft, hard) = ALLOWANCE.most_seats, resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, hard))
    try:
        assert ALLOWANCE.most_seats == before
        outcome = Exchange(1.0).outcome(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
        assert "ulimit" in outcome.cure
        assert ALLOWANCE.most_seats <= 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        ALLOWANCE.measure_again()
    assert ALLOWANCE.most_seats >= before


IMPORTS = dedent(
    """
    import asyncio, sys
    from langchain_parallel.client import AsyncParallelClient, ParallelClient, RetryPolicy
    from langchain_parallel.models import TaskRunInput

    url, kind, before = *sys.argv[1:], set()
    asked = TaskRunInput(input="Who?", processor="lite")
    make = ParallelClient if kind == "blocking" else AsyncParallelClient
    policy = RetryPolicy(max_attempts=1)
    good, bad = (make("key", at, retry_policy=policy) for at in (url, "https://localhost:1"))

    def ask():
        ledger = good.create_group().taskgroup_id
        good.wait(good.submit(ledger, asked).run.run_id)
        bad.create_group()

    async def aask():
        before.update(sys.modules)
        ledger = (await good.create_group()).taskgroup_id
        await good.wait((await good.submit(ledger, asked)).run.run_id)
        await bad.create_group()

    before.update(sys.modules)
    try:
        ask() if kind == "blocking" else asyncio.run(aask())
    except Exception as error:
        print(type(error).__name__, *sorted(set(sys.modules) - before))
    """
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_imports_nothing(simulator_server: RunningServer, kind: str) -> None:
    """Modules are files, and there may be no handle to open one with."""
    command = [sys.executable, "-c", IMPORTS, simulator_server.url, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["ResponseLost"]
