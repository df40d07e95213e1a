"""How long do 1,000 concurrent runs of 2 seconds take in one process?

    python -m benchmarks.throughput [--small] [--official] [--profile] [--only NAME …]

The simulator is a server in a process of its own; each way of running gets a fresh one. The control is bare
httpx with the least that has to be sent: one POST and one long poll a run. With one httpx client it is slow
by itself, because httpx's pool looks at every connection for every request; with 20 clients that share the
runs it is as quick as httpx gets here. Seconds depend on the machine and on what else it does: read the
ratios of the CPU time, the requests, the connections and the bytes.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

from langchain_parallel import AsyncParallelClient, ParallelTaskTool
from langchain_parallel.models import TaskRunInput

from .figures import Row, keep, parser, say, table
from .wire import kind_of

RUNS, SECONDS = 1000, 2.0
SMALL_RUNS, SMALL_SECONDS = 20, 0.2
CONTROL = "bare httpx, 20 clients"

_KEY = "key-of-a-benchmark"
_PROCESSOR = "lite"
_PATIENCE = 600.0
"""Seconds."""

Way: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Makes so many runs at once on the server at this address; the ids of those that were answered."""


# --- ways ----------------------------------------------------------------------------------------


def _question(number: int) -> str:
    return f"Question {number:04}: how large is the market?"


