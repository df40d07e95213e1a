"""Machines that are set up wrong or out of something: a sentence of ours, nothing sent, and then it works.

Each case is a process of its own with real conditions, in which both clients are used. They are forked from
one that has imported everything, for that takes longer than all the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel.simulator import Simulator, serve

ROOT = Path(__file__).parents[2]
SECRET = "pr0xy-s3cret"


@dataclass(frozen=True)
class Machine:
    """`before` makes the condition, `after` ends it; both are code. `env` is there from the start."""

    name: str
    says: str
    advises: str
    env: dict[str, str] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    url: str = ""
    """Another address than the simulator's."""


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

MACHINES = [
    Machine(
        "a SOCKS proxy without socksio",
        "the package `socksio` is missing",
        "pip install 'httpx[socks]'",
        env={"ALL_PROXY": f"socks5://me:{SECRET}@127.0.0.1:9"},
        before="sys.modules['socksio'] = None",
    ),
    Machine(
        "a proxy of an unknown kind",
        "no request can be made with these settings: ValueError",
        "Check HTTP_PROXY",
        env={"HTTP_PROXY": f"gopher://me:{SECRET}@127.0.0.1:9"},
    ),
    Machine(
        "a proxy that is no address",
        "no request can be made with these settings: InvalidURL",
        "Check HTTP_PROXY",
        env={"HTTP_PROXY": "http://127.0.0.1:port"},
    ),
    Machine(
        "NO_PROXY with an IPv6 network",
        "no request can be made with these settings: InvalidURL",
        "NO_PROXY (which takes no IPv6 network)",
        env={"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "fd00::/8"},
    ),
    Machine(
        "a proxy that does not listen",
        "ConnectError: Connection refused",
        "Check the network",
        env={"HTTP_PROXY": f"http://me:{SECRET}@127.0.0.1:9"},
    ),
    Machine(
        "a proxy whose name is none",
        "",
        "Check the network",
        env={"HTTP_PROXY": "http://no-such-proxy.invalid:9"},
    ),
    Machine(
        "a certificate file that is missing",
        "the certificates cannot be read: No such file or directory",
        "Check the files that SSL_CERT_FILE",
        env={"SSL_CERT_FILE": "/nowhere/ca.pem"},
    ),
    Machine(
        "a certificate file that is none",
        "the certificates cannot be read",
        "Check the files that SSL_CERT_FILE",
        env={"SSL_CERT_FILE": __file__},
    ),
    Machine(
        "no name server knows the host",
        "ConnectError",
        "Check the network",
        url="http://api.invalid",
    ),
    Machine(
        "a host that no name can be",
        "",
        "Check",
        url=f"http://{'a' * 70}.example",
    ),
    Machine(
        "no file handle is left",
        "Too many open files",
        "Raise the limit of open files (`ulimit -n`)",
        before="held = hold_all_handles()",
        after="for handle in held: os.close(handle)",
    ),
]

CODE = """
import asyncio, json, os, resource, sys
import anyio
from langchain_parallel import AsyncParallelClient, ParallelClient
from langchain_parallel.client import RetryPolicy
from langchain_parallel.errors import ResponseLost, is_transient
from langchain_parallel.models import TaskRunInput

asked = TaskRunInput(input="Who?", processor="lite")

def hold_all_handles():
    asyncio.run(anyio.sleep(0))  # which loads what it needs
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return held

def both(url):
    policy = RetryPolicy(max_attempts=2, initial_delay=0.01)
    return [make("key", url, retry_policy=policy) for make in (ParallelClient, AsyncParallelClient)]

def use(case, real_url):
    loop = asyncio.new_event_loop()
    os.environ.update(case["env"])
    blocking, awaited = both(case["url"] or real_url)
    calls = [
        lambda: blocking.create_group(),
        lambda: blocking.submit("tgrp_1", asked),
        lambda: blocking.create(asked),
        lambda: list(blocking.events("trun_1")),
        lambda: blocking.wait("trun_1", timeout=0.1),
        lambda: loop.run_until_complete(awaited.create_group()),
        lambda: loop.run_until_complete(awaited.submit("tgrp_1", asked)),
        lambda: loop.run_until_complete(awaited.create(asked)),
        lambda: loop.run_until_complete(awaited.wait("trun_1", timeout=0.1)),
    ]
    names = {"os": os, "sys": sys, "hold_all_handles": hold_all_handles}
    exec(case["before"], names)
    told = []
    for call in calls:
        try:
            call()
        except ResponseLost as error:
            told.append([error.sent, error.billed, str(error), is_transient(error)])
    exec(case["after"], names)
    os.environ.update(dict.fromkeys(case["env"], ""))  # as if unset
    blocking, awaited = both(real_url)
    blocking.create(asked)
    loop.run_until_complete(awaited.create(asked))
    blocking.close()
    loop.run_until_complete(awaited.close())
    print(json.dumps([case["name"], told]), flush=True)

real_url, cases = json.load(sys.stdin)
for case in cases:
    child = os.fork()
    if not child:
        use(case, real_url)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def told() -> tuple[dict[str, list[Any]], str]:
    """What both clients said on each machine, and what went wrong beside that."""
    env = {name: value for name, value in os.environ.items() if name.upper() not in PROXIES}
    with serve(Simulator(latency_scale=0.001)) as server:
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            cwd=ROOT,
            env=env,
            input=json.dumps([server.url, [asdict(machine) for machine in MACHINES]]),
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        started = len(server.simulator.runs())
    said = dict(json.loads(line) for line in done.stdout.splitlines())
    assert started == 2 * len(said), "once the machine is in order, it works: two runs each"
    return said, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_it_is_an_error_of_ours_that_says_what_to_do_and_nothing_was_sent(
    machine: Machine, told: tuple[dict[str, list[Any]], str]
) -> None:
    said, stderr = told
    assert machine.name in said, stderr[-1500:]
    assert len(said[machine.name]) == 9
    for sent, billed, text, may_pass in said[machine.name]:
        assert not sent
        passes = "Check the network" in text or "open files" in text
        assert may_pass is passes, "a wrong setting stays wrong"
        # A run that is waited for, or that could not be looked up, is paid for, perhaps.
        assert billed is (None if "trun_1" in text or "tgrp_1" in text else False)
        assert machine.says in text
        assert machine.advises in text
        assert SECRET not in text


FEW_HANDLES = """
import asyncio, resource, sys
from concurrent.futures import ThreadPoolExecutor
from langchain_parallel import AsyncParallelClient, ParallelClient, ParallelError
from langchain_parallel.client import RetryPolicy
from langchain_parallel.models import TaskRunInput

url = sys.argv[1]
policy = RetryPolicy(max_attempts=2, initial_delay=0.01, settle_seconds=0.2)
blocking, awaited = (make("key", url, retry_policy=policy) for make in (ParallelClient, AsyncParallelClient))
ledger = blocking.create_group().taskgroup_id
asked = [TaskRunInput(input=f"Question {n}", processor="lite") for n in range(120)]

def submit(one):
    try:
        blocking.submit(ledger, one)
    except ParallelError:
        return True

async def asubmit(one):
    try:
        await awaited.submit(ledger, one)
    except ParallelError:
        return True

async def asubmit_all():
    return await asyncio.gather(*map(asubmit, asked[60:]))

with ThreadPoolExecutor(60) as threads:
    list(threads.map(lambda n: None, range(60)))  # they are there before handles are few
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    failed = list(threads.map(submit, asked[:60]))
blocking.close()
failed += asyncio.run(asubmit_all())
for one in asked:  # whoever failed asks again
    assert not submit(one)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_many_calls_at_once_with_few_file_handles_are_each_paid_once() -> None:
    with serve(Simulator(latency_scale=0.001)) as server:
        done = subprocess.run(
            [sys.executable, "-c", FEW_HANDLES, server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        inputs = [
            server.simulator.context_of(r["interaction_id"])[-1].input
            for r in server.simulator.runs()
        ]
    assert sorted(map(str, inputs)) == sorted(f"Question {n}" for n in range(120))