def bare(clients: int) -> Way:
    """Plain httpx: a POST and a long poll for each run, shared by so many clients."""

    async def way(url: str, runs: int) -> list[str]:
        # The beta that this package asks for, so that the answers are of the same size.
        headers = {"x-api-key": _KEY, "parallel-beta": "field-basis-2025-11-25"}
        limits = httpx.Limits(max_connections=max(1, 1000 // clients))
        trust = httpx.create_ssl_context()  # once: it takes longer than a request
        async with AsyncExitStack() as stack:
            https = [
                await stack.enter_async_context(
                    httpx.AsyncClient(
                        base_url=url,
                        headers=headers,
                        limits=limits,
                        timeout=_PATIENCE,
                        verify=trust,
                    )
                )
                for _ in range(clients)
            ]

            async def one(number: int) -> str:
                http = https[number % clients]
                asked = {"input": _question(number), "processor": _PROCESSOR}
                run = (await http.post("/v1/tasks/runs", json=asked)).raise_for_status().json()
                address = f"/v1/tasks/runs/{run['run_id']}/result"
                result = (await http.get(address)).raise_for_status().json()
                return str(result["run"]["run_id"])

            return await asyncio.gather(*map(one, range(runs)))

    return way


def submit_and_wait(ledgers: int) -> Way:
    """This package's client: `submit`, then `wait`, over so many ledgers."""

    async def way(url: str, runs: int) -> list[str]:
        async with AsyncParallelClient(_KEY, url) as client:
            ids = [(await client.create_group()).taskgroup_id for _ in range(ledgers)]

            async def one(number: int) -> str:
                asked = TaskRunInput(input=_question(number), processor=_PROCESSOR)
                submission = await client.submit(ids[number % ledgers], asked)
                return (await client.wait(submission.run.run_id)).run.run_id

            return await asyncio.gather(*map(one, range(runs)))

    return way


async def tool_abatch(url: str, runs: int) -> list[str]:
    """This package's tool, as LangChain runs a batch."""
    async with AsyncParallelClient(_KEY, url) as client:
        tool = ParallelTaskTool(processor=_PROCESSOR, client=client)
        contents = await tool.abatch([{"input": _question(n)} for n in range(runs)])
    return re.findall(r"^run_id: (\w+)$", "\n".join(contents), re.MULTILINE)


async def official(url: str, runs: int) -> list[str]:
    """The official SDK (`parallel-web`, a test dependency): create, then result."""
    from parallel import AsyncParallel

    async with AsyncParallel(api_key=_KEY, base_url=url) as client:

        async def one(number: int) -> str:
            run = await client.task_run.create(input=_question(number), processor=_PROCESSOR)
            return (await client.task_run.result(run.run_id)).run.run_id

        return await asyncio.gather(*map(one, range(runs)))


WAYS: dict[str, Way] = {
    "bare httpx, 20 clients": bare(20),
    "bare httpx, one client": bare(1),
    "submit + wait, one ledger": submit_and_wait(1),
    "submit + wait, 20 ledgers": submit_and_wait(20),
    "tool.abatch": tool_abatch,
}
OFFICIAL = "official SDK"


# --- measuring -----------------------------------------------------------------------------------


@dataclass
class Server:
    """A simulator in a process of its own. `cpu` (seconds) is known once it has stopped."""

    url: str
    cpu: float = 0.0


@contextmanager
def simulator() -> Iterator[Server]:
    """Start one, and stop it."""
    command = [sys.executable, "-m", "langchain_parallel.simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = Server(process.stdout.readline().strip())
        try:
            yield server
        finally:
            process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            server.cpu = usage.ru_utime + usage.ru_stime


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the connections it opens, and the bytes that come in."""

    connections = 0
    received = 0

    async def create_connection(
        self, protocol_factory: Callable[[], Any], *args: Any, **more: Any
    ) -> Any:
        """Count, and connect."""
        self.connections += 1

        def counted() -> Any:
            protocol = protocol_factory()
            receive = protocol.data_received

            def data_received(data: bytes) -> None:
                self.received += len(data)
                receive(data)

            protocol.data_received = data_received
            return protocol

        return await super().create_connection(counted, *args, **more)


@dataclass(frozen=True)
class Measured:
    """What one way took."""

    wall: float
    cpu: float
    """Seconds of this process."""
    answered: int
    """Different runs whose answer came back."""
    billed: int
    kinds: Counter[str]
    connections: int
    received: int
    """Bytes."""

    @property
    def paid(self) -> int:
        """Requests that can cost money."""
        return self.kinds["paid"]


def measure(way: Way, url: str, runs: int, seconds: float) -> Measured:
    """Let every run take so many seconds, and make them all at once."""
    with httpx.Client(base_url=f"{url}/_simulator", timeout=_PATIENCE) as control:
        control.post("/scripts", json={"seconds": seconds, "times": None}).raise_for_status()
        loop = CountingLoop()
        try:
            began, worked = time.perf_counter(), time.process_time()
            found = loop.run_until_complete(way(url, runs))
            wall, cpu = time.perf_counter() - began, time.process_time() - worked
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
        asked = control.get("/requests").json()
        billed = control.get("/billing").json()["billed"]
    kinds = Counter(kind_of(entry["method"], entry["path"]) for entry in asked)
    return Measured(wall, cpu, len(set(found)), len(billed), kinds, loop.connections, loop.received)


def row(name: str, runs: int, found: Measured, server_cpu: float, control: Measured | None) -> Row:
    """A way in one line, against the control if that was measured."""
    against = control or found
    return {
        "way": name,
        "wall s": round(found.wall, 2),
        "wall ratio": round(found.wall / against.wall, 2),
        "client CPU s": round(found.cpu, 2),
        "CPU ratio": round(found.cpu / against.cpu, 2),
        "server CPU s": round(server_cpu, 2),
        "answered": found.answered,
        "billed": found.billed,
        "requests a run": round(sum(found.kinds.values()) / runs, 2),
        "connections a run": round(found.connections / runs, 2),
        "kB received a run": round(found.received / runs / 1000, 1),
    }


def main() -> None:
    """Measure, print, keep."""
    made = parser(__doc__)
    made.add_argument("--official", action="store_true", help="also the official SDK")
    made.add_argument("--profile", action="store_true", help="print where this process's time goes")
    made.add_argument("--only", nargs="+", choices=[*WAYS, OFFICIAL], help="keeps no figures")
    options = made.parse_args()
    runs, seconds = (SMALL_RUNS, SMALL_SECONDS) if options.small else (RUNS, SECONDS)
    ways = {**WAYS, **({OFFICIAL: official} if options.official else {})}
    if options.only:
        ways = {name: {**WAYS, OFFICIAL: official}[name] for name in options.only}
    rows: list[Row] = []
    kinds: dict[str, dict[str, int]] = {}
    control: Measured | None = None
    for name, way in ways.items():
        profile = cProfile.Profile()
        with simulator() as server:
            if options.profile:
                profile.enable()
            found = measure(way, server.url, runs, seconds)
            profile.disable()
        control = found if name == CONTROL else control
        rows.append(row(name, runs, found, server.cpu, control))
        kinds[name] = dict(found.kinds)
        if options.profile:
            say(f"\n{name}")
            pstats.Stats(profile).sort_stats("tottime").print_stats(20)
    say(f"{runs} concurrent runs of {seconds:g} s\n")
    say(table(rows))
    if not (options.small or options.only or options.profile):
        keep("throughput", {"runs": runs, "seconds": seconds, "rows": rows, "requests": kinds})


if __name__ == "__main__":
    main()
